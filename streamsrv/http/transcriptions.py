"""`POST /v1/audio/transcriptions`: transcribes an audio file.

Source: the OpenAI API reference. The names of OpenAI's models mean the default recogniser of this server.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from streamsrv.audio.files import AudioFileError, read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.core.capabilities import Capabilities
from streamsrv.engines.asr.base import RecognitionOptions, RecognizedUtterance
from streamsrv.engines.asr.recordings import recognize_recording
from streamsrv.http.endpoint import Endpoint
from streamsrv.http.request_body import convert, read_form
from streamsrv.http.streaming import server_sent, streamed
from streamsrv.protocol.errors import MAX_QUOTED, ProtocolError
from streamsrv.protocol.session_object import Transcription
from streamsrv.service import Service
from streamsrv.settings import Settings
from streamsrv.text.subtitles import SRT_TYPE, Cue, cues_of, srt, vtt
from streamsrv.text.words import join_words

Utterances = AsyncGenerator[RecognizedUtterance, None]


class TranscriptionFields(Struct, kw_only=True, forbid_unknown_fields=True):
    """The form without its file. Recordings are always cut at pauses, as with `chunking_strategy`, and decoded without
    sampling: `temperature` can only be 0."""

    model: str = ""
    language: str | None = None
    prompt: Annotated[str, Meta(max_length=10_000)] = ""
    response_format: Literal["json", "text", "srt", "vtt", "verbose_json"] = "json"
    temperature: Annotated[float, Meta(ge=0, le=0)] = 0.0
    timestamp_granularities: list[Literal["word", "segment"]] | None = None
    chunking_strategy: Literal["auto"] = "auto"
    stream: bool = False

    def check(self, capabilities: Capabilities) -> tuple[str, RecognitionOptions]:
        """Return the name of the recogniser (empty: the default one), and its options.

        Raises `ProtocolError` for unsupported values and combinations.
        """
        if self.stream and self.response_format not in ("json", "text"):
            message = f"Invalid value true for 'stream': '{self.response_format}' cannot be streamed."
            raise ProtocolError("invalid_value", message, "stream")
        if self.timestamp_granularities is not None and self.response_format != "verbose_json":
            message = "'timestamp_granularities' is only accepted when 'response_format' is 'verbose_json'."
            raise ProtocolError("invalid_value", message, "timestamp_granularities")
        asked = Transcription(model=self.model, language=self.language, prompt=self.prompt)
        meant = capabilities.transcription(asked, "")
        return meant.model or "", RecognitionOptions(language=meant.language, prompt=self.prompt)


@dataclass(frozen=True, slots=True)
class Upload:
    """A valid request whose file is not decoded yet."""

    fields: TranscriptionFields
    file: BinaryIO
    max_seconds: float


@dataclass(frozen=True, slots=True)
class Recording:
    """A request with its decoded file; `pcm` is mono at 16 kHz."""

    fields: TranscriptionFields
    pcm: NDArray[np.int16]
    language: str | None
    """ISO 639-1 code of the requested language."""

    @property
    def seconds(self) -> float:
        return round(len(self.pcm) / SPEECH_RATE_HZ, 3)

    @property
    def usage(self) -> dict[str, object]:
        return {"type": "duration", "seconds": self.seconds}


@asynccontextmanager
async def _read(request: Request, settings: Settings) -> AsyncGenerator[Upload]:
    form = await read_form(request, settings.max_upload_bytes)
    try:
        fields = convert(_text_fields(form), TranscriptionFields, strict=False)
        yield Upload(fields, _file(form), settings.max_audio_seconds)
    finally:
        await form.close()


def _text_fields(form: FormData) -> dict[str, Any]:
    """Return the text fields for validation: empty fields are left out, `name[]` becomes a list."""
    fields: dict[str, Any] = {}
    for name, value in form.multi_items():
        if isinstance(value, str) and value:
            if name.removesuffix("[]") == "timestamp_granularities":
                fields.setdefault("timestamp_granularities", []).append(value)
            elif name in fields:
                shown = name[:MAX_QUOTED]
                raise ProtocolError("invalid_form", f"The form has '{shown}' more than once.", shown)
            else:
                fields[name] = value
    return fields


def _file(form: FormData) -> BinaryIO:
    upload = form.get("file")
    if upload is None:
        raise ProtocolError("missing_required_parameter", "Missing required parameter: 'file'.", "file")
    if not isinstance(upload, UploadFile):
        raise ProtocolError("invalid_value", "Invalid value for 'file': expected a file with a name.", "file")
    if not upload.size:
        raise ProtocolError("invalid_value", "Invalid value for 'file': the file is empty.", "file")
    return upload.file


async def _decode(upload: Upload) -> NDArray[np.int16]:
    """Return the samples of the file. Cancelling stops the decoding thread before the file is closed."""
    is_cancelled = threading.Event()
    decoding = asyncio.ensure_future(
        asyncio.to_thread(read_audio, upload.file, SPEECH_RATE_HZ, upload.max_seconds, is_cancelled.is_set)
    )
    try:
        return await asyncio.shield(decoding)
    except asyncio.CancelledError:
        is_cancelled.set()
        await asyncio.wait([decoding])
        raise
    except AudioFileError as error:
        raise ProtocolError("invalid_value", f"Invalid value for 'file': {error}", "file") from None


async def _answer(upload: Upload, service: Service) -> Response:
    fields, engines = upload.fields, service.engines
    model, options = fields.check(service.capabilities)
    recognizer = engines.recognizers.find(model, options.language)
    recording = Recording(fields, await _decode(upload), options.language)
    recognized = recognize_recording(
        recording.pcm, recognizer, engines.vad, engines.voice_activity, options, engines.observer
    )
    if fields.stream:
        return await streamed(server_sent(_events(recognized, recording)), "text/event-stream")
    async with aclosing(recognized):
        utterances = [utterance async for utterance in recognized]
    return _FORMATS[fields.response_format](recording, utterances)


async def _events(recognized: Utterances, recording: Recording) -> AsyncGenerator[dict[str, Any], None]:
    """Yield each utterance as a delta; the deltas joined are the text."""
    text = ""
    async with aclosing(recognized):
        async for utterance in recognized:
            longer = join_words([text, utterance.text])
            yield {"type": "transcript.text.delta", "delta": longer[len(text) :]}
            text = longer
    yield {"type": "transcript.text.done", "text": text, "usage": recording.usage}


def _text(utterances: Sequence[RecognizedUtterance]) -> str:
    return join_words([utterance.text for utterance in utterances])


def _json(recording: Recording, utterances: Sequence[RecognizedUtterance]) -> Response:
    return JSONResponse({"text": _text(utterances), "usage": recording.usage})


def _plain(recording: Recording, utterances: Sequence[RecognizedUtterance]) -> Response:
    return PlainTextResponse(_text(utterances) + "\n")


def _srt(recording: Recording, utterances: Sequence[RecognizedUtterance]) -> Response:
    return PlainTextResponse(srt(cues_of(utterances)), media_type=SRT_TYPE)


def _vtt(recording: Recording, utterances: Sequence[RecognizedUtterance]) -> Response:
    return PlainTextResponse(vtt(cues_of(utterances)), media_type="text/vtt")


def _verbose(recording: Recording, utterances: Sequence[RecognizedUtterance]) -> Response:
    languages = [utterance.language for utterance in utterances if utterance.language]
    wire: dict[str, Any] = {
        "task": "transcribe",
        "language": next(iter(languages), recording.language or ""),
        "duration": recording.seconds,
        "text": _text(utterances),
        "usage": recording.usage,
    }
    granularities = recording.fields.timestamp_granularities or ["segment"]
    if "word" in granularities:
        words = (word for utterance in utterances for word in utterance.words)
        wire["words"] = [
            {"word": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000} for word in words
        ]
    if "segment" in granularities:
        wire["segments"] = [_segment(number, cue) for number, cue in enumerate(cues_of(utterances))]
    return JSONResponse(wire)


def _segment(number: int, cue: Cue) -> dict[str, Any]:
    """Return a segment with all fields that strict clients require; those that only Whisper can fill are empty or 0."""
    return {
        "id": number,
        "seek": 0,
        "start": cue.start_ms / 1000,
        "end": cue.end_ms / 1000,
        "text": cue.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": 0.0,
        "no_speech_prob": 0.0,
    }


_FORMATS: dict[str, Callable[[Recording, Sequence[RecognizedUtterance]], Response]] = {
    "json": _json,
    "text": _plain,
    "srt": _srt,
    "vtt": _vtt,
    "verbose_json": _verbose,
}

transcriptions = Endpoint(_read, _answer)
