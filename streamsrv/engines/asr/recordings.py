"""Recognises a whole recording, utterance by utterance, with the models that live sessions use."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamsrv.engines.asr.base import RecognitionOptions, RecognitionSession, RecognizedUtterance, Recognizer
from streamsrv.engines.asr.pauses import CutOptions, FrameSpan, UtteranceCutter
from streamsrv.engines.boundary import engine_call
from streamsrv.engines.observer import IGNORED, EngineObserver
from streamsrv.engines.vad.base import FRAME_MS, VAD_FRAME_SAMPLES, Vad
from streamsrv.engines.vad.fallback import FallbackVadStream
from streamsrv.inference.scheduler import Priority, Scheduler

_SAMPLES_AT_ONCE = 32 * VAD_FRAME_SAMPLES
"""Samples given to the voice-activity detector in one call: few, so that live sessions do not wait for it."""


async def recognize_recording(
    pcm: NDArray[np.int16],
    recognizer: Recognizer,
    vad: Vad,
    scheduler: Scheduler,
    options: RecognitionOptions,
    observer: EngineObserver = IGNORED,
    cuts: CutOptions = CutOptions(),  # noqa: B008 (it cannot be changed)
) -> AsyncGenerator[RecognizedUtterance, None]:
    """Yield each utterance of mono audio at 16 kHz as soon as it is recognised, except those without words.

    `cuts`: where it is cut. Voice-activity detection, whose failures go to `observer`, runs on `scheduler` at the
    lowest priority. Raises `EngineError`.
    """
    stream, cutter = FallbackVadStream(vad, observer), UtteranceCutter(cuts)
    speech: list[bool] = []
    async with aclosing(recognizer.connect()) as session:
        for start in range(0, len(pcm), _SAMPLES_AT_ONCE):
            heard = await _hear(stream, _frames(pcm[start : start + _SAMPLES_AT_ONCE]), scheduler)
            speech += [probability >= cuts.speech for probability in heard]
            spans = [cutter.hear(probability) for probability in heard]
            if start + _SAMPLES_AT_ONCE >= len(pcm):
                spans.append(cutter.finish())
            for span in filter(None, spans):
                utterance = await _recognize(pcm, span, speech, session, options)
                if utterance.text:
                    yield utterance


async def speech_in(
    pcm: NDArray[np.int16], vad: Vad, scheduler: Scheduler, observer: EngineObserver = IGNORED
) -> list[float]:
    """Return the probability of speech in each frame of mono audio at 16 kHz, the last one padded with silence.

    Runs on `scheduler` at the lowest priority; failures of the detector go to `observer`.
    """
    stream, heard = FallbackVadStream(vad, observer), list[float]()
    for start in range(0, len(pcm), _SAMPLES_AT_ONCE):
        heard += await _hear(stream, _frames(pcm[start : start + _SAMPLES_AT_ONCE]), scheduler)
    return heard


async def _hear(stream: FallbackVadStream, frames: NDArray[np.int16], scheduler: Scheduler) -> list[float]:
    return await stream.hear(frames, lambda vad: scheduler.run(Priority.PARTIAL, lambda: vad.probabilities(frames)))


def _frames(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    """Return the samples as frames in rows, the last one padded with silence."""
    return np.pad(pcm, (0, -len(pcm) % VAD_FRAME_SAMPLES)).reshape(-1, VAD_FRAME_SAMPLES)


async def _recognize(
    pcm: NDArray[np.int16],
    span: FrameSpan,
    speech: list[bool],
    session: RecognitionSession,
    options: RecognitionOptions,
) -> RecognizedUtterance:
    offset_ms = span.start * FRAME_MS
    utterance = RecognizedUtterance("", offset_ms, span.end * FRAME_MS, translated_to=options.translated_to)
    with engine_call("speech recogniser"):
        async with aclosing(session.open(options)) as stream:
            for frame in range(span.start, span.end):
                samples = pcm[frame * VAD_FRAME_SAMPLES : (frame + 1) * VAD_FRAME_SAMPLES]
                stream.push(samples, speech=speech[frame])
            stream.finish()
            async for transcript in stream:
                words = tuple(
                    replace(word, start_ms=word.start_ms + offset_ms, end_ms=word.end_ms + offset_ms)
                    for word in transcript.words
                )
                utterance = replace(
                    utterance,
                    text=transcript.text,
                    words=words,
                    language=transcript.language,
                    logprobs=transcript.logprobs,
                )
    return utterance
