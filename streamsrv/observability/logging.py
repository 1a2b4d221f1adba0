"""The log of the server and of its helper processes: one format, as text or as JSON, on the standard error stream.

A line has the time with its zone, the level, the logger, and the names that its task has in `log_as`. Control
characters are escaped, so that no client can write a line of its own. Packages other than streamsrv are logged from
warnings on: at lower levels they log requests, headers and frames, with keys and words in them.
"""

import json
import logging
import time
import unicodedata
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Literal

from streamsrv.token_bucket import TokenBucket

LogFormat = Literal["text", "json"]

MAX_MESSAGE = 4000
"""Longest message of a line, in characters."""
MAX_BURST = 20
"""Lines of one kind that are written at once before further ones are dropped."""
LINES_PER_S = 1.0
"""Lines of one kind that are written each second in the long run."""
MAX_KINDS = 1000
"""Kinds of lines that are counted apart."""
PACKAGE = "streamsrv"

_names: ContextVar[dict[str, str]] = ContextVar("log_names", default={})  # noqa: B039 (it is never changed)
_format: LogFormat = "text"


def log_as(**names: str) -> None:
    """Set the names (`session="sess_1"`) in all further log lines of the current task and of tasks that it starts."""
    _names.set(names)


def log_names() -> dict[str, str]:
    """Return the names in the log lines of the current task."""
    return dict(_names.get())


def log_event(
    logger: logging.Logger, level: int, message: str, fields: Mapping[str, object], *, kind: str = ""
) -> None:
    """Log a message with fields (None: left out): `key=value` after the text, members of the object in JSON.

    Lines of the same `kind` are limited together: see `LimitRepeats`.
    """
    told = {key: value for key, value in fields.items() if value is not None}
    logger.log(level, "%s", message, extra={"fields": told, "kind": kind}, stacklevel=2)


def configure_logging(level: str, log_format: LogFormat) -> None:
    """Send all logs of this process to the standard error stream; replaces the handlers of the root logger."""
    global _format
    _format = log_format
    logging.basicConfig(handlers=[log_handler(log_format)], force=True)
    logging.captureWarnings(True)
    set_log_level(level)


def set_log_level(level: str) -> None:
    """Log streamsrv from `level` on, and other packages from warnings on, or from `level` if that is higher."""
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.getLogger().setLevel(max(number, logging.WARNING))
    logging.getLogger(PACKAGE).setLevel(number)


def log_handler(log_format: LogFormat) -> logging.StreamHandler[Any]:
    """Make a handler that writes lines of the given format to the standard error stream."""
    handler = logging.StreamHandler()
    handler.addFilter(LogContext())
    handler.addFilter(LimitRepeats())
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    return handler


def log_format() -> LogFormat:
    """Return the format of this process's log."""
    return _format


class LogContext(logging.Filter):
    """Sets on each record the `names` of the task that logs, and `context`: `[req_1, key_2] `, empty without names."""

    def filter(self, record: logging.LogRecord) -> bool:
        names = _names.get()
        record.names = names
        record.context = f"[{', '.join(names.values())}] " if names else ""
        return True


class LimitRepeats(logging.Filter):
    """Drops lines of a kind that come too often, so that nobody can fill the log. The next line has `dropped=N`.

    A line's kind is what `log_event` says; without that, lines of other packages are of one kind for each logger, and
    lines of streamsrv from warnings on are of one kind for each place in the code. Other lines are not limited.
    """

    def __init__(self) -> None:
        super().__init__()
        self._buckets: dict[str, TokenBucket] = {}
        self._dropped: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = _kind(record)
        if not kind:
            return True
        if kind not in self._buckets:
            if len(self._buckets) >= MAX_KINDS:
                self._buckets.clear()
            self._buckets[kind] = TokenBucket(LINES_PER_S, MAX_BURST)
        if not self._buckets[kind].take(1, time.monotonic()):
            self._dropped[kind] = self._dropped.get(kind, 0) + 1
            return False
        if dropped := self._dropped.pop(kind, 0):
            record.fields = {**getattr(record, "fields", {}), "dropped": dropped}
        return True


def _kind(record: logging.LogRecord) -> str:
    if kind := getattr(record, "kind", ""):
        return kind
    if record.name.partition(".")[0] != PACKAGE:
        return f"{record.name} {record.levelname}"
    return f"{record.pathname}:{record.lineno}" if record.levelno >= logging.WARNING else ""


class TextFormatter(logging.Formatter):
    """Formats a record as one line of text. A traceback follows in lines that begin with spaces."""

    def format(self, record: logging.LogRecord) -> str:
        fields = "".join(f" {key}={_quoted(value)}" for key, value in getattr(record, "fields", {}).items())
        context = escaped(getattr(record, "context", ""))
        line = f"{_time(record)} {record.levelname} {record.name}: {context}{_message(record)}{fields}"
        trace = _traceback(self, record)
        return "\n    ".join([line, *(escaped(part, keep="\t") for part in trace.splitlines())])


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object: `time`, `level`, `logger`, `message`, the names and fields, `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            **getattr(record, "names", {}),
            **getattr(record, "fields", {}),
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if trace := _traceback(self, record):
            line["exception"] = trace
        first = ("time", "level", "logger", "message")
        ordered = {key: line.pop(key) for key in first} | line
        return json.dumps(ordered, default=str)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")


def _message(record: logging.LogRecord) -> str:
    message = record.getMessage()
    if len(message) > MAX_MESSAGE:
        message = f"{message[:MAX_MESSAGE]}... ({len(message)} characters)"
    return escaped(message)


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    trace = formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
    if record.stack_info:
        trace = f"{trace}\n{record.stack_info}".strip()
    return trace


def _quoted(value: object) -> str:
    text = escaped(str(value))
    if text and not any(character in text for character in ' "='):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def escaped(text: str, keep: str = "") -> str:
    """Return the text with escapes in place of characters that end a line or steer a terminal, but not of `keep`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or not _is_control(c) else c.encode("unicode_escape").decode() for c in text)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
