"""A room in which a client talks to a session, in virtual time.

Real: the session's core and its hearing, voice activity (Silero), the recogniser (Moonshine tiny), the voice of the
replies (Hibari), the user's recordings. Fake: the loudspeaker's echo (the reply, late and softer), the language model
(a fixed reply), and time: a result of the recogniser arrives a fixed time after the audio it needs, however busy this
machine is.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.resample import StreamResampler
from streamsrv.core import effects
from streamsrv.core.inputs import (
    EventReceived,
    Input,
    ModelOutput,
    PlaybackEnded,
    PlaybackReported,
    SegmentSpoken,
    SpeechOutput,
    TimerFired,
    TranscriptReceived,
)
from streamsrv.core.session import SessionCore
from streamsrv.core.timers import TimerKey
from streamsrv.engines.asr.base import Recognizer
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.llm.base import Finished, Text
from streamsrv.engines.loaded import Engines
from streamsrv.engines.loading import EngineLoader
from streamsrv.engines.tts.base import SpeechOptions, Synthesizer
from streamsrv.engines.vad.base import Vad
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.protocol.client_events import decode_client_event
from streamsrv.protocol.session_object import Audio, AudioInput, SemanticVad, Session, StreamsrvOptions, Transcription
from streamsrv.runtime.hearing import Hearing
from streamsrv.testing.fakes import fake_engines

MICROPHONE_RATE, SPEAKER_RATE = 16_000, 24_000
FRAME_MS = 32
FRAME, PLAYED = MICROPHONE_RATE * FRAME_MS // 1000, SPEAKER_RATE * FRAME_MS // 1000
ECHO_MS = 150
RECOGNISER_MS = 128
"""From the audio to the words."""


@dataclass(frozen=True, slots=True)
class RealEngines:
    vad: Vad
    recognizer: Recognizer
    synthesizer: Synthesizer
    scheduler: Scheduler


def load_real_engines() -> RealEngines:
    """Raises `LookupError` with what is missing."""
    catalogue, scheduler = load_catalogue(), Scheduler(1)
    loader = EngineLoader(catalogue, ModelStore(), scheduler)
    for name in ("silero", "moonshine-tiny", "hibari"):
        if lacking := loader.needs(catalogue[name]):
            raise LookupError(f"{name} needs {', '.join(map(str, lacking))}")
    vad, recognizer, synthesizer = (loader.load(catalogue[name]) for name in ("silero", "moonshine-tiny", "hibari"))
    return RealEngines(vad, recognizer, synthesizer, scheduler)


class JobCount:
    """Counts what the worker thread has done."""

    ended = 0

    def job_started(self, priority: Priority, waited_s: float) -> None:
        del priority, waited_s
        self.ended += 1

    def job_shed(self, priority: Priority) -> None:
        del priority


class Room:
    """One session. `echo_db`: how much softer the reply is at the microphone; None: it is not heard.

    A stock client plays what it gets, and drops it when it is told that speech started; `holds`: the transport plays.
    """

    def __init__(self, real: RealEngines, reply: str, *, echo_db: float | None, holds: bool = False) -> None:
        self._real = real
        self._jobs = JobCount()
        real.scheduler.observe(self._jobs)
        self._reply = reply
        self._gain = 0.0 if echo_db is None else 10 ** (echo_db / 20)
        self._holds = holds
        self.now_ms = 0
        self.events: list[tuple[int, dict[str, Any]]] = []
        self.asked: list[str] = []
        """The last words of each request to the model."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._late: list[tuple[int, Input]] = []
        self._timers: dict[TimerKey, int] = {}
        self._speech: deque[tuple[str, NDArray[np.int16]]] = deque()
        self._held = False
        self._played: dict[str, int] = {}
        self._air = np.zeros(SPEAKER_RATE * ECHO_MS // 1000, np.float32)
        self._to_microphone = StreamResampler(SPEAKER_RATE, MICROPHONE_RATE)
        self._user = np.zeros(0, np.int16)
        fake = fake_engines(recognizer=real.recognizer)
        engines: Engines = replace(fake, vad=real.vad, scheduler=real.scheduler)
        self._hearing = Hearing(engines, self._spawn, self._report)
        audio = Audio(input=AudioInput(turn_detection=SemanticVad(), transcription=Transcription()))
        session = Session(id="room", audio=audio, streamsrv=StreamsrvOptions(events=["transcription.partial"]))
        ids = iter(range(1_000_000))
        self._core = SessionCore(
            session, new_id=lambda prefix: f"{prefix}_{next(ids)}", speculative=False, holds_playback=holds
        )
        self._act(self._core.start())

    def send(self, text: str) -> None:
        """A client event."""
        self._give(EventReceived(decode_client_event(text)))

    def says(self, pcm: NDArray[np.int16]) -> None:
        """The user speaks, from now on: mono at 16 kHz."""
        self._user = pcm

    async def run(self, duration_ms: int) -> None:
        """Let time pass."""
        for _ in range(duration_ms // FRAME_MS):
            self.now_ms += FRAME_MS
            await self._hearing.append_pcm(self._microphone(self._play()))
            await self._settle()
            self._deliver()
            await self._settle()

    async def voice(self, text: str) -> NDArray[np.int16]:
        """A text in the voice of the replies, at the microphone's rate."""
        chunks = [chunk.pcm async for chunk in self._real.synthesizer.stream(text, SpeechOptions())]
        return StreamResampler(SPEAKER_RATE, MICROPHONE_RATE).process(np.concatenate(chunks), last=True)

    @property
    def playing(self) -> bool:
        """Whether more of the reply is to be played."""
        return bool(self._speech)

    def types(self) -> list[str]:
        return [event["type"] for _, event in self.events]

    async def aclose(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _settle(self) -> None:
        """Until the recogniser has decoded, and the voice spoken, what they want to: twice only the probe has run."""
        quiet_rounds = 0
        while quiet_rounds < 2:
            before = self._jobs.ended
            await self._real.scheduler.run(Priority.PARTIAL, lambda: None)
            for _ in range(5):
                await asyncio.sleep(0)
            quiet_rounds = quiet_rounds + 1 if self._jobs.ended == before + 1 else 0

    def _play(self) -> NDArray[np.int16]:
        """What the loudspeaker plays in this frame."""
        pieces: list[NDArray[np.int16]] = []
        wanted = 0 if self._held else PLAYED
        while wanted and self._speech:
            item_id, pcm = self._speech.popleft()
            pieces.append(pcm[:wanted])
            self._played[item_id] = self._played.get(item_id, 0) + len(pieces[-1])
            wanted -= len(pieces[-1])
            if len(pieces[-1]) < len(pcm):
                self._speech.appendleft((item_id, pcm[len(pieces[-1]) :]))
            if self._holds:
                self._give(PlaybackReported(item_id, self._played[item_id] * 1000 // SPEAKER_RATE))
        played = np.concatenate([*pieces, np.zeros(PLAYED, np.int16)])
        return played[:PLAYED]

    def _microphone(self, played: NDArray[np.int16]) -> NDArray[np.int16]:
        """The user and the echo of what was played."""
        self._air = np.concatenate([self._air, played * self._gain])
        echo, self._air = self._air[:PLAYED], self._air[PLAYED:]
        heard = self._to_microphone.process(echo.astype(np.int16)).astype(np.float32)
        heard = np.pad(heard, (FRAME - len(heard), 0))[-FRAME:] if len(heard) < FRAME else heard[:FRAME]
        said, self._user = self._user[:FRAME], self._user[FRAME:]
        return np.clip(heard + np.pad(said, (0, FRAME - len(said))), -32768, 32767).astype(np.int16)

    def _report(self, happened: Input) -> None:
        if isinstance(happened, TranscriptReceived):
            self._late.append((self.now_ms + RECOGNISER_MS, happened))
        else:
            self._give(happened)

    def _deliver(self) -> None:
        due = [happened for at_ms, happened in self._late if at_ms <= self.now_ms]
        self._late = [(at_ms, happened) for at_ms, happened in self._late if at_ms > self.now_ms]
        for happened in due:
            self._give(happened)
        for key, at_ms in list(self._timers.items()):
            if at_ms <= self.now_ms and self._timers.get(key) == at_ms:
                del self._timers[key]
                self._give(TimerFired(key))

    def _give(self, happened: Input) -> None:
        self._act(self._core.handle(happened, self.now_ms))

    def _act(self, wanted: Iterable[effects.Effect]) -> None:
        for effect in wanted:
            match effect:
                case effects.SendEvent():
                    self.events.append((self.now_ms, effect.event))
                    if effect.event["type"] == "input_audio_buffer.speech_started" and not self._holds:
                        self._speech.clear()
                case effects.SendAudio():
                    self._speech.append((effect.event_fields["item_id"], effect.pcm))
                case effects.HoldPlayback() | effects.ResumePlayback():
                    self._held = isinstance(effect, effects.HoldPlayback)
                case effects.ClearPlayback():
                    self._held = False
                    for item_id in dict.fromkeys(item_id for item_id, _ in self._speech):
                        self._later(PlaybackEnded(item_id, self._played.get(item_id, 0) * 1000 // SPEAKER_RATE))
                    self._speech.clear()
                case effects.Generate():
                    self.asked.append(effect.messages[-1].content)
                    self._later(ModelOutput(effect.generation, Text(self._reply)))
                    self._later(ModelOutput(effect.generation, Finished("stop")))
                case effects.Synthesize():
                    self._spawn(self._synthesize(effect))
                case effects.SetTimer():
                    self._timers[effect.key] = self.now_ms + effect.delay_ms
                case effects.ClearTimer():
                    self._timers.pop(effect.key, None)
                case effects.SetFramePacing():
                    pass  # every frame is heard at once
                case effects.OpenRecognition():
                    self._hearing.open(effect)
                case effects.FeedRecognition():
                    self._hearing.feed(effect)
                case effects.FinishRecognition():
                    self._hearing.finish(effect)
                case effects.DropRecognition():
                    self._hearing.drop(effect)
                case _:
                    pass

    def _later(self, happened: Input) -> None:
        """An effect leads to no input at once."""
        self._late.append((self.now_ms, happened))

    async def _synthesize(self, effect: effects.Synthesize) -> None:
        async for chunk in self._real.synthesizer.stream(effect.text, effect.options):
            self._later(SpeechOutput(effect.generation, chunk.pcm, self._real.synthesizer.sample_rate, chunk.words))
        self._later(SegmentSpoken(effect.generation))
