"""The parts of the core by themselves: they return what they want done, asking them changes nothing, all is data."""

import dataclasses
import typing
from typing import Any

import pytest

from harness import Talk, counting_ids, event, events, of_type, types
from streamsrv.core.collector import Collector
from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import (
    ClearPlayback,
    Effect,
    FeedRecognition,
    FinishRecognition,
    HoldPlayback,
    OpenRecognition,
    ResumePlayback,
    SendEvent,
    SetTimer,
    send_event,
)
from streamsrv.core.inputs import Failure, Input
from streamsrv.core.playback.output_buffer import OutputBuffer
from streamsrv.core.timers import IdleTimeout, ResponseTimeout, SpeechDue, TimerKey
from streamsrv.core.turns.input_buffer import CommittedAudio, InputBuffer
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.errors import Overloaded, Rejected, Unavailable
from streamsrv.protocol.session_object import Audio, AudioInput, Session

CLEAR = '{"type": "input_audio_buffer.clear"}'


def named_types(annotation: Any) -> set[type]:
    """The classes in a type annotation, and in the fields of its dataclasses."""
    found: set[type] = set()
    rest = [annotation]
    while rest:
        kind = rest.pop()
        rest += typing.get_args(kind)
        kind = typing.get_origin(kind) or kind
        if isinstance(kind, type) and kind not in found:
            found.add(kind)
            if dataclasses.is_dataclass(kind):
                rest += typing.get_type_hints(kind).values()
    return found


@pytest.mark.parametrize("member", [*typing.get_args(Input), *typing.get_args(Effect)])
def test_inputs_and_effects_hold_neither_exceptions_nor_callbacks(member: type):
    kinds = named_types(member)
    assert member in kinds
    assert not [kind for kind in kinds if issubclass(kind, BaseException) or kind.__name__ == "Callable"]


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (Unavailable("down"), Failure("unavailable", "down")),
        (Overloaded("full"), Failure("overloaded", "full")),
        (Rejected("no"), Failure("rejected", "no")),
    ],
)
def test_a_failure_says_of_which_kind_an_error_is(error: Any, failure: Failure):
    assert Failure.of(error) == failure


def test_a_collector_hands_over_what_it_collected_once_and_in_order():
    collector = Collector()
    collector.send("a", field=1)
    collector.emit(HoldPlayback())
    collector.add([ResumePlayback(), ClearPlayback()])
    assert collector.take() == [send_event("a", field=1), HoldPlayback(), ResumePlayback(), ClearPlayback()]
    assert collector.take() == []


def test_every_event_gets_its_id_when_it_leaves_the_core():
    talk = Talk()
    talk.says("Hello.")
    talk.answers("Hi.")
    ids = [effect.event_id for effect in of_type(talk.all, SendEvent)]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert [sent["event_id"] for sent in events(talk.all)] == ids


def test_two_timers_are_the_same_if_they_are_of_the_same_kind_and_owner():
    keys: list[TimerKey] = [IdleTimeout(), ResponseTimeout(1), ResponseTimeout(2), SpeechDue(1)]
    assert len(set(keys)) == len(keys)
    assert {ResponseTimeout(1): "running"}.get(ResponseTimeout(1)) == "running"


def listening(**options: Any) -> Session:
    return Session(id="sess_1", audio=Audio(input=AudioInput(**options)))


def hear(buffer: InputBuffer, probability: float, frames: int) -> list[Any]:
    """Effects and changes of so many frames, the first one from the start of the session on."""
    happened: list[Any] = []
    for until_ms in range(32, 32 * (frames + 1), 32):
        buffer.append(until_ms)
        effects, change = buffer.hear(probability, until_ms)
        happened += [*effects, *([] if change is None else [change])]
    return happened


def test_the_input_buffer_returns_its_effects():
    buffer = InputBuffer(listening(turn_detection=None), counting_ids())
    assert [type(effect) for effect in hear(buffer, 0.9, 4)] == [OpenRecognition, *[FeedRecognition] * 4]
    effects, audio = buffer.commit()
    assert effects == [FinishRecognition("item_1")]
    assert audio == CommittedAudio("item_1", 0, 128, recognized=True, options=RecognitionOptions())


def test_an_item_has_an_id_once_it_needs_one():
    buffer = InputBuffer(listening(), counting_ids())
    hear(buffer, 0.0, 4)
    assert buffer.item_id is None
    assert buffer.item_id is None
    assert buffer.assign_item_id() == "item_1" == buffer.item_id == buffer.assign_item_id()
    assert buffer.clear() == []
    assert buffer.item_id is None


def test_clearing_an_empty_buffer_uses_up_no_item_id():
    talk = Talk()
    talk.client(CLEAR)
    talk.speech()
    assert event(talk.all, "input_audio_buffer.speech_started")["item_id"] == "item_1"


def test_creating_an_item_uses_up_no_other_id_than_its_own():
    talk = Talk()
    talk.client('{"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": []}}')
    talk.speech()
    assert event(talk.all, "input_audio_buffer.speech_started")["item_id"] == "item_2"


def test_the_output_buffer_returns_its_effects():
    output = OutputBuffer(Conversation("conv"), held_by_transport=True)
    assert output.hold(0) == [HoldPlayback()]
    assert output.hold(10) == []
    assert output.resume(20) == [ResumePlayback()]
    assert output.resume(30) == []
    output.hold(40)
    assert output.interrupt(50) == [ClearPlayback()]


def test_asking_whether_the_user_is_silent_sets_no_timer():
    talk = Talk()
    talk.update(audio={"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}})
    talk.says("Hello.")
    talk.answers("Hi.")
    talk.silence(9600)
    talk.hear(0.9, 32)
    idle = talk.core._idle  # type: ignore[attr-defined]
    assert [idle.is_user_silent(talk.now_ms) for _ in range(3)] == [False] * 3
    assert talk.silence(32) == []
    assert idle.is_user_silent(talk.now_ms)


def test_an_idle_timer_that_fires_during_a_sound_is_set_again():
    talk = Talk()
    talk.update(audio={"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}})
    talk.says("Hello.")
    talk.answers("Hi.")
    talk.silence(9600)
    talk.hear(0.9, 32)
    assert talk.fire(IdleTimeout()) == [SetTimer(IdleTimeout(), 500)]
    talk.silence(512)
    assert types(talk.fire(IdleTimeout()))[0] == "input_audio_buffer.timeout_triggered"
