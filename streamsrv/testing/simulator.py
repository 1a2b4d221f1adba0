"""Runs whole conversations through a `SessionCore` in virtual time: no event loop, no threads, no waiting."""

import itertools
from collections import defaultdict
from collections.abc import Callable
from random import Random
from typing import Any

from streamsrv.core import effects
from streamsrv.core.inputs import (
    AudioAppended,
    EndOfTurnPredicted,
    FrameHeard,
    Input,
    PlaybackEnded,
    PlaybackReported,
    TimerFired,
)
from streamsrv.core.session import SessionCore
from streamsrv.core.timers import IdleTimeout, SessionExpiring, SessionTimeout, TimerKey
from streamsrv.engines.vad.base import FRAME_MS
from streamsrv.testing.client import Link, SimulatedClient
from streamsrv.testing.compact import compact
from streamsrv.testing.ears import SimulatedEars, UnexpectedEffect
from streamsrv.testing.loudspeaker import SimulatedLoudspeaker
from streamsrv.testing.record import Record
from streamsrv.testing.scenario import Scenario
from streamsrv.testing.speakers import ECHO_DB, AirFrame, Speaker
from streamsrv.testing.virtual_time import Scheduled, VirtualTime
from streamsrv.testing.voice import SimulatedVoice

CLOCK_AT_START_MS = 86_400_000
"""What the clock given to the core shows when the session starts: it counts from no instant that means anything."""
LAST_WORD_MS = 600_000
"""A conversation in which something still goes on this long after the last act is broken off as unfinished."""
SILENCE_MS = 1000
"""How long everybody must be silent, beside what the network delays, before a conversation is over."""
TURN_MS = 10_000
"""How long a turn may wait for more after the last act; then what is not committed waits for the client."""
STANDING_TIMERS = frozenset[TimerKey]({SessionTimeout(), SessionExpiring(), IdleTimeout()})
"""Timers that may be left when everybody is silent."""

MakeCore = Callable[[Scenario, Callable[[str], str]], SessionCore]


def make_core(scenario: Scenario, new_id: Callable[[str], str]) -> SessionCore:
    return SessionCore(scenario.session, new_id=new_id, holds_playback=scenario.client.held_by_transport)


def simulate(scenario: Scenario, make: MakeCore = make_core) -> Record:
    """Let a conversation happen; return what happened. `make` makes the core from the scenario and a maker of ids.

    The invariants in `streamsrv.testing.invariants` are not checked here. Raises what the core raises, and
    `UnexpectedEffect` for effects that make no sense or that the simulator does not know.
    """
    simulator = Simulator(scenario, make)
    try:
        return simulator.run()
    except Exception as error:
        error.add_note(f"{simulator.record.describe()}\n{compact(scenario)}")
        raise


class Simulator:
    """The driver of a simulated session: carries inputs to the core, and its effects out.

    To teach it a new effect, write a method for it and name both in `_actions`.
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
        self._speaker = Speaker(scenario.script, self._client)
        straggling_ms = scenario.straggling_ms
        self._ears = SimulatedEars(scenario.recognizer, straggling_ms, self._time, self.give)
        self._voice = SimulatedVoice(
            scenario.chat, scenario.synthesizer, straggling_ms, self._time, self.give, Random(scenario.seed)
        )
        self._timers: dict[TimerKey, Scheduled] = {}
        self._captured_ms = self._received_ms = 0
        self._script_ended_ms = 0
        self._echoed_words = 0
        self._handling = self._closed = self._finished = False
        self.record = Record(scenario)
        self._actions: dict[type, Callable[[Any], None]] = {
            effects.SendEvent: self._send_event,
            effects.SendAudio: self._send_audio,
            effects.FinishAudio: lambda effect: self._loudspeaker.finish(effect.item_id),
            effects.HoldPlayback: lambda _: self._loudspeaker.hold(),
            effects.ResumePlayback: lambda _: self._loudspeaker.resume(),
            effects.ClearPlayback: lambda _: self._loudspeaker.clear(self._time.now_ms),
            effects.SetFramePacing: self._note,
            effects.OpenRecognition: self._ears.open,
            effects.FeedRecognition: self._ears.feed,
            effects.FinishRecognition: self._ears.finish,
            effects.PredictEndOfTurn: self._predict_end_of_turn,
            effects.DropRecognition: self._ears.drop,
            effects.RecognizeClip: self._ears.recognize_clip,
            effects.EnterRoom: self._note,
            effects.ShowCaption: self._note,
            effects.SettleCaption: self._note,
            effects.PrepareModel: self._voice.prepare,
            effects.Generate: self._voice.generate,
            effects.Synthesize: self._voice.synthesize,
            effects.StopGeneration: self._voice.stop,
            effects.SetTimer: self._set_timer,
            effects.ClearTimer: self._clear_timer,
            effects.RecordTurn: self._note,
            effects.RecordSpeculation: self._note,
            effects.Close: self._close,
        }

    def run(self) -> Record:
        self._act(None, self._core.start())
        self._time.after(0, self._capture)
        self._time.run_until(lambda: self._finished)
        record = self.record
        record.said = self._speaker.said
        record.recognizable = {item_id: heard.words for item_id, heard in self._ears.recognitions.items()}
        record.played = self._client.player.items
        record.cuts = self._client.cuts | self._loudspeaker.cuts
        record.ended_ms = self._time.now_ms
        return record

    def give(self, happened: Input) -> None:
        """Hand an input to the core and do what it wants; nothing happens any more after `Close`."""
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
                raise UnexpectedEffect(f"the simulator knows no effect {type(effect).__name__}: see `Simulator`")
            action(effect)

    # From the microphone to the core

    def _capture(self) -> None:
        """One packet of the microphone, then the next."""
        frames: list[AirFrame] = []
        packet_frames = self._scenario.microphone.packet_frames
        for _ in range(packet_frames):
            self._captured_ms += FRAME_MS
            frame = self._speaker.next_frame(self._captured_ms)
            if frame is not None:
                frames.append(self._with_echo(frame))
        lost = self._scenario.network.loss and self._random.random() < self._scenario.network.loss
        if frames and not lost:
            self._uplink.send(lambda: self._receive(frames), awaited=False)
        while self._speaker.events:
            self._client.send(self._speaker.events.pop(0))
        self._finish_if_silent()
        self._time.after(packet_frames * FRAME_MS, self._capture)

    def _receive(self, frames: list[AirFrame]) -> None:
        self._received_ms += len(frames) * FRAME_MS
        self.give(AudioAppended(self._received_ms))
        until_ms = self._received_ms - len(frames) * FRAME_MS
        for frame in frames:
            until_ms += FRAME_MS
            self._ears.hear(frame, until_ms)
            self.give(FrameHeard(frame.probability, until_ms, frame.level_db))
            self._ears.heard()

    def _with_echo(self, frame: AirFrame) -> AirFrame:
        traits = self._scenario.microphone
        if not traits.echo or not self._client.audible:
            return frame
        text = frame.text
        if traits.echo_is_understood:
            heard = self._client.heard_texts()
            text = " ".join([*heard[self._echoed_words :], *text.split()])
            self._echoed_words = len(heard)
        level_db = ECHO_DB if frame.probability < traits.echo else frame.level_db
        return AirFrame(max(frame.probability, traits.echo), text, frame.word_ms or FRAME_MS, level_db)

    def _finish_if_silent(self) -> None:
        if not self._speaker.finished:
            self._script_ended_ms = self._captured_ms
        network, silent_ms = self._scenario.network, self._captured_ms - self._script_ended_ms
        packet_ms = self._scenario.microphone.packet_frames * FRAME_MS
        if silent_ms < SILENCE_MS + packet_ms + network.delay_ms + network.jitter_ms:
            return
        going_on = self._going_on(silent_ms)
        if silent_ms > LAST_WORD_MS:
            self.record.unfinished = going_on
        self._finished = self._closed or not going_on or bool(self.record.unfinished)

    def _going_on(self, silent_ms: int) -> list[str]:
        """What is not over yet."""
        timers = self._timers.keys() - STANDING_TIMERS
        return [
            *(["a turn"] if self._ears.listening and silent_ms < TURN_MS else ()),
            *(["a recognition"] if self._ears.working else ()),
            *(["a generation"] if self._voice.working else ()),
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
            self._loudspeaker.play(effect.place["item_id"], effect.pcm, effect.sample_rate)
            return
        self._downlink.send(lambda: self._client.take_audio(effect.place["item_id"], effect.pcm, effect.sample_rate))

    def _report_playback(self, item_id: str, played_ms: int, ended: bool) -> None:
        self.give((PlaybackEnded if ended else PlaybackReported)(item_id, played_ms))

    def _predict_end_of_turn(self, effect: effects.PredictEndOfTurn) -> None:
        traits = self._scenario.turn_model
        if traits is not None:
            done = not self._speaker.in_act
            if self._random.random() < traits.errors:
                done = not done
            predicted = EndOfTurnPredicted(
                effect.item_id, effect.pause, traits.certainty if done else 1 - traits.certainty
            )
            self._time.after(traits.delay_ms, lambda: self.give(predicted))

    def _note(self, effect: effects.Effect) -> None:
        """Nothing to do: all effects are in the record."""

    def _set_timer(self, effect: effects.SetTimer) -> None:
        self._clear_timer(effects.ClearTimer(effect.key))
        self._timers[effect.key] = self._time.after(effect.delay_ms, lambda: self._fire(effect.key))

    def _clear_timer(self, effect: effects.ClearTimer) -> None:
        if (timer := self._timers.pop(effect.key, None)) is not None:
            timer.cancel()

    def _fire(self, key: TimerKey) -> None:
        del self._timers[key]
        self.give(TimerFired(key))

    def _close(self, effect: effects.Close) -> None:
        self._closed = True
