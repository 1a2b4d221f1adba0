"""Why a check does not pass."""


class Violation(AssertionError):
    """The server does not do what the protocol says. The message says what was expected and what came."""


class Inconclusive(Exception):
    """The check cannot tell: the server, or its model, did not get into the situation that is checked."""


def require(condition: object, message: str) -> None:
    """Raises `Violation` with this message unless the condition holds."""
    if not condition:
        raise Violation(message)
