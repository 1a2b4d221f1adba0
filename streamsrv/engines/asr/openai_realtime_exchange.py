"""The utterances of one session on their way through one connection to a Realtime server. Pure.

The server detects no turns: an utterance is appended, and committed when it ends, which makes it an item. So each item
belongs to the utterance that was committed as the first one without an item. A connection may be lost at any time: the
utterances without a final transcript are sent again, from their first sample.
"""

import base64
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import PCM_RATE_HZ, SPEECH_RATE_HZ
from streamsrv.audio.resample import StreamResampler
from streamsrv.engines.asr.base import RecognitionOptions, Transcript
from streamsrv.engines.asr.failover.merging import continuation
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable

MAX_KEPT_SAMPLES = 120 * SPEECH_RATE_HZ
"""Audio of a session that has no final transcript. An utterance with more fails with `Overloaded`."""
MAX_TEXT_CHARS = 20_000
_CHUNK_SAMPLES = SPEECH_RATE_HZ // 10
"""Shortest audio in one event, unless the utterance ends."""
_MAX_CHUNK_SAMPLES = SPEECH_RATE_HZ
_MIN_COMMIT_SAMPLES = SPEECH_RATE_HZ // 5
"""Shortest audio that is committed; servers refuse less than 100 ms."""
_PREFIX = "conversation.item.input_audio_transcription."
_PARTIAL = "streamsrv.transcription.partial"


class GarbageError(Exception):
    """The server sent what is no event of the protocol."""


@dataclass(eq=False)
class RealtimeUtterance:
    """An utterance: its audio until the final transcript exists, and its text. `give` gets each transcript."""

    options: RecognitionOptions
    give: Callable[[Transcript], None]
    fail: Callable[[EngineError], None]
    pcm: bytearray = field(default_factory=bytearray)
    """Mono int16 at 16 kHz."""
    has_speech: bool = False
    is_finished: bool = False
    item_id: str | None = None
    sent: int = 0
    is_committed: bool = False
    text: str = ""
    """Stable text of this connection."""
    shown: str = ""
    """Stable text that was shown, also of earlier connections."""
    resampler: StreamResampler = field(default_factory=lambda: StreamResampler(SPEECH_RATE_HZ, PCM_RATE_HZ))

    @property
    def length(self) -> int:
        """Samples that were pushed."""
        return len(self.pcm) // 2

    def restart(self) -> None:
        """The connection is lost: everything is sent again."""
        self.item_id, self.sent, self.is_committed, self.text = None, 0, False, ""
        self.resampler = StreamResampler(SPEECH_RATE_HZ, PCM_RATE_HZ)

    def show(self, stable: str, tentative: str = "") -> None:
        """Give what this connection has recognised; words that an earlier one made stable stay."""
        if self.shown and not stable.startswith(self.shown):
            stable, tentative = self.shown, continuation(self.shown, f"{stable} {tentative}".strip())
        self.shown = stable
        self.give(Transcript(stable, tentative, language=self.options.language))


class RealtimeExchange:
    """Decides what is sent to the server, and what its events mean for the utterances."""

    def __init__(self, name: str, model: str) -> None:
        self._name = name
        self._model = model
        self._utterances: deque[RealtimeUtterance] = deque()
        self._configured: RecognitionOptions | None = None
        self.completed = 0
        """Final transcripts that came."""

    @property
    def is_idle(self) -> bool:
        """Whether no utterance waits for anything."""
        return not self._utterances

    def open(self, utterance: RealtimeUtterance) -> None:
        """Add an utterance."""
        self._utterances.append(utterance)

    def push(self, utterance: RealtimeUtterance, pcm: NDArray[np.int16], *, speech: bool) -> None:
        """Add audio to an utterance, which fails if too much audio waits."""
        utterance.pcm += pcm.astype("<i2", copy=False).tobytes()
        utterance.has_speech = utterance.has_speech or speech
        if sum(each.length for each in self._utterances) > MAX_KEPT_SAMPLES:
            self._utterances.remove(utterance)
            seconds = MAX_KEPT_SAMPLES // SPEECH_RATE_HZ
            utterance.fail(Overloaded(f"{self._name} is {seconds} s of speech behind."))

    def finish(self, utterance: RealtimeUtterance) -> None:
        """No more audio comes. Without speech there are no words, and the server is not asked."""
        utterance.is_finished = True
        if utterance in self._utterances and not utterance.has_speech and not utterance.sent:
            self._end(utterance, "")

    def drop(self, utterance: RealtimeUtterance) -> bool:
        """Nobody wants the transcript; return whether the connection must be closed, because it has audio of it."""
        if utterance not in self._utterances:
            return False
        self._utterances.remove(utterance)
        return utterance.sent > 0

    def connected(self) -> None:
        """A new connection is ready."""
        self._configured = None
        for utterance in self._utterances:
            utterance.restart()

    def fail(self, error: EngineError) -> None:
        """End all utterances with an error."""
        while self._utterances:
            self._utterances.popleft().fail(error)

    def next_event(self) -> str | None:
        """Return the next event to send, or None if there is none now."""
        for utterance in self._utterances:
            if utterance.is_committed:
                continue
            if not utterance.has_speech:
                return None  # silence before the first word costs money, and is sent with it
            if self._configured != utterance.options:
                self._configured = utterance.options
                return json.dumps({"type": "session.update", "session": self._session(utterance.options)})
            return self._next_of(utterance)
        return None

    def take(self, data: str | bytes) -> None:
        """Take an event of the server. Raises `GarbageError`, or the `EngineError` of all utterances."""
        try:
            event: Any = json.loads(data)
            kind = event["type"]
        except (ValueError, TypeError, KeyError) as error:
            raise GarbageError from error
        if not isinstance(event, dict) or not isinstance(kind, str):
            raise GarbageError
        fields = cast("dict[str, Any]", event)
        if kind == "error":
            raise self._error(fields.get("error"))
        if kind == "input_audio_buffer.committed":
            item_id = _text(fields, "item_id")
            is_known = any(each.item_id == item_id for each in self._utterances)
            waiting = (each for each in self._utterances if each.is_committed and each.item_id is None)
            if not is_known and (utterance := next(waiting, None)) is not None:
                utterance.item_id = item_id
        elif kind == _PARTIAL or kind.startswith(_PREFIX):
            self._take_transcript(kind, fields)

    def _take_transcript(self, kind: str, fields: dict[str, Any]) -> None:
        if (utterance := self._of(_text(fields, "item_id"))) is None:
            return
        match kind.removeprefix(_PREFIX):
            case "delta":
                utterance.text += _text(fields, "delta")
                utterance.show(utterance.text)
            case "completed":
                self._end(utterance, _text(fields, "transcript"))
                self.completed += 1
            case "failed":
                self._utterances.remove(utterance)
                utterance.fail(self._error(fields.get("error")))
            case "streamsrv.transcription.partial":
                utterance.text = _text(fields, "stable")
                utterance.show(utterance.text, _text(fields, "unstable"))
            case _:
                return  # such as the segments of captions
        if len(utterance.text) > MAX_TEXT_CHARS:
            raise Unavailable(f"{self._name} sent more than {MAX_TEXT_CHARS} characters for one utterance.")

    def _of(self, item_id: str) -> RealtimeUtterance | None:
        """Return the utterance of an item; one that is not committed yet has an id when its first words come."""
        known = next((each for each in self._utterances if each.item_id == item_id), None)
        if known is not None:
            return known
        unknown = next((each for each in self._utterances if each.item_id is None and each.sent), None)
        if unknown is not None:
            unknown.item_id = item_id
        return unknown

    def _end(self, utterance: RealtimeUtterance, text: str) -> None:
        self._utterances.remove(utterance)
        final = Transcript(" ".join(text.split()), language=utterance.options.language, is_final=True, at_pause=True)
        utterance.give(final)

    def _next_of(self, utterance: RealtimeUtterance) -> str | None:
        waiting = utterance.length - utterance.sent
        if waiting >= _CHUNK_SAMPLES or (waiting and utterance.is_finished):
            until = min(utterance.length, utterance.sent + _MAX_CHUNK_SAMPLES)
            pcm = np.frombuffer(bytes(utterance.pcm[2 * utterance.sent : 2 * until]), "<i2")
            utterance.sent = until
            is_last = utterance.is_finished and until == utterance.length
            if is_last:
                pcm = np.pad(pcm, (0, max(0, _MIN_COMMIT_SAMPLES - utterance.length)))
            audio = utterance.resampler.process(pcm, last=is_last).astype("<i2", copy=False).tobytes()
            return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()})
        if utterance.is_finished:
            utterance.is_committed = True
            return json.dumps({"type": "input_audio_buffer.commit"})
        return None

    def _session(self, options: RecognitionOptions) -> dict[str, Any]:
        hints = {
            "model": self._model,
            "language": options.language,
            "languages": list(options.languages),
            "prompt": options.prompt,
            "keywords": list(options.keywords),
        }
        transcription = {name: value for name, value in hints.items() if value}
        audio_format = {"type": "audio/pcm", "rate": PCM_RATE_HZ}
        given = {"format": audio_format, "transcription": transcription, "turn_detection": None}
        return {"type": "transcription", "audio": {"input": given}}

    def _error(self, error: Any) -> EngineError:
        fields: dict[str, Any] = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
        message = f"{self._name}: {str(fields.get('message') or 'failed')[:500]}"
        code, kind = str(fields.get("code") or ""), str(fields.get("type") or "")
        if "rate_limit" in code or "limit_reached" in code:
            return Overloaded(message)
        if kind == "invalid_request_error" and code in ("invalid_value", "unknown_parameter", "invalid_type"):
            return Rejected(message, code=code, param=str(fields.get("param") or "") or None)
        return Unavailable(message)


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise GarbageError
    return value
