"""The exceptions with which a check does not pass."""


class Violation(AssertionError):
    """The server violates the protocol. The message says what was expected and what came."""


class Inconclusive(Exception):
    """The check has no result, because the server or its model did not get into the situation that is checked."""


def require(condition: object, message: str) -> None:
    """Raise `Violation` with this message unless the condition is true."""
    if not condition:
        raise Violation(message)
