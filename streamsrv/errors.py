"""The errors of engines, by what the caller can do about them."""

CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
"""`Rejected.code` for a conversation longer than the model's context; OpenAI's name for it."""

UNSUPPORTED_PARAMETER = "unsupported_parameter"
"""`Rejected.code` for an option that the engine does not support; `param` names the option."""

INSUFFICIENT_QUOTA = "insufficient_quota"
"""`Rejected.code` for a client that may cost no more; OpenAI's name for it."""

PROVIDER_UNAUTHORIZED = "provider_unauthorized"
"""Our code for a provider that refuses the server's own key, which is no fault of the client's key."""


class EngineError(Exception):
    """A stage failed. `str(error)` is a sentence for the user, and includes the provider's message."""


class Unavailable(EngineError):
    """The engine cannot answer now (down, unreachable, timed out, wrong key, weights missing): try the next one.

    `refuses_key`: the provider does not accept the API key, or wants one; only the operator can mend that.
    """

    def __init__(self, message: str, *, refuses_key: bool = False) -> None:
        super().__init__(message)
        self.refuses_key = refuses_key


class Rejected(EngineError):
    """The engine refused this request (bad input, policy): do not retry, tell the user.

    `code` (which clients match on) and `param` (the field at fault) are the provider's own, if it gives them.
    """

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class QuotaSpent(Rejected):
    """The session, its API key or the server may cost no more."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=INSUFFICIENT_QUOTA)


class Overloaded(EngineError):
    """There is no capacity left: shed this work or refuse the caller.

    `retry_after_s`: after how many seconds a provider wants to be asked again; None: it does not say.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
