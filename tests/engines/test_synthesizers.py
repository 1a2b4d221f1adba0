"""What every synthesiser must do, with real weights; how well its speech is understood is measured in benchmarks/.

What listeners get is made equal around the engines: `ShapedSynthesizer`.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from serving import serving
from streamsrv.audio.pcm import level_dbfs
from streamsrv.engines.catalogue import ModelEntry, load_catalogue
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Synthesizer
from streamsrv.engines.tts.shaping.loudness import TARGET_LUFS, loudness_lufs
from streamsrv.engines.tts.shaping.synthesizer import ShapedSynthesizer
from streamsrv.engines.weights.store import ModelStore
from streamsrv.errors import EngineError
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.testing.fakes import fake_engines

ENTRIES = [entry for entry in load_catalogue().entries("synthesizer") if entry.hardware != "remote"]
READY = [entry for entry in ENTRIES if not needs(entry, ModelStore())]
BEHIND_A_SERVER = ModelEntry("second-streamsrv", "synthesizer", "openai_speech", hardware="remote", languages=("en",))
"""`hibari` in a second streamsrv, which is asked over HTTP."""
MAX_CHUNK_S = 2
SENTENCES = [
    "The capital of France is Paris.",
    "Sure, I can help you with that, of course.",
    "Five of them came with us to the house on the hill.",
    "Extraordinary!",
    "It costs three dollars and fifty cents, which is not much",
]
LONG = " ".join(SENTENCES[:3])
GREETINGS = {
    "de": "Guten Morgen, wie geht es Ihnen heute?",
    "fr": "Bonjour, comment allez-vous aujourd'hui ?",
    "es": "¿Qué tiempo hace hoy en la ciudad?",
    "ru": "Здравствуйте, как ваши дела сегодня?",
    "zh": "你好，今天天气怎么样？",
    "ko": "안녕하세요, 오늘 날씨가 어때요?",
    "ar": "مرحبا، كيف حالك اليوم؟",
    "hi": "नमस्ते, आज आप कैसे हैं?",
}


class CountingScheduler(Scheduler):
    """Counts the jobs it was given."""

    jobs = 0

    async def run(self, priority, call):
        self.jobs += 1
        return await super().run(priority, call)


@pytest.fixture(scope="module")
def scheduler() -> Generator[CountingScheduler, None, None]:
    scheduler = CountingScheduler(2)
    yield scheduler
    scheduler.close()


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry not in READY], ids=lambda entry: entry.name)
def test_it_is_ready(entry: ModelEntry):
    """The other tests have only those that are ready."""
    pytest.skip(f"{entry.name} is not ready: {'; '.join(map(str, needs(entry, ModelStore())))}")


def tried(entry: ModelEntry) -> Any:
    """The real voice of Piper takes longest; `test_piper.py` tries the same code with a tiny one."""
    return pytest.param(entry, marks=pytest.mark.slow) if entry.engine == "piper" else entry


@pytest.fixture(scope="module", params=[*map(tried, READY), BEHIND_A_SERVER], ids=lambda entry: entry.name)
def entry(request: pytest.FixtureRequest, scheduler: Scheduler) -> Generator[ModelEntry]:
    if request.param is not BEHIND_A_SERVER:
        yield request.param
        return
    with second_server(scheduler) as base_url:
        yield replace(BEHIND_A_SERVER, options={"base_url": base_url, "model": "hibari"})


@contextmanager
def second_server(scheduler: Scheduler) -> Generator[str]:
    [hibari] = [entry for entry in ENTRIES if entry.name == "hibari"]
    if lacking := needs(hibari, ModelStore()):
        pytest.skip(f"the second server has no voice: {'; '.join(map(str, lacking))}")
    with serving(fake_engines(synthesizer=load_engine(hibari, LoadContext(scheduler, {})))) as server:
        yield server.http_url


@pytest.fixture(scope="module")
def local(entry: ModelEntry, scheduler: Scheduler) -> Generator[Synthesizer | None]:
    """Models are loaded once; clients of servers belong to the event loop of a test."""
    if entry.hardware == "remote":
        yield None
        return
    synthesizer = load_engine(entry, LoadContext(scheduler, ModelStore().locate(entry)))
    asyncio.run(synthesizer.warm_up())
    yield synthesizer
    asyncio.run(synthesizer.aclose())


@pytest.fixture
async def synthesizer(
    entry: ModelEntry, local: Synthesizer | None, scheduler: Scheduler
) -> AsyncGenerator[Synthesizer]:
    if local is not None:
        yield local
        return
    synthesizer = load_engine(entry, LoadContext(scheduler, {}))
    await synthesizer.warm_up()
    yield synthesizer
    await synthesizer.aclose()


@pytest.fixture(scope="module")
def kept() -> dict[str, NDArray[np.int16]]:
    return {}


@pytest.fixture
async def natural(synthesizer: Synthesizer, kept: dict[str, NDArray[np.int16]]) -> NDArray[np.int16]:
    """`LONG` at the voice's own pace, made once."""
    if synthesizer.name not in kept:
        kept[synthesizer.name] = await speak(synthesizer, LONG)
    return kept[synthesizer.name]


async def chunks_of(synthesizer: Synthesizer, text: str, **options) -> list[SpeechChunk]:
    return [chunk async for chunk in synthesizer.stream(text, SpeechOptions(**options))]


async def speak(synthesizer: Synthesizer, text: str, **options) -> NDArray[np.int16]:
    chunks = await chunks_of(synthesizer, text, **options)
    return np.concatenate([np.empty(0, np.int16), *(chunk.pcm for chunk in chunks)])


def assert_same_speech(spoken: NDArray[np.int16], expected: NDArray[np.int16]) -> None:
    """Compare two renderings of a text. Models that draw lots never give the same samples twice."""
    assert spoken.dtype == expected.dtype == np.int16
    assert spoken.size == pytest.approx(expected.size, rel=0.4)
    assert level_dbfs(spoken) == pytest.approx(level_dbfs(expected), abs=3)


async def test_its_voices_are_those_that_the_catalogue_promises(synthesizer: Synthesizer, entry: ModelEntry):
    names = [voice.name for voice in synthesizer.voices]
    assert names
    assert len(set(names)) == len(names)
    spoken = frozenset[str]().union(*(voice.languages for voice in synthesizer.voices))
    assert spoken == set(entry.languages)
    assert 0 < synthesizer.min_speed <= 1 <= synthesizer.max_speed


@pytest.mark.parametrize("text", SENTENCES)
async def test_a_sentence_becomes_audio_of_plausible_length_and_level(synthesizer: Synthesizer, text: str):
    pcm = await speak(synthesizer, text)
    assert pcm.dtype == np.int16
    assert pcm.ndim == 1
    words = len(text.split())
    assert 0.15 * words + 0.1 < pcm.size / synthesizer.sample_rate < 0.45 * words + 1.5
    assert -32 < level_dbfs(pcm) < -12


async def test_each_of_its_languages_becomes_audio(synthesizer: Synthesizer, entry: ModelEntry):
    spoken = [language for language in GREETINGS if language in entry.languages]
    if not spoken:
        pytest.skip(f"{entry.name} speaks {', '.join(entry.languages)} only")
    for language in spoken:
        pcm = await speak(synthesizer, GREETINGS[language], language=language)
        assert 0.8 < pcm.size / synthesizer.sample_rate < 6, language
        assert level_dbfs(pcm) > -35, language


async def test_listeners_get_speech_of_equal_loudness_without_silence_at_its_ends(synthesizer: Synthesizer):
    shaped = ShapedSynthesizer(synthesizer)
    await shaped.warm_up()
    pcm = await speak(shaped, LONG)
    assert loudness_lufs(pcm, shaped.sample_rate) == pytest.approx(TARGET_LUFS, abs=1.5)
    for text in SENTENCES[2:]:
        pcm = await speak(shaped, text)
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > 330)
        assert loud[0] / shaped.sample_rate < 0.05
        assert 0 < (pcm.size - loud[-1]) / shaped.sample_rate < 0.35


async def test_several_sentences_come_in_pieces(synthesizer: Synthesizer):
    chunks = await chunks_of(synthesizer, "This is the first sentence. And here is the second.")
    assert len(chunks) > 1
    assert all(chunk.pcm.size for chunk in chunks)


async def test_word_timings_if_any_lie_in_the_audio_in_order(synthesizer: Synthesizer):
    chunks = await chunks_of(synthesizer, SENTENCES[0])
    times = [time for chunk in chunks for word in chunk.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert not times or times[-1] <= sum(chunk.pcm.size for chunk in chunks) * 1000 / synthesizer.sample_rate


@pytest.mark.parametrize("text", ["", " \n", "...", "?!", "😀", "\u200b", "\ud800", "\x00\x1b\x7f"])
async def test_nothing_to_say_is_no_audio(synthesizer: Synthesizer, text: str):
    assert (await speak(synthesizer, text)).size == 0


@pytest.mark.parametrize(
    "text",
    [
        "ᚠᚢᚦ",
        "你好。",
        "zqxjkv",
        "a" * 300,
        "1/0 [x](/y/) {} \\ \x00",
        "é" * 40,
        "Hello мир 世界 שלום!",
        "<b>-x</b> --help",
    ],
)
async def test_odd_text_gives_audio_or_a_clean_error(synthesizer: Synthesizer, text: str):
    try:
        pcm = await speak(synthesizer, text)
    except EngineError as error:
        assert str(error)  # noqa: PT017 - either outcome is right
    else:
        assert pcm.dtype == np.int16


async def test_a_speed_beyond_the_engine_is_brought_to_what_it_can(synthesizer: Synthesizer):
    slowest, fastest = [(await speak(synthesizer, SENTENCES[0], speed=speed)).size for speed in (0.25, 4.0)]
    assert 1 < slowest / fastest < 17


async def test_an_unknown_voice_is_the_default_voice(synthesizer: Synthesizer):
    unknown = await speak(synthesizer, SENTENCES[0], voice="nobody")
    assert_same_speech(unknown, await speak(synthesizer, SENTENCES[0]))


async def test_a_language_that_it_does_not_speak_does_no_harm(synthesizer: Synthesizer):
    assert (await speak(synthesizer, SENTENCES[0], language="zu")).size


async def test_streams_at_the_same_time_do_not_change_each_other(synthesizer: Synthesizer):
    alone = [await speak(synthesizer, text) for text in SENTENCES[:3]]
    together = await asyncio.gather(*(speak(synthesizer, text) for text in SENTENCES[:3]))
    for audio, expected in zip(together, alone, strict=True):
        assert_same_speech(audio, expected)


async def test_closing_the_stream_early_ends_the_work(
    synthesizer: Synthesizer, entry: ModelEntry, scheduler: CountingScheduler
):
    if entry.hardware == "remote":
        pytest.skip("a server learns later that its client has gone; test_openai_speech.py waits for that")
    stream = synthesizer.stream(LONG, SpeechOptions())
    assert (await anext(stream)).pcm.size
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    jobs = scheduler.jobs
    await scheduler.run(Priority.PARTIAL, lambda: None)
    assert scheduler.jobs == jobs + 1


async def test_a_cancelled_wait_does_not_harm_the_next_stream(synthesizer: Synthesizer):
    expected = await speak(synthesizer, SENTENCES[0])
    waiting = asyncio.ensure_future(anext(synthesizer.stream(LONG, SpeechOptions())))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert_same_speech(await speak(synthesizer, SENTENCES[0]), expected)


@pytest.mark.parametrize(
    "speed", [0.25, 1.3, 4.0, *(pytest.param(speed, marks=pytest.mark.slow) for speed in (0.5, 2.0))]
)
async def test_every_speed_is_done_in_short_chunks(
    synthesizer: Synthesizer, entry: ModelEntry, natural: NDArray[np.int16], speed: float
):
    """The event loop handles a chunk in one go, so that one is never as long as a segment."""
    if not synthesizer.min_speed <= speed <= synthesizer.max_speed:
        pytest.skip(f"{synthesizer.name} speaks at {synthesizer.min_speed} to {synthesizer.max_speed}")
    chunks = await chunks_of(synthesizer, LONG, speed=speed)
    spoken = np.concatenate([chunk.pcm for chunk in chunks])
    tolerance = 0.45 if entry.engine == "piper" else 0.25  # pauses stay, and Piper draws the length of each sound
    assert natural.size / spoken.size == pytest.approx(speed, rel=tolerance)
    assert level_dbfs(spoken) == pytest.approx(level_dbfs(natural), abs=3)
    assert max(len(chunk.pcm) for chunk in chunks) <= MAX_CHUNK_S * synthesizer.sample_rate


@pytest.mark.parametrize(
    "text",
    ["7" * 4096, "7 " * 2048, "1,234," * 600, "$" * 4096, "a" * 20_000, "٧" * 4096, "word " * 600, "ha, " * 5000],
)
async def test_the_first_piece_of_a_long_text_is_short_and_the_rest_can_be_cancelled(
    synthesizer: Synthesizer, text: str
):
    """A voice may read digits out itself: what it makes of them must not come in one piece."""
    async with asyncio.timeout(60):
        async with aclosing(synthesizer.stream(text, SpeechOptions())) as chunks:
            chunk = await anext(chunks, SpeechChunk(np.zeros(0, np.int16)))
    assert len(chunk.pcm) <= MAX_CHUNK_S * synthesizer.sample_rate
