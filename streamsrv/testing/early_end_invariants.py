"""Invariants of turns that were ended too early: the user goes on, and both halves become one turn with one answer."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from streamsrv.core.effects import Generate, SendEvent
from streamsrv.core.turns.overlap_words import overlap_words
from streamsrv.engines.llm.base import Message
from streamsrv.engines.vad.base import FRAME_MS
from streamsrv.protocol.session_object import SemanticVad
from streamsrv.testing.player import PlayedItem
from streamsrv.testing.record import Record
from streamsrv.testing.simulated_recognizer import SIMULATED_LANGUAGE
from streamsrv.testing.simulated_user import Press, Send

GOES_ON_MS = 1000
"""A user who speaks so long after the end of a turn has not been done."""
SILENT_AFTER_MS = 100
"""Longest time from the first speech of a user who goes on to the silence of the reply, without the network's."""
ECHO_HEARD = 0.5
"""Speech probability from which an echo is taken for speech."""
ONSET_MS = 64
"""Speech that is needed to notice that a user goes on: near the limit, either decision is right."""


@dataclass(slots=True)
class Reply:
    """A response of the conversation, as its events tell it."""

    response_id: str
    created_ms: int
    text: str = ""
    item_ids: list[str] = field(default_factory=list[str])
    calls_tools: bool = False
    done_ms: int | None = None
    request: tuple[Message, ...] = ()
    """The last request to the language model for it."""


@dataclass(slots=True)
class EarlyEnd:
    """An end of a turn after which the user went on in time. `word`: the number of the first word after it."""

    ended_ms: int
    resumed_ms: int
    word: int
    false_replies: list[Reply]


def both_halves_are_one_turn(record: Record) -> Iterator[tuple[int, str]]:
    """Each request holds the user's words once and in order, both halves of a turn in one message.

    The request of a response holds all words of the turns before it. Backchannels do not count.
    """
    if not _is_checked(record):
        return
    said = [word for utterance in record.utterances for word in _kept(utterance.words)]
    ends = early_ends(record)
    for at_ms, effect in record.effects():
        if not isinstance(effect, Generate):
            continue
        turns = [_kept(message.content.split()) for message in effect.messages if message.role == "user"]
        heard = [word for turn in turns for word in turn]
        if heard != said[: len(heard)]:
            yield at_ms, f"the request holds the user's words {heard}, {said} were said"
            continue
        begins = {sum(map(len, turns[:index])) for index in range(len(turns))}
        for end in ends:
            if end.word in begins and end.word < len(heard) and at_ms > end.resumed_ms:
                yield at_ms, f"the request splits the turn that was ended early at {end.ended_ms} ms: {turns}"
    for reply in replies(record):
        if reply.request:
            yield from _lacks_words(record, reply)


def _lacks_words(record: Record, reply: Reply) -> Iterator[tuple[int, str]]:
    committed = [
        word
        for at_ms, event in record.events("input_audio_buffer.committed")
        if at_ms <= reply.created_ms
        for word in _kept(record.recognizable.get(event["item_id"], []))
    ]
    heard = _words_of(reply.request)
    if len(heard) < len(committed):
        yield reply.created_ms, f"{reply.response_id} answers {heard}, {committed} were said in turns before it"


def no_half_turn_is_answered(record: Record) -> Iterator[tuple[int, str]]:
    """No request that holds what the user went on with holds words of the reply to the first half."""
    if not _is_checked(record):
        return
    ends = early_ends(record)
    texts = Counter(reply.text for reply in replies(record))
    for at_ms, effect in record.effects():
        if not isinstance(effect, Generate):
            continue
        heard = len(_words_of(effect.messages))
        false_texts = [
            reply.text.split()
            for end in ends
            if heard > end.word
            for reply in end.false_replies
            if reply.text and texts[reply.text] == 1  # else a true reply has the same words
        ]
        for message in effect.messages:
            words = message.content.split()
            if message.role == "assistant" and words and any(text[: len(words)] == words for text in false_texts):
                yield at_ms, f"the request holds words of a false reply: {message.content!r}"


def false_replies_fall_silent(record: Record) -> Iterator[tuple[int, str]]:
    """Nothing of the reply to the first half is heard `SILENT_AFTER_MS` after the user has gone on.

    The way of the event to the client, and the rest of a packet, come on top. Not checked of clients that play on, nor
    where an echo is taken for speech: a reply that it made stutter is not held again.
    """
    client, network = record.scenario.client, record.scenario.network
    if not _is_checked(record) or client.on_interruption == "play_on":
        return
    if record.scenario.microphone.echo >= ECHO_HEARD:
        return
    way_ms = (record.scenario.microphone.packet_frames - 1) * FRAME_MS
    way_ms += 0 if client.held_by_transport else network.delay_ms + network.jitter_ms
    for end in early_ends(record):
        limit_ms = end.resumed_ms + SILENT_AFTER_MS + way_ms
        for reply in end.false_replies:
            for item_id in reply.item_ids:
                item = record.played.get(item_id, PlayedItem())
                late_ms = item.played_ms(record.ended_ms) - item.played_ms(limit_ms)
                if late_ms > 0:
                    yield limit_ms, f"{late_ms} ms of the false reply {item_id} are heard after {limit_ms} ms"


def no_turn_is_answered_twice(record: Record) -> Iterator[tuple[int, str]]:
    """No words of two replies to the same words are heard: what was spoken of an answer is not spoken again.

    Not checked where the first reply was cut short for a sound or an echo without words.
    """
    if not _is_checked(record):
        return
    answered: defaultdict[tuple[str, ...], list[Reply]] = defaultdict(list)
    for reply in replies(record):
        played = [record.played.get(item_id, PlayedItem()) for item_id in reply.item_ids]
        if not reply.request or not any(item.words_until(item.played_ms(record.ended_ms)) for item in played):
            continue
        key = tuple(message.content for message in reply.request if message.role in ("user", "tool"))
        before = answered[key]
        if before and not _follows_sound(record, reply, before[-1]):
            ids = [each.response_id for each in (*before, reply)]
            yield reply.created_ms, f"the same words are answered by {ids}"
        before.append(reply)


def _follows_sound(record: Record, reply: Reply, earlier: Reply) -> bool:
    """Whether a sound or an echo without words may have cut short the reply before this one.

    A client that can hold playback drops the rest of a reply only for a long one.
    """
    client = record.scenario.client
    before = [utterance for utterance in record.utterances if utterance.ended_ms <= reply.created_ms]
    is_sound = bool(before and not before[-1].words) or record.scenario.microphone.echo > 0
    if not (client.holds_playback or client.held_by_transport):
        return is_sound
    cut = [item for each in earlier.item_ids if (item := record.played.get(each)) is not None and item.cut]
    return is_sound and any(item.received_ms - item.played_ms(record.ended_ms) > SILENT_AFTER_MS for item in cut)


def early_ends(record: Record) -> list[EarlyEnd]:
    """Return the ends of turns after which the user went on with words within `GOES_ON_MS`.

    Left out: those whose reply was heard to its end by then, or had called a tool, as that cannot be undone; and those
    during a response that was created before, for the result of a tool.
    """
    known = replies(record)
    ends = [
        at_ms
        for at_ms, event in record.events("input_audio_buffer.committed")
        if _kept(record.recognizable.get(event["item_id"], []))
    ]
    packet_ms = record.scenario.microphone.packet_frames * FRAME_MS
    latest_ms = GOES_ON_MS - ONSET_MS - packet_ms - record.scenario.network.jitter_ms
    found: list[EarlyEnd] = []
    word = 0
    for utterance in record.utterances:
        before = [at_ms for at_ms in ends if at_ms <= utterance.began_ms]
        words = _kept(utterance.words)
        if before and words and word and utterance.began_ms - before[-1] <= latest_ms:
            until_ms = next((at_ms for at_ms in ends if at_ms > utterance.began_ms), record.ended_ms)
            false = [reply for reply in known if before[-1] <= reply.created_ms < until_ms]
            is_answering = any(
                reply.created_ms < before[-1] and (reply.done_ms is None or reply.done_ms >= before[-1])
                for reply in known
            )
            if not is_answering and not any(_stands(record, reply, utterance.began_ms) for reply in false):
                found.append(EarlyEnd(before[-1], utterance.began_ms, word, false))
        word += len(words)
    return found


def _stands(record: Record, reply: Reply, resumed_ms: int) -> bool:
    """Whether a reply cannot be undone when the user goes on; near the end of its playback, either is right."""
    client, network = record.scenario.client, record.scenario.network
    error_ms = SILENT_AFTER_MS + client.buffer_ms + 2 * (network.delay_ms + network.jitter_ms)
    played = [record.played[item_id] for item_id in reply.item_ids if item_id in record.played]
    is_over = bool(played) and all(item.played_ms(resumed_ms + error_ms) >= item.received_ms for item in played)
    return reply.calls_tools or (is_over and not any(item.cut for item in played))


def replies(record: Record) -> list[Reply]:
    """Return the responses of the conversation in the order of their creation."""
    found: dict[str, Reply] = {}
    asked: dict[int, tuple[Message, ...]] = {}
    for at_ms, effect in record.effects():
        if isinstance(effect, Generate):
            asked[effect.generation] = effect.messages
        elif isinstance(effect, SendEvent):
            _follow(found, asked, at_ms, effect)
    return list(found.values())


def _follow(found: dict[str, Reply], asked: dict[int, tuple[Message, ...]], at_ms: int, effect: SendEvent) -> None:
    event: dict[str, Any] = effect.event
    match event["type"]:
        case "response.created" if event["response"]["conversation_id"] is not None:
            response_id = event["response"]["id"]
            found[response_id] = Reply(response_id, at_ms)
        case "response.output_item.added" if event["response_id"] in found:
            found[event["response_id"]].item_ids.append(event["item"]["id"])
            found[event["response_id"]].calls_tools |= event["item"]["type"] != "message"
        case "response.output_text.delta" | "response.output_audio_transcript.delta":
            if event["response_id"] in found:
                found[event["response_id"]].text += event["delta"]
        case "response.done" if event["response"]["id"] in found:
            requests = [asked[generation] for generation in effect.generations if generation in asked]
            found[event["response"]["id"]].request = requests[-1] if requests else ()
            found[event["response"]["id"]].done_ms = at_ms
        case _:
            pass


def _is_checked(record: Record) -> bool:
    """Whether every turn is answered, and all of the user's words are known, and no others."""
    scenario = record.scenario
    detection = scenario.session.audio.input.turn_detection
    is_semantic = isinstance(detection, SemanticVad) and detection.create_response and detection.interrupt_response
    is_steered = any(isinstance(act.what, Send | Press) for act in scenario.script)
    recognizer = scenario.recognizer
    is_understood = not (recognizer.mishears or recognizer.faults or scenario.microphone.echo_is_understood)
    return is_semantic and is_understood and not is_steered and not scenario.network.loss


def _kept(words: list[str]) -> list[str]:
    """Return the words that are not dropped as backchannels."""
    return [word for word in words if word.casefold() not in overlap_words(SIMULATED_LANGUAGE).backchannels]


def _words_of(messages: tuple[Message, ...]) -> list[str]:
    """Return the user's words in a request."""
    return [word for message in messages if message.role == "user" for word in _kept(message.content.split())]
