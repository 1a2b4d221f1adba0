"""One caption room: tentative and final texts, and the events that each viewer has not received yet. Pure.

A viewer has no queue. It holds a `Cursor` and asks `since` for newer events. A slow viewer misses tentative texts that
have been replaced, gets every final text from the history, and does not delay other viewers.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from streamsrv.captions.edits import corrected, edited
from streamsrv.captions.events import event, final_event, marked
from streamsrv.engines.asr.base import RecognizedUtterance, Word
from streamsrv.engines.asr.windows.utterance import estimate_words
from streamsrv.engines.asr.windows.window import Span
from streamsrv.text.replacements import Edit, Replacement, Replacements, applied
from streamsrv.text.subtitles import Cue, cues_of
from streamsrv.text.words import join_words, split_words

MAX_FINAL_TEXTS = 2000
"""Most final texts that a room keeps; then it drops the oldest."""
RESTART_GAP = 1_000_000_000
"""By how much the numbers of events go on after a restart: more than can have been lost with it."""
MAX_CLEARED = 50
"""Keys of a cleared room that are told to viewers; then the oldest are forgotten."""
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
    is_corrected: bool = False


@dataclass(frozen=True, slots=True)
class KeptCaption:
    """A final text as a file keeps it; the room makes a `Caption` of it."""

    number: int
    item_id: str
    speaker: str
    utterance: RecognizedUtterance
    is_corrected: bool = False


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
    """Least offset: the end of the last final text in the room when the speaker entered."""
    offset_ms: int | None = None
    """Offset from the audio time of the speaker's session to the room's time; None before the first text."""
    heard_ms: int = 0
    """Length of the session's audio when a text last came."""
    cleared_ms: int = 0
    """Position in the session's audio at which the room was cleared; what starts before it is dropped."""
    is_paused: bool = False
    is_recording: bool = False
    """Whether it is a recording, whose times the clock does not change."""


class Room:
    """The captions of one room. It takes times in ms of a speaker's session audio, and returns times of the room.

    The room's time follows the clock: it starts with the audio of the first speaker and continues without speech or
    audio. `key` distinguishes this room from an earlier one of the same name, also before a restart of the server.
    `cleared` are the keys of this name under which texts were cleared.
    """

    def __init__(self, name: str, key: str, cleared: Sequence[str] = ()) -> None:
        self.name = name
        self.key = key
        self.cleared = tuple(cleared)
        self.title = ""
        self.is_kept = False
        """Whether the texts are on a disk, so that they outlive a restart."""
        self.empty_since_ms = 0
        self.replacements = Replacements()
        self._speakers: dict[str, _Speaker] = {}
        self._history: deque[Caption] = deque(maxlen=MAX_FINAL_TEXTS)
        self._tentative: dict[str, _Tentative] = {}
        self._number = 0
        self._began_ms: int | None = None
        self._latest_end_ms = 0
        self._update_status()

    def restore(self, captions: Iterable[KeptCaption], began_ms: int | None, now_ms: int) -> None:
        """Take the texts of this room from before a restart; `began_ms`: when its time began, on the clock of now.

        Numbers go on after a gap, because a viewer may have seen newer texts than those that were kept.
        """
        for kept in captions:
            self._number = max(self._number, kept.number)
            self._append(kept.number, kept.item_id, kept.speaker, kept.utterance, is_corrected=kept.is_corrected)
        self._began_ms, self.empty_since_ms = began_ms, now_ms
        self._number += RESTART_GAP
        self._update_status()

    @property
    def speakers(self) -> int:
        return len(self._speakers)

    @property
    def began_ms(self) -> int | None:
        """When the room's time began, on the caller's clock; None before the first audio."""
        return self._began_ms

    @property
    def has_recording(self) -> bool:
        """Whether one of the speakers is a recording."""
        return any(speaker.is_recording for speaker in self._speakers.values())

    @property
    def status(self) -> dict[str, Any]:
        """Return the room as JSON; `live`: the number of connected speakers, `paused`: how many of them have paused."""
        paused = sum(speaker.is_paused for speaker in self._speakers.values())
        return {
            "room": self.name,
            "key": self.key,
            "title": self.title,
            "live": self.speakers,
            "paused": paused,
            "kept": self.is_kept,
        }

    @property
    def status_event(self) -> bytes:
        """Return the event of the status; a viewer drops what it has from a key that is in `cleared`."""
        return event("room", {**self.status, "cleared": self.cleared})

    def has_speaker(self, speaker_id: str) -> bool:
        return speaker_id in self._speakers

    def enter(self, speaker_id: str, name: str = "", title: str = "", *, is_paused: bool = False) -> None:
        """Add a speaker, or change what is known of one; an empty `title` keeps the room's title."""
        speaker = self._speakers.setdefault(speaker_id, _Speaker(name, self._latest_end_ms))
        speaker.name, speaker.is_paused = name, is_paused
        self.title = title or self.title
        self._update_status()

    def enter_recording(self, speaker_id: str, now_ms: int, name: str = "", title: str = "") -> int:
        """Add a recording as a speaker; return where it begins in the room's time, in ms: after all earlier texts."""
        if self._began_ms is None:
            self._began_ms = now_ms
        self.enter(speaker_id, name, title)
        speaker = self._speakers[speaker_id]
        speaker.is_recording = True
        speaker.offset_ms = max(now_ms - self._began_ms, self._latest_end_ms)
        return speaker.offset_ms

    def replace_words(self, entries: Iterable[Replacement]) -> None:
        """Use this replacement list for the texts of all speakers from now on."""
        self.replacements = Replacements(entries)

    def keep(self, is_kept: bool) -> None:
        """Say whether the texts are on a disk."""
        if is_kept != self.is_kept:
            self.is_kept = is_kept
            self._update_status()

    def clear(self, key: str, now_ms: int) -> None:
        """Remove all texts, those that are being spoken, too; the room goes on under another key, its time at 0."""
        self.cleared = (*self.cleared, self.key)[-MAX_CLEARED:]
        self.key = key
        self._history.clear()
        self._tentative.clear()
        self._latest_end_ms = 0
        self._began_ms = None if self._began_ms is None else now_ms
        for speaker in self._speakers.values():
            speaker.cleared_ms = speaker.heard_ms
            if not speaker.is_recording:
                speaker.earliest_ms, speaker.offset_ms = -speaker.cleared_ms, None
        self._update_status()

    def correct(self, item_id: str, text: str) -> Caption | None:
        """Replace the text of a final caption in its place; return it, or None if there is none of this id."""
        known = next((caption for caption in reversed(self._history) if caption.item_id == item_id), None)
        if known is None:
            return None
        self._history.remove(known)
        number, utterance = self._next(), corrected(known.utterance, text)
        return self._append(number, item_id, known.speaker, utterance, is_corrected=True)

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
        if self._is_cleared(speaker_id, start_ms, audio_ms):
            return
        offset_ms = self._offset_ms(speaker_id, item_id, audio_ms, now_ms)
        start_ms, end_ms = start_ms + offset_ms, audio_ms + offset_ms
        stable, tentative = self._replaced(stable, tentative)
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
        message = event("partial", fields)
        shown = _Tentative(speaker_id, offset_ms, start_ms, end_ms, text, translated_to, number, message)
        self._tentative[item_id] = shown

    def settle(
        self, speaker_id: str, item_id: str, utterance: RecognizedUtterance | None, audio_ms: int, now_ms: int
    ) -> None:
        """Make the text of an item final. An empty text removes the item; None keeps the tentative text."""
        shown = self._tentative.get(item_id)
        if utterance is not None and (utterance.text or shown is not None):
            if shown is None and self._is_cleared(speaker_id, utterance.start_ms, audio_ms):
                return
            moved = _moved(utterance, self._offset_ms(speaker_id, item_id, audio_ms, now_ms))
            self._keep(speaker_id, item_id, edited(moved, self.replacements.edits(moved.text)))
        elif shown is not None:
            self._keep(speaker_id, item_id, shown.utterance())

    def since(self, cursor: Cursor) -> tuple[list[bytes], Cursor]:
        """Return the server-sent events after `cursor`, and the cursor after them.

        A returning viewer passes `Cursor(final)`, because its tentative texts may be out of date.
        """
        news = [self._status] if self._status_number > cursor.live else []
        news += [caption.message for caption in self.finals_after(cursor.final)]
        news += [shown.message for shown in self._tentative.values() if shown.number > cursor.live]
        return news, Cursor(self._history[-1].number if self._history else 0, self._number)

    def finals_after(self, number: int) -> list[Caption]:
        """Return the kept final texts with a greater number, empty ones and corrections included, in their order."""
        found: list[Caption] = []
        for caption in reversed(self._history):
            if caption.number <= number:
                break
            found.append(caption)
        return found[::-1]

    def cursor_of(self, event_id: str) -> Cursor:
        """Return the cursor of a viewer whose last event had this id. An id of another room gives the start."""
        key, _, number = event_id.rpartition("-")
        is_ours = key == self.key and number.isascii() and number.isdigit() and len(number) < 16
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

    def _is_cleared(self, speaker_id: str, start_ms: int, audio_ms: int) -> bool:
        """Whether a text began before the room was cleared. Times are those of the session's audio."""
        speaker = self._speakers[speaker_id]
        speaker.heard_ms = max(speaker.heard_ms, audio_ms)
        return start_ms < speaker.cleared_ms

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
        elif not speaker.is_recording and by_clock_ms > speaker.offset_ms + MAX_DRIFT_MS:
            speaker.offset_ms = by_clock_ms
        return speaker.offset_ms

    def _keep(self, speaker_id: str, item_id: str, utterance: RecognizedUtterance) -> None:
        self._tentative.pop(item_id, None)
        self._append(self._next(), item_id, self._speakers[speaker_id].name, utterance)

    def _append(
        self, number: int, item_id: str, name: str, utterance: RecognizedUtterance, *, is_corrected: bool = False
    ) -> Caption:
        message = final_event(f"{self.key}-{number}", item_id, name, utterance, is_corrected=is_corrected)
        caption = Caption(number, item_id, name, utterance, message, is_corrected)
        self._history.append(caption)
        self._latest_end_ms = max(self._latest_end_ms, utterance.end_ms)
        return caption

    def _replaced(self, stable: str, tentative: str) -> tuple[str, str]:
        """Return both parts with the words of the list replaced; a match in both parts belongs to the second."""
        text, cut = join_words((stable, tentative)), len(join_words((stable,)))
        edits = self.replacements.edits(text)
        if not edits:
            return stable, tentative
        cut = min((edit.start for edit in edits if edit.start < cut < edit.end), default=cut)
        moved = [Edit(edit.start - cut, edit.end - cut, edit.text) for edit in edits if edit.start >= cut]
        kept = [edit for edit in edits if edit.start < cut]
        return applied(text[:cut], kept).strip(), applied(text[cut:], moved).strip()

    def _update_status(self) -> None:
        self._status_number, self._status = self._next(), self.status_event

    def _next(self) -> int:
        self._number += 1
        return self._number


def _moved(utterance: RecognizedUtterance, by_ms: int) -> RecognizedUtterance:
    """Return the same words, `by_ms` later."""
    words = tuple(_moved_word(word, by_ms) for word in utterance.words)
    return replace(utterance, start_ms=utterance.start_ms + by_ms, end_ms=utterance.end_ms + by_ms, words=words)


def _moved_word(word: Word, by_ms: int) -> Word:
    return replace(word, start_ms=word.start_ms + by_ms, end_ms=word.end_ms + by_ms)
