"""Runs one session in one TaskGroup: passes inputs to the core and performs its effects."""

import asyncio
import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streamsrv.captions.rooms import Rooms
from streamsrv.core import effects
from streamsrv.core.inputs import EventReceived, EventRefused, Input
from streamsrv.core.session import SessionCore
from streamsrv.engines.loaded import Engines
from streamsrv.engines.metering.accounts import SpendingAccount, free_account
from streamsrv.observability.metrics import Metrics
from streamsrv.observability.session_trace import SessionTrace
from streamsrv.protocol.audio_formats import check_audio, is_whole
from streamsrv.protocol.client_events import AudioAppend, AudioCommit, MalformedEvent, decode_client_event
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import Session
from streamsrv.runtime.captioning import Captioning
from streamsrv.runtime.channel import CallControl, Channel, ChannelClosed, Speaker
from streamsrv.runtime.core_runner import Actions, CoreRunner
from streamsrv.runtime.costing import CostTeller
from streamsrv.runtime.ending import INTERNAL_ERROR, TOO_MANY_MALFORMED, Ending, Outcome
from streamsrv.runtime.fairness import MAX_UNSENT_BYTES, EventAllowance, TimeSlice
from streamsrv.runtime.hearing import Hearing
from streamsrv.runtime.observing import Connected, SessionObserver
from streamsrv.runtime.sending import Sending
from streamsrv.runtime.speaking import Speaking
from streamsrv.runtime.tasks import SessionTasks
from streamsrv.runtime.timers import Timers
from streamsrv.runtime.tool_calls import ToolCalls
from streamsrv.runtime.tracing import Tracer
from streamsrv.tools.servers import ToolServers

logger = logging.getLogger(__name__)

Frame = str | bytes | NDArray[np.int16]

MAX_KEPT_CHARACTERS = 12 * 1024
"""Characters of the longest event that `take_text` decodes: longer audio always has to be processed."""


class SessionDriver:
    """Runs one session from its first event to its last.

    With a `speaker` the transport plays the answers, and no audio is sent in events. `call`: the telephone call that
    the session runs in. An exception in the core or in a task of the session ends this session and no other.
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
        connected: Connected = Connected(),  # noqa: B008 (it cannot be changed)
        trace: SessionTrace | None = None,
        account: SpendingAccount | None = None,
        tool_servers: ToolServers | None = None,
        call: CallControl | None = None,
    ) -> None:
        self._core = core
        self._account = account = account or free_account()
        self._channel = channel
        self._tasks = SessionTasks()
        self._ending = Ending()
        self._runner = CoreRunner(core, self._ending)
        self._allowance = EventAllowance(asyncio.get_running_loop().time)
        spawn, report = self._tasks.spawn, self._runner.handle
        tracer = None if trace is None else Tracer(trace, core, engines, by_transport=speaker is not None)
        report_result = report if tracer is None else tracer.watch_report(report)
        self._timers = Timers(report)
        self._sending = Sending(core.session.id, new_id, self._ending)
        self._hearing = Hearing(engines, spawn, report, report_result, account)
        chat = engines.chat_model(core.session.model)
        self._speaking = Speaking(chat, engines.synthesizer, spawn, report_result, account)
        self._tools = ToolCalls(tool_servers or ToolServers(), spawn, report)
        self._captioning = Captioning(rooms, core.session.id, lambda error: report(EventRefused(error.details, None)))
        self._observer = SessionObserver(core, engines, metrics, connected, trace, account)
        actions: Actions = {
            **_sending_actions(self._sending),
            **(_playback_actions(speaker) if speaker is not None else {}),
            **(_call_actions(call) if call is not None else {}),
            **_hearing_actions(self._hearing),
            **_speaking_actions(self._speaking),
            **_captioning_actions(self._captioning),
            effects.SendEvent: CostTeller(account, self._sending.send_event).send_event,
            effects.ListTools: self._tools.list_tools,
            effects.CallTool: self._tools.call,
            effects.CancelTool: self._tools.cancel,
            effects.SetTimer: self._timers.set,
            effects.ClearTimer: self._timers.clear,
        }
        actions = self._observer.watch(actions)
        self._actions = actions if tracer is None else tracer.watch(actions)

    @property
    def session(self) -> Session:
        """The current session object."""
        return self._core.session

    async def run(self) -> Outcome:
        """Serve the client until it leaves (None) or the session ends (WebSocket close code and reason)."""
        self._observer.begin()
        try:
            async with self._tasks.group:
                self._tasks.spawn(self._sending.run(self._channel))
                self._runner.start(self._actions)
                self._tasks.spawn(self._read())
                await self._ending.wait()
                self._tasks.cancel()
        except ExceptionGroup:
            logger.exception("session %s failed", self._core.session.id)
            self._ending.settle(INTERNAL_ERROR)
        finally:
            self._ending.settle(None)
            self._observer.end(self._ending.outcome)
            self._timers.close()
            self._captioning.leave()
            await self._hearing.aclose()
            await self._tools.aclose()
            self._runner.close()
            self._account.close()
        return self._ending.outcome

    def handle(self, happened: Input) -> None:
        """Give one input to the core and run its effects; ignored once the session has ended."""
        self._runner.handle(happened)

    def take_text(self, frame: str) -> bool:
        """Take a frame if it is audio that is only to be kept; return whether it was taken.

        A transport may call this instead of letting `receive` of its channel return the frame, while that waits. Of
        most chunks of audio nothing has to be processed before the next ones, and waking a task for each costs more
        than decoding it.
        """
        if len(frame) > MAX_KEPT_CHARACTERS or self._ending.is_settled or self._allowance.wait_s:
            return False
        try:
            event = decode_client_event(frame)
        except MalformedEvent:
            return False
        if not isinstance(event, AudioAppend) or self._channel.has_microphone:
            return False
        audio_format = self._core.session.audio.input.format
        if not is_whole(event.audio, audio_format) or not self._hearing.keep(event.audio, audio_format):
            return False
        self._allowance.spend(len(frame), is_audio=True)
        return True

    async def _read(self) -> None:
        """Read and handle frames, no faster than is fair to other sessions; unread frames wait at the client."""
        time_slice, unsent_bytes = TimeSlice(), 0
        try:
            while not self._ending.is_settled:
                frame = await self._channel.receive()
                with time_slice:
                    answered_bytes = await self._take_frame(frame)
                await time_slice.give_way()
                unsent_bytes += answered_bytes
                if unsent_bytes > MAX_UNSENT_BYTES:
                    await self._sending.catch_up()
                    unsent_bytes = 0
                if wait_s := self._allowance.wait_s:
                    await asyncio.sleep(wait_s)
        except ChannelClosed:
            self._ending.settle(None)

    async def _take_frame(self, frame: Frame) -> int:
        """Handle a frame; return how many bytes were queued in answer."""
        if isinstance(frame, np.ndarray):
            await self._hearing.append_pcm(frame)
            return 0
        try:
            event = decode_client_event(frame)
            if isinstance(event, AudioAppend):
                self._allowance.spend(len(frame), is_audio=True)
                await self._append(event)
                return 0
        except MalformedEvent as malformed:
            if not self._allowance.forgives_malformed():
                logger.warning("session %s: %s", self._core.session.id, TOO_MANY_MALFORMED[1])
                self._sending.close(effects.Close(*TOO_MANY_MALFORMED))
            return self._answer(EventRefused(malformed.error.details, malformed.event_id), len(frame))
        if isinstance(event, AudioCommit):
            await self._hearing.flush()
        await self._hearing.catch_up()
        return self._answer(EventReceived(event), len(frame))

    def _answer(self, happened: Input, frame_bytes: int) -> int:
        """Let the core handle an event of `frame_bytes`; return how many bytes were queued in answer."""
        queued_bytes = self._sending.queued_bytes
        self._runner.handle(happened)
        answered_bytes = self._sending.queued_bytes - queued_bytes
        self._allowance.spend(frame_bytes + answered_bytes)
        return answered_bytes

    async def _append(self, event: AudioAppend) -> None:
        if self._channel.has_microphone:
            message = (
                "'input_audio_buffer.append' is not accepted in a call with an audio track for the microphone: send "
                "audio on that track."
            )
            raise MalformedEvent(ProtocolError("audio_not_accepted", message, "type"), event.event_id)
        audio_format = self._core.session.audio.input.format
        try:
            check_audio(event.audio, audio_format, "audio")
            await self._hearing.append(event.audio, audio_format)
        except ProtocolError as error:
            raise MalformedEvent(error, event.event_id) from None


def _sending_actions(sending: Sending) -> Actions:
    return {
        effects.SendEvent: sending.send_event,
        effects.SendAudio: sending.send_audio,
        effects.FinishAudio: sending.finish_audio,
        effects.Close: sending.close,
    }


def _playback_actions(speaker: Speaker) -> Actions:
    """The actions that play audio on a speaker; they replace those that send audio in events."""

    def play(effect: effects.SendAudio) -> None:
        speaker.play(effect.event_fields["item_id"], effect.pcm, effect.sample_rate)

    def finish(effect: effects.FinishAudio) -> None:
        speaker.finish(effect.item_id)

    return {
        effects.SendAudio: play,
        effects.FinishAudio: finish,
        effects.HoldPlayback: lambda _: speaker.hold(),
        effects.ResumePlayback: lambda _: speaker.resume(),
        effects.ClearPlayback: lambda _: speaker.clear(),
    }


def _call_actions(call: CallControl) -> Actions:
    return {
        effects.HangUp: lambda effect: call.hang_up(effect.reason),
        effects.TransferCall: lambda effect: call.transfer(effect.destination),
        effects.SoundWaiting: lambda effect: call.sound_waiting(effect.on),
    }


def _hearing_actions(hearing: Hearing) -> Actions:
    return {
        effects.SetFramePacing: hearing.set_frame_pacing,
        effects.SuppressNoise: hearing.suppress_noise,
        effects.OpenRecognition: hearing.open,
        effects.FeedRecognition: hearing.feed,
        effects.FinishRecognition: hearing.finish,
        effects.PredictEndOfTurn: hearing.predict_end_of_turn,
        effects.JudgeWords: hearing.judge_words,
        effects.ReadWords: hearing.read_words,
        effects.FollowTurn: hearing.follow_turn,
        effects.LeaveTurn: hearing.leave_turn,
        effects.DropRecognition: hearing.drop,
        effects.RecognizeClip: hearing.recognize_clip,
        effects.PrepareRecognizer: hearing.prepare,
    }


def _speaking_actions(speaking: Speaking) -> Actions:
    return {
        effects.PrepareModel: speaking.prepare,
        effects.Generate: speaking.generate,
        effects.Synthesize: speaking.synthesize,
        effects.StopGeneration: speaking.stop,
    }


def _captioning_actions(captioning: Captioning) -> Actions:
    return {
        effects.EnterRoom: captioning.enter,
        effects.ShowCaption: captioning.show,
        effects.SettleCaption: captioning.settle,
    }
