"""`POST /v1/audio/speech`: a text spoken, sent while it is being synthesised.

Source: the OpenAI API reference. Any `model` is the one voice of this server; no engine takes `instructions`.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from streamsrv.audio.encoding import MEDIA_TYPES, AudioEncoding, open_encoder
from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.audio.resample import StreamResampler
from streamsrv.config import Settings
from streamsrv.core.answers.spoken_segments import SpokenSegmenter
from streamsrv.core.capabilities import Capabilities
from streamsrv.engines.tts.base import SpeechOptions, Synthesizer
from streamsrv.errors import UNSUPPORTED_PARAMETER
from streamsrv.http.endpoint import Endpoint
from streamsrv.http.request_body import read_json
from streamsrv.http.streaming import server_sent, streamed
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import VoiceId
from streamsrv.service import Service
from streamsrv.text.markdown import without_tags

MAX_INPUT = 4096
"""Characters."""
SLICE_MS = 200
"""Audio that is encoded and sent at once."""
SILENCE_MS = 100
"""What is sent for a text without a word that the voice can say, such as an emoji."""
TEXT_AT_ONCE = 200
"""Characters that are cut into segments at once: a long text must not hold up the event loop."""


class SpeechRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    input: Annotated[str, Meta(min_length=1, max_length=MAX_INPUT)]
    model: str = ""
    voice: str | VoiceId = ""
    response_format: AudioEncoding = "mp3"
    speed: Annotated[float, Meta(ge=0.25, le=4)] = 1.0
    stream_format: Literal["audio", "sse"] = "audio"
    instructions: str = ""

    def to_options(self, capabilities: Capabilities) -> SpeechOptions:
        """Raises `ProtocolError` for what the voice of this server does not do."""
        voice = self.voice.id if isinstance(self.voice, VoiceId) else self.voice
        if self.instructions:
            message = "Unsupported parameter: 'instructions'. The voice of this server takes none."
            raise ProtocolError(UNSUPPORTED_PARAMETER, message, "instructions")
        capabilities.check_speed(self.speed, "speed")
        return SpeechOptions(voice=capabilities.voice(voice, "voice"), speed=self.speed)


@asynccontextmanager
async def _read(request: Request, settings: Settings) -> AsyncGenerator[SpeechRequest]:
    yield await read_json(request, SpeechRequest)


async def _answer(asked: SpeechRequest, service: Service) -> Response:
    pcm = _speak(asked.input, asked.to_options(service.capabilities), service.engines.synthesizer)
    if asked.stream_format == "sse":
        return await streamed(server_sent(_events(pcm, asked)), "text/event-stream")
    return await streamed(_encode(pcm, asked.response_format), MEDIA_TYPES[asked.response_format])


async def _speak(
    text: str, options: SpeechOptions, synthesizer: Synthesizer
) -> AsyncGenerator[NDArray[np.int16], None]:
    """The speech in slices of mono PCM at 24 kHz, made as they are asked for."""
    resampler = StreamResampler(synthesizer.sample_rate, PCM_RATE_HZ)
    is_silent = True
    for spoken in _segments(text, options.language):
        async with aclosing(synthesizer.stream(spoken, options)) as chunks:
            async for chunk in chunks:
                for piece in _slices(resampler.process(chunk.pcm)):
                    is_silent = False
                    yield piece
    for piece in _slices(resampler.process(np.zeros(0, np.int16), last=True)):
        yield piece
    if is_silent:
        yield np.zeros(PCM_RATE_HZ * SILENCE_MS // 1000, np.int16)


def _segments(text: str, language: str) -> Iterator[str]:
    """What is spoken of a text, cut into what a voice is given at once."""
    text = without_tags(text)  # before it is cut, perhaps in the middle of one
    segmenter = SpokenSegmenter(language)
    for start in range(0, len(text), TEXT_AT_ONCE):
        yield from (segment.spoken for segment in segmenter.feed(text[start : start + TEXT_AT_ONCE]) if segment.spoken)
    yield from (segment.spoken for segment in segmenter.finish() if segment.spoken)


def _slices(pcm: NDArray[np.int16]) -> Iterator[NDArray[np.int16]]:
    step = PCM_RATE_HZ * SLICE_MS // 1000
    return (pcm[start : start + step] for start in range(0, len(pcm), step))


async def _encode(
    speech: AsyncGenerator[NDArray[np.int16], None], encoding: AudioEncoding
) -> AsyncGenerator[bytes, None]:
    """The bytes of the file. The encoder is left to the garbage collector: a cancelled thread may still be in it."""
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
    """No engine counts tokens: these are estimates, a token for 4 characters of text and for 50 ms of audio."""
    read, spoken = -(-len(text) // 4), -(-samples * 20 // PCM_RATE_HZ)
    return {"input_tokens": read, "output_tokens": spoken, "total_tokens": read + spoken}


speech = Endpoint(_read, _answer)
