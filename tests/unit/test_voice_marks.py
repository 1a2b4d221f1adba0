"""Marks such as `[laugh]` reach the voices that know them, and no transcript."""

from collections.abc import AsyncGenerator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.core.answers.spoken_segments import SpokenSegmenter
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Voice
from streamsrv.engines.tts.shaping.synthesizer import ShapedSynthesizer
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


class FakeSynthesizer:
    """Keeps the texts that it is given, and says a tone."""

    name = "fake"
    sample_rate = 24_000
    clones_voices = False
    min_speed = max_speed = 1.0

    def __init__(self, marks: frozenset[str]) -> None:
        self.voices = (Voice("first", marks=marks), Voice("second"))
        self.texts: list[str] = []

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        self.texts.append(text)
        tone = np.sin(np.arange(24_000) * 0.05) * np.linspace(0.2, 1, 24_000)
        yield SpeechChunk((8000 * tone).astype(np.int16))

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


@pytest.mark.parametrize(
    ("voice", "heard"), [("first", "Oh [laugh] dear me."), ("nobody", "Oh [laugh] dear me."), ("second", "Oh dear me.")]
)
async def test_an_engine_is_given_the_marks_that_the_voice_knows(voice: str, heard: str):
    engine = FakeSynthesizer(frozenset({"[laugh]"}))
    stream = ShapedSynthesizer(engine, measures=False).stream("Oh [laugh] dear [uv_break] me.", SpeechOptions(voice))
    assert [chunk async for chunk in stream]
    assert engine.texts == [heard]


def test_only_known_marks_stay_in_a_text():
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
