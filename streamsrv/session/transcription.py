"""What the user said: transcripts of committed and of growing items, told to the client. Pure."""

from typing import Any

from streamsrv.asr.base import Transcript
from streamsrv.realtime.session_object import Session
from streamsrv.session.outbox import Outbox

RECOGNITION_MS = 15_000
"""A final transcript that takes longer has failed; that of a clip, longer than all audio before it and its own."""
PARTIAL_EVENTS = "transcription.partial"
"""Name under which a client asks for `streamsrv.transcription.partial` events."""

_PREFIX = "conversation.item.input_audio_transcription"


class Transcriptions:
    """Sends transcription events and knows which items still wait for their words."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._sent: dict[str, str] = {}
        self._revisions: dict[str, int] = {}
        self.lost: dict[str, str] = {}
        """Why the audio in the buffer will have no transcript, by the item it will become."""
        self.pending: dict[str, int] = {}
        """Committed items without a final transcript, with their length in ms."""

    def interim(self, item_id: str, transcript: Transcript, session: Session) -> None:
        """Tell the client what became stable, and all of it if it asked for partial transcripts."""
        if session.audio.input.transcription is None:
            return
        self._send_delta(item_id, transcript.stable)
        if session.wants(PARTIAL_EVENTS):
            revision = self._revisions[item_id] = self._revisions.get(item_id, 0) + 1
            self._outbox.send(
                "streamsrv.transcription.partial",
                item_id=item_id,
                content_index=0,
                revision=revision,
                stable=transcript.stable,
                unstable=transcript.tentative,
            )

    def final(self, item_id: str, transcript: Transcript, session: Session) -> None:
        """Tell the client the authoritative transcript of a committed item."""
        duration_ms = self.pending.pop(item_id, 0)
        if session.audio.input.transcription is None:
            self.forget(item_id)
            return
        self._send_delta(item_id, transcript.text)
        self.forget(item_id)
        fields: dict[str, Any] = {"languages": [{"code": transcript.language}]} if transcript.language else {}
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
        self.forget(item_id)
        error = {"type": "server_error", "code": "transcription_failed", "message": message, "param": None}
        self._outbox.send(f"{_PREFIX}.failed", item_id=item_id, content_index=0, error=error)

    def forget(self, item_id: str) -> None:
        self._sent.pop(item_id, None)
        self._revisions.pop(item_id, None)
        self.lost.pop(item_id, None)

    def _send_delta(self, item_id: str, text: str) -> None:
        sent = self._sent.get(item_id, "")
        if len(text) > len(sent) and text.startswith(sent):
            self._outbox.send(f"{_PREFIX}.delta", item_id=item_id, content_index=0, delta=text[len(sent) :])
            self._sent[item_id] = text
