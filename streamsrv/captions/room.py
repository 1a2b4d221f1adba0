"""One caption room: tentative and final texts, and the events that each viewer has not received yet. Pure.

A viewer has no queue. It holds a `Cursor` and asks `since` for newer events. A slow viewer misses tentative texts that
have been replaced, gets every final text from the history, and does not delay other viewers.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec

from streamsrv.engines.asr.base import RecognizedUtterance, Word
from streamsrv.engines.asr.windows.utterance import estimate_words
from streamsrv.engines.asr.windows.window import Span
from streamsrv.text.subtitles import Cue, cues_of
from streamsrv.text.words import join_words, split_words

MAX_FINAL_TEXTS = 2000
"""Most final texts that a room keeps; then it drops the oldest."""


MAX_DRIFT_MS = 3000
"""Longest time by which a speaker's audio may be behind the clock before the next item is placed by the clock again.
Audio falls behind when a muted client sends none, and by the duration of one piece if it comes in long pieces."""


class Cursor(NamedTuple):
    """How far a viewer has read: the last final text, and the last change of everything else."""

    final: int = 0
    live: int = 0


@dataclass(frozen=True, slots=True)
class Caption:
    """A final text. All times are ms of the room's time."""

    number: int
    item_id: str
    speaker: str
    utterance: RecognizedUtterance
    message: bytes
    """The server-sent event, one object that all viewers share."""


@dataclass(frozen=True, slots=True)
class _Tentative:
    speaker_id: str
    offset_ms: int
    start_ms: int
    end_ms: int
    text: str
    translated_to: str | None
    number: int
    message: bytes

    def utterance(self) -> RecognizedUtterance:
        """The final text with estimated word times."""
        words = estimate_words(split_words(self.text), (Span(self.start_ms, self.end_ms),))
        return RecognizedUtterance(self.text, self.start_ms, self.end_ms, words, translated_to=self.translated_to)


@dataclass(slots=True)
class _Speaker:
    name: str
    earliest_ms: int
    """End of the last final text in the room when the speaker entered; the speaker's texts start later."""
    offset_ms: int | None = None
    """Offset from the audio time of the speaker's session to the room's time; None before the first text."""


class Room:
    """The captions of one room. It takes times in ms of a speaker's session audio, and returns times of the room.

    The room's time follows the clock: it starts with the audio of the first speaker and continues without speech or
    audio. `key` distinguishes this room from an earlier one of the same name, also before a restart of the server.
    """

    def __init__(self, name: str, key: str) -> None:
        self.name = name
        self.title = ""
        self.empty_since_ms = 0
        self._key = key
        self._speakers: dict[str, _Speaker] = {}
        self._history: deque[Caption] = deque(maxlen=MAX_FINAL_TEXTS)
        self._tentative: dict[str, _Tentative] = {}
        self._number = 0
        self._began_ms: int | None = None
        self._latest_end_ms = 0
        self._update_status()

    @property
    def speakers(self) -> int:
        return len(self._speakers)

    @property
    def status(self) -> dict[str, Any]:
        """Return the room as JSON; `live` is the number of connected speakers."""
        return {"room": self.name, "key": self._key, "title": self.title, "live": self.speakers}

    def enter(self, speaker_id: str, name: str = "", title: str = "") -> None:
        """Add a speaker, or change their name; an empty `title` keeps the room's title."""
        self._speakers.setdefault(speaker_id, _Speaker(name, self._latest_end_ms)).name = name
        self.title = title or self.title
        self._update_status()

    def leave(self, speaker_id: str, now_ms: int) -> None:
        """Remove a speaker; the speaker's tentative texts become final."""
        for item_id, shown in list(self._tentative.items()):
            if shown.speaker_id == speaker_id:
                self._keep(speaker_id, item_id, shown.utterance())
        del self._speakers[speaker_id]
        self.empty_since_ms = now_ms
        self._update_status()

    def show(
        self,
        speaker_id: str,
        item_id: str,
        stable: str,
        tentative: str,
        start_ms: int,
        audio_ms: int,
        now_ms: int,
        translated_to: str | None = None,
    ) -> None:
        """Replace the tentative text of an item; `translated_to`: its language, if it is a translation.

        `start_ms` is the start of the item, `audio_ms` the audio received so far. Both count from the session's start.
        """
        offset_ms = self._offset_ms(speaker_id, item_id, audio_ms, now_ms)
        start_ms, end_ms = start_ms + offset_ms, audio_ms + offset_ms
        fields = {
            "item_id": item_id,
            "speaker": self._speakers[speaker_id].name,
            "start": start_ms / 1000,
            "stable": stable,
            "tentative": tentative,
            **marked(translated_to),
        }
        number = self._next()
        text = join_words((stable, tentative))
        message = _event("partial", fields)
        shown = _Tentative(speaker_id, offset_ms, start_ms, end_ms, text, translated_to, number, message)
        self._tentative[item_id] = shown

    def settle(
        self, speaker_id: str, item_id: str, utterance: RecognizedUtterance | None, audio_ms: int, now_ms: int
    ) -> None:
        """Make the text of an item final. An empty text removes the item; None keeps the tentative text."""
        shown = self._tentative.get(item_id)
        if utterance is not None and (utterance.text or shown is not None):
            self._keep(speaker_id, item_id, _moved(utterance, self._offset_ms(speaker_id, item_id, audio_ms, now_ms)))
        elif shown is not None:
            self._keep(speaker_id, item_id, shown.utterance())

    def since(self, cursor: Cursor) -> tuple[list[bytes], Cursor]:
        """Return the server-sent events after `cursor`, and the cursor after them.

        A returning viewer passes `Cursor(final)`, because its tentative texts may be out of date.
        """
        finals: list[bytes] = []
        for caption in reversed(self._history):
            if caption.number <= cursor.final:
                break
            finals.append(caption.message)
        news = [self._status] if self._status_number > cursor.live else []
        news += reversed(finals)
        news += [shown.message for shown in self._tentative.values() if shown.number > cursor.live]
        return news, Cursor(self._history[-1].number if self._history else 0, self._number)

    def cursor_of(self, event_id: str) -> Cursor:
        """Return the cursor of a viewer whose last event had this id. An id of another room gives the start."""
        key, _, number = event_id.rpartition("-")
        is_ours = key == self._key and number.isascii() and number.isdigit() and len(number) < 16
        return Cursor(final=int(number)) if is_ours else Cursor()

    @property
    def captions(self) -> list[Caption]:
        """Return the kept final texts that have words, sorted by start time."""
        said = (caption for caption in self._history if caption.utterance.text)
        return sorted(said, key=lambda caption: caption.utterance.start_ms)

    @property
    def cues(self) -> list[Cue]:
        """Return the captions as subtitles."""
        return list(self._cues())

    def _cues(self) -> Iterator[Cue]:
        for caption in self.captions:
            for cue in cues_of([caption.utterance]):
                yield replace(cue, speaker=caption.speaker, translated=caption.utterance.translated_to is not None)

    def _offset_ms(self, speaker_id: str, item_id: str, audio_ms: int, now_ms: int) -> int:
        """Return the start of a speaker's session audio in the room's time, as if it had come without pauses.

        The clock gives the time since the audio of the first speaker. A speaker who sends a recording faster than real
        time and returns starts after the earlier texts. An item keeps the offset with which it was first shown.
        """
        if (shown := self._tentative.get(item_id)) is not None:
            return shown.offset_ms
        speaker = self._speakers[speaker_id]
        if self._began_ms is None:
            self._began_ms = now_ms - audio_ms
        by_clock_ms = now_ms - audio_ms - self._began_ms
        if speaker.offset_ms is None:
            speaker.offset_ms = max(by_clock_ms, speaker.earliest_ms)
        elif by_clock_ms > speaker.offset_ms + MAX_DRIFT_MS:
            speaker.offset_ms = by_clock_ms
        return speaker.offset_ms

    def _keep(self, speaker_id: str, item_id: str, utterance: RecognizedUtterance) -> None:
        number, name = self._next(), self._speakers[speaker_id].name
        fields = {
            "item_id": item_id,
            "speaker": name,
            "start": utterance.start_ms / 1000,
            "end": utterance.end_ms / 1000,
            "text": utterance.text,
            "lines": [_line(cue) for cue in cues_of([utterance])] if utterance.text else [],
            **marked(utterance.translated_to),
        }
        message = _event("final", fields, f"{self._key}-{number}")
        self._tentative.pop(item_id, None)
        self._history.append(Caption(number, item_id, name, utterance, message))
        self._latest_end_ms = max(self._latest_end_ms, utterance.end_ms)

    def _update_status(self) -> None:
        self._status_number, self._status = self._next(), room_event(self.status)

    def _next(self) -> int:
        self._number += 1
        return self._number


def marked(translated_to: str | None) -> dict[str, str]:
    """Return the field that marks a translation, for events and files."""
    return {} if translated_to is None else {"translated_to": translated_to}


def room_event(status: dict[str, Any]) -> bytes:
    """Return the server-sent event with the state of a room."""
    return _event("room", status)


def _moved(utterance: RecognizedUtterance, by_ms: int) -> RecognizedUtterance:
    """Return the same words, `by_ms` later."""
    words = tuple(_moved_word(word, by_ms) for word in utterance.words)
    return replace(utterance, start_ms=utterance.start_ms + by_ms, end_ms=utterance.end_ms + by_ms, words=words)


def _moved_word(word: Word, by_ms: int) -> Word:
    return replace(word, start_ms=word.start_ms + by_ms, end_ms=word.end_ms + by_ms)


def _line(cue: Cue) -> dict[str, Any]:
    return {"start": cue.start_ms / 1000, "end": cue.end_ms / 1000, "text": cue.text}


def _event(kind: str, fields: dict[str, Any], event_id: str | None = None) -> bytes:
    """Return a server-sent event (WHATWG HTML, section 9.2). JSON has no line breaks, so one data line suffices."""
    head = f"event: {kind}\n" + (f"id: {event_id}\n" if event_id else "")
    return head.encode() + b"data: " + msgspec.json.encode(fields) + b"\n\n"
