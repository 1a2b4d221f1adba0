"""Invariants of what is spoken: no word is lost, said twice, early, or made long before it is played."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from streamsrv.core.answers.spoken_message import AHEAD_MS
from streamsrv.core.answers.spoken_segments import MAX_SPOKEN
from streamsrv.core.effects import SendAudio, SendEvent
from streamsrv.core.inputs import ModelOutput
from streamsrv.engines.llm.base import Text
from streamsrv.testing.context_invariant import MAX_ESTIMATION_ERROR_WORDS
from streamsrv.testing.record import Record


def audio_is_whole(record: Record) -> Iterator[tuple[int, str]]:
    """The audio of an item holds each word of its transcript once and in order: no word is lost, repeated or early.

    If an item was cut off, words of its last segment may be missing at its end. If the voice failed, the audio ends
    where `streamsrv.voice.failed` says that the text without audio begins; that is exact if the synthesiser times its
    words. Without that event, it only ends early.
    """
    marks: defaultdict[str, list[int]] = defaultdict(list)
    texts: defaultdict[str, str] = defaultdict(str)
    voiceless = _voiceless_items(record)
    for at_ms, effect in record.effects():
        if isinstance(effect, SendAudio):
            item_id: str = effect.event_fields["item_id"]
            marks[item_id] += [int(effect.pcm[index]) for index in np.flatnonzero(effect.pcm)]
            expected = list(range(1, len(marks[item_id]) + 1))
            if marks[item_id] != expected or len(expected) > len(texts[item_id].split()):
                yield at_ms, f"{item_id} plays its words {marks[item_id]} for {texts[item_id]!r}"
        elif isinstance(effect, SendEvent):
            event = effect.event
            if event["type"] == "response.output_audio_transcript.delta":
                texts[event["item_id"]] += event["delta"]
            elif event["type"] == "streamsrv.voice.failed":
                item_id = event["item_id"]
                text = texts[item_id]
                spoken = len(text[: len(text) - len(event["unspoken"])].split())
                slack = 0 if record.scenario.synthesizer.times_words else MAX_ESTIMATION_ERROR_WORDS
                if not text.endswith(event["unspoken"]) or abs(len(marks[item_id]) - spoken) > slack:
                    yield at_ms, f"{item_id} played {len(marks[item_id])} words, and lacks {event['unspoken']!r}"
            elif event["type"] == "response.output_item.done" and event["item"].get("status") == "completed":
                item_id = event["item"]["id"]
                if item_id not in voiceless and len(marks[item_id]) != len(texts[item_id].split()):
                    yield at_ms, f"{item_id} ends after {len(marks[item_id])} words of {texts[item_id]!r}"


def _voiceless_items(record: Record) -> set[str]:
    """Return the items whose voice failed."""
    own = (event["response"].get("streamsrv", {}) for _, event in record.events("response.done"))
    return {fields["voice_failed"]["item_id"] for fields in own if "voice_failed" in fields}


def no_answer_is_lost(record: Record) -> Iterator[tuple[int, str]]:
    """The messages of a completed response hold every word that the model gave for it."""
    given: defaultdict[int, str] = defaultdict(str)
    for step in record.steps:
        if isinstance(step.happened, ModelOutput) and isinstance(step.happened.delta, Text):
            given[step.happened.generation] += step.happened.delta.text
        for effect in step.effects:
            if not (isinstance(effect, SendEvent) and effect.type == "response.done"):
                continue
            response = effect.fields["response"]
            wanted = "".join(given[generation] for generation in effect.generations)
            told = _text_of(response)
            if response["status"] == "completed" and told.split() != wanted.split():
                yield step.at_ms, f"{response['id']} holds {told!r}, the model gave {wanted!r}"


def _text_of(response: dict[str, Any]) -> str:
    """Return the words of a response that are the model's."""
    own: dict[str, Any] = response.get("streamsrv", {})
    if own.get("filler") or own.get("said"):
        return ""
    said = [item for item in response["output"] if item["type"] == "message"]
    parts = [part for item in said if item["id"] not in own.get("filler_items", ()) for part in item["content"]]
    return " ".join(part.get("transcript") or part.get("text") or "" for part in parts)


def look_ahead_is_bounded(record: Record) -> Iterator[tuple[int, str]]:
    """The audio of an item is sent at most `AHEAD_MS` and one segment before it is played.

    Checked for clients that play what they get and do not report it.
    """
    client = record.scenario.client
    if client.holds_playback or client.held_by_transport or client.reports_ms is not None:
        return
    segment_ms = (MAX_SPOKEN + 1) * record.scenario.synthesizer.character_ms
    play_until_ms: defaultdict[str, float] = defaultdict(float)
    for at_ms, effect in record.effects():
        if isinstance(effect, SendAudio):
            item_id: str = effect.event_fields["item_id"]
            duration_ms = len(effect.pcm) * 1000 / effect.sample_rate
            play_until_ms[item_id] = max(play_until_ms[item_id], at_ms) + duration_ms
            if play_until_ms[item_id] - at_ms > AHEAD_MS + segment_ms:
                yield at_ms, f"{item_id} is sent {play_until_ms[item_id] - at_ms:.0f} ms ahead"
