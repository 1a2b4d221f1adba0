"""What the user said: transcripts of committed and of growing items, told to the client and its viewers. Pure."""

from dataclasses import replace
from typing import Any

from streamsrv.core.effects import EnterRoom, SettleCaption, ShowCaption
from streamsrv.core.outbox import Outbox
from streamsrv.core.turns.input_buffer import CommittedAudio, Listener
from streamsrv.engines.asr.base import RecognizedUtterance, Transcript, Word
from streamsrv.engines.vad.base import FRAME_MS
from streamsrv.protocol.session_object import Session
from streamsrv.text.subtitles import cues_of

RECOGNITION_MS = 15_000
"""A final transcript that takes longer has failed; that of a clip, longer than all audio before it and its own."""
PARTIAL_EVENTS = "transcription.partial"
"""Name under which a client asks for `streamsrv.transcription.partial` events."""

_PREFIX = "conversation.item.input_audio_transcription"


class Transcriptions:
    """Sends transcription events and captions, and knows which items still wait for their words."""

    def __init__(self, session: Session, listener: Listener, outbox: Outbox) -> None:
        self._session = session
        self._listener = listener
        self._outbox = outbox
        self._sent: dict[str, str] = {}
        self._unsent: dict[str, str] = {}  # stable words, while the client does not know the item
        self._revisions: dict[str, int] = {}
        self._starts_ms: dict[str, int] = {}  # of committed items, in the session's audio
        self._shown: set[str] = set()  # items of which viewers saw something that is not final
        self.lost: dict[str, str] = {}
        """Why the audio in the buffer will have no transcript, by the item it will become."""
        self.pending: dict[str, int] = {}
        """Committed items without a final transcript, with their length in ms."""

    def start(self) -> None:
        """The session begins."""
        if self._session.captions is not None:
            self._outbox.emit(EnterRoom(self._session.captions))

    def configure(self, session: Session) -> None:
        """The session's options changed."""
        held, self._session = self._session, session
        if session.captions != held.captions:
            self._outbox.emit(EnterRoom(session.captions))

    def committed(self, audio: CommittedAudio) -> None:
        """The audio in the buffer became an item, and the client was told of it."""
        self.pending[audio.item_id] = audio.duration_ms
        self._starts_ms[audio.item_id] = audio.start_ms
        unsent = self._unsent.pop(audio.item_id, "")
        if self._session.audio.input.transcription is not None:
            self._send_delta(audio.item_id, unsent)

    def interim(self, item_id: str, transcript: Transcript) -> None:
        """Tell the client what became stable, and all of it if it asked for partial transcripts."""
        if self._session.audio.input.transcription is None:
            return
        if self._listener.announced:
            self._send_delta(item_id, transcript.stable)
        else:
            self._unsent[item_id] = transcript.stable
        audio_ms = self._listener.received_ms
        if self._session.wants(PARTIAL_EVENTS):
            revision = self._revisions[item_id] = self._revisions.get(item_id, 0) + 1
            self._outbox.send(
                "streamsrv.transcription.partial",
                item_id=item_id,
                content_index=0,
                revision=revision,
                stable=transcript.stable,
                unstable=transcript.tentative,
                audio_ms=audio_ms,
            )
        if self._session.captions is not None and transcript.text:
            self._shown.add(item_id)
            start_ms = self._listener.heard_from_ms
            self._outbox.emit(ShowCaption(item_id, transcript.stable, transcript.tentative, start_ms, audio_ms))

    def final(self, item_id: str, transcript: Transcript) -> None:
        """Tell the client and the viewers the authoritative transcript of a committed item."""
        duration_ms = self.pending.pop(item_id, 0)
        if self._session.audio.input.transcription is None:
            self.forget(item_id)
            return
        self._send_delta(item_id, transcript.text)
        utterance = self._utterance(item_id, transcript, duration_ms)
        if self._session.captions is not None and transcript.text and item_id in self._starts_ms:
            self._send_segments(item_id, utterance)
            self._shown.discard(item_id)
            self._outbox.emit(SettleCaption(item_id, utterance, self._listener.received_ms))
        self.forget(item_id)
        fields: dict[str, Any] = {"languages": [{"code": transcript.language}]} if transcript.language else {}
        if utterance.words:
            fields["streamsrv"] = _timed(utterance)
        self._outbox.send(
            f"{_PREFIX}.completed",
            item_id=item_id,
            content_index=0,
            transcript=transcript.text,
            usage={"type": "duration", "seconds": duration_ms / 1000},
            **fields,
        )

    def failed(self, item_id: str, message: str) -> None:
        """Tell the client that there will be no transcript; it is told whether or not it asked for transcripts."""
        self.pending.pop(item_id, None)
        self._settle_shown(item_id, None)
        self.forget(item_id)
        error = {"type": "server_error", "code": "transcription_failed", "message": message, "param": None}
        self._outbox.send(f"{_PREFIX}.failed", item_id=item_id, content_index=0, error=error)

    def forget(self, item_id: str) -> None:
        """The item is known, or gone."""
        self._sent.pop(item_id, None)
        self._unsent.pop(item_id, None)
        self._revisions.pop(item_id, None)
        self._starts_ms.pop(item_id, None)
        self.lost.pop(item_id, None)
        self._settle_shown(item_id, RecognizedUtterance("", 0, 0))

    def _settle_shown(self, item_id: str, utterance: RecognizedUtterance | None) -> None:
        if item_id in self._shown:
            self._shown.remove(item_id)
            self._outbox.emit(SettleCaption(item_id, utterance, self._listener.received_ms))

    def _send_delta(self, item_id: str, text: str) -> None:
        sent = self._sent.get(item_id, "")
        if len(text) > len(sent) and text.startswith(sent):
            self._outbox.send(f"{_PREFIX}.delta", item_id=item_id, content_index=0, delta=text[len(sent) :])
            self._sent[item_id] = text

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

    def _send_segments(self, item_id: str, utterance: RecognizedUtterance) -> None:
        """One event for each line of the captions."""
        for cue in cues_of([utterance]):
            self._outbox.send(
                f"{_PREFIX}.segment",
                id=self._outbox.new_id("seg"),
                item_id=item_id,
                content_index=0,
                text=cue.text,
                speaker="",
                start=cue.start_ms / 1000,
                end=cue.end_ms / 1000,
            )


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
