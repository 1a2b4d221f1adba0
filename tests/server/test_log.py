"""The log: its format, what it tells, what it never tells, and that no client can fill or forge it."""

import json
import logging
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from logging_server import ANSWERED, HEARD, KEY, PROVIDER_KEY, SECRET_KEY, TYPED
from streamsrv.access.principal import key_id
from streamsrv.observability.logging import (
    MAX_BURST,
    MAX_MESSAGE,
    JsonFormatter,
    LimitRepeats,
    LogContext,
    TextFormatter,
    log_as,
    log_event,
)

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"
LINE = re.compile(rf"({TIME}) (DEBUG|INFO|WARNING|ERROR|CRITICAL) ([\w.]+): (\[[^\]]+\] )?(.+)")


class Kept(logging.Handler):
    """Keeps the lines of a logger."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.addFilter(LogContext())
        self.addFilter(LimitRepeats())
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def kept(formatter: logging.Formatter, name: str = "streamsrv.test") -> tuple[logging.Logger, list[str]]:
    logger = logging.Logger(name)
    handler = Kept(formatter)
    logger.addHandler(handler)
    return logger, handler.lines


@pytest.fixture(scope="module", params=["text", "json"])
def log(request: pytest.FixtureRequest) -> tuple[str, list[str], str]:
    """The format, the lines of a server at debug level, and a client secret that was used."""
    tests = Path(__file__).parents[1]
    path = [str(tests.parent), str(tests), str(tests / "server"), str(tests / "engines")]
    done = subprocess.run(
        [sys.executable, str(tests / "server" / "logging_server.py"), request.param],
        env={"PYTHONPATH": ":".join(path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return request.param, done.stderr.splitlines(), done.stdout.strip()


def test_every_line_has_the_format(log: tuple[str, list[str], str]):
    log_format, lines, _ = log
    assert lines
    for line in lines:
        if log_format == "json":
            told = json.loads(line)
            assert list(told)[:4] == ["time", "level", "logger", "message"]
            time = told["time"]
        else:
            found = LINE.fullmatch(line)
            assert found, line
            time = found[1]
        assert datetime.fromisoformat(time).utcoffset() is not None


def test_no_key_and_no_word_is_logged_at_debug_level(log: tuple[str, list[str], str]):
    _, lines, secret = log
    assert secret.startswith("ek_")
    for told in (KEY, PROVIDER_KEY, SECRET_KEY, secret, HEARD, TYPED, ANSWERED):
        assert [line for line in lines if told in line] == []


def test_other_packages_do_not_log_what_is_usual(log: tuple[str, list[str], str]):
    """Neither requests of the provider's client nor refused upgrades; data that is not HTTP is a warning."""
    log_format, lines, _ = log
    loggers = [json.loads(line)["logger"] if log_format == "json" else LINE.fullmatch(line)[3] for line in lines]  # type: ignore[index]
    foreign = [line for line, name in zip(lines, loggers, strict=True) if not name.startswith("streamsrv")]
    assert len(foreign) == 1
    assert "Invalid HTTP request received." in foreign[0]


def test_a_session_has_a_line_at_its_start_and_one_at_its_end(log: tuple[str, list[str], str]):
    log_format, lines, _ = log
    if log_format == "text":
        text = "\n".join(lines)
        assert re.search(r"\[sess_\w+, key_\w+, client secret sess_\w+\] the session begins transport=websocket", text)
        assert re.search(r'the session has ended transport=websocket reason=client_left detail="closed', text)
        return
    told = [json.loads(line) for line in lines]
    [begins] = [line for line in told if line["message"] == "the session begins"]
    assert begins["session"].startswith("sess_")
    assert begins["principal"].startswith(key_id(KEY))
    assert begins["client"].startswith("127.0.0.1:")
    assert (begins["transport"], begins["type"], begins["chat"]) == ("websocket", "realtime", "provider")
    assert (begins["recognizer"], begins["synthesizer"], begins["vad"]) == ("scripted-recognizer", "tone", "loudness")
    [ended] = [line for line in told if line["message"] == "the session has ended"]
    assert ended["session"] == begins["session"]
    assert (ended["reason"], ended["turns"], ended["responses"]) == ("client_left", 1, 1)
    assert ended["duration_s"] >= 0


def test_refusals_are_told_but_cannot_fill_the_log(log: tuple[str, list[str], str]):
    log_format, lines, _ = log
    refused = [line for line in lines if "Incorrect or missing API key." in line]
    assert MAX_BURST <= len(refused) < 100
    if log_format == "json":
        told = json.loads(refused[0])
        assert (told["level"], told["reason"], told["status"]) == ("warning", "unauthorized", 401)
        assert told["client"].startswith("127.0.0.1:")
        assert told["request"].startswith("req_")
    else:
        assert " WARNING " in refused[0]
        assert re.search(r" reason=unauthorized code=invalid_api_key status=401 client=127\.0\.0\.1:\d+$", refused[0])


def test_a_client_writes_no_line_of_its_own(log: tuple[str, list[str], str]):
    log_format, lines, _ = log
    [path] = [line for line in lines if "GET /v1/forged" in line]
    assert "/v1/forged%0A2026-01-01" in path
    [query] = [line for line in lines if "forged" in line and line is not path]
    assert "a WebSocket was refused with 400" in query
    assert "CRITICAL" in query
    level = json.loads(query)["level"] if log_format == "json" else LINE.fullmatch(query)[2]  # type: ignore[index]
    assert level.lower() == "info"


@pytest.mark.parametrize(
    "text", ["a\nb", "a\rb", "a\x1b[2Jb", "a\x00b", "a\x85b", "a\u2028b", "a\u202eb", "a\ud800b", "a\x7fb"]
)
def test_characters_that_end_a_line_or_steer_a_terminal_are_escaped(text: str):
    for formatter in (TextFormatter(), JsonFormatter()):
        logger, lines = kept(formatter)
        log_as(session=text)
        log_event(logger, logging.INFO, text, {"field": text})
        logger.info("said %s", text)
        log_as()
        for line in lines:
            assert line.isprintable()
            assert line.encode()


def test_a_traceback_is_no_line_of_its_own():
    logger, lines = kept(TextFormatter())
    try:
        raise ValueError("a\n2026-01-01T00:00:00.000+00:00 CRITICAL streamsrv: forged")
    except ValueError:
        logger.exception("failed")
    first, *rest = lines[0].split("\n")
    assert first.endswith("streamsrv.test: failed")
    assert rest
    assert all(line.startswith("    ") for line in rest)
    logger, lines = kept(JsonFormatter())
    try:
        raise ValueError("a\nb")
    except ValueError:
        logger.exception("failed")
    assert "ValueError: a\nb" in json.loads(lines[0])["exception"]


def test_fields_with_spaces_are_quoted_and_none_is_left_out():
    logger, lines = kept(TextFormatter())
    log_event(logger, logging.INFO, "said", {"a": "one two", "b": 3, "c": None, "d": 'x"y', "e": ""})
    assert lines[0].endswith('said a="one two" b=3 d="x\\"y" e=""')


def test_a_long_message_is_cut():
    logger, lines = kept(TextFormatter())
    logger.info("%s", "x" * (MAX_MESSAGE + 1))
    assert lines[0].endswith(f"x... ({MAX_MESSAGE + 1} characters)")


def test_lines_of_one_kind_are_limited_and_counted(monkeypatch: pytest.MonkeyPatch):
    now_s = 1000.0
    monkeypatch.setattr("streamsrv.observability.logging.time.monotonic", lambda: now_s)
    logger, lines = kept(TextFormatter())
    for number in range(MAX_BURST + 5):
        log_event(logger, logging.INFO, f"refused {number}", {}, kind="refusal")
        log_event(logger, logging.INFO, f"served {number}", {})
    assert sum("refused" in line for line in lines) == MAX_BURST
    assert sum("served" in line for line in lines) == MAX_BURST + 5, "lines without a kind are not limited"
    log_event(logger, logging.INFO, "of another kind", {}, kind="other")
    assert lines[-1].endswith("of another kind")
    now_s += 1
    log_event(logger, logging.INFO, "refused again", {}, kind="refusal")
    assert lines[-1].endswith("refused again dropped=5")


def test_warnings_and_lines_of_other_packages_are_limited():
    logger, lines = kept(TextFormatter())
    for number in range(MAX_BURST + 5):
        logger.warning("%d", number)
    assert len(lines) == MAX_BURST
    logger, lines = kept(TextFormatter(), "uvicorn.error")
    for number in range(MAX_BURST + 5):
        logger.warning(f"{number}")
    assert len(lines) == MAX_BURST
