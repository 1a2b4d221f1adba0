import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import OPUS_FRAME_SAMPLES
from streamsrv.media.playout import MAX_QUEUED_SAMPLES, Played, Playout


def ramp(samples: int, start: int = 1) -> NDArray[np.int16]:
    """Audio of which every sample is another one."""
    return np.arange(start, start + samples).astype(np.int16)


def drain(playout: Playout) -> tuple[NDArray[np.int16], list[Played]]:
    """All frames until silence, as one, and all reports."""
    frames: list[NDArray[np.int16]] = [np.zeros(0, np.int16)]
    reports: list[Played] = []
    while True:
        frame, played = playout.next_frame()
        reports += played
        if frame is None:
            return np.concatenate(frames), reports
        frames.append(frame)


def test_nothing_is_silence():
    assert Playout().next_frame() == (None, [])


def test_pieces_of_any_length_come_out_as_one():
    playout = Playout()
    for start, samples in ((1, 100), (101, 1000), (1101, 820)):
        assert playout.play("a", ramp(samples, start))
    playout.finish("a")
    assert (drain(playout)[0] == ramp(1920)).all()


def test_the_end_of_an_item_is_filled_up_with_silence():
    playout = Playout()
    playout.play("a", ramp(500))
    playout.finish("a")
    pcm, _ = drain(playout)
    assert len(pcm) == 2 * OPUS_FRAME_SAMPLES
    assert (pcm[:500] == ramp(500)).all()
    assert not pcm[500:].any()


def test_an_item_that_goes_on_is_not_padded():
    playout = Playout()
    playout.play("a", ramp(500))
    drain(playout)
    playout.play("a", ramp(460, 501))
    assert (drain(playout)[0] == ramp(OPUS_FRAME_SAMPLES, OPUS_FRAME_SAMPLES + 1)).all()


def test_the_first_frame_is_reported_at_once_and_then_every_fifth():
    playout = Playout()
    playout.play("a", ramp(11 * OPUS_FRAME_SAMPLES))
    assert [report.audio_ms for report in drain(playout)[1]] == [20, 120, 220]


def test_the_end_is_reported_once_with_the_length():
    playout = Playout()
    playout.play("a", ramp(2 * OPUS_FRAME_SAMPLES + 24))
    playout.finish("a")
    assert drain(playout)[1] == [Played("a", 20), Played("a", 41, ended=True)]
    assert playout.next_frame() == (None, [])


def test_the_end_is_reported_when_it_is_known_only_after_the_last_frame():
    playout = Playout()
    playout.play("a", ramp(OPUS_FRAME_SAMPLES))
    drain(playout)
    playout.finish("a")
    assert playout.next_frame() == (None, [Played("a", 20, ended=True)])


def test_items_follow_each_other_in_the_order_in_which_they_began():
    playout = Playout()
    playout.play("a", ramp(OPUS_FRAME_SAMPLES))
    playout.play("b", ramp(OPUS_FRAME_SAMPLES, 10_000))
    playout.play("a", ramp(OPUS_FRAME_SAMPLES, OPUS_FRAME_SAMPLES + 1))
    playout.finish("b")
    playout.finish("a")
    pcm, reports = drain(playout)
    assert (pcm == np.concatenate([ramp(2 * OPUS_FRAME_SAMPLES), ramp(OPUS_FRAME_SAMPLES, 10_000)])).all()
    assert [report.item_id for report in reports if report.ended] == ["a", "b"]


def test_held_playback_is_silent_and_goes_on_with_the_next_sample():
    playout = Playout()
    playout.play("a", ramp(3 * OPUS_FRAME_SAMPLES))
    first, _ = playout.next_frame()
    assert playout.hold() == [Played("a", 20)]
    assert playout.is_silent
    assert playout.next_frame() == (None, [])
    playout.resume()
    assert (np.concatenate([first, drain(playout)[0]]) == ramp(3 * OPUS_FRAME_SAMPLES)).all()


def test_what_comes_while_playback_is_held_is_kept():
    playout = Playout()
    playout.hold()
    playout.play("a", ramp(OPUS_FRAME_SAMPLES))
    assert playout.next_frame() == (None, [])
    playout.resume()
    assert (drain(playout)[0] == ramp(OPUS_FRAME_SAMPLES)).all()


def test_clearing_says_how_much_of_every_item_was_played():
    playout = Playout()
    playout.play("a", ramp(10 * OPUS_FRAME_SAMPLES))
    playout.play("b", ramp(OPUS_FRAME_SAMPLES))
    for _ in range(3):
        playout.next_frame()
    assert playout.clear() == [Played("a", 60, ended=True), Played("b", 0, ended=True)]
    assert playout.next_frame() == (None, [])


def test_clearing_ends_a_hold():
    playout = Playout()
    playout.hold()
    playout.clear()
    playout.play("a", ramp(OPUS_FRAME_SAMPLES))
    assert playout.next_frame()[0] is not None


def test_the_end_of_a_dropped_item_is_not_reported_again():
    playout = Playout()
    playout.play("a", ramp(OPUS_FRAME_SAMPLES))
    playout.clear()
    playout.finish("a")
    assert playout.next_frame() == (None, [])


def test_more_than_fits_is_refused():
    playout = Playout()
    minute = np.zeros(60 * 24_000, np.int16)
    accepted = 0
    while playout.play("a", minute):
        accepted += len(minute)
    assert accepted == MAX_QUEUED_SAMPLES
