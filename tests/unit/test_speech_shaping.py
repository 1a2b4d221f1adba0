"""What is done to the speech of every synthesiser: one rate, one level, silence trimmed, no clicks, no noise."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np
import pytest
from numpy.typing import NDArray

from streamsrv.engines.tts.base import ReferenceVoice, SpeechChunk, SpeechOptions, SpokenWord, Voice
from streamsrv.engines.tts.shaping.guards import NothingSpoken, NotSpeech, longest_s
from streamsrv.engines.tts.shaping.loudness import TARGET_LUFS, amplified, loudness_lufs
from streamsrv.engines.tts.shaping.synthesizer import ShapedSynthesizer
from streamsrv.errors import Unavailable

RATE = 24_000
TEXT = "This is a sentence that is long enough for some seconds of speech."
RANDOM = np.random.default_rng(1)


def babble(seconds: float, peak: int = 6000, rate: int = RATE) -> NDArray[np.int16]:
    """Return audio like speech: harmonics of a changing pitch in syllables."""
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(140 + 20 * np.sin(2 * np.pi * 0.7 * t)) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 20))
    envelope = 0.15 + 0.85 * np.abs(np.sin(2 * np.pi * 2.2 * t))
    return (voice * envelope * peak / 2).astype(np.int16)


def silence(seconds: float, rate: int = RATE) -> NDArray[np.int16]:
    return np.zeros(round(seconds * rate), np.int16)


def noise(seconds: float, level: float = 1.0) -> NDArray[np.int16]:
    return (RANDOM.uniform(-1, 1, round(seconds * RATE)) * 32767 * level).astype(np.int16)


class Given:
    """A fake synthesiser that gives these pieces of audio for every text."""

    name = "given"
    clones_voices = True
    min_speed, max_speed = 0.5, 2.0
    voices = (Voice("one"), Voice("two"))

    def __init__(self, *pieces: object, rate: object = RATE, words: tuple[SpokenWord, ...] = ()) -> None:
        self.pieces = pieces
        self.sample_rate = rate
        self.words = words
        self.asked: list[SpeechOptions] = []
        self.open_streams = 0

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        self.asked.append(options)
        self.open_streams += 1
        try:
            for number, piece in enumerate(self.pieces):
                yield SpeechChunk(piece, () if number else self.words)  # type: ignore[arg-type]
        finally:
            self.open_streams -= 1

    async def warm_up(self) -> None: ...

    async def aclose(self) -> None: ...


class Endless(Given):
    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        self.open_streams += 1
        try:
            while True:
                yield SpeechChunk(self.pieces[0])  # type: ignore[arg-type]
        finally:
            self.open_streams -= 1


async def said(synthesizer: ShapedSynthesizer, text: str = TEXT, **options) -> list[SpeechChunk]:
    async with aclosing(synthesizer.stream(text, SpeechOptions(**options))) as chunks:
        return [chunk async for chunk in chunks]


def joined(chunks: list[SpeechChunk]) -> NDArray[np.int16]:
    return np.concatenate([chunk.pcm for chunk in chunks])


def lufs(pcm: NDArray[np.int16]) -> float:
    measured = loudness_lufs(pcm, RATE)
    assert measured is not None
    return measured


@pytest.mark.parametrize(("peak", "rate"), [(300, 16_000), (1500, 22_050), (15_000, 24_000), (6000, 48_000)])
async def test_every_voice_has_the_same_rate_and_level(peak: int, rate: int):
    shaped = ShapedSynthesizer(Given(babble(4, peak, rate), rate=rate))
    first, second = joined(await said(shaped)), joined(await said(shaped))
    assert len(second) / RATE == pytest.approx(4, abs=0.1)
    assert lufs(first) == pytest.approx(TARGET_LUFS, abs=3), "the first gain is an estimate"
    assert lufs(second) == pytest.approx(TARGET_LUFS, abs=0.5)


async def test_the_level_is_measured_at_the_warm_up_and_kept_for_each_voice_and_recording(tmp_path):
    shaped = ShapedSynthesizer(Given(babble(4, 500)))
    await shaped.warm_up()
    assert lufs(joined(await said(shaped, voice="one"))) == pytest.approx(TARGET_LUFS, abs=0.5)
    shaped.synthesizer.pieces = (babble(4, 9000),)
    assert lufs(joined(await said(shaped, voice="two"))) == pytest.approx(TARGET_LUFS, abs=3)
    recording = ReferenceVoice("mine", tmp_path / "mine.wav")
    assert lufs(joined(await said(shaped, reference=recording))) == pytest.approx(TARGET_LUFS, abs=3)
    unmeasured = ShapedSynthesizer(Given(babble(4)), measures=False)
    await unmeasured.warm_up()
    assert not unmeasured.synthesizer.asked


async def test_the_gain_does_not_change_within_a_segment_or_after_enough_speech():
    """A segment that is loud at its end stays louder there: nothing pumps."""
    shaped = ShapedSynthesizer(Given(np.concatenate([babble(2, 1000), babble(2, 2000)])))
    pcm = joined(await said(shaped)).astype(np.float64)
    quiet, loud = pcm[: 2 * RATE - 4800], pcm[2 * RATE + 4800 :]
    assert np.sqrt((loud**2).mean() / (quiet**2).mean()) == pytest.approx(2, rel=0.1)
    for _ in range(4):
        await said(shaped)
    before = joined(await said(shaped))
    shaped.synthesizer.pieces = (babble(2, 200),)
    await said(shaped)
    shaped.synthesizer.pieces = (np.concatenate([babble(2, 1000), babble(2, 2000)]),)
    np.testing.assert_array_equal(joined(await said(shaped)), before)


def test_peaks_are_compressed_and_never_clipped_or_wrapped():
    loud = amplified(babble(1, 30_000), 8.0)
    assert 30_000 < np.abs(loud.astype(np.int32)).max() <= 32_768
    quiet = babble(1, 2000)
    assert np.abs(amplified(quiet, 1.0).astype(np.int32) - quiet).max() <= 1


@pytest.mark.parametrize("chunk", [1000, 500_000])
@pytest.mark.parametrize(("text", "pause_s"), [("Yes, I do.", 0.28), ("Yes, I do,", 0.14), ("Yes I do", 0.04)])
async def test_silence_at_the_ends_is_trimmed_to_the_pause_of_the_text(text: str, pause_s: float, chunk: int):
    pcm = np.concatenate([silence(1.5), babble(2), silence(1.5)])
    shaped = ShapedSynthesizer(Given(*(pcm[start : start + chunk] for start in range(0, len(pcm), chunk))))
    for _ in range(2):  # with an estimated gain, and with a measured one
        trimmed = joined(await said(shaped, text))
        assert len(trimmed) / RATE == pytest.approx(2 + pause_s, abs=0.15)


async def test_the_times_of_words_follow_what_is_trimmed_and_stay_within_the_audio():
    words = (SpokenWord("one", 1500, 2000), SpokenWord("two", 2600, 2990), SpokenWord("three", 3000, 4900))
    pcm = np.concatenate([silence(1.5), babble(2), silence(1.5)])
    shaped = ShapedSynthesizer(Given(*np.array_split(pcm, 50), words=words))
    chunks = await said(shaped, "one two three.")
    told = [word for chunk in chunks for word in chunk.words]
    assert [word.text for word in told] == ["one", "two", "three"]
    assert told[0].start_ms == pytest.approx(20, abs=15)
    assert told[1].start_ms - told[0].start_ms == 1100
    assert told[2].end_ms <= len(joined(chunks)) / 24
    seen = 0
    for chunk in chunks:
        seen += len(chunk.pcm)
        assert all(word.end_ms <= seen / 24 for word in chunk.words)


async def test_the_ends_fade_where_a_cut_would_click():
    shaped = ShapedSynthesizer(Given(np.where(np.arange(RATE) // 60 % 2, 8000, -8000).astype(np.int16)))
    pcm = joined(await said(shaped, "a"))
    assert abs(int(pcm[0])) < 400
    assert abs(int(pcm[-1])) < 400


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ((np.full(4800, np.nan, np.float32),), "not a number"),
        ((babble(1).astype(np.float32) / 32768, np.array([np.inf], np.float32)), "not a number"),
        ((silence(1),), "only silence"),
        ((silence(20),), "only silence for 3 s"),
        ((babble(1), silence(20)), "fell silent for 3 s"),
        ((noise(2),), "noise"),
        ((babble(1), noise(1)), "noise"),
        ((noise(2, 0.2),), "noise"),
        ((np.full(RATE, 12_000, np.int16),), "noise"),
        ((np.zeros((2, 4800), np.int16),), "not mono"),
        ((np.zeros(4800, np.int32),), "int32"),
    ],
)
async def test_what_is_no_speech_is_an_error(pieces: tuple[NDArray[np.int16], ...], message: str):
    given = Given(*pieces)
    for _ in range(2):
        with pytest.raises(NotSpeech, match=message):
            await said(ShapedSynthesizer(given))
    assert not given.open_streams


@pytest.mark.parametrize("rate", [0, -1, None, 24_000.5, 10**9, "24000", float("nan")])
async def test_a_rate_that_can_be_none_is_an_error(rate: object):
    with pytest.raises(NotSpeech, match="sample rate"):
        await said(ShapedSynthesizer(Given(babble(1), rate=rate)))


async def test_no_audio_for_a_text_is_an_error_of_its_own():
    with pytest.raises(NothingSpoken, match="no audio"):
        await said(ShapedSynthesizer(Given()))


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
async def test_audio_that_does_not_end_is_cut_off_by_the_length_of_its_text(speed: float):
    endless = Endless(babble(1))
    heard: list[NDArray[np.int16]] = []
    with pytest.raises(NotSpeech, match="did not end"):
        async with aclosing(ShapedSynthesizer(endless).stream("Hello there.", SpeechOptions(speed=speed))) as chunks:
            async for chunk in chunks:
                heard.append(chunk.pcm)
    assert 2 < sum(map(len, heard)) / RATE <= longest_s("Hello there.", speed)
    assert not endless.open_streams


@pytest.mark.parametrize("text", ["7" * 200, "$" * 50 + "1", "NATO", "z" * 100, "今天天气很好", "é" * 40])
def test_the_longest_audio_is_long_enough_for_what_is_read_out(text: str):
    assert longest_s(text, 1.0) > 3 + 0.19 * len(text)


async def test_fricatives_and_short_noises_are_speech():
    pcm = np.concatenate([babble(1), noise(0.3, 0.05), babble(1), noise(0.25, 0.02), babble(1)])
    assert len(joined(await said(ShapedSynthesizer(Given(*np.array_split(pcm, 31)))))) / RATE == pytest.approx(
        3.55, abs=0.1
    )


async def test_floats_are_taken_and_a_long_chunk_is_passed_on_in_pieces():
    shaped = ShapedSynthesizer(Given(babble(5).astype(np.float32) / 32768, rate=RATE))
    chunks = await said(shaped)
    assert max(len(chunk.pcm) for chunk in chunks) <= 1.1 * RATE
    assert len(joined(chunks)) / RATE == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("text", ["", " ", "...", "😀 🎉", "\u200b", "\x00\x01", "—"])
async def test_a_text_without_a_letter_or_digit_does_not_reach_the_synthesiser(text: str):
    given = Given(babble(1))
    assert await said(ShapedSynthesizer(given), text) == []
    assert not given.asked


async def test_a_speed_beyond_what_it_can_is_brought_to_what_it_can():
    given = Given(babble(1))
    for speed in (0.25, 1.5, 4.0):
        await said(ShapedSynthesizer(given), speed=speed)
    assert [options.speed for options in given.asked] == [0.5, 1.5, 2.0]


async def test_what_is_known_after_the_warm_up_only_is_not_taken_from_before():
    class Late(Given):
        voices, clones_voices = (), False
        min_speed, max_speed = 1.0, 1.0

        async def warm_up(self):
            self.voices, self.clones_voices = (Voice("late"),), True
            self.min_speed, self.max_speed, self.sample_rate = 0.5, 2.0, 16_000

    shaped = ShapedSynthesizer(Late(babble(2, 6000, 16_000), rate=None))
    await shaped.warm_up()
    assert [voice.name for voice in shaped.voices] == ["late"]
    assert (shaped.clones_voices, shaped.min_speed, shaped.max_speed) == (True, 0.5, 2.0)
    assert len(joined(await said(shaped, speed=1.5))) / RATE == pytest.approx(2, abs=0.1)
    assert shaped.synthesizer.asked[-1].speed == 1.5


async def test_closing_it_closes_the_synthesiser():
    endless = Endless(babble(0.5))
    chunks = ShapedSynthesizer(endless).stream(TEXT, SpeechOptions())
    await anext(chunks)
    await chunks.aclose()
    assert not endless.open_streams
    waiting = asyncio.ensure_future(anext(ShapedSynthesizer(endless).stream(TEXT, SpeechOptions())))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_a_voice_whose_level_cannot_be_measured_is_warm_all_the_same():
    class Broken(Given):
        async def stream(self, text, options):
            raise Unavailable("down")
            yield

    await ShapedSynthesizer(Broken()).warm_up()
