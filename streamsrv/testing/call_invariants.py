"""Invariants of telephone calls: the line never seems dead, and nothing follows the end of a call."""

import math
from collections.abc import Iterator

from streamsrv.core.calls.course import CALL_OVER, MAX_NOTICE_MS
from streamsrv.core.calls.keypad import KEYS_PRESSED
from streamsrv.core.effects import (
    CallTool,
    ClearPlayback,
    Close,
    FinishRecognition,
    Generate,
    HangUp,
    HoldPlayback,
    RecordTurnEnd,
    ResumePlayback,
    SendAudio,
    SendEvent,
    SoundWaiting,
    Synthesize,
)
from streamsrv.core.inputs import FrameHeard, RecognitionFailed, TranscriptReceived
from streamsrv.engines.vad.base import FRAME_MS
from streamsrv.testing.record import Record

MAX_DEAD_AIR_MS = 1200
"""The longest time from a caller's last speech to the first sound, or to the end of the turn where that comes later."""
_VOICED = 0.5
"""Probability of speech from which on a frame has a voice."""
_ENDS_THE_WAIT = (
    "response.done",
    "error",
    "input_audio_buffer.cleared",
    "conversation.item.deleted",
    "conversation.item.input_audio_transcription.failed",
)
"""Events after which nobody waits, because there is an answer without sound, or none."""


def no_dead_air(record: Record) -> Iterator[tuple[int, str]]:
    """After a turn with words, or keys, the caller hears something within `MAX_DEAD_AIR_MS`: the answer or a sound.

    If the pause that ends the turn is longer than that, the sound comes with the end of the turn.

    Checked for calls with a waiting sound whose session answers every turn aloud, until the end of the longest
    duration is near: then only goodbye is said.
    """
    call, session = record.scenario.call, record.scenario.session
    if call is None or not call.rules.waiting_after_ms or "audio" not in session.output_modalities:
        return
    sounds = _sounds(record)
    ends = [at_ms for at_ms, event in record.events() if event["type"] in _ENDS_THE_WAIT]
    ends += [at_ms for at_ms, effect in record.effects() if isinstance(effect, HangUp)]
    network = record.scenario.network
    left_ms = math.inf if record.dropped_ms is None else record.dropped_ms - network.delay_ms - network.jitter_ms
    for turn_ms, spoken_ms in _turn_ends(record):
        if call.max_ms and turn_ms >= call.max_ms - min(MAX_NOTICE_MS, call.max_ms // 2):
            return
        until_ms = max(spoken_ms + max(MAX_DEAD_AIR_MS, call.rules.waiting_after_ms), turn_ms)
        is_quiet = not any(from_ms <= until_ms and to_ms > turn_ms for from_ms, to_ms in sounds)
        goes_on = not any(turn_ms <= end_ms <= until_ms for end_ms in ends)
        if is_quiet and goes_on and until_ms < min(record.ended_ms, left_ms):
            yield until_ms, f"nothing was heard since the caller's last speech at {spoken_ms} ms"


def _turn_ends(record: Record) -> Iterator[tuple[int, int]]:
    """Yield when each turn that is to be answered has ended, and when its last speech was heard."""
    answers, spoken_ms = False, 0
    for at_ms, effect in record.effects():
        if isinstance(effect, RecordTurnEnd):
            spoken_ms = at_ms - effect.waited_ms
        if not isinstance(effect, SendEvent):
            continue
        event = effect.event
        match event["type"]:
            case "session.created" | "session.updated":
                detection = event["session"]["audio"]["input"]["turn_detection"]
                answers = bool(detection and detection["create_response"])
            case "input_audio_buffer.committed" if answers and record.recognizable.get(event["item_id"]):
                yield at_ms, spoken_ms
            case "conversation.item.done" if answers and event["item"].get("role") == "user":
                if any(part.get("text", "").startswith(KEYS_PRESSED) for part in event["item"]["content"]):
                    yield at_ms, at_ms
            case _:
                pass


def _sounds(record: Record) -> list[tuple[int, int]]:
    """Return from when to when something was heard of anybody, in ms."""
    sounds = [(start, start + length) for item in record.played.values() for start, length in item.runs]
    spoken_ms: int | None = None
    for at_ms, event in record.events("input_audio_buffer.speech_started", "input_audio_buffer.committed"):
        if spoken_ms is not None:
            sounds.append((spoken_ms, at_ms - 1))
        spoken_ms = at_ms if event["type"].endswith("started") else None
    sounds += [(at_ms, at_ms + 1) for at_ms, _ in record.events("input_audio_buffer.dtmf_event_received")]
    sounds += _possible_interruptions(record)
    since_ms: int | None = None
    for at_ms, effect in record.effects():
        if isinstance(effect, SoundWaiting):
            if since_ms is not None:
                sounds.append((since_ms, at_ms))
            since_ms = at_ms if effect.on else None
    return sounds if since_ms is None else [*sounds, (since_ms, record.ended_ms)]


def _possible_interruptions(record: Record) -> Iterator[tuple[int, int]]:
    """Yield from when to when the caller had a voice while the reply was held for it, as speech or as a noise."""
    is_held = False
    for step in record.steps:
        for effect in step.effects:
            is_held = isinstance(effect, HoldPlayback) or (
                is_held and not isinstance(effect, ResumePlayback | ClearPlayback)
            )
        if is_held and isinstance(step.happened, FrameHeard) and step.happened.probability >= _VOICED:
            yield step.at_ms - FRAME_MS, step.at_ms


def waiting_sounds_end(record: Record) -> Iterator[tuple[int, str]]:
    """A waiting sound is turned on and off in turn; it is off when a reply or the caller is heard, and at the end."""
    is_on = is_held = has_ended = False
    out_of_band = {
        event["response"]["id"]
        for _, event in record.events("response.created")
        if event["response"]["conversation_id"] is None
    }
    for step in record.steps:
        for effect in step.effects:
            match effect:
                case SoundWaiting(on=on):
                    if on is is_on:
                        yield step.at_ms, f"the waiting sound is turned {'on' if on else 'off'} twice"
                    is_on = on
                case HangUp() | Close():
                    has_ended = True
                case HoldPlayback():
                    is_held = True
                case ResumePlayback() | ClearPlayback():
                    is_held = False
                case _:
                    pass
        is_over = any(isinstance(each, SendEvent) and each.type.endswith("committed") for each in step.effects)
        if is_on and not is_held and not is_over and any(_is_heard(effect, out_of_band) for effect in step.effects):
            yield step.at_ms, "the waiting sound goes on while somebody is heard"
    if is_on and not has_ended and not record.unfinished:
        yield record.ended_ms, "the waiting sound never ends"


def _is_heard(effect: object, out_of_band: set[str]) -> bool:
    if isinstance(effect, SendAudio):
        return len(effect.pcm) > 0 and effect.event_fields["response_id"] not in out_of_band
    return isinstance(effect, SendEvent) and effect.type == "input_audio_buffer.speech_started"


def nothing_follows_hanging_up(record: Record) -> Iterator[tuple[int, str]]:
    """Once a call was ended, nothing is said, asked for or ended again."""
    has_ended = False
    for at_ms, effect in record.effects():
        if has_ended and isinstance(effect, SendAudio | Generate | Synthesize | CallTool | HangUp):
            yield at_ms, f"{type(effect).__name__} after the call was ended"
        has_ended = has_ended or isinstance(effect, HangUp)


def a_dropped_line_ends_the_session(record: Record) -> Iterator[tuple[int, str]]:
    """Once the line has dropped nothing is said or asked for; the session closes when each turn has a transcript."""
    if (dropped_ms := record.dropped_ms) is None:
        return
    waiting: set[str] = set()
    closed: Close | None = None
    for at_ms, effect in record.effects():
        match effect:
            case SendAudio() | Generate() | Synthesize() | CallTool() | HangUp() if at_ms > dropped_ms:
                yield at_ms, f"{type(effect).__name__} after the line had dropped"
            case FinishRecognition():
                waiting.add(effect.item_id)
            case Close():
                closed = effect
            case _:
                pass
    for step in record.steps:
        if isinstance(step.happened, TranscriptReceived | RecognitionFailed):
            is_final = isinstance(step.happened, RecognitionFailed) or step.happened.transcript.is_final
            waiting -= {step.happened.item_id} if is_final else set()
    deleted = {event["item_id"] for _, event in record.events("conversation.item.deleted")}
    if waiting - deleted and closed is not None and closed.code == CALL_OVER[0]:
        yield record.ended_ms, f"the session ended before {sorted(waiting - deleted)} had a transcript"
    if closed is None:
        yield record.ended_ms, "the session goes on although the line has dropped"
