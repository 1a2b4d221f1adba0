"""Voices that give single samples, that hardly go on, or that tell words which are none (all fakes)."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, SpokenWord, Voice
from streamsrv.engines.tts.failover.patience import Late, with_patience
from streamsrv.engines.tts.failover.spoken_part import SpokenPart
from streamsrv.engines.tts.failover.synthesizer import FallbackSynthesizer
from streamsrv.engines.tts.shaping.guards import NotSpeech
from streamsrv.engines.tts.shaping.segment import MIN_PIECE_MS
from streamsrv.engines.tts.shaping.synthesizer import ShapedSynthesizer
from streamsrv.testing.virtual_loop import run_in_virtual_time
from word_tones import RATE, TEXT, WORDS, WordTones, heard, tone

SPOKEN = np.concatenate([tone(word) for word in WORDS])


class Odd:
    """Gives what `chunks` makes."""

    name = "odd"
    sample_rate = RATE
    voices = (Voice("odd-voice"),)
    clones_voices = False
    min_speed, max_speed = 0.25, 4.0

    def __init__(self, chunks: Callable[[], Iterable[SpeechChunk]]) -> None:
        self._chunks = chunks

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        for chunk in self._chunks():
            yield chunk

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


async def said(synthesizer: Any) -> list[SpeechChunk]:
    async with aclosing(synthesizer.stream(TEXT, SpeechOptions())) as chunks:
        return [chunk async for chunk in chunks]


def audio(chunks: list[SpeechChunk]) -> NDArray[np.int16]:
    return np.concatenate([chunk.pcm for chunk in chunks])


async def test_single_samples_are_handled_together():
    whole = await said(ShapedSynthesizer(Odd(lambda: [SpeechChunk(SPOKEN)])))
    single = await said(ShapedSynthesizer(Odd(lambda: (SpeechChunk(SPOKEN[at : at + 1]) for at in range(len(SPOKEN))))))
    assert len(single) <= len(SPOKEN) * 1000 / RATE / MIN_PIECE_MS + 2
    assert heard(audio(single)) == heard(audio(whole)) == WORDS


async def test_a_voice_that_gives_nothing_and_never_waits_lets_others_run_and_is_ended():
    def nothing() -> Iterable[SpeechChunk]:
        for number in itertools.count():
            assert number < 100_000, "nothing else ran"
            yield SpeechChunk(np.zeros(0, np.int16))

    speaking = asyncio.ensure_future(said(ShapedSynthesizer(Odd(nothing))))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking


async def test_words_that_come_without_audio_are_told():
    words = (SpokenWord(WORDS[0], 0, 200),)
    empty = np.zeros(0, np.int16)
    chunks = await said(ShapedSynthesizer(Odd(lambda: [SpeechChunk(empty, words), SpeechChunk(SPOKEN)])))
    assert [word.text for chunk in chunks for word in chunk.words] == WORDS[:1]


@pytest.mark.parametrize(
    "words",
    [
        None,
        [SpokenWord("a", 0, 1)],
        (("a", 0, 1),),
        (SpokenWord("a", 0, float("nan")),),  # type: ignore[arg-type]
        (SpokenWord("a", None, 1),),  # type: ignore[arg-type]
        (SpokenWord("a", 0, 10**12),),
        (SpokenWord(b"a", 0, 1),),  # type: ignore[arg-type]
        tuple(SpokenWord("a", at, at + 1) for at in range(len(TEXT) + 1)),
    ],
    ids=["none", "a list", "tuples", "not a number", "no time", "a year", "bytes", "too many"],
)
async def test_words_that_are_none_are_a_fault_of_the_voice_and_another_one_speaks(words: Any):
    odd = ShapedSynthesizer(Odd(lambda: [SpeechChunk(SPOKEN, words)]))
    with pytest.raises(NotSpeech, match="odd told"):
        await said(odd)
    assert heard(audio(await said(FallbackSynthesizer({"": [odd, WordTones("second")]})))) == WORDS


def test_where_a_voice_broke_off_is_estimated_if_its_words_are_not_in_the_text():
    part = SpokenPart(TEXT, "en", RATE, letter_ms=65)
    part.feed(SpeechChunk(SPOKEN[: len(SPOKEN) // 2], (SpokenWord("xyz", 0, 500), SpokenWord("qqq", 500, 2000))), 0)
    left = part.break_off()[1]
    assert left
    assert left != TEXT


@pytest.mark.parametrize(("pace", "is_late"), [(0.01, True), (0.3, False)])
def test_a_voice_that_hardly_goes_on_is_late(pace: float, is_late: bool):
    async def drip() -> AsyncGenerator[SpeechChunk, None]:
        yield SpeechChunk(SPOKEN[:RATE])
        for _ in range(30):
            await asyncio.sleep(1)
            yield SpeechChunk(SPOKEN[: round(pace * RATE)])

    async def take() -> float:
        async with aclosing(with_patience(drip(), "odd", 5.0)) as chunks:
            async for _ in chunks:
                pass
        return asyncio.get_running_loop().time()

    if is_late:
        with pytest.raises(Late, match=r"odd gave only 0\.06 s of audio in 6\.0 s"):
            run_in_virtual_time(take())
    else:
        assert run_in_virtual_time(take()) == 30
