"""The forms of `POST /v1/audio/transcriptions` and `/translations`: their fields, and the recording they bring.

Source: the OpenAI API reference.
"""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, Literal, get_args

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray
from starlette.datastructures import FormData
from starlette.requests import Request

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.recognition import engine_options
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.engines.asr.pauses import CutOptions
from streamsrv.http.request_body import convert, read_form
from streamsrv.http.uploaded_audio import decode, file_of
from streamsrv.protocol.errors import MAX_QUOTED, ProtocolError
from streamsrv.protocol.json_values import UnreadableJson, read_json
from streamsrv.protocol.session_object import MAX_PROMPT, Name, Transcription
from streamsrv.settings import Settings

Prompt = Annotated[str, Meta(max_length=MAX_PROMPT)]
Temperature = Annotated[float, Meta(ge=0, le=1)]
ResponseFormat = Literal["json", "text", "srt", "vtt", "verbose_json"]

_LISTS = frozenset({"include", "keywords", "languages", "timestamp_granularities"})
"""Fields that may come several times, with or without `[]` after their name."""
_OBJECTS = frozenset({"chunking_strategy"})
"""Fields that may be an object: as JSON, or in parts such as `chunking_strategy[type]`."""
_PART = re.compile(r"(\w+)\[(\w+)\]")
_SPEAKERS = "This server does not tell speakers apart."


class ServerVadChunks(Struct, frozen=True, forbid_unknown_fields=True, tag="server_vad"):
    """Where recordings are cut; what is not given is as with `auto`."""

    threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    prefix_padding_ms: Annotated[int, Meta(ge=0, le=5000)] | None = None
    silence_duration_ms: Annotated[int, Meta(ge=0, le=10000)] | None = None

    @property
    def cuts(self) -> CutOptions:
        """The same for the cutter of recordings."""
        return CutOptions().changed(self.threshold, self.prefix_padding_ms, self.silence_duration_ms)


class Fields(Struct, kw_only=True, forbid_unknown_fields=True):
    """What both forms have. Recordings are decoded without sampling: `temperature` can only be 0."""

    model: Name = ""
    prompt: Prompt = ""
    response_format: ResponseFormat = "json"
    temperature: Temperature = 0.0

    def check(self, capabilities: Capabilities) -> tuple[str, RecognitionOptions]:
        """Return the name of the recogniser (empty: the default one), and its options.

        Raises `ProtocolError` for unsupported values and combinations.
        """
        if self.temperature:
            message = (
                f"Invalid value {self.temperature:g} for 'temperature': recordings are decoded without sampling; "
                "accepted is 0."
            )
            raise ProtocolError("invalid_value", message, "temperature")
        return self.recognition(capabilities)

    def recognition(self, capabilities: Capabilities) -> tuple[str, RecognitionOptions]:
        raise NotImplementedError

    @property
    def cuts(self) -> CutOptions:
        """Where the recording is cut."""
        return CutOptions()


class TranscriptionFields(Fields, kw_only=True, forbid_unknown_fields=True):
    """The form of a transcription without its file. Recordings are always cut at pauses (`chunking_strategy`)."""

    language: Name | None = None
    languages: list[Name] = []
    keywords: list[str] = []
    timestamp_granularities: list[Literal["word", "segment"]] | None = None
    chunking_strategy: Literal["auto"] | ServerVadChunks = "auto"
    include: list[Literal["logprobs"]] = []
    stream: bool = False

    def recognition(self, capabilities: Capabilities) -> tuple[str, RecognitionOptions]:
        if self.stream and self.response_format not in ("json", "text"):
            message = f"Invalid value true for 'stream': '{self.response_format}' cannot be streamed."
            raise ProtocolError("invalid_value", message, "stream")
        if self.timestamp_granularities is not None and self.response_format != "verbose_json":
            message = "'timestamp_granularities' is only accepted when 'response_format' is 'verbose_json'."
            raise ProtocolError("invalid_value", message, "timestamp_granularities")
        if self.include and self.response_format != "json":
            message = "'include' with 'logprobs' is only accepted when 'response_format' is 'json'."
            raise ProtocolError("invalid_value", message, "include")
        asked = Transcription(
            model=self.model,
            language=self.language,
            languages=self.languages,
            prompt=self.prompt,
            keywords=self.keywords,
        )
        logprobs = "logprobs" in self.include
        meant = capabilities.transcription(asked, _path, logprobs=logprobs)
        return meant.model or "", engine_options(meant, logprobs=logprobs)

    @property
    def cuts(self) -> CutOptions:
        chunks = self.chunking_strategy
        return chunks.cuts if isinstance(chunks, ServerVadChunks) else CutOptions()


class TranslationFields(Fields, kw_only=True, forbid_unknown_fields=True):
    """The form of a translation into English, without its file."""

    def recognition(self, capabilities: Capabilities) -> tuple[str, RecognitionOptions]:
        meant = capabilities.transcription(Transcription(model=self.model, prompt=self.prompt), _path, "translate")
        return meant.model or "", engine_options(meant, "translate")


def _path(option: str) -> str:
    return {"logprobs": "include", "task": "model"}.get(option, option)


@dataclass(frozen=True, slots=True)
class Upload:
    """A valid request whose file is not decoded yet."""

    fields: Fields
    file: BinaryIO
    max_seconds: float

    async def decode(self) -> NDArray[np.int16]:
        """Return the samples of the file, mono at 16 kHz."""
        return await decode(self.file, "file", SPEECH_RATE_HZ, self.max_seconds)


def reader_of(fields: type[Fields]) -> Callable[[Request, Settings], AbstractAsyncContextManager[Upload]]:
    """Return what reads a request with a form of these fields, and holds its file until the end."""

    @asynccontextmanager
    async def read(request: Request, settings: Settings) -> AsyncGenerator[Upload]:
        form = await read_form(request, settings.max_upload_bytes)
        try:
            yield Upload(
                convert(text_fields(form), fields, strict=False), file_of(form, "file"), settings.max_audio_seconds
            )
        finally:
            await form.close()

    return read


def text_fields(form: FormData) -> dict[str, Any]:
    """Return the text fields for validation: empty fields are left out, repeated ones and parts are put together."""
    fields: dict[str, Any] = {}
    for name, value in form.multi_items():
        if name == "file" or not isinstance(value, str) or not value:
            continue
        plain, part = name.removesuffix("[]"), _PART.fullmatch(name)
        if plain in ("known_speaker_names", "known_speaker_references"):
            raise ProtocolError("unknown_parameter", f"Unknown parameter: '{name}'. {_SPEAKERS}", name)
        if name == "response_format" and value == "diarized_json":
            accepted = ", ".join(f"'{each}'" for each in get_args(ResponseFormat))
            message = f"Invalid value 'diarized_json' for '{name}': {_SPEAKERS} Accepted are {accepted}."
            raise ProtocolError("invalid_value", message, name)
        if plain in _LISTS:
            fields.setdefault(plain, []).append(value)
        elif part and part[1] in _OBJECTS and _takes_part(fields.setdefault(part[1], {}), part[2]):
            fields[part[1]][part[2]] = value
        elif name in fields or (part and part[1] in fields):
            shown = name[:MAX_QUOTED]
            raise ProtocolError("invalid_form", f"The form has '{shown}' more than once, or not alone.", shown)
        else:
            fields[name] = _object(name, value) if name in _OBJECTS else value
    return fields


def _takes_part(held: object, part: str) -> bool:
    """Whether a field is an object that does not have this part yet."""
    return isinstance(held, dict) and part not in held


def _object(name: str, text: str) -> object:
    """Return the object of a field that may be one; other text stays as it is. Raises `ProtocolError`."""
    if not text.startswith("{"):
        return text
    try:
        return read_json(text)
    except UnreadableJson as error:
        raise ProtocolError("invalid_value", f"'{name}' cannot be read: {error}.", name) from None
