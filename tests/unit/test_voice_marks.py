"""Marks such as `[laugh]` reach the voices that know them, and no transcript."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.core.answers.spoken_segments import SpokenSegmenter
from streamsrv.text.speakable import spoken_text
from streamsrv.text.spoken_text import SpokenText
from streamsrv.text.voice_marks import MARKS, read_with_marks, without_marks


def read(text: str) -> SpokenText:
    return read_with_marks(text, lambda part, is_first, is_last: spoken_text(part))


def segments(text: str, step: int = 7) -> list[tuple[str, str]]:
    segmenter = SpokenSegmenter("en")
    found = [each for start in range(0, len(text), step) for each in segmenter.feed(text[start : start + step])]
    return [(segment.text, segment.spoken) for segment in [*found, *segmenter.finish()]]


@pytest.mark.parametrize(
    ("text", "written", "spoken"),
    [
        ("Well, [laugh] that costs $3.", "Well, that costs $3.", "Well, [laugh] that costs three dollars."),
        ("[laugh] Really?", "Really?", "[laugh] Really?"),
        ("So[uv_break] no.", "So no.", "So [uv_break] no."),
        ("That is [v_break] [laugh] it.", "That is it.", "That is [v_break] [laugh] it."),
        ("See [1] and [x].", "See [1] and [x].", "See one and x."),
        ("[laugh]", "", ""),
        ("[laugh] ...", "...", ""),
    ],
)
def test_marks_are_spoken_and_not_written(text: str, written: str, spoken: str):
    found = read(text)
    assert (found.written, found.spoken) == (written, spoken)


@pytest.mark.parametrize("step", [1, 3, 100])
def test_no_segment_of_an_answer_shows_a_mark(step: int):
    found = segments("Oh [laugh] dear. [uv_break] It was 3 km away, [laugh] I think. [laugh]", step)
    assert "".join(written for written, _ in found).split() == "Oh dear. It was 3 km away, I think.".split()
    assert "[laugh] dear" in found[0][1]
    assert not any(mark in written for written, _ in found for mark in MARKS)


def test_a_voice_is_given_the_marks_that_it_knows():
    text = "Oh [laugh] dear [uv_break] me."
    assert without_marks(text) == "Oh dear me."
    assert without_marks(text, {"[laugh]"}) == "Oh [laugh] dear me."
    assert without_marks(text, MARKS) == text


@given(st.lists(st.sampled_from([*MARKS, " ", "$3", "word", ". ", "[x]", "5:30", "😀"]), max_size=12).map("".join))
def test_the_pieces_cover_both_texts_in_order(text: str):
    found = read(text)
    assert not any(mark in found.written for mark in MARKS)
    assert found.written.split() == without_marks(text).split()
    for lower, upper, whole in (
        ("written_start", "written_end", found.written),
        ("spoken_start", "spoken_end", found.spoken),
    ):
        position = 0
        for piece in found.pieces:
            assert getattr(piece, lower) == position
            position = getattr(piece, upper)
        assert position == len(whole)
    ends = [found.written_end(end) for end in range(len(found.spoken) + 1)]
    assert ends == sorted(ends)
