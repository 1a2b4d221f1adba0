"""The invariants of every conversation, whatever users, networks and engines do."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from streamsrv.conformance.ladders import GENERATED_ITEM, INPUT_ITEM, OUT_OF_BAND_ITEM, TURN_GOING_ON, ladders
from streamsrv.core.effects import (
    ClearPlayback,
    ClearTimer,
    Close,
    DropRecognition,
    FinishRecognition,
    HoldPlayback,
    OpenRecognition,
    ResumePlayback,
    SendAudio,
    SendEvent,
    SetTimer,
    StopGeneration,
)
from streamsrv.core.inputs import TimerFired
from streamsrv.core.timers import ResponseTimeout, SpeechDue, TimerKey
from streamsrv.core.turns.overlap_words import overlap_words
from streamsrv.testing.answer_invariant import every_turn_is_answered
from streamsrv.testing.call_invariants import (
    a_dropped_line_ends_the_session,
    no_dead_air,
    nothing_follows_hanging_up,
    waiting_sounds_end,
)
from streamsrv.testing.compact import compact
from streamsrv.testing.context_invariant import context_is_what_was_heard
from streamsrv.testing.early_end_invariants import no_turn_is_answered_twice
from streamsrv.testing.record import Record
from streamsrv.testing.simulated_recognizer import SIMULATED_LANGUAGE
from streamsrv.testing.speech_invariants import audio_is_whole, look_ahead_is_bounded, no_answer_is_lost

Invariant = Callable[[Record], Iterator[tuple[int, str]]]
"""Yields each violation in a conversation: its time in ms and a description."""

SHOWN_BEFORE_MS = 1500
"""How much of the conversation before the first violation the error shows."""


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: str
    at_ms: int
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}, at {self.at_ms} ms: {self.text}"


class InvariantBroken(AssertionError):
    """A conversation violates invariants."""

    def __init__(self, record: Record, violations: list[Violation]) -> None:
        first_ms = min(violation.at_ms for violation in violations)
        shown = record.describe(first_ms - SHOWN_BEFORE_MS, first_ms)
        listed = "\n".join(map(str, violations))
        super().__init__(f"{listed}\n\n{shown}\n\n{compact(record.scenario)}")
        self.violations = violations


def every_response_is_done_once(record: Record) -> Iterator[tuple[int, str]]:
    """Each `response.created` has exactly one `response.done`, after it."""
    live: set[str] = set()
    known: set[str] = set()
    for at_ms, event in record.events("response.created", "response.done"):
        response_id: str = event["response"]["id"]
        if event["type"] == "response.created":
            if response_id in known:
                yield at_ms, f"{response_id} was created twice"
            known.add(response_id)
            live.add(response_id)
        elif response_id not in live:
            yield at_ms, f"{response_id} was done, but was not in progress"
        else:
            live.remove(response_id)
    for response_id in sorted(live):
        yield record.ended_ms, f"{response_id} was never done"


def responses_do_not_overlap(record: Record) -> Iterator[tuple[int, str]]:
    """At most one response of the conversation is in progress at a time."""
    active: str | None = None
    for at_ms, event in record.events("response.created", "response.done"):
        response = event["response"]
        if response["conversation_id"] is None:
            continue
        if event["type"] == "response.done":
            active = None
        elif active is not None:
            yield at_ms, f"{response['id']} was created while {active} was in progress"
        else:
            active = response["id"]


def nothing_follows_the_end(record: Record) -> Iterator[tuple[int, str]]:
    """After its `response.done` a response sends no audio and only playback events; after `Close` nothing is sent."""
    done: set[str] = set()
    closed = False
    for at_ms, effect in record.effects():
        if closed:
            yield at_ms, f"{type(effect).__name__} after the session was closed"
        if isinstance(effect, SendAudio) and effect.event_fields["response_id"] in done:
            yield at_ms, f"audio of {effect.event_fields['response_id']} after it was done"
        if isinstance(effect, SendEvent):
            is_playback = effect.type.startswith("output_audio_buffer.")
            if effect.fields.get("response_id") in done and not is_playback:
                yield at_ms, f"{effect.type} of {effect.fields['response_id']} after it was done"
            if effect.type == "response.done":
                done.add(effect.fields["response"]["id"])
        closed = closed or isinstance(effect, Close)


def events_follow_the_ladder(record: Record) -> Iterator[tuple[int, str]]:
    """The events of every item come in the order of the protocol; all items are done before their response is.

    Not checked for items that were deleted while they were in progress.
    """
    events = list(_wire_events(record))
    generated: dict[str, str] = {}
    out_of_band: set[str] = set()
    last_ms: dict[str, int] = {}
    for at_ms, event in events:
        last_ms[event.get("item_id") or event.get("item", {}).get("id") or ""] = at_ms
        if event["type"] == "response.created" and event["response"]["conversation_id"] is None:
            out_of_band.add(event["response"]["id"])
        if event["type"] == "response.output_item.added":
            generated[event["item"]["id"]] = event["response_id"]
    deleted = {event["item_id"] for _, event in record.events("conversation.item.deleted")}
    for item_id, ladder in ladders(event for _, event in events).items():
        if item_id in deleted:
            continue
        expected = INPUT_ITEM
        if item_id in generated:
            expected = OUT_OF_BAND_ITEM if generated[item_id] in out_of_band else GENERATED_ITEM
        if not (expected.fullmatch(ladder) or TURN_GOING_ON.fullmatch(ladder)):
            yield last_ms[item_id], f"{item_id}: {ladder}"
    yield from _outputs_are_complete(record)


def _wire_events(record: Record) -> Iterator[tuple[int, dict[str, Any]]]:
    for at_ms, effect in record.effects():
        if isinstance(effect, SendEvent):
            yield at_ms, effect.event
        elif isinstance(effect, SendAudio):
            yield at_ms, {"type": "response.output_audio.delta", **effect.event_fields}


def _outputs_are_complete(record: Record) -> Iterator[tuple[int, str]]:
    items: defaultdict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    for at_ms, event in record.events("response.output_item.done", "response.done"):
        if event["type"] == "response.output_item.done":
            items[event["response_id"]][event["output_index"]] = event["item"]
        elif event["response"]["output"] != [item for _, item in sorted(items[event["response"]["id"]].items())]:
            yield at_ms, f"{event['response']['id']} lists other items than those that were done"


def deltas_join_to_the_whole(record: Record) -> Iterator[tuple[int, str]]:
    """The deltas of a text, transcript or arguments joined equal the whole in the `done` event."""
    pieces: defaultdict[tuple[str, str], str] = defaultdict(str)
    wholes = {"output_text": "text", "output_audio_transcript": "transcript", "function_call_arguments": "arguments"}
    for at_ms, event in record.events():
        name, _, suffix = event["type"].removeprefix("response.").rpartition(".")
        if name not in wholes:
            continue
        if suffix == "delta":
            pieces[name, event["item_id"]] += event["delta"]
        elif (joined := pieces[name, event["item_id"]]) != event[wholes[name]]:
            yield at_ms, f"{event['item_id']}: the deltas are {joined!r}, the whole is {event[wholes[name]]!r}"


def transcripts_only_grow(record: Record) -> Iterator[tuple[int, str]]:
    """No delta follows a final transcript, and words that the final transcript adds to the deltas were sent as a delta.

    The final transcript is authoritative: it may differ from the deltas.
    """
    sent: defaultdict[str, str] = defaultdict(str)
    ended: set[str] = set()
    prefix = "conversation.item.input_audio_transcription."
    for at_ms, event in record.events(f"{prefix}delta", f"{prefix}completed", f"{prefix}failed"):
        item_id: str = event["item_id"]
        if item_id in ended:
            yield at_ms, f"{event['type']} of {item_id} after its final transcript"
        if event["type"].endswith("delta"):
            sent[item_id] += event["delta"]
            continue
        ended.add(item_id)
        transcript: str = event.get("transcript", "")
        if transcript.startswith(sent[item_id]) and transcript != sent[item_id] and not event.get("error"):
            yield at_ms, f"{item_id}: the deltas are {sent[item_id]!r}, the transcript is {transcript!r}"


def recognitions_end(record: Record) -> Iterator[tuple[int, str]]:
    """Every recognition is finished or dropped; without turn detection the last one may wait for a commit."""
    active: dict[str, int] = {}
    for at_ms, effect in record.effects():
        match effect:
            case OpenRecognition():
                active[effect.item_id] = at_ms
            case FinishRecognition() | DropRecognition():
                active.pop(effect.item_id, None)
            case _:
                pass
    if active and any(session["audio"]["input"]["turn_detection"] is None for session in _sessions(record)):
        active.popitem()
    for item_id, at_ms in active.items():
        yield at_ms, f"the recognition of {item_id} was never ended"


def _sessions(record: Record) -> Iterator[dict[str, Any]]:
    return (event["session"] for _, event in record.events("session.created", "session.updated"))


def timers_end_with_their_owner(record: Record) -> Iterator[tuple[int, str]]:
    """A timer of a generation or an item is cleared when its owner ends, unless the timer has fired."""
    running: set[TimerKey] = set()
    for step in record.steps:
        if isinstance(step.happened, TimerFired):
            running.discard(step.happened.key)
        ended: set[int | str] = set()
        for effect in step.effects:
            match effect:
                case SetTimer():
                    running.add(effect.key)
                case ClearTimer():
                    running.discard(effect.key)
                case StopGeneration():
                    ended.add(effect.generation)
                case SendEvent():
                    if effect.type.rpartition(".")[2] in ("completed", "failed", "deleted"):
                        ended.add(effect.fields["item_id"])
                case _:
                    pass
        for key in sorted(running, key=str):
            if _owner(key) in ended:
                yield step.at_ms, f"timer {key} still runs"


def _owner(key: TimerKey) -> int | str | None:
    """Return the generation or the item that a timer belongs to; None: the session."""
    match key:
        case ResponseTimeout() | SpeechDue():
            return key.generation
        case _:
            return None


def everything_ends(record: Record) -> Iterator[tuple[int, str]]:
    """Nothing stays active long after the end of the script."""
    if record.unfinished:
        yield record.ended_ms, f"still active: {', '.join(record.unfinished)}"


def event_ids_are_unique(record: Record) -> Iterator[tuple[int, str]]:
    """No two server events have the same id."""
    counts = Counter(event["event_id"] for _, event in record.events())
    for event_id, count in counts.items():
        if count > 1:
            yield record.ended_ms, f"{event_id} was used {count} times"


def no_spoken_word_is_lost(record: Record) -> Iterator[tuple[int, str]]:
    """Every spoken word is in the audio of exactly one recognition, in order, and becomes part of an item.

    Only backchannels may be dropped. Not checked if packets are lost, if echo adds words, if the application discards
    audio, or without turn detection.
    """
    scenario = record.scenario
    clean = not scenario.network.loss and not scenario.microphone.echo_is_understood
    detects = scenario.session.audio.input.turn_detection is not None
    sent = {event.get("type") for event in _sent_events(record)}
    if not clean or not detects or sent & {"input_audio_buffer.clear", "session.update", "conversation.item.create"}:
        return
    recognized = [word for words in record.recognizable.values() for word in words]
    if recognized != record.said:
        yield record.ended_ms, f"{record.said} was said, {recognized} could be recognised"
    committed = {event["item_id"] for _, event in record.events("input_audio_buffer.committed")}
    backchannels = overlap_words(SIMULATED_LANGUAGE).backchannels
    for item_id, words in record.recognizable.items():
        if item_id not in committed and not backchannels.issuperset(word.casefold() for word in words):
            yield record.ended_ms, f"{words} ({item_id}) was dropped"


def playback_events_match_playback(record: Record) -> Iterator[tuple[int, str]]:
    """Held playback is resumed or cleared, and playback that starts is stopped or cleared, once."""
    held = False
    playing: set[str] = set()
    for at_ms, effect in record.effects():
        match effect:
            case HoldPlayback():
                if held:
                    yield at_ms, "playback was held twice"
                held = True
            case ResumePlayback() | ClearPlayback():
                held = False
            case SendEvent("output_audio_buffer.started", {"response_id": response_id}):
                if response_id in playing:
                    yield at_ms, f"playback of {response_id} started twice"
                playing.add(response_id)
            case SendEvent("output_audio_buffer.stopped" | "output_audio_buffer.cleared", {"response_id": response_id}):
                if response_id not in playing:
                    yield at_ms, f"playback of {response_id} ended, but was not active"
                playing.discard(response_id)
            case _:
                pass
    if held or playing:
        yield record.ended_ms, f"playback never ended: held {held}, {sorted(playing)}"


def _sent_events(record: Record) -> Iterator[dict[str, Any]]:
    for act in record.scenario.script:
        event: dict[str, Any] | None = getattr(act.what, "event", None)
        if event is not None:
            yield event


INVARIANTS: tuple[Invariant, ...] = (
    every_response_is_done_once,
    responses_do_not_overlap,
    nothing_follows_the_end,
    events_follow_the_ladder,
    deltas_join_to_the_whole,
    transcripts_only_grow,
    audio_is_whole,
    no_answer_is_lost,
    look_ahead_is_bounded,
    context_is_what_was_heard,
    every_turn_is_answered,
    recognitions_end,
    timers_end_with_their_owner,
    everything_ends,
    event_ids_are_unique,
    no_spoken_word_is_lost,
    playback_events_match_playback,
    no_dead_air,
    waiting_sounds_end,
    nothing_follows_hanging_up,
    a_dropped_line_ends_the_session,
    no_turn_is_answered_twice,
)


OF_THE_END: tuple[Invariant, ...] = (
    every_response_is_done_once,
    events_follow_the_ladder,
    recognitions_end,
    no_spoken_word_is_lost,
    playback_events_match_playback,
)
"""Invariants that tell what is left at the end: much may be where the server ends the session in the middle."""


def find_violations(record: Record) -> list[Violation]:
    """Return the violations of all invariants in the order of time."""
    invariants = [each for each in INVARIANTS if not (record.is_cut_off and each in OF_THE_END)]
    found = [
        Violation(invariant.__name__, at_ms, text) for invariant in invariants for at_ms, text in invariant(record)
    ]
    return sorted(found, key=lambda violation: violation.at_ms)


def check(record: Record) -> None:
    """Check all invariants. Raises `InvariantBroken`, which shows the conversation before the first violation."""
    if violations := find_violations(record):
        raise InvariantBroken(record, violations)
