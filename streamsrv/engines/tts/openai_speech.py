"""Speech by `POST /v1/audio/speech`: OpenAI, another streamsrv, Kokoro-FastAPI, vLLM and others.

Source: the OpenAI API reference. Another server needs an entry of its own:

    [[model]]
    name = "other-machine"
    kind = "synthesizer"
    engine = "openai_speech"
    hardware = "remote"
    requires = ["openai"]
    extra = "openai"
    options = { base_url = "http://192.168.1.5:8000/v1", model = "xtts-v2" }
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import openai
from pydantic import Field

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.openai_client import OPENAI_URL, open_client, translated_errors
from streamsrv.engines.options import read_options
from streamsrv.engines.provider_socket import checked_key
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Voice
from streamsrv.engines.tts.speech_api.voice_list import VoiceList, named_voice, read_voices
from streamsrv.errors import EngineError, Overloaded, Unavailable
from streamsrv.text.cutting import cut_text
from streamsrv.text.surrogates import whole_pairs

logger = logging.getLogger(__name__)

_LOAD_TIMEOUT_S = 180.0
"""Seconds a server without a key may take for its first answer, for which it may have to load the model."""
_MAX_CHARS = 4096
"""Characters of one request, by the API."""
_MAX_CHUNK_S = 1
_FILES = {
    b"RIFF": "a WAV file",
    b"ID3": "an MP3 file",
    b"OggS": "an Ogg file",
    b"fLaC": "a FLAC file",
    **dict.fromkeys((b"<!DO", b"<!do", b"<htm", b"<HTM", b"<?xm"), "a web page"),
    **dict.fromkeys((b'{"er', b'{"de', b'{"me'), "an error"),
}
"""The first bytes of what servers send that do not know `response_format`, or of what is sent in their place."""
_MARK_BYTES = max(map(len, _FILES))
_LIST_TIMEOUT_S = 30.0
"""Seconds that the list of voices may take."""
_NO_LIST = (400, 404, 405, 422, 501)
"""How servers answer that do not list their voices."""
_PASSING = (TimeoutError, openai.APIConnectionError, openai.InternalServerError)
"""What may be over soon: the server cannot be reached, does not answer in time, or fails."""
_USUAL_VOICE = "alloy"
"""A name that most servers of this API accept."""


@dataclass(frozen=True, slots=True)
class SpeechApiOptions:
    """Options of a catalogue entry with this engine."""

    model: Annotated[str, Field(min_length=1)]
    """The server's name of the model."""
    base_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+")] = OPENAI_URL
    """Address of the API, with its version: `http://127.0.0.1:8000/v1`."""
    voices: Sequence[str] = ()
    """Names of the voices; empty: those that the server lists at `GET /v1/audio/voices`."""
    instructions: str = ""
    """How to speak, for models that take it, such as gpt-4o-mini-tts."""
    sample_rate: Annotated[int, Field(ge=8_000, le=48_000)] = 24_000
    """Rate of the server's `pcm`, in Hz."""
    extra_body: Mapping[str, Any] | None = None
    """Request fields that OpenAI does not have."""
    requests: Annotated[int, Field(ge=1)] = 32
    """Requests at once, of all sessions; one more is refused, and the next synthesiser of the chain speaks."""
    timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """Longest wait for the next piece of an answer, in seconds."""


OPTIONS = SpeechApiOptions


def load(entry: ModelEntry, context: LoadContext) -> "SpeechApiSynthesizer":
    """Create the client, without sending a request. Options: `SpeechApiOptions`."""
    options = read_options(SpeechApiOptions, entry)
    return SpeechApiSynthesizer(entry.name, options, checked_key(entry, context), frozenset(entry.languages))


class SpeechApiSynthesizer:
    """A `tts.base.Synthesizer` over one HTTP client, whose connections all sessions share."""

    clones_voices = False
    min_speed, max_speed = 0.25, 4.0

    def __init__(self, name: str, options: SpeechApiOptions, api_key: str, languages: frozenset[str]) -> None:
        self.name = name
        self.sample_rate = options.sample_rate
        self._options = options
        self._api_key = api_key
        self._languages = languages
        self._listed = VoiceList(())
        self._is_to_be_asked = False  # whether it could not be reached when it was asked for its voices
        self._client = open_client(options.base_url, api_key, options.timeout_s)
        self._requests = 0

    @property
    def voices(self) -> tuple[Voice, ...]:
        """Those of the options, else those that the server listed, else one that most servers know."""
        if self._options.voices:
            return tuple(named_voice(name, self._languages) for name in self._options.voices)
        return self._listed.voices or (named_voice(_USUAL_VOICE, self._languages),)

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        """Speak `text` in one request, or several if it is very long. Closing it closes the connection."""
        if self._is_to_be_asked:
            with translated_errors(self.name, self._options.base_url, self._api_key):
                await self._read_voices()
            self._is_to_be_asked = False
        for piece in cut_text(whole_pairs(text), _MAX_CHARS):
            if not any(character.isalnum() for character in piece):
                continue
            if self._requests >= self._options.requests:
                raise Overloaded(f"{self.name} has {self._options.requests} requests in progress, which is its limit.")
            self._requests += 1
            try:
                async with aclosing(self._speak(self._request(piece, options))) as chunks:
                    async for chunk in chunks:
                        yield chunk
            finally:
                self._requests -= 1

    async def warm_up(self) -> None:
        """Read the voices. A server that lists none is asked for its models if there is a key, or else to speak a word.

        Raises `Unavailable` if it refuses the key, or is no such server. One that cannot be reached, or is too busy,
        may answer later: that is logged, and its voices are read when it is first asked to speak.
        """
        try:
            with translated_errors(self.name, self._options.base_url, self._api_key):
                await self._ask()
        except EngineError as error:
            if not (isinstance(error, Overloaded) or isinstance(error.__cause__, _PASSING)):
                raise
            self._is_to_be_asked = self._lists_voices
            logger.warning("%s It is asked again when it is to speak.", error)

    async def _ask(self) -> None:
        if self._lists_voices and await self._read_voices():
            return
        if self._api_key:
            await self._client.models.list()
            return
        request = self._request("Hello", SpeechOptions()) | {"timeout": _LOAD_TIMEOUT_S}
        async with aclosing(self._speak(request)) as chunks:
            async for _ in chunks:
                pass

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.close()

    @property
    def _lists_voices(self) -> bool:
        return self._options.base_url.rstrip("/") != OPENAI_URL

    async def _read_voices(self) -> bool:
        """Ask for the list of voices; return whether there is one."""
        try:
            async with asyncio.timeout(_LIST_TIMEOUT_S):
                answer: Any = await self._client.get("/audio/voices", cast_to=object)
        except openai.APIStatusError as error:
            if error.status_code not in _NO_LIST:
                raise
            return False
        self._listed = read_voices(answer)
        return bool(self._listed.voices)

    def _request(self, text: str, options: SpeechOptions) -> dict[str, Any]:
        voices = {voice.name: voice for voice in self.voices}
        voice = voices.get(options.voice, next(iter(voices.values())))
        request: dict[str, Any] = {
            "model": self._options.model,
            "input": text,
            "voice": voice.name,
            "response_format": "pcm",
        }
        if options.speed != 1:
            request["speed"] = min(max(options.speed, self.min_speed), self.max_speed)
        if self._options.instructions:
            request["instructions"] = self._options.instructions
        extra = dict(self._options.extra_body or {})
        if self._listed.is_streamsrv and options.language in voice.languages:
            extra["language"] = options.language
        return request | ({"extra_body": extra} if extra else {})

    async def _speak(self, request: Mapping[str, Any]) -> AsyncGenerator[SpeechChunk, None]:
        with translated_errors(self.name, self._options.base_url, self._api_key):
            has_begun = False
            try:
                async with aclosing(self._answer(request)) as chunks:
                    async for chunk in chunks:
                        has_begun = True
                        yield chunk
                return
            except openai.APITimeoutError:
                raise
            except openai.APIConnectionError:  # the server may have just closed the idle connection
                if has_begun:
                    raise
            async with aclosing(self._answer(request)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _answer(self, request: Mapping[str, Any]) -> AsyncGenerator[SpeechChunk, None]:
        create: Any = self._client.audio.speech.with_streaming_response.create  # untyped: it does not take a dict
        max_bytes = 2 * _MAX_CHUNK_S * self.sample_rate
        held = b""
        async with create(**request) as response:
            self._check(str(response.headers.get("content-type", "")))
            is_first = True
            async for received in response.iter_bytes():
                held += received
                if is_first and len(held) < _MARK_BYTES:
                    continue  # also a server that sends single bytes
                if is_first:
                    self._check_beginning(held)
                    is_first = False
                whole = len(held) // 2 * 2
                for start in range(0, whole, max_bytes):
                    yield SpeechChunk(
                        np.frombuffer(held[start : min(start + max_bytes, whole)], "<i2").astype(np.int16)
                    )
                held = held[whole:]

    def _check(self, content_type: str) -> None:
        """Refuse an answer that is no raw audio by its type: an error page, or another format."""
        kind = content_type.partition(";")[0].strip().lower()
        raw = (
            "",
            "audio/pcm",
            "audio/l16",
            "audio/raw",
            "audio/x-raw",
            "application/octet-stream",
            "binary/octet-stream",
        )
        if kind not in raw and (not kind.startswith("audio/") or kind in ("audio/mpeg", "audio/ogg", "audio/flac")):
            raise Unavailable(f"{self.name} sent {kind} in place of raw audio (response_format pcm).")

    def _check_beginning(self, beginning: bytes) -> None:
        for mark, what in _FILES.items():
            if beginning.startswith(mark):
                raise Unavailable(f"{self.name} sent {what} in place of raw audio (response_format pcm).")
