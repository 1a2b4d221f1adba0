"""Runs whole conversations through a `SessionCore` in virtual time, without event loop, threads or waiting."""

import itertools
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from streamsrv.core import effects
from streamsrv.core.inputs import (
    AudioAppended,
    DigitPressed,
    EndOfTurnPredicted,
    FrameHeard,
    Input,
    LineDropped,
    PlaybackEnded,
    PlaybackReported,
    TimerFired,
    ToolReturned,
    ToolsListed,
    TransferFailed,
    WordsJudged,
)
from streamsrv.core.session import SessionCore
from streamsrv.core.timers import (
    CallEnding,
    CallerSilent,
    IdleTimeout,
    SessionExpiring,
    SessionTimeout,
    TimerKey,
    WaitingSoundDue,
)
from streamsrv.engines.turn.base import WordsEnding
from streamsrv.engines.vad.base import FRAME_MS
from streamsrv.testing.compact import compact
from streamsrv.testing.record import Record
from streamsrv.testing.scenario import Scenario
from streamsrv.testing.simulated_client import Link, SimulatedClient
from streamsrv.testing.simulated_generator import SimulatedGenerator
from streamsrv.testing.simulated_loudspeaker import SimulatedLoudspeaker
from streamsrv.testing.simulated_recognizer import SimulatedRecognizer, UnexpectedEffect
from streamsrv.testing.simulated_user import ECHO_DB, MicrophoneFrame, SimulatedUser
from streamsrv.testing.virtual_time import Scheduled, VirtualTime
from streamsrv.tools.base import ToolDescription

CLOCK_AT_START_MS = 86_400_000
"""Time of the core's clock when the session starts. It is not 0, because a monotonic clock starts anywhere."""
MAX_AFTER_SCRIPT_MS = 600_000
"""A conversation that is still active this long after its last act is stopped and recorded as unfinished."""
SILENCE_MS = 1000
"""Silence that ends a conversation, in addition to the delay of the network."""
TURN_MS = 10_000
"""How long an uncommitted turn keeps the conversation active after the last act."""
STANDING_TIMERS = frozenset[TimerKey](
    {SessionTimeout(), SessionExpiring(), IdleTimeout(), CallEnding(), CallerSilent(), WaitingSoundDue()}
)
"""Timers that may still run when a conversation is over."""

MakeCore = Callable[[Scenario, Callable[[str], str]], SessionCore]


def make_core(scenario: Scenario, new_id: Callable[[str], str]) -> SessionCore:
    call = scenario.call
    return SessionCore(
        scenario.session,
        new_id=new_id,
        holds_playback=scenario.client.held_by_transport,
        max_session_ms=call.max_ms if call is not None else 0,
        call=call.rules if call is not None else None,
    )


def simulate(scenario: Scenario, make: MakeCore = make_core) -> Record:
    """Run a conversation and return its record. `make` creates the core from the scenario and a maker of ids.

    Does not check the invariants in `streamsrv.testing.invariants`. Raises what the core raises, and
    `UnexpectedEffect` for effects that are wrong at this point or that the simulator does not support.
    """
    simulator = Simulator(scenario, make)
    try:
        return simulator.run()
    except Exception as error:
        error.add_note(f"{simulator.record.describe()}\n{compact(scenario)}")
        raise


class Simulator:
    """Drives a simulated session: gives inputs to the core and carries out the effects.

    To support a new effect, write a method for it and add both to `_actions`.
    """

    def __init__(self, scenario: Scenario, make: MakeCore) -> None:
        ids: defaultdict[str, itertools.count[int]] = defaultdict(lambda: itertools.count(1))
        random = Random(scenario.seed)
        self._scenario = scenario
        self._random = random
        self._time = VirtualTime()
        self._core = make(scenario, lambda prefix: f"{prefix}_{next(ids[prefix])}")
        self._uplink = Link(scenario.network, self._time, random)
        self._downlink = Link(scenario.network, self._time, random)
        self._client = SimulatedClient(scenario.client, self._time, self._uplink, self.give)
        self._loudspeaker = SimulatedLoudspeaker(self._client.player, self._time, self._report_playback)
        self._user = SimulatedUser(scenario.script, self._client)
        straggling_ms = scenario.straggling_ms
        self._recognizer = SimulatedRecognizer(scenario.recognizer, straggling_ms, self._time, self.give)
        self._generator = SimulatedGenerator(
            scenario.chat, scenario.synthesizer, straggling_ms, self._time, self.give, Random(scenario.seed)
        )
        self._timers: dict[TimerKey, Scheduled] = {}
        self._calls: dict[str, Scheduled] = {}  # of tools that the server runs
        self._captured_ms = self._received_ms = 0
        self._script_ended_ms = 0
        self._echoed_words = 0
        self._handling = self._closed = self._finished = self._dropped = False
        self.record = Record(scenario)
        self._actions: dict[type, Callable[[Any], None]] = {
            effects.SendEvent: self._send_event,
            effects.SendAudio: self._send_audio,
            effects.FinishAudio: lambda effect: self._loudspeaker.finish(effect.item_id),
            effects.HoldPlayback: lambda _: self._loudspeaker.hold(),
            effects.ResumePlayback: lambda _: self._loudspeaker.resume(),
            effects.ClearPlayback: lambda _: self._loudspeaker.clear(self._time.now_ms),
            effects.SetFramePacing: self._note,
            effects.SuppressNoise: self._note,
            effects.OpenRecognition: self._recognizer.open,
            effects.FeedRecognition: self._recognizer.feed,
            effects.FinishRecognition: self._recognizer.finish,
            effects.PredictEndOfTurn: self._predict_end_of_turn,
            effects.JudgeWords: self._judge_words,
            effects.ReadWords: self._note,
            effects.FollowTurn: self._note,
            effects.LeaveTurn: self._note,
            effects.DropRecognition: self._recognizer.drop,
            effects.RecognizeClip: self._recognizer.recognize_clip,
            effects.PrepareRecognizer: self._note,
            effects.EnterRoom: self._note,
            effects.ShowCaption: self._note,
            effects.SettleCaption: self._note,
            effects.PrepareModel: self._generator.prepare,
            effects.Generate: self._generator.generate,
            effects.Synthesize: self._generator.synthesize,
            effects.StopGeneration: self._generator.stop,
            effects.ListTools: self._list_tools,
            effects.CallTool: self._call_tool,
            effects.CancelTool: self._cancel_tool,
            effects.SetTimer: self._set_timer,
            effects.ClearTimer: self._clear_timer,
            effects.HangUp: self._hang_up,
            effects.TransferCall: self._transfer,
            effects.SoundWaiting: self._note,
            effects.RecordTurn: self._note,
            effects.RecordSpeculation: self._note,
            effects.RecordEarlyTurnEnd: self._note,
            effects.RecordInterruption: self._note,
            effects.RecordTurnEnd: self._note,
            effects.Close: self._close,
        }

    def run(self) -> Record:
        self._act(None, self._core.start(CLOCK_AT_START_MS))
        self._time.after(0, self._capture)
        self._time.run_until(lambda: self._finished)
        record = self.record
        record.said = self._user.said
        record.recognizable = {item_id: heard.words for item_id, heard in self._recognizer.recognitions.items()}
        record.played = self._client.player.items
        record.cuts = self._client.cuts | self._loudspeaker.cuts
        record.ended_ms = self._time.now_ms
        return record

    def give(self, happened: Input) -> None:
        """Give an input to the core and carry out its effects; does nothing after `Close`."""
        if self._closed:
            return
        if self._handling:
            raise RuntimeError("an effect must not lead to an input at once")
        self._handling = True
        try:
            self._act(happened, self._core.handle(happened, CLOCK_AT_START_MS + self._time.now_ms))
        finally:
            self._handling = False

    def _act(self, happened: Input | None, wanted: list[effects.Effect]) -> None:
        self.record.add(self._time.now_ms, happened, wanted)
        for effect in wanted:
            action = self._actions.get(type(effect))
            if action is None:
                raise UnexpectedEffect(
                    f"the simulator does not support the effect {type(effect).__name__}: see `Simulator`"
                )
            action(effect)

    # From the microphone to the core

    def _capture(self) -> None:
        """Capture one packet of the microphone and schedule the next."""
        frames: list[MicrophoneFrame] = []
        packet_frames = self._scenario.microphone.packet_frames
        for _ in range(packet_frames):
            self._captured_ms += FRAME_MS
            frame = self._user.next_frame(self._captured_ms)
            if frame is not None:
                frames.append(self._with_echo(frame))
        lost = self._scenario.network.loss and self._random.random() < self._scenario.network.loss
        if frames and not lost:
            self._uplink.send(lambda: self._receive(frames), awaited=False)
        while self._user.events:
            self._client.send(self._user.events.pop(0))
        keys, self._user.keys = self._user.keys, ""
        for key in keys:
            self._uplink.send(partial(self.give, DigitPressed(key, self._time.now_ms // 1000)))
        if self._user.is_gone and not self._dropped:
            self._dropped = True
            self._loudspeaker.hold()
            self._uplink.send(lambda: self.give(LineDropped()))
        self._finish_if_silent()
        self._time.after(packet_frames * FRAME_MS, self._capture)

    def _receive(self, frames: list[MicrophoneFrame]) -> None:
        self._received_ms += len(frames) * FRAME_MS
        self.give(AudioAppended(self._received_ms))
        until_ms = self._received_ms - len(frames) * FRAME_MS
        for frame in frames:
            until_ms += FRAME_MS
            self.record.hear(self._time.now_ms, frame)
            self._recognizer.begin_frame(frame, until_ms)
            self.give(FrameHeard(frame.probability, until_ms, frame.level_db))
            self._recognizer.end_frame()

    def _with_echo(self, frame: MicrophoneFrame) -> MicrophoneFrame:
        traits = self._scenario.microphone
        if not traits.echo or not self._client.player.sounds(self._time.now_ms):
            return frame
        text = frame.text
        if traits.echo_is_understood:
            heard = self._client.heard_texts()
            text = " ".join([*heard[self._echoed_words :], *text.split()])
            self._echoed_words = len(heard)
        level_db = ECHO_DB if frame.probability < traits.echo else frame.level_db
        probability = max(frame.probability, traits.echo)
        return MicrophoneFrame(probability, text, frame.word_ms or FRAME_MS, level_db, frame.is_said)

    def _finish_if_silent(self) -> None:
        if not self._user.finished:
            self._script_ended_ms = self._captured_ms
        network, silent_ms = self._scenario.network, self._captured_ms - self._script_ended_ms
        packet_ms = self._scenario.microphone.packet_frames * FRAME_MS
        if silent_ms < SILENCE_MS + packet_ms + network.delay_ms + network.jitter_ms:
            return
        active = self._active(silent_ms)
        if silent_ms > MAX_AFTER_SCRIPT_MS:
            self.record.unfinished = active
        self._finished = self._closed or not active or bool(self.record.unfinished)

    def _active(self, silent_ms: int) -> list[str]:
        """Return what is still active."""
        timers = self._timers.keys() - STANDING_TIMERS
        return [
            *(["a turn"] if self._recognizer.listening and silent_ms < TURN_MS else ()),
            *(["a recognition"] if self._recognizer.working else ()),
            *(["a generation"] if self._generator.working else ()),
            *(["a tool"] if self._calls else ()),
            *(["the client"] if not (self._client.idle and self._loudspeaker.idle) else ()),
            *(["messages"] if self._uplink.in_flight or self._downlink.in_flight else ()),
            *sorted(f"timer {key}" for key in timers),
        ]

    # Effects

    def _send_event(self, effect: effects.SendEvent) -> None:
        sent_ms = self._time.now_ms
        self._downlink.send(lambda: self._client.take_event(effect.event, sent_ms))

    def _send_audio(self, effect: effects.SendAudio) -> None:
        if self._scenario.client.held_by_transport:
            self._loudspeaker.play(effect.event_fields["item_id"], effect.pcm, effect.sample_rate)
            return
        self._downlink.send(
            lambda: self._client.take_audio(effect.event_fields["item_id"], effect.pcm, effect.sample_rate)
        )

    def _report_playback(self, item_id: str, played_ms: int, ended: bool) -> None:
        self.give((PlaybackEnded if ended else PlaybackReported)(item_id, played_ms))

    def _predict_end_of_turn(self, effect: effects.PredictEndOfTurn) -> None:
        traits = self._scenario.turn_model
        if traits is not None:
            done = not self._user.in_act
            if self._random.random() < traits.errors:
                done = not done
            predicted = EndOfTurnPredicted(
                effect.item_id, effect.pause, traits.certainty if done else 1 - traits.certainty
            )
            self._time.after(traits.delay_ms, lambda: self.give(predicted))

    def _judge_words(self, effect: effects.JudgeWords) -> None:
        traits = self._scenario.turn_model
        if traits is not None:
            done = not self._user.in_act
            if self._random.random() < traits.errors:
                done = not done
            likely = traits.certainty if done else 1 - traits.certainty
            judged = WordsJudged(effect.item_id, effect.text, WordsEnding(likely, likely))
            self._time.after(traits.delay_ms, lambda: self.give(judged))

    def _list_tools(self, effect: effects.ListTools) -> None:
        """Tell the tools of the scenario, which all servers have."""
        traits = self._scenario.tools
        tools = tuple(ToolDescription(name, "", {"type": "object"}) for name in traits.names)
        self._time.after(traits.list_ms, lambda: self.give(ToolsListed(effect.listing_id, tools)))

    def _call_tool(self, effect: effects.CallTool) -> None:
        result = ToolReturned(effect.call_id, "done")
        self._calls[effect.call_id] = self._time.after(self._scenario.tools.call_ms, lambda: self._return(result))

    def _return(self, result: ToolReturned) -> None:
        del self._calls[result.call_id]
        self.give(result)

    def _cancel_tool(self, effect: effects.CancelTool) -> None:
        self._calls.pop(effect.call_id).cancel()

    def _note(self, effect: effects.Effect) -> None:
        """Do nothing: the record holds all effects."""

    def _set_timer(self, effect: effects.SetTimer) -> None:
        self._clear_timer(effects.ClearTimer(effect.key))
        self._timers[effect.key] = self._time.after(effect.delay_ms, lambda: self._fire(effect.key))

    def _clear_timer(self, effect: effects.ClearTimer) -> None:
        if (timer := self._timers.pop(effect.key, None)) is not None:
            timer.cancel()

    def _fire(self, key: TimerKey) -> None:
        del self._timers[key]
        self.give(TimerFired(key))

    def _transfer(self, _: effects.TransferCall) -> None:
        assert self._scenario.call is not None
        after_ms = self._scenario.call.transfer_ms
        if after_ms is None:
            self._user.leave()
        else:
            self._time.after(after_ms, lambda: self.give(TransferFailed("Nobody answered.")))

    def _hang_up(self, _: effects.HangUp) -> None:
        self._user.leave()

    def _close(self, effect: effects.Close) -> None:
        self._closed = True
