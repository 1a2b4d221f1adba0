"""Which audio a streaming model gets, and when each part of it was pushed."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.asr.speech_feed import EMISSION_MS, LEAD_MS, PAUSE_MS, SpeechFeed, StepGrid

GRID = StepGrid(first=4000, shift=2560)
FRAME = 512


def pushed(feed: SpeechFeed, speech: bool, frames: int, level: int = 100) -> None:
    for _ in range(frames):
        feed.push(np.full(FRAME, level if speech else 0, np.int16), speech=speech)


def frames(ms: int) -> int:
    return -(-ms * 16 // FRAME)


def test_silence_alone_is_not_fed():
    feed = SpeechFeed(GRID)
    pushed(feed, False, 1000)
    feed.finish()
    assert feed.fed == feed.waiting == 0
    assert feed.is_complete


def test_speech_is_fed_with_the_silence_before_it():
    feed = SpeechFeed(GRID)
    pushed(feed, False, 100)
    pushed(feed, True, 3)
    assert feed.fed == LEAD_MS * 16 + 3 * FRAME
    heard = feed.take(feed.waiting)
    assert list(heard) == [0] * LEAD_MS * 16 + [100] * 3 * FRAME
    assert not feed.is_complete


def test_a_pause_completes_the_step_at_once_and_then_nothing_is_fed():
    feed = SpeechFeed(GRID)
    pushed(feed, True, 40)
    pushed(feed, False, frames(PAUSE_MS) - 1)
    assert not feed.is_complete
    pushed(feed, False, 1)
    assert feed.is_complete
    fed = feed.fed
    assert (fed - GRID.first) % GRID.shift == 0
    assert fed >= 40 * FRAME + EMISSION_MS * 16
    pushed(feed, False, 500)
    assert feed.fed == fed


def test_a_short_pause_is_fed_as_it_is():
    feed = SpeechFeed(GRID)
    pushed(feed, True, 10)
    pushed(feed, False, frames(PAUSE_MS) - 1)
    pushed(feed, True, 10)
    assert feed.fed == (19 + frames(PAUSE_MS)) * FRAME
    assert feed.position_ms(500) == 500


def test_the_end_completes_the_step():
    feed = SpeechFeed(GRID)
    pushed(feed, True, 10)
    feed.finish()
    assert feed.is_complete
    assert (feed.fed - GRID.first) % GRID.shift == 0
    fed = feed.fed
    feed.finish()
    assert feed.fed == fed


def test_times_are_those_of_the_pushed_audio():
    feed = SpeechFeed(GRID)
    pushed(feed, False, 100)  # 3.2 s
    pushed(feed, True, 50)  # to 4.8 s
    pushed(feed, False, 100)  # to 8 s
    begin = feed.fed / 16
    pushed(feed, True, 50)  # to 9.6 s
    assert feed.position_ms(0) == 3200 - LEAD_MS
    assert feed.position_ms(LEAD_MS) == 3200
    assert feed.position_ms(LEAD_MS + 1600) == 4800
    assert feed.position_ms(begin + LEAD_MS) == 8000
    assert feed.position_ms(1e6) == 9600


def test_a_new_segment_has_steps_of_its_own():
    feed = SpeechFeed(GRID)
    pushed(feed, True, 33)
    feed.finish()
    origin = feed.begin_segment()
    assert origin == feed.fed
    pushed(feed, True, 1)
    feed.finish()
    assert feed.fed - origin >= GRID.first
    assert (feed.fed - origin - GRID.first) % GRID.shift == 0


runs = st.lists(st.tuples(st.booleans(), st.integers(0, 3000)), max_size=30)


@given(runs, st.integers(1, 5000))
def test_all_speech_is_fed_once_and_times_never_go_back(pieces: list[tuple[bool, int]], size: int):
    feed = SpeechFeed(GRID)
    number = 0
    for speech, length in pieces:
        samples = np.arange(number + 1, number + length + 1) % 32000 + 1 if speech else np.zeros(length)
        number += length if speech else 0
        feed.push(samples.astype(np.int16), speech=speech)
    feed.finish()
    taken = []
    while feed.waiting:
        taken.append(feed.take(size))
        assert 0 < len(taken[-1]) <= size
    heard = np.concatenate(taken) if taken else np.zeros(0, np.int16)
    assert len(heard) == feed.fed
    assert list(heard[heard > 0]) == list((np.arange(1, number + 1) % 32000 + 1).astype(np.int16))
    times = [feed.position_ms(ms) for ms in range(0, feed.fed // 16 + 200, 7)]
    assert times == sorted(times)
    total = sum(length for _, length in pieces) // 16
    assert all(0 <= ms <= total for ms in times)


@given(st.integers(0, 10**6))
def test_a_completed_step_leaves_nothing_waiting(samples: int):
    complete = GRID.complete(samples)
    assert complete >= samples
    assert complete == GRID.first or (complete - GRID.first) % GRID.shift == 0
    assert complete - samples < max(GRID.first + 1, GRID.shift)
