"""Transcripts of committed items and of the audio in the buffer: events for the client, captions for viewers. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from streamsrv.core.effects import (
    DropRecognition,
    Effect,
    EnterRoom,
    RecognizeClip,
    SettleCaption,
    ShowCaption,
    send_event,
)
from streamsrv.core.recognition import chosen_model, recognition_options
from streamsrv.core.turns.input_buffer import CommittedAudio, InputBuffer
from streamsrv.engines.asr.base import RecognitionOptions, RecognizedUtterance, TokenLogprob, Transcript, Word
from streamsrv.engines.vad.base import FRAME_MS
from streamsrv.protocol.session_object import Session
from streamsrv.text.subtitles import cues_of

PARTIAL_EVENTS = "transcription.partial"
"""Name under which a client asks for `streamsrv.transcription.partial` events."""

_PREFIX = "conversation.item.input_audio_transcription"


class Transcriptions:
    """Sends transcription events and captions, and knows which items still wait for their transcripts.

    `new_id("seg")` makes the ids of the segments of a transcript.
    """

    def __init__(self, session: Session, input_buffer: InputBuffer, new_id: Callable[[str], str]) -> None:
        self._session = session
        self._input = input_buffer
        self._new_id = new_id
        self._sent: dict[str, str] = {}
        self._unsent: dict[str, str] = {}  # stable words, while the client does not know the item
        self._revisions: dict[str, int] = {}
        self._starts_ms: dict[str, int] = {}  # of committed items, in the session's audio
        self._shown: set[str] = set()  # items with captions that are not final
        self._pending: dict[str, int] = {}  # lengths in ms
        self._options: dict[str, RecognitionOptions] = {}  # of pending items
        self._early_failure: tuple[str, str] | None = None  # of the audio in the buffer: item id and reason

    @property
    def pending(self) -> Mapping[str, int]:
        """Committed items without a final transcript, with the length of their audio in ms."""
        return self._pending

    def start(self) -> list[Effect]:
        """Enter the session's caption room, if it has one."""
        captions = self._session.captions
        return [] if captions is None else [EnterRoom(captions)]

    def configure(self, session: Session) -> list[Effect]:
        """The session's options changed."""
        before, self._session = self._session, session
        return [] if session.captions == before.captions else [EnterRoom(session.captions)]

    def commit(self, audio: CommittedAudio) -> list[Effect]:
        """Record that the audio in the buffer became an item, which was announced and waits for its transcript."""
        item_id = audio.item_id
        self._pending[item_id] = audio.duration_ms
        self._options[item_id] = audio.options
        self._starts_ms[item_id] = audio.start_ms
        unsent, effects = self._unsent.pop(item_id, ""), list[Effect]()
        if self._session.audio.input.transcription is not None:
            effects += self._send_delta(item_id, unsent, audio.options)
        return effects

    def early_failure(self, item_id: str) -> str | None:
        """Why an item will have no transcript, if its recognition failed before it was committed."""
        return self._early_failure[1] if self._early_failure and self._early_failure[0] == item_id else None

    def add_clip(self, item_id: str, clip: bytes, clip_ms: int) -> list[Effect]:
        """An item came with its audio, in the session's input format: have it recognised."""
        self._pending[item_id] = clip_ms
        self._options[item_id] = options = recognition_options(self._session)
        hears = self._session.audio.input
        return [RecognizeClip(item_id, clip, hears.format, options, chosen_model(hears))]

    def take_interim(self, item_id: str, transcript: Transcript) -> list[Effect]:
        """Tell the client what became stable, and all of it if it asked for partial transcripts."""
        if self._session.audio.input.transcription is None:
            return []
        effects: list[Effect] = []
        options = self._input.recognition_options
        if self._input.announced:
            effects += self._send_delta(item_id, transcript.stable, options)
        else:
            self._unsent[item_id] = transcript.stable
        audio_ms = self._input.received_ms
        if self._session.wants(PARTIAL_EVENTS):
            revision = self._revisions[item_id] = self._revisions.get(item_id, 0) + 1
            partial = send_event(
                "streamsrv.transcription.partial",
                item_id=item_id,
                content_index=0,
                revision=revision,
                stable=transcript.stable,
                unstable=transcript.tentative,
                audio_ms=audio_ms,
                **_translated(options.translated_to),
            )
            effects.append(partial)
        if self._session.captions is not None and transcript.text:
            self._shown.add(item_id)
            start_ms = self._input.heard_from_ms
            shown = ShowCaption(
                item_id, transcript.stable, transcript.tentative, start_ms, audio_ms, options.translated_to
            )
            effects.append(shown)
        return effects

    def take_final(self, item_id: str, transcript: Transcript) -> list[Effect]:
        """Tell the client and the viewers the authoritative transcript of a pending item."""
        duration_ms = self._pending.pop(item_id)
        options = self._options.get(item_id, RecognitionOptions())
        if self._session.audio.input.transcription is None:
            return self.forget(item_id)
        effects = self._send_delta(item_id, transcript.text, options)
        utterance = replace(self._utterance(item_id, transcript, duration_ms), translated_to=options.translated_to)
        if self._session.captions is not None and transcript.text and item_id in self._starts_ms:
            effects += self._segments(item_id, utterance)
            self._shown.discard(item_id)
            effects.append(SettleCaption(item_id, utterance, self._input.received_ms))
        effects += self.forget(item_id)
        fields: dict[str, Any] = {"languages": [{"code": transcript.language}]} if transcript.language else {}
        if options.logprobs:
            fields["logprobs"] = [logprob_to_wire(token) for token in transcript.logprobs]
        if extension := _extension(transcript, utterance):
            fields["streamsrv"] = extension
        completed = send_event(
            f"{_PREFIX}.completed",
            item_id=item_id,
            content_index=0,
            transcript=transcript.text,
            usage={"type": "duration", "seconds": duration_ms / 1000},
            **fields,
        )
        return [*effects, completed]

    def fail(self, item_id: str, message: str) -> list[Effect]:
        """Tell the client that there will be no transcript, whether or not it asked for transcripts.

        If the audio is still in the buffer, the client is told once it has become an item.
        """
        if self._pending.pop(item_id, None) is None:
            self._early_failure = (item_id, message)
            return []
        effects = self._settle_shown(item_id, None)
        effects += self.forget(item_id)
        error = {"type": "server_error", "code": "transcription_failed", "message": message, "param": None}
        failed = send_event(f"{_PREFIX}.failed", item_id=item_id, content_index=0, error=error)
        return [*effects, failed]

    def delete(self, item_id: str) -> list[Effect]:
        """An item was deleted: drop its recognition."""
        if self._pending.pop(item_id, None) is None:
            return []
        return [*self.forget(item_id), DropRecognition(item_id)]

    def forget(self, item_id: str) -> list[Effect]:
        """Drop what is kept about an item until its transcript is final."""
        self._sent.pop(item_id, None)
        self._unsent.pop(item_id, None)
        self._revisions.pop(item_id, None)
        self._starts_ms.pop(item_id, None)
        self._options.pop(item_id, None)
        if self.early_failure(item_id) is not None:
            self._early_failure = None
        return self._settle_shown(item_id, RecognizedUtterance("", 0, 0))

    def _settle_shown(self, item_id: str, utterance: RecognizedUtterance | None) -> list[Effect]:
        if item_id not in self._shown:
            return []
        self._shown.remove(item_id)
        return [SettleCaption(item_id, utterance, self._input.received_ms)]

    def _send_delta(self, item_id: str, text: str, options: RecognitionOptions) -> list[Effect]:
        sent = self._sent.get(item_id, "")
        if len(text) <= len(sent) or not text.startswith(sent):
            return []
        self._sent[item_id] = text
        extension = _mark(options.translated_to)
        return [send_event(f"{_PREFIX}.delta", item_id=item_id, content_index=0, delta=text[len(sent) :], **extension)]

    def _utterance(self, item_id: str, transcript: Transcript, duration_ms: int) -> RecognizedUtterance:
        """What was said, in ms of the session's audio; of an item that came with its audio, in ms of that."""
        start_ms = self._starts_ms.get(item_id, 0)
        first_sample_ms = start_ms - start_ms % FRAME_MS  # recognitions hear whole frames
        words = tuple(
            replace(word, start_ms=word.start_ms + first_sample_ms, end_ms=word.end_ms + first_sample_ms)
            for word in transcript.words
        )
        end_ms = start_ms + duration_ms
        if words:
            start_ms, end_ms = words[0].start_ms, words[-1].end_ms
        return RecognizedUtterance(transcript.text, start_ms, end_ms, words, transcript.language)

    def _segments(self, item_id: str, utterance: RecognizedUtterance) -> list[Effect]:
        """One event for each line of the captions."""
        return [
            send_event(
                f"{_PREFIX}.segment",
                id=self._new_id("seg"),
                item_id=item_id,
                content_index=0,
                text=cue.text,
                speaker="",
                start=cue.start_ms / 1000,
                end=cue.end_ms / 1000,
                **_mark(utterance.translated_to),
            )
            for cue in cues_of([utterance])
        ]


def logprob_to_wire(token: TokenLogprob) -> dict[str, Any]:
    return {"token": token.token, "logprob": token.logprob, "bytes": list(token.token.encode())}


def _translated(to: str | None) -> dict[str, Any]:
    """Mark words that are a translation into the language `to`."""
    return {"translated_to": to} if to else {}


def _mark(to: str | None) -> dict[str, Any]:
    """Mark the words of an event of OpenAI's."""
    return {"streamsrv": _translated(to)} if to else {}


def _extension(transcript: Transcript, utterance: RecognizedUtterance) -> dict[str, Any]:
    """What `completed` says beside OpenAI's fields: times, the recogniser, and the one that it replaced."""
    fields = _translated(utterance.translated_to) | (_timed(utterance) if utterance.words else {})
    if transcript.model is not None:
        fields["model"] = transcript.model
    if (replaced := transcript.instead_of) is not None:
        fields["fallback"] = {"from": replaced.model, "reason": replaced.reason}
    return fields


def _timed(utterance: RecognizedUtterance) -> dict[str, Any]:
    """Times in seconds, as everywhere in the protocol's transcriptions."""
    return {
        "start": utterance.start_ms / 1000,
        "end": utterance.end_ms / 1000,
        "words": [_timed_word(word) for word in utterance.words],
    }


def _timed_word(word: Word) -> dict[str, Any]:
    confidence = {} if word.confidence is None else {"confidence": word.confidence}
    return {"word": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000, **confidence}
