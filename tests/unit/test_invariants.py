"""A test of the tester: a core with a deliberate bug is caught, and by the invariant that is meant to."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streamsrv.core.call_rules import CallRules
from streamsrv.core.effects import (
    ClearTimer,
    Close,
    DropRecognition,
    Effect,
    FinishRecognition,
    Generate,
    HangUp,
    OpenRecognition,
    ResumePlayback,
    SendAudio,
    SendEvent,
    SetTimer,
    SoundWaiting,
)
from streamsrv.core.inputs import Input, RecognitionFailed, TimerFired
from streamsrv.core.timers import ResponseTimeout
from streamsrv.engines.llm.base import Message
from streamsrv.protocol.client_events import ItemTruncate
from streamsrv.protocol.session_object import Audio, AudioInput, SemanticVad, Session, Transcription
from streamsrv.testing.faults import Fault
from streamsrv.testing.invariants import INVARIANTS, InvariantBroken, check, find_violations
from streamsrv.testing.scenario import CallTraits, ChatTraits, ClientTraits, RecognizerTraits, Scenario
from streamsrv.testing.simulated_recognizer import UnexpectedEffect
from streamsrv.testing.simulated_user import Act, After, AfterReply, AtReplyWord, LineDrops, say
from streamsrv.testing.simulator import MakeCore, make_core, simulate

Bug = Callable[[list[Effect]], Iterator[Effect]]
"""What a broken core makes of the effects of a sound one."""

INTERRUPTED = Scenario(
    (say("what is the time"), say("no stop", AtReplyWord(3)), say("thanks", AfterReply(500))),
    session=Session(id="s", expires_at=0, audio=Audio(input=AudioInput(transcription=Transcription()))),
)
HELD = Scenario(
    (say("what is the time"), say("mhm", AtReplyWord(3))),
    session=Session(id="s", expires_at=0, audio=Audio(input=AudioInput(turn_detection=SemanticVad()))),
    client=ClientTraits(held_by_transport=True),
)
CALL = replace(
    HELD,
    script=(say("what is the time"), say("thanks goodbye", AfterReply(500))),
    chat=ChatTraits(answers=("silver morning letter", ("hang_up", "{}")), first_ms=4000),
    call=CallTraits(CallRules(greeting="welcome")),
)
DROPPED = replace(CALL, script=(say("what is the time"), say("tell me", AtReplyWord(1)), Act(After(0), LineDrops())))
NEVER_HEARD = replace(INTERRUPTED, recognizer=RecognizerTraits(faults=(Fault(stuck=True),)))


def broken(make_bug: Callable[[], Bug], deaf_to: Callable[[Input], bool] = lambda _: False) -> MakeCore:
    """Makes cores with a bug, which moreover do not notice some inputs."""

    def make(scenario: Scenario, new_id: Callable[[str], str]) -> Any:
        core, bug = make_core(scenario, new_id), make_bug()
        sound = core.handle

        def handle(happened: Input, now_ms: int) -> list[Effect]:
            return [] if deaf_to(happened) else list(bug(sound(happened, now_ms)))

        core.handle = handle
        return core

    return make


def sound() -> Bug:
    return iter


def is_event(effect: Effect, *types: str) -> bool:
    return isinstance(effect, SendEvent) and effect.type in types


def without(unwanted: Callable[[Effect], bool]) -> Callable[[], Bug]:
    """Forgets effects."""
    return lambda: lambda effects: (effect for effect in effects if not unwanted(effect))


def twice(wanted: Callable[[Effect], bool]) -> Callable[[], Bug]:
    """Repeats effects."""
    return lambda: lambda effects: (e for effect in effects for e in [effect] * (1 + wanted(effect)))


def with_field(event_type: str, name: str, value: Any) -> Callable[[], Bug]:
    """Sends an event with another value in a field."""

    def bug(effects: list[Effect]) -> Iterator[Effect]:
        for effect in effects:
            if isinstance(effect, SendEvent) and effect.type == event_type:
                given = {name: value} if name == "event_id" else {"fields": {**effect.fields, name: value}}
                effect = replace(effect, **given)
            yield effect

    return lambda: bug


def keeps_unheard_words() -> Bug:
    """Shows the model all that was generated of each reply."""
    replies: list[str] = []

    def whole(text: str) -> str:
        return next((reply for reply in replies if text and reply.startswith(text)), text)

    def bug(effects: list[Effect]) -> Iterator[Effect]:
        for effect in effects:
            if is_event(effect, "response.output_audio_transcript.done"):
                replies.append(effect.fields["transcript"])
            if isinstance(effect, Generate):
                messages = tuple(
                    replace(m, content=whole(m.content)) if m.role == "assistant" else m for m in effect.messages
                )
                effect = replace(effect, messages=messages)
            yield effect

    return bug


def forgets_heard_words() -> Bug:
    """Shows the model one word less of each reply."""

    def bug(effects: list[Effect]) -> Iterator[Effect]:
        for effect in effects:
            if isinstance(effect, Generate):
                messages = tuple(
                    replace(m, content=m.content.rpartition(" ")[0]) if m.role == "assistant" else m
                    for m in effect.messages
                )
                effect = replace(effect, messages=messages)
            yield effect

    return bug


def speaks_after_the_end() -> Bug:
    """Sends the last audio of a response once more when it is done."""
    last: list[Effect] = []

    def bug(effects: list[Effect]) -> Iterator[Effect]:
        for effect in effects:
            yield effect
            if isinstance(effect, SendAudio):
                last[:] = [effect]
            if is_event(effect, "response.done"):
                yield from last

    return bug


def answers_while_it_answers() -> Bug:
    """Leaves the first response open when the second one begins."""
    held: list[Effect] = []

    def bug(effects: list[Effect]) -> Iterator[Effect]:
        for effect in effects:
            if is_event(effect, "response.done") and not held:
                held.append(effect)
                continue
            yield effect
            if is_event(effect, "response.created") and held:
                yield held[0]

    return bug


def swaps_the_ladder() -> Bug:
    """Adds items to the conversation before it announces them in their response."""

    def bug(effects: list[Effect]) -> Iterator[Effect]:
        moved = [effect for effect in effects if is_event(effect, "response.output_item.added")]
        for effect in effects:
            if effect in moved:
                continue
            yield effect
            if moved and is_event(effect, "conversation.item.added"):
                yield moved.pop()

    return bug


def hears_too_late() -> Bug:
    """Opens recognitions after the first word."""

    def bug(effects: list[Effect]) -> Iterator[Effect]:
        for effect in effects:
            late = isinstance(effect, OpenRecognition)
            yield replace(effect, from_ms=effect.from_ms + 1000) if late else effect

    return bug


def sets_timers_for_nothing() -> Bug:
    """Sets the watchdog of a response that is done."""

    def bug(effects: list[Effect]) -> Iterator[Effect]:
        for effect in effects:
            is_cleared = isinstance(effect, ClearTimer) and isinstance(effect.key, ResponseTimeout)
            yield SetTimer(effect.key, 30_000) if is_cleared else effect

    return bug


def forgets_the_end_of_answers() -> Bug:
    """Tells one word less of each answer when it is done."""

    def bug(effects: list[Effect]) -> Iterator[Effect]:
        for effect in effects:
            if is_event(effect, "response.done"):
                response = copy.deepcopy(effect.fields["response"])
                for part in (part for item in response["output"] for part in item.get("content", ())):
                    part["transcript"] = part["transcript"].rpartition(" ")[0]
                effect = replace(effect, fields={"response": response})
            yield effect

    return bug


def answers_again() -> Bug:
    """Leaves out of each request the user's words that were not in the first one."""
    first: list[Message] = []

    def bug(effects: list[Effect]) -> Iterator[Effect]:
        for effect in effects:
            if isinstance(effect, Generate):
                first[:] = first or [message for message in effect.messages if message.role == "user"]
                effect = replace(effect, messages=tuple(first))
            yield effect

    return bug


def sends_audio_early() -> Bug:
    """Sends forty times as much audio at once."""

    def bug(effects: list[Effect]) -> Iterator[Effect]:
        return (replace(e, pcm=np.tile(e.pcm, 40)) if isinstance(e, SendAudio) else e for e in effects)

    return bug


def speaks_after_hanging_up() -> Bug:
    """Sends the last audio once more when it has hung up."""
    last: list[Effect] = []

    def bug(effects: list[Effect]) -> Iterator[Effect]:
        for effect in effects:
            yield effect
            if isinstance(effect, SendAudio):
                last[:] = [effect]
            if isinstance(effect, HangUp):
                yield from last

    return bug


def never_closes() -> Bug:
    """Keeps the session open."""
    return lambda effects: (effect for effect in effects if not isinstance(effect, Close))


def closes_at_once() -> Bug:
    """Closes the session when the last turn has ended, before it is transcribed."""
    turns = 0

    def bug(effects: list[Effect]) -> Iterator[Effect]:
        nonlocal turns
        for effect in effects:
            yield effect
            turns += is_event(effect, "input_audio_buffer.committed")
            if turns == 2 and is_event(effect, "conversation.item.done"):
                yield Close(1000, "")

    return bug


BUGS: dict[str, tuple[Callable[[], Bug], str]] = {
    "no response.done": (without(lambda e: is_event(e, "response.done")), "every_response_is_done_once"),
    "response.done twice": (twice(lambda e: is_event(e, "response.done")), "every_response_is_done_once"),
    "two responses at once": (answers_while_it_answers, "responses_do_not_overlap"),
    "audio after the end": (speaks_after_the_end, "nothing_follows_the_end"),
    "events out of order": (swaps_the_ladder, "events_follow_the_ladder"),
    "an item is never done": (
        without(lambda e: is_event(e, "response.output_item.done")),
        "events_follow_the_ladder",
    ),
    "another transcript at the end": (
        with_field("response.output_audio_transcript.done", "transcript", "something else"),
        "deltas_join_to_the_whole",
    ),
    "words of the user told twice": (
        twice(lambda e: is_event(e, "conversation.item.input_audio_transcription.completed")),
        "transcripts_only_grow",
    ),
    "audio sent twice": (twice(lambda e: isinstance(e, SendAudio)), "audio_is_whole"),
    "audio lost": (
        without(lambda e: isinstance(e, SendAudio) and len(e.pcm) < 400),
        "audio_is_whole",
    ),
    "words of the model lost": (forgets_the_end_of_answers, "no_answer_is_lost"),
    "audio sent early": (sends_audio_early, "look_ahead_is_bounded"),
    "unheard words kept": (keeps_unheard_words, "context_is_what_was_heard"),
    "heard words forgotten": (forgets_heard_words, "context_is_what_was_heard"),
    "recognitions are not finished": (
        without(lambda e: isinstance(e, FinishRecognition | DropRecognition)),
        "recognitions_end",
    ),
    "timers outlive their response": (sets_timers_for_nothing, "timers_end_with_their_owner"),
    "a response never ends": (
        without(lambda e: is_event(e, "response.done")),
        "everything_ends",
    ),
    "event ids used twice": (with_field("response.done", "event_id", "event_1"), "event_ids_are_unique"),
    "playback never resumes": (without(lambda e: isinstance(e, ResumePlayback)), "playback_events_match_playback"),
    "first words clipped": (hears_too_late, "no_spoken_word_is_lost"),
    "no waiting sound": (without(lambda e: isinstance(e, SoundWaiting)), "no_dead_air"),
    "a waiting sound that stays": (
        without(lambda e: isinstance(e, SoundWaiting) and not e.on),
        "waiting_sounds_end",
    ),
    "a waiting sound begun twice": (twice(lambda e: isinstance(e, SoundWaiting)), "waiting_sounds_end"),
    "audio after hanging up": (speaks_after_hanging_up, "nothing_follows_hanging_up"),
    "a session that outlives its call": (never_closes, "a_dropped_line_ends_the_session"),
    "a call whose last words are lost": (closes_at_once, "a_dropped_line_ends_the_session"),
    "the same words answered twice": (answers_again, "no_turn_is_answered_twice"),
    "hanging up twice": (twice(lambda e: isinstance(e, HangUp)), "nothing_follows_hanging_up"),
}


def broken_by(scenario: Scenario, make: MakeCore) -> set[str]:
    """Names of the invariants that a core breaks."""
    return {violation.invariant for violation in find_violations(simulate(scenario, make))}


@pytest.mark.parametrize("name", BUGS)
def test_a_deliberate_bug_is_caught(name: str):
    bug, invariant = BUGS[name]
    assert any(invariant in broken_by(scenario, broken(bug)) for scenario in (INTERRUPTED, HELD, CALL, DROPPED))


def test_every_invariant_catches_a_bug():
    caught = {invariant for _, invariant in BUGS.values()} | {"every_turn_is_answered"}
    assert {invariant.__name__ for invariant in INVARIANTS} == caught


@pytest.mark.parametrize("scenario", [INTERRUPTED, CALL, DROPPED, NEVER_HEARD])
def test_the_sound_core_breaks_no_invariant_in_these_conversations(scenario: Scenario):
    check(simulate(scenario))


def test_feeding_a_recognition_that_was_never_opened_stops_the_simulation():
    with pytest.raises(UnexpectedEffect, match="not being recognised") as failure:
        simulate(INTERRUPTED, broken(without(lambda e: isinstance(e, OpenRecognition))))
    assert "Scenario(script=" in failure.value.__notes__[0]


def test_a_truncation_that_the_core_ignores_leaves_unheard_words():
    """The server's estimate is good in this scenario, so a large client buffer makes it too high."""
    late = replace(INTERRUPTED, client=replace(INTERRUPTED.client, buffer_ms=800))

    make = broken(sound, lambda happened: isinstance(getattr(happened, "event", None), ItemTruncate))
    check(simulate(late))
    assert broken_by(late, make) == {"context_is_what_was_heard"}


def test_without_watchdogs_a_turn_gets_no_answer():
    make = broken(sound, lambda happened: isinstance(happened, TimerFired | RecognitionFailed))
    assert "every_turn_is_answered" in broken_by(NEVER_HEARD, make)


def test_a_violation_is_shown_with_the_conversation_before_it_and_its_scenario():
    record = simulate(INTERRUPTED, broken(keeps_unheard_words))
    with pytest.raises(InvariantBroken) as failure:
        check(record)
    shown = str(failure.value)
    assert "context_is_what_was_heard, at" in shown
    assert "< Generate(" in shown
    assert "Scenario(script=(Act(when=After(delay_ms=0)" in shown
