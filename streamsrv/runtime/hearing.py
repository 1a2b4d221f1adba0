"""The ears of a session: input audio through voice-activity detection to the core, and to the recogniser."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import aclosing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import FULL_SCALE
from streamsrv.core.effects import (
    DropRecognition,
    FeedRecognition,
    FinishRecognition,
    OpenRecognition,
    PredictEndOfTurn,
    RecognizeClip,
    SetFramePacing,
)
from streamsrv.core.inputs import (
    AudioAppended,
    EndOfTurnPredicted,
    Failure,
    FrameHeard,
    Input,
    RecognitionFailed,
    TranscriptReceived,
)
from streamsrv.engines.asr.base import RecognitionStream
from streamsrv.engines.loaded import Engines
from streamsrv.engines.turn.base import TurnModel
from streamsrv.engines.vad.base import FRAME_MS, VadStream
from streamsrv.engines.vad.gated import hear
from streamsrv.errors import EngineError, Overloaded
from streamsrv.inference.scheduler import Priority
from streamsrv.protocol.session_object import AudioFormat, Opus
from streamsrv.runtime.intake import Intake

logger = logging.getLogger(__name__)

FRAMES_AT_ONCE = 32
"""Frames given to the detector in one call: a long append is heard in slices of about a second."""
BATCHED_FRAMES = 128 // FRAME_MS
"""Frames that are gathered while the core does not attend: much of what a frame costs, it costs once for all."""
RECENT_FRAMES = 8000 // FRAME_MS
"""Frames kept for the pre-roll of a recognition (5 s of prefix padding at most), and for the end-of-turn model."""
PIECE_BYTES = 96_000
"""Audio resampled at a time (2 s of PCM, 12 s of G.711), so that a long append does not hold up the event loop."""
SPEECH = 0.5
"""Probability from which a frame before the start of a turn counts as speech for the recogniser."""

PREDICTION_DEADLINE_S = 0.3
"""A prediction that has not started by then comes too late for most pauses: a busy server goes without."""

FULL_SCALE_DB = 20 * math.log10(FULL_SCALE)

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Hearing:
    """Turns audio into inputs for the core (`report`), and runs the recognitions that the core asks for."""

    def __init__(self, engines: Engines, spawn: Spawn, report: Callable[[Input], None]) -> None:
        self._engines = engines
        self._spawn = spawn
        self._report = report
        self._intake = Intake()
        self._vad = engines.vad.open()
        self._frames_wanted = 1
        self._heard_ms = 0
        self._frame: NDArray[np.int16] = np.zeros(0, np.int16)
        self._recent: deque[tuple[int, NDArray[np.int16], bool]] = deque(maxlen=RECENT_FRAMES)
        self._streams: dict[str, RecognitionStream] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._clip = asyncio.Semaphore(1)  # clips are heard one by one: a session has two jobs of the detector at most

    async def append(self, audio: bytes, audio_format: AudioFormat) -> None:
        """Hear audio from the client: a whole number of samples, or a packet; raises `ProtocolError` if it is none."""
        for piece in _pieces(audio, audio_format):
            self._intake.append(piece, audio_format)
            await self._hear_if_due()

    async def append_pcm(self, pcm: NDArray[np.int16]) -> None:
        """Hear microphone audio, mono at 16 kHz."""
        self._intake.append_pcm(pcm)
        await self._hear_if_due()

    def set_frame_pacing(self, effect: SetFramePacing) -> None:
        self._frames_wanted = 1 if effect.immediate else BATCHED_FRAMES

    async def catch_up(self) -> None:
        """Hear all frames that are complete: something comes that may depend on them."""
        await self._hear(self._intake.take())

    async def flush(self) -> None:
        """Hear what did not fill a frame yet: the client commits."""
        await self._hear(self._intake.flush())

    async def _hear_if_due(self) -> None:
        if self._intake.complete >= self._frames_wanted:
            await self._hear(self._intake.take())

    async def _hear(self, frames: NDArray[np.int16]) -> None:
        self._report(AudioAppended(self._intake.received_ms))
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            batch = frames[start : start + FRAMES_AT_ONCE]
            for frame, probability in zip(batch, await self._probabilities(self._vad, batch), strict=True):
                self._frame = frame
                self._heard_ms += FRAME_MS
                level_db = _level_db(frame) if probability >= SPEECH else None
                self._report(FrameHeard(probability, self._heard_ms, level_db))
                self._recent.append((self._heard_ms, frame, probability >= SPEECH))

    async def _probabilities(self, vad: VadStream, frames: NDArray[np.int16]) -> list[float]:
        return await hear(vad, frames, self._engines.voice_activity)

    def open(self, effect: OpenRecognition) -> None:
        stream = self._open_stream(effect)
        if stream is not None:
            for until_ms, frame, speech in self._recent:
                if until_ms > effect.from_ms:
                    stream.push(frame, speech=speech)

    def feed(self, effect: FeedRecognition) -> None:
        if effect.item_id in self._streams:
            self._streams[effect.item_id].push(self._frame, speech=effect.speech)

    def finish(self, effect: FinishRecognition) -> None:
        if effect.item_id in self._streams:
            self._streams[effect.item_id].finish()

    def predict_end_of_turn(self, effect: PredictEndOfTurn) -> None:
        if self._engines.turn is not None:
            self._spawn(self._predict_end_of_turn(effect, self._engines.turn))

    async def _predict_end_of_turn(self, effect: PredictEndOfTurn, model: TurnModel) -> None:
        heard = np.concatenate([frame for until_ms, frame, _ in self._recent if until_ms > effect.from_ms])
        try:
            probability = await self._engines.scheduler.run(
                Priority.FINAL, lambda: model.probability(heard), deadline_s=PREDICTION_DEADLINE_S
            )
        except Overloaded:
            pass  # the words alone decide
        except EngineError as error:
            logger.warning("the end-of-turn model %s failed: %s", model.name, error)
        else:
            self._report(EndOfTurnPredicted(effect.item_id, effect.pause, probability))

    def drop(self, effect: DropRecognition) -> None:
        if (task := self._tasks.get(effect.item_id)) is not None:
            task.cancel()

    def recognize_clip(self, effect: RecognizeClip) -> None:
        stream = self._open_stream(effect)
        if stream is not None:
            pushing = self._spawn(self._push_clip(stream, effect))
            # A recognition that is dropped, or has failed, hears no more.
            self._tasks[effect.item_id].add_done_callback(lambda _: pushing.cancel())

    async def _push_clip(self, stream: RecognitionStream, clip: RecognizeClip) -> None:
        intake, vad = Intake(), self._engines.vad.open()
        try:
            async with self._clip:
                for piece in _pieces(clip.audio, clip.format):
                    intake.append(piece, clip.format)
                    await self._push(stream, vad, intake.take())
                await self._push(stream, vad, intake.flush())
            stream.finish()
        except EngineError as error:
            self._report(RecognitionFailed(clip.item_id, Failure.of(error)))
            self.drop(DropRecognition(clip.item_id))

    async def _push(self, stream: RecognitionStream, vad: VadStream, frames: NDArray[np.int16]) -> None:
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            batch = frames[start : start + FRAMES_AT_ONCE]
            for frame, probability in zip(batch, await self._probabilities(vad, batch), strict=True):
                stream.push(frame, speech=probability >= SPEECH)

    def _open_stream(self, effect: OpenRecognition | RecognizeClip) -> RecognitionStream | None:
        item_id = effect.item_id
        try:
            stream = self._engines.recognizer.open(effect.options)
        except EngineError as error:
            # Not at once: the core is still handling the input that asked for this.
            asyncio.get_running_loop().call_soon(self._report, RecognitionFailed(item_id, Failure.of(error)))
            return None
        self._streams[item_id] = stream
        self._tasks[item_id] = self._spawn(self._follow(item_id, stream))
        return stream

    async def _follow(self, item_id: str, stream: RecognitionStream) -> None:
        try:
            async with aclosing(stream):
                async for transcript in stream:
                    self._report(TranscriptReceived(item_id, transcript))
        except EngineError as error:
            self._report(RecognitionFailed(item_id, Failure.of(error)))
        except Exception:
            logger.exception("the speech recogniser %s failed", self._engines.recognizer.name)
            self._report(RecognitionFailed(item_id, Failure("unavailable", "The speech recogniser failed.")))
        finally:
            self._streams.pop(item_id, None)
            self._tasks.pop(item_id, None)


def _level_db(frame: NDArray[np.int16]) -> float:
    """Loudness in dB below full scale."""
    samples = frame.astype(np.float32)
    power = float(np.dot(samples, samples)) / len(samples)
    return 10 * math.log10(max(power, 1.0)) - FULL_SCALE_DB


def _pieces(audio: bytes, audio_format: AudioFormat) -> Iterable[bytes]:
    if len(audio) <= PIECE_BYTES or isinstance(audio_format, Opus):
        return (audio,)
    return (audio[start : start + PIECE_BYTES] for start in range(0, len(audio), PIECE_BYTES))
