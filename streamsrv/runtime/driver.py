"""Runs one session: carries inputs to the core and its effects out, in one TaskGroup."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.captions.rooms import Rooms
from streamsrv.core import effects
from streamsrv.core.inputs import EventReceived, EventRefused, Input, TimerFired
from streamsrv.core.session import SessionCore
from streamsrv.core.timers import TimerKey
from streamsrv.engines.loaded import Engines
from streamsrv.metrics import Metrics
from streamsrv.protocol.audio_formats import check_audio
from streamsrv.protocol.client_events import AudioAppend, AudioCommit, MalformedEvent, decode_client_event
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session
from streamsrv.runtime.captioning import Captioning
from streamsrv.runtime.channel import Channel, ChannelClosed, Speaker
from streamsrv.runtime.hearing import Hearing
from streamsrv.runtime.send_queue import OutgoingQueue
from streamsrv.runtime.speaking import Generating
from streamsrv.runtime.speech_encoder import SpeechEncoder, encode_event

logger = logging.getLogger(__name__)


class SessionDriver:
    """One session from its first event to its last.

    With a `speaker` the transport plays the answers: no audio is sent in events.
    """

    def __init__(
        self,
        core: SessionCore,
        engines: Engines,
        channel: Channel,
        new_id: Callable[[str], str],
        metrics: Metrics,
        rooms: Rooms,
        speaker: Speaker | None = None,
    ) -> None:
        self._core = core
        self._channel = channel
        self._metrics = metrics
        self._new_id = new_id
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()
        self._hearing = Hearing(engines, self._spawn, self.handle)
        chat = engines.chat_model(core.session.model)
        self._generating = Generating(chat, engines.synthesizer, self._spawn, self.handle)
        self._captioning = Captioning(rooms, core.session.id, self._refuse)
        self._outgoing = OutgoingQueue()
        self._encoders: dict[str, SpeechEncoder] = {}
        self._timers: dict[TimerKey, asyncio.TimerHandle] = {}
        self._closing: tuple[int, str] | None = None
        self._ended: asyncio.Future[tuple[int, str] | None] = asyncio.get_running_loop().create_future()
        self._actions: dict[type, Callable[[Any], None]] = {
            effects.SendEvent: self._send_event,
            effects.SendAudio: self._send_audio,
            effects.FinishAudio: self._finish_audio,
            **(_playback_actions(speaker) if speaker is not None else {}),
            effects.SetFramePacing: self._hearing.set_frame_pacing,
            effects.OpenRecognition: self._hearing.open,
            effects.FeedRecognition: self._hearing.feed,
            effects.FinishRecognition: self._hearing.finish,
            effects.PredictEndOfTurn: self._hearing.predict_end_of_turn,
            effects.DropRecognition: self._hearing.drop,
            effects.RecognizeClip: self._hearing.recognize_clip,
            effects.EnterRoom: self._captioning.enter,
            effects.ShowCaption: self._captioning.show,
            effects.SettleCaption: self._captioning.settle,
            effects.PrepareModel: self._generating.prepare,
            effects.Generate: self._generating.generate,
            effects.Synthesize: self._generating.synthesize,
            effects.StopGeneration: self._generating.stop,
            effects.SetTimer: self._set_timer,
            effects.ClearTimer: self._clear_timer,
            effects.RecordTurn: self._record_turn,
            effects.RecordSpeculation: self._record_speculation,
            effects.Close: self._close,
        }

    @property
    def session(self) -> Session:
        """The session as it is now."""
        return self._core.session

    async def run(self) -> tuple[int, str] | None:
        """Serve the client until it leaves (None) or the session ends (WebSocket close code and reason)."""
        try:
            async with self._tasks:
                self._spawn(self._write())
                self._act(self._core.start())
                self._spawn(self._read())
                await self._ended
                for task in self._running:
                    task.cancel()
            return self._ended.result()
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._captioning.leave()
            self._drop_references()

    def _drop_references(self) -> None:
        """Part from those that know us: what a session held is freed when it ends, not by a collection of garbage."""
        self._actions.clear()
        del self._hearing, self._generating, self._captioning

    def handle(self, happened: Input) -> None:
        """Give one input to the core and run its effects; once the session has ended, nothing happens any more."""
        if not self._ended.done():
            self._act(self._core.handle(happened, time.monotonic_ns() // 1_000_000))

    def _act(self, wanted: list[effects.Effect]) -> None:
        for effect in wanted:
            self._actions[type(effect)](effect)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _read(self) -> None:
        try:
            while True:
                await self._take_frame(await self._channel.receive())
        except ChannelClosed:
            self._end(None)

    async def _take_frame(self, frame: str | bytes | NDArray[np.int16]) -> None:
        if isinstance(frame, np.ndarray):
            await self._hearing.append_pcm(frame)
            return
        try:
            event = decode_client_event(frame)
            if isinstance(event, AudioAppend):
                await self._append(event)
                return
        except MalformedEvent as malformed:
            self.handle(EventRefused(malformed.error.details, malformed.event_id))
            return
        if isinstance(event, AudioCommit):
            await self._hearing.flush()
        await self._hearing.catch_up()
        self.handle(EventReceived(event))

    async def _append(self, event: AudioAppend) -> None:
        audio_format = self._core.session.audio.input.format
        try:
            check_audio(event.audio, audio_format, "audio")
            await self._hearing.append(event.audio, audio_format)
        except ProtocolError as error:
            raise MalformedEvent(error, event.event_id) from None

    async def _write(self) -> None:
        try:
            while (frame := await self._outgoing.get()) is not None:
                await self._channel.send(frame)
        except ChannelClosed:
            self._end(None)
        else:
            self._end(self._closing)

    def _send_event(self, effect: effects.SendEvent) -> None:
        self._check_put(self._outgoing.put(encode_event(effect.event)))

    def _send_audio(self, effect: effects.SendAudio) -> None:
        item_id: str = effect.place["item_id"]
        if item_id not in self._encoders:
            self._encoders[item_id] = SpeechEncoder(effect)
        self._put_audio(self._encoders[item_id].encode(effect), effect.pcm.nbytes)

    def _finish_audio(self, effect: effects.FinishAudio) -> None:
        if (encoder := self._encoders.pop(effect.item_id, None)) is not None:
            self._put_audio(encoder.finish(), 0)

    def _put_audio(self, deltas: Iterator[dict[str, Any]], size: int) -> None:
        frames = (encode_event({**event, "event_id": self._new_id("event")}) for event in deltas)
        self._check_put(self._outgoing.put_unmade(frames, size))

    def _check_put(self, had_room: bool) -> None:
        if not had_room and not self._ended.done():
            logger.warning("session %s: the client does not read; closing", self._core.session.id)
            self._end((1008, "The client does not read what it is sent."))

    def _set_timer(self, effect: effects.SetTimer) -> None:
        self._clear_timer(effects.ClearTimer(effect.key))
        delay_s = effect.delay_ms / 1000
        self._timers[effect.key] = asyncio.get_running_loop().call_later(delay_s, self._fire, effect.key)

    def _clear_timer(self, effect: effects.ClearTimer) -> None:
        if (timer := self._timers.pop(effect.key, None)) is not None:
            timer.cancel()

    def _fire(self, key: TimerKey) -> None:
        del self._timers[key]
        self.handle(TimerFired(key))

    def _refuse(self, error: ProtocolError) -> None:
        """Tell the client, once the core has handled what led to this."""
        asyncio.get_running_loop().call_soon(self.handle, EventRefused(error.details, None))

    def _record_turn(self, effect: effects.RecordTurn) -> None:
        self._metrics.turn(effect.latencies_ms)
        stages = ", ".join(f"{stage} {ms}" for stage, ms in effect.latencies_ms.items())
        logger.info("session %s: turn answered, after the end of speech: %s", self._core.session.id, stages)

    def _record_speculation(self, effect: effects.RecordSpeculation) -> None:
        self._metrics.speculation(effect.tokens, used=effect.used)

    def _close(self, effect: effects.Close) -> None:
        self._closing = (effect.code, effect.reason)
        self._outgoing.end()

    def _end(self, outcome: tuple[int, str] | None) -> None:
        if not self._ended.done():
            self._ended.set_result(outcome)


def _playback_actions(speaker: Speaker) -> dict[type, Callable[[Any], None]]:
    def play(effect: effects.SendAudio) -> None:
        speaker.play(effect.place["item_id"], effect.pcm, effect.sample_rate)

    def finish(effect: effects.FinishAudio) -> None:
        speaker.finish(effect.item_id)

    return {
        effects.SendAudio: play,
        effects.FinishAudio: finish,
        effects.HoldPlayback: lambda _: speaker.hold(),
        effects.ResumePlayback: lambda _: speaker.resume(),
        effects.ClearPlayback: lambda _: speaker.clear(),
    }
