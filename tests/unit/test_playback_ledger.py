"""The playback ledger: words, audio and what was heard of them."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streamsrv.core.playback.ledger import PlaybackLedger
from streamsrv.engines.tts.base import SpokenWord

WORDS = (SpokenWord("one", 0, 300), SpokenWord("two", 300, 600), SpokenWord("three.", 600, 1000))


def spoken(now_ms: int = 0) -> PlaybackLedger:
    """One segment of a second, with word timings of the engine."""
    ledger = PlaybackLedger()
    ledger.begin_segment("one two three.")
    ledger.send(1000, now_ms, WORDS)
    ledger.end_segment()
    return ledger


def test_a_word_is_heard_when_all_of_it_was_played():
    ledger = spoken()
    assert [ledger.heard_text(ms) for ms in (0, 299, 300, 999, 1000, 5000)] == [
        "", "", "one", "one two", "one two three.", "one two three.",
    ]  # fmt: skip


def test_words_of_later_segments_come_after_earlier_ones():
    ledger = spoken()
    ledger.begin_segment(" And two more.")
    ledger.send(1000, 100, (SpokenWord("And", 0, 200), SpokenWord("two", 200, 500), SpokenWord("more.", 500, 1000)))
    ledger.end_segment()
    assert ledger.heard_text(1500) == "one two three. And two"
    assert ledger.transcript == "one two three. And two more."


def test_without_word_timings_words_are_spread_over_the_segment():
    ledger = PlaybackLedger()
    ledger.begin_segment("one two")
    ledger.send(1000, 0)
    assert [word.text for word in ledger.end_segment()] == ["one", "two"]
    assert ledger.heard_text(700) == "one"
    assert ledger.words[-1].end_ms == 1000


def test_playback_is_estimated_in_real_time_from_when_audio_was_sent():
    ledger = spoken(now_ms=5000)
    assert [ledger.played_ms(now) for now in (4000, 5000, 5400, 6000, 9000)] == [0, 0, 400, 1000, 1000]
    assert ledger.play_until_ms == 6000


def test_a_gap_in_what_was_sent_is_a_gap_in_playback():
    ledger = spoken(now_ms=0)
    ledger.begin_segment("more")
    ledger.send(500, 3000)
    ledger.end_segment()
    assert [ledger.played_ms(now) for now in (2000, 3000, 3200, 9000)] == [1000, 1000, 1200, 1500]


def test_what_the_client_reports_replaces_the_estimate():
    ledger = spoken(now_ms=0)
    ledger.report(250, 500)
    assert (ledger.played_ms(900), ledger.play_until_ms) == (250, 1250)
    ledger.report(7000, 900)
    assert (ledger.played_ms(900), ledger.play_until_ms) == (1000, 900)


def test_what_is_held_is_played_later():
    ledger = spoken(now_ms=0)
    ledger.hold(200)
    assert [ledger.played_ms(now) for now in (100, 200, 400)] == [200, 200, 200]
    ledger.resume(500)
    assert [ledger.played_ms(now) for now in (500, 800, 2000)] == [200, 500, 1000]
    assert ledger.play_until_ms == 1300


def test_a_report_during_a_hold_is_postponed_by_the_rest_of_the_hold_only():
    ledger = spoken(now_ms=0)
    ledger.hold(200)
    ledger.report(220, 300)
    ledger.resume(1000)
    assert ledger.play_until_ms == 1000 + 1000 - 220


def test_audio_that_arrives_during_a_hold_is_played_after_what_was_held():
    ledger = spoken(now_ms=0)
    ledger.hold(800)
    ledger.begin_segment("more")
    ledger.send(500, 1500)
    ledger.end_segment()
    ledger.resume(2000)
    assert ledger.play_until_ms == 2000 + 200 + 500


def test_an_item_that_begins_during_a_hold_begins_when_it_ends():
    ledger = PlaybackLedger()
    ledger.hold(1000)
    ledger.begin_segment("one")
    ledger.send(500, 1200)
    ledger.end_segment()
    ledger.resume(3000)
    assert ledger.play_until_ms == 3500


def test_no_words_may_have_been_played_of_an_item_that_was_held_before_its_first_sound():
    ledger = PlaybackLedger()
    ledger.hold(1000)
    ledger.begin_segment("one")
    ledger.send(500, 1200)
    assert ledger.text_between(0, 1500, margin_ms=1000) == ""
    ledger.resume(3000)
    assert ledger.text_between(0, 3000, margin_ms=1000) == "one"


def test_an_item_behind_one_that_is_held_waits_for_it():
    first, second = spoken(now_ms=0), PlaybackLedger()
    second.play_after(first.play_until_ms)
    second.begin_segment("one")
    second.send(500, 100)
    second.end_segment()
    for ledger in (first, second):
        ledger.hold(400)
        ledger.resume(2400)
    assert (first.play_until_ms, second.play_until_ms) == (3000, 3500)


def test_many_small_pieces_are_as_long_as_one_large_one():
    ledger = PlaybackLedger()
    ledger.begin_segment("one")
    for _ in range(100):
        ledger.send(240 * 1000 / 22_050, 0)
    assert ledger.sent_ms == round(24_000 * 1000 / 22_050)


@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 2000)), max_size=8), st.integers(0, 30_000))
def test_never_more_is_played_than_was_sent_nor_than_time_has_passed(sent: list[tuple[int, int]], now_ms: int):
    ledger, clock = PlaybackLedger(), 0
    for gap_ms, duration_ms in sent:
        clock += gap_ms
        ledger.begin_segment("word ")
        ledger.send(duration_ms, clock)
        ledger.end_segment()
    assert 0 <= ledger.played_ms(now_ms) <= min(ledger.sent_ms, now_ms)
    heard = [ledger.heard_text(ms) for ms in range(0, ledger.sent_ms + 1, 97)]
    assert all(later.startswith(earlier) for earlier, later in pairwise(heard))
