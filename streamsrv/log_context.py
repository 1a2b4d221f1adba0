"""What the lines of the log are about: the request or session that a line was written for, and its principal."""

import logging
from contextvars import ContextVar

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(context)s%(message)s"

_context: ContextVar[str] = ContextVar("log_context", default="")


def log_as(*names: str) -> None:
    """Put these names, and no others, into all further lines of the current task and of tasks that it starts."""
    _context.set(", ".join(names))


class LogContext(logging.Filter):
    """Gives each record `context`: `[req_1, key_2] `, or nothing outside of requests and sessions."""

    def filter(self, record: logging.LogRecord) -> bool:
        named = _context.get()
        record.context = f"[{named}] " if named else ""
        return True
