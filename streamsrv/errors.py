"""What an engine can fail with, typed by what the caller can do about it."""

CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
"""`Rejected.code` of a conversation that is longer than the model reads; OpenAI's name for it."""

UNSUPPORTED_PARAMETER = "unsupported_parameter"
"""`Rejected.code` of an option that the engine cannot obey; `param` names it."""


class EngineError(Exception):
    """A stage failed. `str(error)` is a sentence for the user; provider messages are kept in it."""


class Unavailable(EngineError):
    """The engine cannot answer now (down, unreachable, timed out, wrong key, weights missing): try the next one."""


class Rejected(EngineError):
    """The engine refused this very request (bad input, policy): do not retry, tell the user.

    `code` and `param` are the provider's own, where it names them: what clients match on, and the field at fault.
    """

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class Overloaded(EngineError):
    """There is no capacity left: shed this work or refuse the caller."""
