"""What every recogniser must do, tried on recorded speech; only `asr.base` is used, so any engine can be added.

Audio is pushed faster than real time. Where a test needs partial results it waits for one, so nothing depends on speed.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assemblyai_server import KEY, serving_in_a_thread
from numpy.typing import NDArray

from recordings import recording
from serving import serving
from streamsrv.audio.files import read_audio
from streamsrv.audio.pcm import level_dbfs
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr import assemblyai, openai_realtime, openai_transcriptions
from streamsrv.engines.asr.base import RecognitionOptions, RecognitionStream, Recognizer, Transcript
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import EngineLoader, LoadContext
from streamsrv.engines.recognizer_library import stated_abilities
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler
from streamsrv.testing.fakes import fake_engines
from streamsrv.testing.word_errors import count_word_errors

TWO_CITIES = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it "
    "was the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of "
    "Darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had nothing "
    "before us, we were all going direct to Heaven, we were all going direct the other way - in short, the period was "
    "so far like the present period, that some of its noisiest authorities insisted on its being received, for good or "
    "for evil, in the superlative degree of comparison only."
)
BECKETT = "Ever tried. Ever failed. No matter. Try again. Fail again. Fail better."
HOTEL = "네 명 숙박할 건데 호텔 디럭스룸은 다 찼다고 하셔서 그런데 혹시 싱글룸 두 개로 예약은 가능한가요"
SPEECH_DBFS = -45
CATALOGUE = load_catalogue()
FIXTURES = Path(__file__).parents[2] / "fixtures"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@contextmanager
def through_assemblyai(local: Recognizer, context: LoadContext) -> Iterator[Recognizer]:
    """The client of the provider and, behind a server that speaks its protocol, a local engine."""
    with serving_in_a_thread(local) as server:
        # A slow machine is no fault of the provider.
        options = {"base_url": server.url, "stall_deadline_s": 120.0, "final_deadline_s": 120.0}
        yield assemblyai.load(replace(CATALOGUE["assemblyai"], options=options), replace(context, api_key=KEY))


@contextmanager
def through_rest(local: Recognizer, context: LoadContext) -> Iterator[Recognizer]:
    """A second streamsrv, asked for whole windows, in which it looks for speech itself."""
    vad = EngineLoader(CATALOGUE, ModelStore(), context.scheduler).load(CATALOGUE["silero"])
    with serving(replace(fake_engines(recognizer=local), vad=vad)) as server:
        options = {"base_url": server.http_url, "model": "whisper-1", "prompt": False, "timeout_s": 120.0}
        yield openai_transcriptions.load(replace(CATALOGUE["openai-transcribe"], options=options), context)


@contextmanager
def through_realtime(local: Recognizer, context: LoadContext) -> Iterator[Recognizer]:
    """A second streamsrv, which recognises while it hears."""
    with serving(fake_engines(recognizer=local)) as server:
        options = {"base_url": server.http_url, "prompt": False, "partials": True}
        yield openai_realtime.load(replace(CATALOGUE["openai-live-transcribe"], options=options), context)


REMOTES = {remote.__name__: remote for remote in (through_assemblyai, through_rest, through_realtime)}


SLOW = {"moonshine-base", "through_realtime", "through_rest", "two-speed-whisper", "whisper-base", "whisper-cpp-base"}
"""They take long on a small CPU, and another model or other tests try their engine, too."""
NAMES = [*(entry.name for entry in CATALOGUE.entries("recognizer")), *REMOTES]


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in NAMES]
)
def recognizer(request: pytest.FixtureRequest) -> Iterator[Recognizer]:
    is_remote = request.param in REMOTES
    entry = CATALOGUE["moonshine-tiny" if is_remote else request.param]
    scheduler = Scheduler(2)
    loader = EngineLoader(CATALOGUE, ModelStore(), scheduler)
    if lacking := loader.needs(entry):
        pytest.skip(f"{entry.name} needs {', '.join(map(str, lacking))}")
    loaded: Recognizer = loader.load(entry)
    if is_remote:
        with REMOTES[request.param](loaded, LoadContext(scheduler, {})) as remote:
            yield remote
    else:
        yield loaded
    scheduler.close()


@dataclass(frozen=True)
class Speech:
    """Recorded speech of one language, and what an engine may get wrong in it."""

    language: str
    long: NDArray[np.int16]
    """With pauses."""
    long_text: str
    short: NDArray[np.int16]
    short_text: str
    cut: NDArray[np.int16]
    """As long as `short`, with another text."""
    cut_phrase: str
    short_phrase: str
    """Words of `short` that are not in `cut`."""
    prompt: str
    max_errors: float
    """In English, two of the twelve words of `BECKETT`: Whisper base hears "never" for "ever"."""

    def errors(self, text: str, heard: str) -> float:
        """The word error rate; for Korean, which is spaced in several ways, that of its letters."""
        if self.language != "ko":
            return count_word_errors(text, heard).rate
        letters = ("".join(filter(str.isalnum, each)) for each in (text, heard))
        return count_word_errors(*(" ".join(each) for each in letters)).rate


def english() -> Speech:
    two_cities, beckett = (read_audio(recording(name), SPEECH_RATE_HZ) for name in ("two_cities.wav", "beckett.wav"))
    cut = two_cities[: len(beckett)]
    prompt = "Samuel Beckett, Worstward Ho"
    return Speech("en", two_cities, TWO_CITIES, beckett, BECKETT, cut, "best of times", "fail better", prompt, 0.17)


def korean() -> Speech:
    """One sentence; the long speech is the same sentence three times."""
    hotel = read_audio(FIXTURES / "korean_hotel_booking.flac", SPEECH_RATE_HZ)
    begin = hotel[: 4 * SPEECH_RATE_HZ]
    cut = np.concatenate([begin, np.zeros(len(hotel) - 2 * len(begin), np.int16), begin])
    return Speech("ko", np.tile(hotel, 3), " ".join([HOTEL] * 3), hotel, HOTEL, cut, "호텔", "가능", "호텔 예약", 0.5)


@pytest.fixture(scope="module")
def speech(recognizer: Recognizer) -> Speech:
    known = recognizer.abilities.languages
    return english() if not known or "en" in known else korean()


def frames(pcm: NDArray[np.int16], sizes: Iterable[int] = (512,)) -> Iterator[NDArray[np.int16]]:
    start = 0
    for size in cycle(sizes):
        if start >= len(pcm):
            return
        yield pcm[start : start + size]
        start += size


def push(stream: RecognitionStream, frame: NDArray[np.int16]) -> None:
    """Push a frame as speech or silence by its level, as good as voice activity for a studio recording."""
    stream.push(frame, speech=level_dbfs(frame) > SPEECH_DBFS)


async def push_all(stream: RecognitionStream, pcm: NDArray[np.int16], sizes: Iterable[int] = (512,)) -> None:
    for frame in frames(pcm, sizes):
        push(stream, frame)
        await asyncio.sleep(0)


async def final_of(stream: RecognitionStream) -> Transcript:
    *_, final = [transcript async for transcript in stream]
    assert final.is_final
    return final


@asynccontextmanager
async def opened(recognizer: Recognizer, speech: Speech, **options: Any) -> AsyncGenerator[RecognitionStream]:
    async with (
        aclosing(recognizer.connect()) as session,
        aclosing(session.open(RecognitionOptions(language=speech.language, **options))) as stream,
    ):
        yield stream


def pieces(pcm: NDArray[np.int16], seconds: int) -> Iterator[NDArray[np.int16]]:
    """Cut `pcm` after every `seconds`, where it is clearly speech or clearly a pause.

    In the first moments of a pause a recogniser may wait for more audio, which a microphone gives.
    """
    begin, newest = 0, deque[bool](maxlen=5)
    for end in range(512, len(pcm), 512):
        newest.append(level_dbfs(pcm[end - 512 : end]) > SPEECH_DBFS)
        if end - begin >= seconds * SPEECH_RATE_HZ and len(set(newest)) == 1:
            yield pcm[begin:end]
            begin = end
    yield pcm[begin:]


async def transcripts_of(
    stream: RecognitionStream, pcm: NDArray[np.int16], piece_s: int = 3
) -> AsyncIterator[Transcript]:
    """Push `pcm`, waiting for a transcript after every piece of it as a listener in real time would see one."""
    *begin, last = pieces(pcm, piece_s)
    for piece in begin:
        await push_all(stream, piece)
        yield await anext(aiter(stream))
    await push_all(stream, last)
    stream.finish()
    async for transcript in stream:
        yield transcript


async def test_it_can_do_what_its_entry_states(recognizer: Recognizer):
    """A client may choose a model before it is loaded: then only the catalogue says what may be asked of it."""
    entry = CATALOGUE.get(recognizer.name)
    if entry is None or entry.engine.startswith("openai_"):
        pytest.skip(f"{recognizer.name} is asked through another server, whose model decides")
    stated, abilities = stated_abilities(entry), recognizer.abilities
    names = ("languages", "detects_language", "prompt", "keywords", "logprobs", "translates")
    assert [name for name in names if getattr(stated, name) != getattr(abilities, name)] == []


async def test_long_speech_with_pauses(recognizer, speech):
    if isinstance(recognizer, openai_transcriptions.TranscriptionsRecognizer):
        pytest.skip("it gives no text before a pause")
    async with opened(recognizer, speech) as stream, asyncio.timeout(600):
        transcripts = [transcript async for transcript in transcripts_of(stream, speech.long)]
    assert speech.errors(speech.long_text, transcripts[-1].text) <= speech.max_errors
    *partial, final = transcripts
    assert final.is_final
    assert final.tentative == ""
    assert not any(transcript.is_final for transcript in partial)
    assert any(transcript.tentative for transcript in partial)
    assert all(after.stable.startswith(before.stable) for before, after in pairwise(partial))
    assert len(partial[-1].stable.split()) > 0.6 * len(speech.long_text.split())


async def test_speech_pushed_all_at_once(recognizer, speech):
    async with opened(recognizer, speech) as stream, asyncio.timeout(600):
        stream.push(speech.long)
        stream.finish()
        assert speech.errors(speech.long_text, (await final_of(stream)).text) <= speech.max_errors


async def test_short_speech(recognizer, speech):
    async with opened(recognizer, speech) as stream, asyncio.timeout(300):
        await push_all(stream, speech.short)
        stream.finish()
        assert speech.errors(speech.short_text, (await final_of(stream)).text) <= speech.max_errors


async def test_frames_of_any_size(recognizer, speech):
    async with opened(recognizer, speech) as stream, asyncio.timeout(300):
        await push_all(stream, speech.short, sizes=(1, 37, 0, 511, 1600, 160, 4801))
        stream.finish()
        assert speech.errors(speech.short_text, (await final_of(stream)).text) <= speech.max_errors


async def test_times_of_words_if_any_are_in_order_and_inside_the_audio(recognizer, speech):
    async with opened(recognizer, speech) as stream, asyncio.timeout(300):
        await push_all(stream, speech.short)
        stream.finish()
        words = (await final_of(stream)).words
    times = [ms for word in words for ms in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert all(0 <= ms <= len(speech.short) / 16 for ms in times)


@pytest.mark.parametrize("seconds", [0, 3])
async def test_silence_is_no_text(recognizer, speech, seconds):
    async with opened(recognizer, speech) as stream, asyncio.timeout(300):
        await push_all(stream, np.zeros(seconds * SPEECH_RATE_HZ, np.int16))
        stream.finish()
        assert (await final_of(stream)).text == ""


async def test_two_streams_at_once_do_not_mix(recognizer, speech):
    async with opened(recognizer, speech) as one, opened(recognizer, speech) as other, asyncio.timeout(300):
        for a, b in zip(frames(speech.cut), frames(speech.short), strict=True):
            push(one, a)
            push(other, b)
            await asyncio.sleep(0)
        one.finish()
        other.finish()
        first, second = await asyncio.gather(final_of(one), final_of(other))
    assert speech.cut_phrase in first.text.lower()
    assert speech.short_phrase not in first.text.lower()
    assert speech.errors(speech.short_text, second.text) <= speech.max_errors


async def test_closing_in_the_middle_of_speech_leaves_nothing_behind(recognizer, speech):
    tasks, threads = asyncio.all_tasks(), threading.active_count()
    async with opened(recognizer, speech) as stream, asyncio.timeout(300):
        await push_all(stream, speech.long[: 5 * SPEECH_RATE_HZ])
        await anext(aiter(stream))
        await push_all(stream, speech.long[5 * SPEECH_RATE_HZ : 10 * SPEECH_RATE_HZ])
    await stream.aclose()
    assert asyncio.all_tasks() == tasks
    assert threading.active_count() <= threads


async def test_closing_ends_a_pending_read(recognizer, speech):
    async with asyncio.timeout(300), asyncio.TaskGroup() as tasks:
        async with opened(recognizer, speech) as stream:
            reading = tasks.create_task(anext(aiter(stream), None))
            await asyncio.sleep(0)
        assert await reading is None


async def test_options_are_accepted(recognizer, speech):
    options = {"prompt": speech.prompt} if recognizer.abilities.prompt else {}
    async with opened(recognizer, speech, **options) as stream, asyncio.timeout(300):
        await push_all(stream, speech.short)
        stream.finish()
        final = await final_of(stream)
    assert speech.errors(speech.short_text, final.text) <= speech.max_errors
    assert final.language in (None, speech.language)


async def test_warm_up_can_be_repeated(recognizer):
    await recognizer.warm_up()
    await recognizer.warm_up()
