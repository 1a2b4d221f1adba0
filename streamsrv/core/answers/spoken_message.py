"""The spoken messages of a response: text to segments to audio. Pure."""

import re
from collections import deque
from typing import Any

from streamsrv.core.answers.output_items import Message, OutputItems
from streamsrv.core.answers.reply_language import ReplyLanguage
from streamsrv.core.answers.spoken_segments import SpokenSegment, SpokenSegmenter, pieces
from streamsrv.core.effects import ClearTimer, FinishAudio, SendAudio, SetTimer, Synthesize
from streamsrv.core.inputs import SpeechOutput
from streamsrv.core.playback.ledger import PlacedWord, PlaybackLedger
from streamsrv.core.timers import SpeechDue
from streamsrv.engines.tts.base import SpokenBy
from streamsrv.protocol.items import OutputAudio, Status
from streamsrv.text.voice_marks import without_marks

AHEAD_MS = 10_000
"""A segment is synthesised once the client has less than this to play, because an interruption cuts off the rest."""
WORD_EVENTS = "words.timed"
"""Name of the extension that sends `streamsrv.words.timed` events."""
VOICE_EVENTS = "voice.failed"
"""Name of the extension that sends `streamsrv.voice.failed` events."""
_OPEN_MARK = re.compile(r"\[\w{0,10}$")
"""The end of a text that may go on as a mark for the voice."""


class SpokenMessage(Message):
    """An assistant message that is spoken segment by segment; its transcript never runs ahead of its audio.

    `is_requested`: the synthesis of its first segment has been asked for already.
    """

    def __init__(self, items: OutputItems, *, is_requested: bool = False) -> None:
        super().__init__(items, {"type": "audio", "transcript": ""})
        self.ledger = PlaybackLedger(items.plan.speech.speed)
        self.begun = False
        """Whether its first segment is known."""
        self.voice_failed: dict[str, Any] | None = None
        """From where on, and why, the text has no audio; None: it has."""
        self._spoken_by: list[SpokenBy] = []
        self._language = ReplyLanguage(items.plan.language)
        self._segmenter = SpokenSegmenter(self._language, items.plan.speech.speed)
        self._uncut: deque[str] = deque()  # text that the segmenter has not seen
        self._waiting: deque[SpokenSegment] = deque()
        self._speaking: SpokenSegment | None = None
        self._is_requested = is_requested
        self._space = ""  # between the transcript so far and the next segment
        self._ends_with_space = True
        self._conclusion = ""
        self._all_text = False
        self._all_cut = False
        self._is_early = False  # the timer for the next segment was set

    @property
    def complete(self) -> bool:
        """Whether the model finished it and all of it was synthesised."""
        return self._all_cut and self._speaking is None and not self._waiting

    @property
    def is_with_the_voice(self) -> bool:
        """Whether a segment is being synthesised."""
        return self._speaking is not None

    @property
    def due_ms(self) -> int:
        """The wall ms at which the next segment is due for synthesis; 0: no segment waits."""
        return self.ledger.play_until_ms - AHEAD_MS if self._waiting and self._speaking is None else 0

    def own_fields(self) -> dict[str, Any]:
        """Return streamsrv's own fields of a response with this message: who spoke, and whether the voice failed."""
        fields: dict[str, Any] = {}
        if self._spoken_by:
            fields["spoken_by"] = [_speaker_to_wire(speaker) for speaker in self._spoken_by]
        if self.voice_failed is not None:
            fields["voice_failed"] = self.voice_failed
        return fields

    def take_text(self, text: str) -> None:
        self._ends_with_space = text[-1:].isspace() if text else self._ends_with_space
        self._uncut.extend(pieces(text))
        self._cut()

    def finish_text(self) -> None:
        self._all_text = True
        self._cut()

    def conclude(self, words: str) -> None:
        """End the text so far where it stands, and add these words, which begin a sentence."""
        self._conclusion = words if self._ends_with_space else f" {words}"
        if self._all_cut:
            self._cut_conclusion()
        else:
            self.finish_text()

    def take_all(self, segment: SpokenSegment) -> None:
        """Take the only segment of the message."""
        self._waiting.append(segment)
        self._all_text = self._all_cut = True

    def speak(self, now_ms: int) -> None:
        """Have the next segment synthesised, unless the client has enough to play."""
        if self.voice_failed is not None:
            self._write()
        while self._speaking is None and (self._waiting or self._cut()):
            ahead_ms = self.ledger.play_until_ms - now_ms
            if ahead_ms > AHEAD_MS:
                self._is_early = True
                self._effects.emit(SetTimer(self._timer, ahead_ms - AHEAD_MS))
                return
            segment = self._waiting.popleft()
            if not segment.spoken:
                self._end(segment)
                continue
            self._speaking = segment
            self.begun = True
            if self._is_requested:
                self._is_requested = False
            else:
                speech = segment.options(self._items.plan.speech)
                self._effects.emit(Synthesize(self._items.generation, segment.spoken, speech))

    def lose_voice(self, error: dict[str, str]) -> None:
        """Send the rest of the text without audio, because nothing can speak it."""
        if self.voice_failed is not None:
            return
        unspoken = ""
        if self.ledger.in_segment:
            words, unspoken = self.ledger.break_segment_off()
            self._tell_times(words)
        elif self._speaking is not None:
            self._waiting.appendleft(self._speaking)
        self._speaking = None
        self.voice_failed = {
            "item_id": self.item.id,
            "audio_end_ms": self.ledger.sent_ms,
            "unspoken": unspoken,
            "language": self._language.current if self._language.is_told else None,
            "error": error,
        }
        self._effects.emit(FinishAudio(self.item.id))
        if self._items.plan.tells_of_voice:
            self._effects.send("streamsrv.voice.failed", **self._event_fields | self.voice_failed)

    def take_speech(self, speech: SpeechOutput, now_ms: int) -> None:
        """Send audio of the segment being spoken, and its text with its first audio."""
        if self._speaking is None:
            return
        if not self.ledger.in_segment:
            self._begin(self._speaking)
        if speech.spoken_by is not None and speech.spoken_by not in self._spoken_by:
            self._spoken_by.append(speech.spoken_by)
        self.ledger.envelope.add(speech.pcm, speech.sample_rate)
        self.ledger.send(len(speech.pcm) * 1000 / speech.sample_rate, now_ms, speech.words)
        self._effects.emit(SendAudio(self._event_fields, speech.pcm, speech.sample_rate, self._items.plan.format))

    def end_segment(self) -> None:
        """End the segment, whose audio was all sent."""
        if self._speaking is None:
            return
        self._end(self._speaking)
        self._speaking = None

    def close(self, status: Status) -> None:
        if self.ledger.in_segment:
            self.ledger.end_segment(complete=False)
        self.ledger.envelope.finish()
        self._speaking = None
        self._uncut.clear()
        self._waiting.clear()
        if self._is_early:
            self._effects.emit(ClearTimer(self._timer))
        transcript = self.ledger.transcript
        if self.voice_failed is None:
            self._effects.emit(FinishAudio(self.item.id))
        self._effects.send("response.output_audio.done", **self._event_fields)
        self._effects.send("response.output_audio_transcript.done", **self._event_fields, transcript=transcript)
        self._finish({"type": "audio", "transcript": transcript}, OutputAudio(transcript), status)

    def _cut(self) -> bool:
        """Cut more of the text, no more than what is soon spoken; return whether a segment waits."""
        while self._uncut and not self._waiting:
            self._waiting.extend(self._segmenter.feed(self._uncut.popleft()))
        if self._all_text and not self._uncut and not self._all_cut:
            self._waiting.extend(self._segmenter.finish())
            self._all_cut = True
            self._cut_conclusion()
        return bool(self._waiting)

    def _write(self) -> None:
        """Send all text so far without audio."""
        if not self._all_cut:
            self._waiting.extend(self._segmenter.finish())
        text = "".join([*(segment.text for segment in self._waiting), *self._uncut])
        self._waiting.clear()
        self._uncut.clear()
        if not self._all_text and (opened := _OPEN_MARK.search(text)):
            self._uncut.append(opened[0])
            text = text[: opened.start()]
        text = without_marks(text)
        if self._all_text and not self._all_cut:
            self._all_cut = True
            text += self._conclusion
        if delta := self._send_text(text):
            self.ledger.add_unspoken(delta)

    def _cut_conclusion(self) -> None:
        segmenter = SpokenSegmenter(self._language, self._items.plan.speech.speed)
        self._waiting.extend([*segmenter.feed(self._conclusion), *segmenter.finish()])

    @property
    def _timer(self) -> SpeechDue:
        return SpeechDue(self._items.generation)

    def _begin(self, segment: SpokenSegment) -> None:
        if delta := self._send_text(segment.text):
            self.ledger.begin_segment(delta, segment.speech)

    def _send_text(self, text: str) -> str:
        """Send text of the transcript, and keep the whitespace at its end until more comes; return what was sent."""
        text = self._space + text if self.ledger.transcript else text.lstrip()
        delta = text.rstrip()
        self._space = text[len(delta) :]
        if delta:
            self._effects.send("response.output_audio_transcript.delta", **self._event_fields, delta=delta)
        return delta

    def _end(self, segment: SpokenSegment) -> None:
        if not self.ledger.in_segment:
            self._begin(segment)
        if self.ledger.in_segment:
            self._tell_times(self.ledger.end_segment())

    def _tell_times(self, words: list[PlacedWord]) -> None:
        if self._items.plan.times_words and words:
            times = [{"word": word.text, "start_ms": word.start_ms, "end_ms": word.end_ms} for word in words]
            estimated = self.ledger.words_are_estimates
            self._effects.send("streamsrv.words.timed", **self._event_fields, words=times, estimated=estimated)


def _speaker_to_wire(speaker: SpokenBy) -> dict[str, str]:
    fields = {"synthesizer": speaker.synthesizer, "voice": speaker.voice}
    return {**fields, "instead_of": speaker.instead_of} if speaker.instead_of else fields
