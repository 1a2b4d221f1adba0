"""The time that reading a text out takes grows with its length only."""

import time

import pytest

from streamsrv.text.speakable import prepare, speakable

SHORT, LONG = 2_000, 16_000
HOSTILE = [
    "1",
    "1,",
    "1.",
    "1-",
    "1 ",
    "a.",
    "a@",
    "a/",
    "http://",
    "<!--",
    "[a](",
    "$1-",
    "1:30:",
    "+1 ",
    "0 1",
    "(11) 1",
    "1 km/",
    "½",
]


def seconds(text: str, language: str) -> float:
    """The least time of three."""
    times: list[float] = []
    for _ in range(3):
        started = time.perf_counter()
        speakable(text, language)
        times.append(time.perf_counter() - started)
    return min(times)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "de", "fr"])
@pytest.mark.parametrize("fragment", HOSTILE)
def test_no_rule_takes_more_than_linear_time(fragment: str, language: str) -> None:
    prepare([language])
    short, long = ((fragment * length)[:length] for length in (SHORT, LONG))
    growth = LONG / SHORT
    assert seconds(long, language) < 4 * growth * seconds(short, language), "quadratic growth would be by twice as much"
