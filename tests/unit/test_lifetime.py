"""Sessions that end at their time limit: when they end, and which clients are warned."""

import pytest

from harness import Talk, error, event, events, of_type, types
from streamsrv.core.effects import Close, SetTimer
from streamsrv.core.lifetime import Lifetime
from streamsrv.core.timers import SessionExpiring, SessionTimeout, TimerKey
from streamsrv.protocol.session_object import StreamsrvOptions

HOUR_MS = 60 * 60 * 1000
ASKED = StreamsrvOptions(events=["session.expiring"])
NOTICE = "streamsrv.session.expiring"


def timers(talk: Talk) -> dict[TimerKey, int]:
    return {timer.key: timer.delay_ms for timer in of_type(talk.all, SetTimer)}


def expire_soon(talk: Talk):
    talk.now_ms += timers(talk)[SessionExpiring()]
    return talk.fire(SessionExpiring())


def test_the_session_ends_after_an_hour_and_says_so():
    talk = Talk(max_session_ms=HOUR_MS)
    assert timers(talk)[SessionTimeout()] == HOUR_MS
    expired = talk.fire(SessionTimeout())
    assert error(expired)["code"] == "session_expired"
    assert error(expired)["message"] == "Your session hit the maximum duration of 60 minutes."
    assert of_type(expired, Close) == [Close(1001, "session_expired")]


def test_without_a_limit_nothing_ends_the_session():
    assert not {SessionTimeout(), SessionExpiring()} & set(timers(Talk(max_session_ms=0)))


def test_a_client_that_requests_it_is_warned_a_minute_before():
    talk = Talk(max_session_ms=HOUR_MS, expires_at=4600, streamsrv=ASKED)
    assert timers(talk)[SessionExpiring()] == HOUR_MS - 60_000
    told = event(expire_soon(talk), NOTICE)
    assert (told["seconds_left"], told["expires_at"]) == (60, 4600)
    assert set(told) == {"type", "event_id", "seconds_left", "expires_at"}


@pytest.mark.parametrize(
    ("max_ms", "at_ms", "left"), [(119_000, 59_500, 59), (10_000, 5_000, 5), (120_000, 60_000, 60)]
)
def test_a_short_session_is_warned_at_half_time(max_ms: int, at_ms: int, left: int):
    talk = Talk(max_session_ms=max_ms, streamsrv=ASKED)
    assert timers(talk)[SessionExpiring()] == at_ms
    assert event(expire_soon(talk), NOTICE)["seconds_left"] == left


def test_a_client_that_does_not_request_it_is_not_warned():
    assert events(expire_soon(Talk(max_session_ms=HOUR_MS))) == []


def test_a_request_within_the_last_minute_is_answered_with_the_time_left():
    talk = Talk(max_session_ms=HOUR_MS)
    expire_soon(talk)
    talk.now_ms += 18_500
    updated = talk.update(streamsrv={"events": ["session.expiring"]})
    assert types(updated) == ["session.updated", NOTICE]
    assert event(updated, NOTICE)["seconds_left"] == 41
    assert types(talk.update(instructions="Be brief.")) == ["session.updated"]


@pytest.mark.parametrize(
    ("max_ms", "words"),
    [
        (HOUR_MS, "60 minutes"),
        (60_000, "1 minute"),
        (90_000, "90 seconds"),
        (1_000, "1 second"),
        (1_500, "1.5 seconds"),
    ],
)
def test_the_limit_is_named_in_whole_units(max_ms: int, words: str):
    assert Lifetime(max_ms).describe() == words
