"""Loads the models of a server and runs each of them once, as `streamsrv doctor --load` does."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.conformance.speech import WORDS, spoken_question
from streamsrv.engines.absent import ABSENT
from streamsrv.engines.asr.base import RecognitionOptions, Recognizer, RecognizerFacts
from streamsrv.engines.asr.recordings import recognize_recording
from streamsrv.engines.boundary import engine_call
from streamsrv.engines.catalogue import CatalogueError
from streamsrv.engines.llm.base import AnsweredBy, ChatModel, ChatOptions, Message, Text
from streamsrv.engines.loaded import Engines
from streamsrv.engines.startup import LIMITS, load_engines
from streamsrv.engines.tts.base import SpeechOptions, Synthesizer
from streamsrv.engines.vad.base import VAD_FRAME_SAMPLES
from streamsrv.errors import EngineError, Unavailable
from streamsrv.settings import Settings
from streamsrv.voices.previews import preview_text

QUESTION = "What is the capital of France?"
GREETING = "Hi."
MIN_SPEECH = 0.5
"""Probability of speech from which a frame counts as heard."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one model, or of loading all of them: what it did, or why it failed."""

    subject: str
    worked: bool
    detail: str
    is_note: bool = False
    """Whether the server starts all the same, without what failed."""


async def try_models(settings: Settings) -> list[Trial]:
    """Load all models that a server with these settings uses, and run each once."""
    started = time.monotonic()
    notes: list[str] = []
    try:
        engines = await load_engines(settings, notes.append)
    except (EngineError, CatalogueError) as error:
        return [Trial("loading", False, str(error))]
    try:
        seconds = f"{time.monotonic() - started:.1f} s"
        limits = [Trial("loading", False, note, is_note=True) for note in notes if note.startswith(LIMITS)]
        return [
            Trial("loading", True, seconds),
            *limits,
            *[await _try(subject, run) for subject, run in _runs(engines)],
        ]
    finally:
        await engines.aclose()


def _runs(engines: Engines) -> list[tuple[str, Callable[[], Awaitable[str]]]]:
    runs: list[tuple[str, Callable[[], Awaitable[str]]]] = []
    if engines.vad.name != ABSENT:
        runs.append((f"run {engines.vad.name}", lambda: _hear(engines)))
    if engines.turn is not None:
        runs.append((f"run {engines.turn.name}", lambda: _predict(engines)))
    if engines.turn_stream is not None:
        runs.append((f"run {engines.turn_stream.name}", lambda: _score(engines)))
    if engines.turn_words is not None:
        runs.append((f"run {engines.turn_words.name}", lambda: _judge(engines)))
    for recognizer in engines.recognizers.loaded:
        if recognizer.name != ABSENT:
            runs.append((f"run {recognizer.name}", lambda each=recognizer: _recognize(engines, each)))
    for synthesizer in engines.synthesizers:
        if synthesizer.name != ABSENT:
            runs.append((f"run {synthesizer.name}", lambda each=synthesizer: _speak(each)))
    chats = {chat.name: chat for chat in (engines.chat, *engines.stand_ins) if chat.name != ABSENT}
    return [*runs, *((f"run {name}", lambda chat=chat: _answer(chat)) for name, chat in chats.items())]


async def _try(subject: str, run: Callable[[], Awaitable[str]]) -> Trial:
    started = time.monotonic()
    try:
        with engine_call(subject):
            done = await run()
    except EngineError as error:
        reason = f"{error.__cause__!r}" if error.__cause__ and not isinstance(error.__cause__, EngineError) else ""
        return Trial(subject, False, f"{error} {reason}".strip())
    return Trial(subject, True, f"{done} ({time.monotonic() - started:.2f} s)")


def _recording() -> NDArray[np.int16]:
    return np.frombuffer(spoken_question(SPEECH_RATE_HZ), "<i2").astype(np.int16)


async def _hear(engines: Engines) -> str:
    pcm = _recording()
    frames = pcm[: len(pcm) // VAD_FRAME_SAMPLES * VAD_FRAME_SAMPLES].reshape(-1, VAD_FRAME_SAMPLES)
    probabilities = await asyncio.to_thread(engines.vad.open().probabilities, frames)
    heard = sum(probability >= MIN_SPEECH for probability in probabilities)
    if not heard:
        raise Unavailable(f"found no speech in a recording of {WORDS!r}.")
    return f"found speech in {heard} of {len(probabilities)} frames"


async def _predict(engines: Engines) -> str:
    assert engines.turn is not None
    probability = await asyncio.to_thread(engines.turn.probability, _recording())
    return f"end of turn with probability {probability:.2f}"


async def _score(engines: Engines) -> str:
    assert engines.turn_stream is not None
    scores = await asyncio.to_thread(engines.turn_stream.open().feed, _recording())
    if not scores:
        raise Unavailable(f"gave no score of a recording of {WORDS!r}.")
    return f"end of turn with probability {scores[-1].end:.2f}, after {len(scores)} scores"


async def _judge(engines: Engines) -> str:
    assert engines.turn_words is not None
    ending = await engines.turn_words.ending(QUESTION)
    return f"end of turn after {QUESTION!r} with probability {ending.as_recognized:.2f}"


async def _recognize(engines: Engines, recognizer: Recognizer) -> str:
    utterances = recognize_recording(_recording(), recognizer, engines.vad, engines.scheduler, RecognitionOptions())
    async with aclosing(utterances) as found:
        text = " ".join([utterance.text async for utterance in found])
    is_english = RecognizerFacts(recognizer.abilities).knows("en")
    if not text and is_english:
        raise Unavailable(f"heard nothing in a recording of {WORDS!r}.")
    return f"heard {text!r}"


async def _speak(synthesizer: Synthesizer) -> str:
    voice = synthesizer.voices[0]
    language = "en" if voice.speaks("en") else min(voice.languages)
    text = GREETING if language == "en" else preview_text(language)
    async with aclosing(synthesizer.stream(text, SpeechOptions(voice.name, language=language))) as chunks:
        samples = sum([len(chunk.pcm) async for chunk in chunks])
    if not samples:
        raise Unavailable(f"spoke nothing for {text!r}.")
    return f"said {text!r} in {samples / synthesizer.sample_rate:.1f} s of speech"


async def _answer(chat: ChatModel) -> str:
    said = ""
    async with aclosing(chat.stream([Message("user", QUESTION)], (), ChatOptions(max_output_tokens=32))) as deltas:
        async for delta in deltas:
            if isinstance(delta, AnsweredBy) and delta.fallback is not None:
                raise Unavailable(f"{delta.fallback.reason} {delta.model} answered in its place.")
            said += delta.text if isinstance(delta, Text) else ""
    if not said.strip():
        raise Unavailable(f"gave no answer to {QUESTION!r}.")
    return f"answered {said.strip()!r}"
