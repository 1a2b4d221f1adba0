"""Passes a session's input audio through voice-activity detection to the core, and to the recogniser."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.pcm import FULL_SCALE, level_dbfs
from streamsrv.core.effects import (
    DropRecognition,
    FeedRecognition,
    FinishRecognition,
    FollowTurn,
    JudgeWords,
    LeaveTurn,
    OpenRecognition,
    PredictEndOfTurn,
    PrepareRecognizer,
    ReadWords,
    RecognizeClip,
    SetFramePacing,
    SuppressNoise,
)
from streamsrv.core.inputs import (
    AudioAppended,
    EndOfTurnPredicted,
    FrameHeard,
    Input,
    WordsJudged,
)
from streamsrv.engines.boundary import check_probability, engine_call
from streamsrv.engines.loaded import Engines
from streamsrv.engines.metering.accounts import SpendingAccount, free_account
from streamsrv.engines.metering.base import Consumption, Unit
from streamsrv.engines.observer import SOUND, WORDS, failure_reason
from streamsrv.engines.turn.base import TurnModel, WordsTurnModel
from streamsrv.engines.vad.base import FRAME_MS
from streamsrv.engines.vad.fallback import FallbackVadStream
from streamsrv.engines.vad.gated import hear
from streamsrv.errors import EngineError, Overloaded, QuotaSpent
from streamsrv.inference.scheduler import Priority
from streamsrv.protocol.audio_formats import sample_rate
from streamsrv.protocol.session_object import AudioFormat, Opus, Pcm
from streamsrv.runtime.intake import Intake
from streamsrv.runtime.preparation import Preparation
from streamsrv.runtime.recognitions import Recognitions
from streamsrv.runtime.tasks import Spawn
from streamsrv.runtime.turn_scores import TurnScores

logger = logging.getLogger(__name__)

FRAMES_AT_ONCE = 32
"""Frames given to the detector in one call, so that other tasks run between the slices of a long append."""
BATCHED_FRAMES = 128 // FRAME_MS
"""Frames gathered before detection when the core does not need each at once: a batch costs little more than one."""
RECENT_FRAMES = 8000 // FRAME_MS
"""Frames kept for the end-of-turn model and the pre-roll of a recognition: at least the longest prefix padding."""
PIECE_S = 0.5
"""Seconds of audio that are resampled and cleared of noise at a time; other tasks run between two pieces."""
MIN_SPEECH_PROBABILITY = 0.5
"""Probability from which a frame before the start of a turn counts as speech for the recogniser."""

PREDICTION_DEADLINE_S = 0.3
"""Longest wait of an end-of-turn prediction for a worker thread; a later one would miss most pauses and is dropped."""

RECOGNIZED: tuple[tuple[Unit, float], ...] = (("seconds", 1), ("connected_seconds", 1))
"""What a recogniser may charge for."""

MIN_LEVEL_DB = -20 * math.log10(FULL_SCALE)
"""Level (dBFS) of the smallest samples that are not silence. Digital silence is reported at this level."""


class Hearing:
    """Turns audio into inputs for the core (`report`), and runs the recognitions that the core requests.

    `report_result` gets the results of recognitions; None: `report` does. `account` pays for them; None: nothing has a
    price.
    """

    def __init__(
        self,
        engines: Engines,
        spawn: Spawn,
        report: Callable[[Input], None],
        report_result: Callable[[Input], None] | None = None,
        account: SpendingAccount | None = None,
    ) -> None:
        self._account = account or free_account()
        self._engines = engines
        self._spawn = spawn
        self._report = report
        self._intake = Intake()
        self._vad = FallbackVadStream(engines.vad, engines.observer)
        self._frames_wanted = 1
        self._heard_ms = 0
        self._frame: NDArray[np.int16] = np.zeros(0, np.int16)
        self._recent: deque[tuple[int, NDArray[np.int16], bool]] = deque(maxlen=RECENT_FRAMES)
        self._recognitions = Recognitions(spawn, report_result or report)
        self._scores = _turn_scores(engines, spawn, report_result or report)
        self._preparation = Preparation(engines.recognizers, spawn, report)
        self._judging: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._clips: dict[str, asyncio.Task[None]] = {}
        self._one_clip = asyncio.Semaphore(1)  # so that a session has two detector jobs at most, and clips no rivals

    async def aclose(self) -> None:
        """Wait until every recognition is closed. Call it after the tasks of the session have ended."""
        self._preparation.close()
        await self._recognitions.aclose()

    def keep(self, audio: bytes, audio_format: AudioFormat) -> bool:
        """Keep whole samples of client audio if there is nothing to process yet; return whether they were kept."""
        return self._intake.keep(audio, audio_format, self._frames_wanted)

    async def append(self, audio: bytes, audio_format: AudioFormat) -> None:
        """Process client audio: whole samples, or one Opus packet. Raises `ProtocolError` for other bytes."""
        for number, piece in enumerate(_pieces(audio, audio_format)):
            if number:
                await asyncio.sleep(0)
            self._intake.append(piece, audio_format)
            await self._hear_if_due()

    async def append_pcm(self, pcm: NDArray[np.int16]) -> None:
        """Process microphone audio, mono at 16 kHz."""
        self._intake.append_pcm(pcm)
        await self._hear_if_due()

    def set_frame_pacing(self, effect: SetFramePacing) -> None:
        self._frames_wanted = 1 if effect.immediate else BATCHED_FRAMES

    def suppress_noise(self, effect: SuppressNoise) -> None:
        self._intake.suppress_noise(effect.level)

    async def catch_up(self) -> None:
        """Process all complete frames before an event that may depend on them."""
        await self._hear(self._intake.take())

    async def flush(self) -> None:
        """Process all audio, the incomplete last frame included, before the client's commit."""
        await self._hear(self._intake.flush())

    async def _hear_if_due(self) -> None:
        if self._intake.complete >= self._frames_wanted:
            await self._hear(self._intake.take())

    async def _hear(self, frames: NDArray[np.int16]) -> None:
        self._report(AudioAppended(self._intake.received_ms))
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            if len(frames) >= FRAMES_AT_ONCE:
                await asyncio.sleep(0)  # `_probabilities` of silence does not wait: let other tasks run
            batch = frames[start : start + FRAMES_AT_ONCE]
            for frame, probability in zip(batch, await self._probabilities(self._vad, batch), strict=True):
                self._frame = frame
                self._heard_ms += FRAME_MS
                level_db = max(level_dbfs(frame), MIN_LEVEL_DB) if probability >= MIN_SPEECH_PROBABILITY else None
                self._report(FrameHeard(probability, self._heard_ms, level_db))
                if self._scores is not None:
                    self._scores.hear(self._heard_ms, frame)
                self._recent.append((self._heard_ms, frame, probability >= MIN_SPEECH_PROBABILITY))

    async def _probabilities(self, vad: FallbackVadStream, frames: NDArray[np.int16]) -> list[float]:
        try:
            return await vad.hear(frames, lambda stream: hear(stream, frames, self._engines.voice_activity))
        except Overloaded:
            return vad.by_loudness(frames)

    def prepare(self, effect: PrepareRecognizer) -> None:
        self._preparation.prepare(effect)

    def open(self, effect: OpenRecognition) -> None:
        self._open(effect)
        for until_ms, frame, speech in self._recent:
            if until_ms > effect.from_ms:
                self._recognitions.push(effect.item_id, frame, speech=speech)

    def _open(self, effect: OpenRecognition | RecognizeClip) -> None:
        recognizer = self._engines.recognizers.find(effect.model, effect.options.language)
        try:
            self._account.check_paid(Consumption("recognizer", recognizer.name, RECOGNIZED))
        except QuotaSpent as error:
            self._recognitions.refuse(effect.item_id, error)
        else:
            self._recognitions.open(effect.item_id, recognizer, replace(effect.options, account=self._account))

    def feed(self, effect: FeedRecognition) -> None:
        self._recognitions.push(effect.item_id, self._frame, speech=effect.speech)
        if effect.speech:
            self._stop_judging()

    def finish(self, effect: FinishRecognition) -> None:
        self._stop_judging()
        self._recognitions.finish(effect.item_id)

    def drop(self, effect: DropRecognition) -> None:
        self._stop_judging()
        self._recognitions.drop(effect.item_id)
        if (clip := self._clips.pop(effect.item_id, None)) is not None:
            clip.cancel()

    def predict_end_of_turn(self, effect: PredictEndOfTurn) -> None:
        if self._engines.turn is not None:
            self._spawn(self._predict_end_of_turn(effect, self._engines.turn))

    async def _predict_end_of_turn(self, effect: PredictEndOfTurn, model: TurnModel) -> None:
        frames = [frame for until_ms, frame, _ in self._recent if until_ms > effect.from_ms]
        if not frames:
            return
        heard = np.concatenate(frames)
        self._engines.observer.called("turn", model.name)
        try:
            with engine_call("end-of-turn model"):
                probability = await self._engines.scheduler.run(
                    Priority.FINAL, lambda: model.probability(heard), deadline_s=PREDICTION_DEADLINE_S
                )
                check_probability(probability)
                evidence = model.evidence(probability)
        except EngineError as error:
            self._do_without(model.name, WORDS, error)
        else:
            self._report(EndOfTurnPredicted(effect.item_id, effect.pause, evidence))

    def follow_turn(self, effect: FollowTurn) -> None:
        if self._scores is not None:
            self._scores.begin([(until_ms, frame) for until_ms, frame, _ in self._recent], effect.from_ms, effect.agent)

    def leave_turn(self, _: LeaveTurn) -> None:
        if self._scores is not None:
            self._scores.end()

    def judge_words(self, effect: JudgeWords) -> None:
        self._stop_judging()
        model = self._engines.turn_words
        if model is not None and _knows(model, effect.language):
            if self._reading is not None:
                self._reading.cancel()
            self._judging = self._spawn(self._judge_words(effect, model))

    def read_words(self, effect: ReadWords) -> None:
        """Have them read, unless words are being read or judged already."""
        model = self._engines.turn_words
        is_busy = any(task is not None and not task.done() for task in (self._judging, self._reading))
        if model is not None and not is_busy and _knows(model, effect.language):
            self._reading = self._spawn(self._read_words(effect, model))

    async def _read_words(self, effect: ReadWords, model: WordsTurnModel) -> None:
        try:
            with engine_call("end-of-turn model"):
                await model.ending(effect.text)
        except EngineError as error:
            logger.debug("words were not read ahead: %s", error)

    def _stop_judging(self) -> None:
        """Drop the judgement of a pause that is over, or of words that have changed."""
        if self._judging is not None:
            self._judging.cancel()
            self._judging = None

    async def _judge_words(self, effect: JudgeWords, model: WordsTurnModel) -> None:
        self._engines.observer.called("turn", model.name)
        try:
            with engine_call("end-of-turn model"):
                ending = await model.ending(effect.text)
                if not (0 <= ending.as_recognized <= 1 and 0 <= ending.plain <= 1):
                    raise ValueError(f"{ending} has no probabilities")
        except EngineError as error:
            self._do_without(model.name, SOUND, error)
        else:
            self._report(WordsJudged(effect.item_id, effect.text, ending))

    def _do_without(self, model: str, instead: str, error: EngineError) -> None:
        """An end-of-turn model has not judged a pause; `instead` names what decides without it."""
        self._engines.observer.failed("turn", model, failure_reason(error))
        self._engines.observer.fell_back("turn", model, instead)
        if not isinstance(error, Overloaded):
            logger.warning(
                "%s failed; whether the turn has ended is decided by the %s alone: %s", model, instead, error
            )

    def recognize_clip(self, effect: RecognizeClip) -> None:
        clip = self._clips[effect.item_id] = self._spawn(self._hear_clip(effect))
        clip.add_done_callback(lambda _: self._forget_clip(effect.item_id, clip))

    def _forget_clip(self, item_id: str, clip: "asyncio.Task[None]") -> None:
        if self._clips.get(item_id) is clip:
            del self._clips[item_id]

    async def _hear_clip(self, clip: RecognizeClip) -> None:
        """Open a recognition when the clips before this one have their transcripts, and give it the audio."""
        async with self._one_clip:
            self._open(clip)
            intake, vad = Intake(), FallbackVadStream(self._engines.vad, self._engines.observer)
            for piece in _pieces(clip.audio, clip.format):
                intake.append(piece, clip.format)
                await self._push(clip.item_id, vad, intake.take())
            await self._push(clip.item_id, vad, intake.flush())
            self._recognitions.finish(clip.item_id)
            await self._recognitions.ended(clip.item_id)

    async def _push(self, item_id: str, vad: FallbackVadStream, frames: NDArray[np.int16]) -> None:
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            if item_id not in self._recognitions:
                return  # the recognition has failed
            await asyncio.sleep(0)  # `_probabilities` of silence does not wait: let other tasks run
            batch = frames[start : start + FRAMES_AT_ONCE]
            for frame, probability in zip(batch, await self._probabilities(vad, batch), strict=True):
                self._recognitions.push(item_id, frame, speech=probability >= MIN_SPEECH_PROBABILITY)


def _turn_scores(engines: Engines, spawn: Spawn, report: Callable[[Input], None]) -> TurnScores | None:
    """Return the scores of the streaming end-of-turn model, if there is one; a slow one must not delay a frame."""
    if engines.turn_stream is None:
        return None
    return TurnScores(engines.turn_stream, engines.scheduler, spawn, report, engines.observer)


def _pieces(audio: bytes, audio_format: AudioFormat) -> Iterable[bytes]:
    piece_bytes = int(PIECE_S * sample_rate(audio_format)) * (2 if isinstance(audio_format, Pcm) else 1)
    if len(audio) <= piece_bytes or isinstance(audio_format, Opus):
        return (audio,)
    return (audio[start : start + piece_bytes] for start in range(0, len(audio), piece_bytes))


def _knows(model: WordsTurnModel, language: str | None) -> bool:
    """Whether a model judges words of this language; where it is not known, one of several languages does."""
    return len(model.languages) > 1 if language is None else language in model.languages
