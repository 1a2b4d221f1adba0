"""The parts of XTTS's serving loop that need no PyTorch: windows of frames, weights of latents, pieces of text."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.tts.xtts_model.frames import FrameGrid
from streamsrv.engines.tts.xtts_model.pieces import pieces
from streamsrv.engines.tts.xtts_model.windows import CONTEXT_FRAMES, WIDTHS, Window, next_window

SCALES = (4.0, 24_000 / 22_050)


def windows_of(total: int, arrivals: list[int]) -> list[Window]:
    """All windows of a sequence of `total` frames, which become known in steps of `arrivals`."""
    found: list[Window] = []
    done = known = 0
    for arrival in [*arrivals, total]:
        known = min(known + arrival, total)
        while window := next_window(done, known, is_complete=known == total):
            assert window.start + window.width <= known
            found.append(window)
            done = window.end
    return found


@given(st.integers(1, 3000), st.lists(st.integers(0, 300), max_size=40))
def test_windows_say_every_frame_once_and_with_all_that_it_depends_on(total: int, arrivals: list[int]):
    found = windows_of(total, arrivals)
    assert [window.begin for window in found] == [0, *(window.end for window in found[:-1])]
    assert found[-1].end == total
    for window in found:
        assert window.start == 0 or window.begin - window.start >= CONTEXT_FRAMES
        end = window.start + window.width
        assert end == total or end - window.end >= CONTEXT_FRAMES
        assert window.width in WIDTHS or (window.start == 0 and window.width == total < WIDTHS[0])


def test_no_window_is_due_before_its_frames_are_known_or_after_the_last_one():
    assert next_window(0, WIDTHS[0] - 1, is_complete=False) is None
    assert next_window(0, WIDTHS[0], is_complete=False) == Window(0, 41, 0, 27)
    assert next_window(27, 76, is_complete=False) is None
    assert next_window(27, 77, is_complete=False) == Window(13, 64, 27, 63)
    assert next_window(63, 500, is_complete=False) == Window(49, 96, 63, 131)
    assert next_window(131, 500, is_complete=False) == Window(117, 128, 131, 231)
    assert next_window(231, 500, is_complete=False) == Window(217, 128, 231, 331)
    assert next_window(140, 140, is_complete=True) is None
    assert next_window(0, 0, is_complete=True) is None


@given(st.floats(0.5, 2.0), st.integers(1, 60), st.data())
def test_known_frames_are_the_same_whatever_follows_and_are_means_of_their_latents(speed: float, latents: int, data):
    grid = FrameGrid((1 / speed, *SCALES))
    known = grid.known(latents)
    assert known <= grid.known(latents + 1) <= grid.total(latents + 1)
    if known < 2:
        return
    start = data.draw(st.integers(1, known - 1))
    first, weights = grid.weights(start, known - start, None)
    assert first + weights.shape[1] <= latents
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert grid.weights(start, known - start, latents + 50)[0] == first
    np.testing.assert_allclose(grid.weights(start, known - start, latents + 50)[1], weights)


@given(st.floats(0.5, 2.0), st.integers(0, 2000), st.sampled_from(WIDTHS))
def test_a_window_depends_on_no_more_latents_than_there_is_room_for(speed: float, start: int, width: int):
    _, weights = FrameGrid((1 / speed, *SCALES)).weights(start, width, None)
    assert weights.shape[1] <= FrameGrid((1 / 2.0, *SCALES)).most_latents(width)


def encode(text: str) -> list[int]:
    return [ord(character) for character in text if not character.isspace()]


@given(st.text(max_size=400), st.integers(1, 60), st.integers(1, 40))
def test_pieces_keep_within_both_limits_and_lose_no_word(text: str, max_chars: int, max_tokens: int):
    said = list(pieces(text, max_chars, max_tokens, encode))
    assert all(len(piece) <= max_chars and len(tokens) <= max_tokens for piece, tokens in said)
    assert [c for piece, _ in said for c in piece if c.isalnum() and not c.isdigit()] == [
        c for c in text if c.isalnum() and not c.isdigit()
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It is 1,234,567.89 now", "It is 1,234,567.89 now"),
        ("call 12345678901234567890", "call 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0"),
        ("1,234,567,890,123,456", "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6"),
        ("...", ""),
    ],
)
def test_numbers_that_no_library_reads_are_read_by_digits(text: str, said: str):
    assert " ".join(piece for piece, _ in pieces(text, 250, 400, encode)) == said


def test_hostile_texts_are_cut_in_linear_time():
    for text in ("1." * 10_000, "1" * 20_000, "." * 20_000, "a" * 20_000, "1.a" * 7_000):
        started = time.process_time()
        list(pieces(text, 250, 400, encode))
        assert time.process_time() - started < 5
