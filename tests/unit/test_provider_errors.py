"""What the errors of providers have in common."""

from datetime import UTC, datetime

import pytest

from streamsrv.engines.provider_errors import is_context_too_long, retry_after_s

NOW = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0.5 ", 0.5),
        ("-3", 0.0),
        ("Thu, 26 Nov 2026 12:00:20 GMT", 20.0),
        ("Thu, 26 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("", None),
    ],
)
def test_retry_after(value: str, seconds: float | None):
    assert retry_after_s({"retry-after": value}, NOW) == seconds


def test_without_the_header_nothing_is_told():
    assert retry_after_s({}) is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("prompt is too long: 208310 tokens > 200000 maximum", True),
        ("input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000", True),
        ("This model's maximum context length is 8192 tokens.", True),
        ("The word 'context' is not a tool.", False),
    ],
)
def test_a_context_that_is_too_long_is_known_by_its_words(said: str, expected: bool):
    assert is_context_too_long(said) is expected
