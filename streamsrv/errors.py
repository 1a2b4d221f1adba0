"""What an engine can fail with, typed by what the caller can do about it."""


class EngineError(Exception):
    """A stage failed. `str(error)` is a sentence for the user; provider messages are kept in it."""


class Unavailable(EngineError):
    """The engine cannot answer now (down, unreachable, timed out, weights missing): try the next one."""


class Rejected(EngineError):
    """The engine refused this very request (bad key, bad input, policy): do not retry, tell the user."""


class Overloaded(EngineError):
    """There is no capacity left: shed this work or refuse the caller."""
