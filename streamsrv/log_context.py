"""Adds to each log line the request or session that it belongs to, and the principal."""

import logging
from contextvars import ContextVar

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(context)s%(message)s"

_context: ContextVar[str] = ContextVar("log_context", default="")


def log_as(*names: str) -> None:
    """Set the names in all further log lines of the current task and of tasks that it starts."""
    _context.set(", ".join(names))


class LogContext(logging.Filter):
    """Sets `context` on each record: `[req_1, key_2] `, or an empty string outside of requests and sessions."""

    def filter(self, record: logging.LogRecord) -> bool:
        named = _context.get()
        record.context = f"[{named}] " if named else ""
        return True
