"""`POST /v1/audio/speech`: speaks a text, and sends the audio while it is synthesised.

Source: the OpenAI API reference. A `model` that is none of this server means its synthesisers; no engine supports
`instructions`.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from streamsrv.access.principal import Principal
from streamsrv.audio.encoding import MEDIA_TYPES, AudioEncoding, open_encoder
from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.audio.resample import StreamResampler
from streamsrv.core.answers.reply_language import ExpectedLanguage, ReplyLanguage
from streamsrv.core.answers.spoken_segments import SpokenSegment, SpokenSegmenter
from streamsrv.core.capabilities import Capabilities
from streamsrv.engines.llm.base import Message
from streamsrv.engines.metering.accounts import SpendingAccount
from streamsrv.engines.tts.base import SpeechOptions, Synthesizer
from streamsrv.errors import UNSUPPORTED_PARAMETER
from streamsrv.http.endpoint import Endpoint
from streamsrv.http.request_body import read_json
from streamsrv.http.streaming import server_sent, streamed
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import VoiceId
from streamsrv.service import Service
from streamsrv.settings import Settings
from streamsrv.text.markdown import without_tags

MAX_INPUT = 4096
"""Longest `input`, in characters."""
SLICE_MS = 200
"""Duration of the slices in which audio is encoded and sent."""
SILENCE_MS = 100
"""Duration of the silence for a text without speakable words, such as an emoji."""
TEXT_PIECE_CHARACTERS = 200
"""Length of the pieces in which a text is cut into segments, so that a long text does not block the event loop."""


class SpeechRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    input: Annotated[str, Meta(min_length=1, max_length=MAX_INPUT)]
    model: str = ""
    voice: str | VoiceId = ""
    response_format: AudioEncoding = "mp3"
    speed: Annotated[float, Meta(ge=0.25, le=4)] = 1.0
    stream_format: Literal["audio", "sse"] = "audio"
    instructions: str = ""
    language: str | None = None
    """Extension: the language of the text; null: that of each sentence."""

    def to_options(self, capabilities: Capabilities) -> SpeechOptions:
        """Return the options of the synthesiser. Raises `ProtocolError` for fields that it does not support."""
        voice = self.voice.id if isinstance(self.voice, VoiceId) else self.voice
        if self.instructions:
            message = "Unsupported parameter: 'instructions'. The synthesiser of this server does not support it."
            raise ProtocolError(UNSUPPORTED_PARAMETER, message, "instructions")
        capabilities.check_speed(self.speed, "speed")
        return capabilities.speech(capabilities.voice_of_model(self.model, voice), self.speed)

    def to_language(self, capabilities: Capabilities, voice: str) -> ReplyLanguage:
        """Return the language of each segment. Raises `ProtocolError` for a language that no voice speaks."""
        if (language := capabilities.language(self.language, "language")) is not None:
            return ReplyLanguage(ExpectedLanguage(language))
        among, usual = capabilities.spoken_languages, capabilities.language_of(voice)
        expected = ExpectedLanguage(usual, among, is_known=False)
        return ReplyLanguage(expected.after([Message("user", self.input)]))


@asynccontextmanager
async def _read(request: Request, settings: Settings) -> AsyncGenerator[tuple[SpeechRequest, Principal]]:
    yield await read_json(request, SpeechRequest), request.state.principal


async def _answer(read: tuple[SpeechRequest, Principal], service: Service, account: SpendingAccount) -> Response:
    asked, principal = read
    capabilities = service.capabilities_of(principal)
    options = replace(asked.to_options(capabilities), account=account)
    segments = _segments(asked.input, asked.to_language(capabilities, options.voice), asked.speed)
    pcm = _speak(segments, options, service.engines.synthesizer)
    if asked.stream_format == "sse":
        return await streamed(server_sent(_events(pcm, asked)), "text/event-stream")
    return await streamed(_encode(pcm, asked.response_format), MEDIA_TYPES[asked.response_format])


async def _speak(
    segments: AsyncGenerator[SpokenSegment, None], options: SpeechOptions, synthesizer: Synthesizer
) -> AsyncGenerator[NDArray[np.int16], None]:
    """Yield the speech in slices of mono PCM at 24 kHz; each is made when it is requested."""
    resampler = StreamResampler(synthesizer.sample_rate, PCM_RATE_HZ)
    is_silent = True
    async with aclosing(segments):
        async for segment in segments:
            async with aclosing(synthesizer.stream(segment.spoken, segment.options(options))) as chunks:
                async for chunk in chunks:
                    for piece in _slices(resampler.process(chunk.pcm)):
                        is_silent = False
                        yield piece
    for piece in _slices(resampler.process(np.zeros(0, np.int16), last=True)):
        yield piece
    if is_silent:
        yield np.zeros(PCM_RATE_HZ * SILENCE_MS // 1000, np.int16)


async def _segments(text: str, language: ReplyLanguage, speed: float) -> AsyncGenerator[SpokenSegment, None]:
    """Yield what is to be spoken, in segments for the synthesiser. Other tasks run after each piece of the text."""
    text = without_tags(text)  # before cutting, which could split a tag
    segmenter = SpokenSegmenter(language, speed)
    for start in range(0, len(text), TEXT_PIECE_CHARACTERS):
        for segment in segmenter.feed(text[start : start + TEXT_PIECE_CHARACTERS]):
            if segment.spoken:
                yield segment
        await asyncio.sleep(0)
    for segment in segmenter.finish():
        if segment.spoken:
            yield segment


def _slices(pcm: NDArray[np.int16]) -> Iterator[NDArray[np.int16]]:
    step = PCM_RATE_HZ * SLICE_MS // 1000
    return (pcm[start : start + step] for start in range(0, len(pcm), step))


async def _encode(
    speech: AsyncGenerator[NDArray[np.int16], None], encoding: AudioEncoding
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the file. Does not close the encoder: a cancelled thread may still use it."""
    encoder = open_encoder(encoding)
    async with aclosing(speech):
        async for pcm in speech:
            if encoded := await asyncio.to_thread(encoder.encode, pcm):
                yield encoded
    if encoded := await asyncio.to_thread(encoder.finish):
        yield encoded


async def _events(
    speech: AsyncGenerator[NDArray[np.int16], None], asked: SpeechRequest
) -> AsyncGenerator[dict[str, Any], None]:
    samples = 0

    async def counted() -> AsyncGenerator[NDArray[np.int16], None]:
        nonlocal samples
        async with aclosing(speech):
            async for pcm in speech:
                samples += len(pcm)
                yield pcm

    async with aclosing(_encode(counted(), asked.response_format)) as pieces:
        async for piece in pieces:
            yield {"type": "speech.audio.delta", "audio": piece}
    yield {"type": "speech.audio.done", "usage": _usage(asked.input, samples)}


def _usage(text: str, samples: int) -> dict[str, int]:
    """Return an estimate of the usage, because no engine counts tokens: by characters of text and ms of audio."""
    read, spoken = -(-len(text) // 4), -(-samples * 20 // PCM_RATE_HZ)
    return {"input_tokens": read, "output_tokens": spoken, "total_tokens": read + spoken}


speech = Endpoint(_read, _answer)
