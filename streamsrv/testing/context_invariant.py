"""An invariant: the context of the language model holds what the user heard, compared with what the client played."""

from collections.abc import Iterator
from dataclasses import dataclass

from streamsrv.core.effects import Generate, RecordSpeculation
from streamsrv.testing.player import Cut, PlayedItem
from streamsrv.testing.record import Record
from streamsrv.testing.simulated_loudspeaker import REPORT_MS

MAX_ESTIMATION_ERROR_WORDS = 6
"""Words by which the estimated position in a reply may be wrong if the synthesiser does not report word times."""


@dataclass(slots=True)
class _Reply:
    """An assistant message, as its server events describe it."""

    item_id: str
    text: str = ""
    spoken: bool = False
    is_voiceless: bool = False
    """Whether the end of the text has no audio, because the voice failed."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Bounds on the words of a reply that the context may hold."""

    min_words: int
    max_words: int


def context_is_what_was_heard(record: Record) -> Iterator[tuple[int, str]]:
    """The context holds no unheard word and lacks no heard word.

    The count is exact for an item whose truncation has reached the server and whose words the synthesiser has timed.
    If the server estimates what was played, words that end within the client's buffer plus twice the network's jitter
    of the cut may be missing or extra; with playback reports, words since the last report may be missing, too. If it
    estimates when words are spoken, `MAX_ESTIMATION_ERROR_WORDS` more may be. Not checked: replies that the client cut
    off before the server could know, heard words of clients that do not stop at an interruption, and the position in
    a reply that waited for one out of the conversation, which the server does not expect to be played.
    """
    replies: dict[str, _Reply] = {}
    guessed: Generate | None = None
    steps = record.effects()
    for at_ms, effect in steps:
        match effect:
            case Generate():
                guessed = effect
                yield from _check(record, effect, replies, at_ms)
            case RecordSpeculation(used=True) if guessed is not None:
                yield from _check(record, guessed, replies, at_ms)
            case _:
                _follow(effect, replies)


def _follow(effect: object, replies: dict[str, _Reply]) -> None:
    event = getattr(effect, "event", None)
    if event is None:
        return
    match event["type"]:
        case "conversation.item.added" if event["item"].get("role") == "assistant":
            item = event["item"]
            text = " ".join(part.get("text") or part.get("transcript") or "" for part in item["content"])
            replies[item["id"]] = _Reply(item["id"], text)
        case "response.content_part.added" if event["item_id"] in replies:
            replies[event["item_id"]].spoken = event["part"]["type"] == "audio"
        case "response.output_text.delta" | "response.output_audio_transcript.delta" if event["item_id"] in replies:
            replies[event["item_id"]].text += event["delta"]
        case "response.done":
            failed = event["response"].get("streamsrv", {}).get("voice_failed", {})
            if failed.get("item_id") in replies:
                replies[failed["item_id"]].is_voiceless = True
        case _:
            pass


def _check(record: Record, asked: Generate, replies: dict[str, _Reply], at_ms: int) -> Iterator[tuple[int, str]]:
    """Check that each assistant message of a request is the heard part of a reply, in order."""
    rest = list(replies.values())
    for message in asked.messages:
        if message.role != "assistant" or not message.content:
            continue
        said = message.content.split()
        candidates = [index for index, reply in enumerate(rest) if reply.text.split()[: len(said)] == said]
        if not candidates:
            yield at_ms, f"the context holds text of no reply: {message.content!r}"
            continue
        fitting = [index for index in candidates if _explain(record, rest[index], len(said), at_ms) is None]
        if not fitting:
            yield at_ms, _explain(record, rest[candidates[0]], len(said), at_ms) or ""
        rest = rest[(fitting or candidates)[0] + 1 :]


def _explain(record: Record, reply: _Reply, words: int, at_ms: int) -> str | None:
    """Describe what is wrong if a request at `at_ms` holds `words` words of a reply; None: nothing."""
    bounds = _bounds(record, reply, at_ms)
    if bounds.min_words <= words <= bounds.max_words:
        return None
    kind = "unheard words" if words > bounds.max_words else "too few heard words"
    expected = (
        f"{bounds.min_words} to {bounds.max_words}" if bounds.min_words < bounds.max_words else str(bounds.max_words)
    )
    return f"the context holds {kind} of {reply.item_id}: {words} instead of {expected} of {reply.text!r}"


def _bounds(record: Record, reply: _Reply, at_ms: int) -> _Bounds:
    if not reply.spoken:
        total = len(reply.text.split())
        return _Bounds(total, total)
    item = record.played.get(reply.item_id, PlayedItem())
    cut = record.cuts.get(reply.item_id, Cut(item.received_ms, known_ms=-1, truncated_ms=None))
    slack = 0 if record.scenario.synthesizer.times_words else MAX_ESTIMATION_ERROR_WORDS
    any_words = _Bounds(0, len(reply.text.split()) if reply.is_voiceless else len(item.word_ends) + slack)
    if cut.known_ms is None or cut.known_ms >= at_ms:
        return any_words
    early_ms = late_ms = 0
    client, network = record.scenario.client, record.scenario.network
    if cut.truncated_ms is None or cut.truncated_ms >= at_ms:
        if _plays_out_of_band(record):
            return any_words
        early_ms = late_ms = client.buffer_ms + 2 * network.jitter_ms
        reports_ms = REPORT_MS if client.holds_playback else client.reports_ms
        if reports_ms is not None:
            early_ms += reports_ms + 2 * network.delay_ms
    min_words = 0 if client.on_interruption == "play_on" else item.words_until(cut.played_ms - early_ms) - slack
    max_words = item.words_until(cut.played_ms + late_ms) + slack
    if reply.is_voiceless and cut.played_ms + late_ms >= item.received_ms:
        max_words = len(reply.text.split())  # what has no audio counts as heard once all audio was
    return _Bounds(max(0, min_words), max_words)


def _plays_out_of_band(record: Record) -> bool:
    """Whether the client plays audio of responses that are not in the conversation."""
    return any(
        event["response"]["conversation_id"] is None and "audio" in event["response"]["output_modalities"]
        for _, event in record.events("response.created")
    )
