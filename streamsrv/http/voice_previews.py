"""`GET /v1/audio/voices/{id}/preview`: a sentence in a voice, as MP3. `?language=` and `?speed=` say how."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from streamsrv.audio.encoding import MEDIA_TYPES, open_encoder
from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.audio.resample import StreamResampler
from streamsrv.core.capabilities import Capabilities
from streamsrv.engines.boundary import engine_call
from streamsrv.engines.metering.accounts import SpendingAccount
from streamsrv.engines.tts.base import SpeechOptions, Synthesizer
from streamsrv.errors import Unavailable
from streamsrv.http.endpoint import Endpoint
from streamsrv.http.voices import check_query, named_voice, no_such_voice
from streamsrv.protocol.errors import invalid
from streamsrv.service import Service
from streamsrv.settings import Settings
from streamsrv.text.languages import normalize_language
from streamsrv.voices.previews import preview_text

MAX_S = 30
"""Longest preview, in seconds."""
KEEP_S = 3600
"""How long a browser may keep one, in seconds."""


@dataclass(frozen=True, slots=True)
class Asked:
    voice: str
    language: str
    speed: float
    capabilities: Capabilities


@asynccontextmanager
async def _read(request: Request, settings: Settings) -> AsyncGenerator[Asked]:
    service: Service = request.app.state.service
    check_query(request, "language", "speed")
    capabilities = service.capabilities_of(request.state.principal)
    found = named_voice(request)
    voice = capabilities.voice(found["id"], "voice")
    spoken = found["streamsrv"]["languages"]
    speed = _speed(request.query_params.get("speed", "1"), capabilities)
    yield Asked(voice, _language(request.query_params.get("language"), spoken), speed, capabilities)


async def _answer(asked: Asked, service: Service, account: SpendingAccount) -> Response:
    options = replace(asked.capabilities.speech(asked.voice, asked.speed), language=asked.language, account=account)
    synthesizer = service.engines.synthesizer
    preview = await service.previews.get(
        (asked.voice, asked.language, asked.speed), lambda: _speak(synthesizer, options)
    )
    if options.reference is not None and asked.voice not in asked.capabilities.clones:  # it was deleted meanwhile
        service.previews.forget(asked.voice)
        raise no_such_voice(asked.voice)
    headers = {"Cache-Control": f"private, max-age={KEEP_S}", "Content-Language": asked.language}
    return Response(preview, media_type=MEDIA_TYPES["mp3"], headers=headers)


def _language(asked: str | None, spoken: list[str]) -> str:
    """Return the ISO 639-1 code of a preview. `spoken`: those of the voice, empty if it speaks any language."""
    if asked is None:
        return "en" if not spoken or "en" in spoken else spoken[0]
    language = normalize_language(asked)
    if language is None or (spoken and language not in spoken):
        known = ", ".join(f"'{code}'" for code in spoken) or "ISO 639-1 codes"
        raise invalid(asked, "language", f"accepted are {known}")
    return language


def _speed(asked: str, capabilities: Capabilities) -> float:
    """Return the factor on the pace of the voice."""
    try:
        speed = float(asked)
    except ValueError:
        raise invalid(asked, "speed", "accepted is a number, such as 1.2") from None
    capabilities.check_speed(speed, "speed")
    return speed


async def _speak(synthesizer: Synthesizer, options: SpeechOptions) -> bytes:
    """Return the MP3 of the sentence of the language. Raises `EngineError`."""
    pieces, samples = list[NDArray[np.int16]](), 0
    with engine_call("speech synthesiser"):
        async with aclosing(synthesizer.stream(preview_text(options.language), options)) as chunks:
            async for chunk in chunks:
                if chunk.spoken_by is not None and (absent := chunk.spoken_by.instead_of):
                    raise Unavailable(f"{absent} cannot speak now.")  # and not with the voice of another one
                pieces.append(chunk.pcm)
                samples += len(chunk.pcm)
                if samples > MAX_S * synthesizer.sample_rate:
                    break
    if not samples:
        raise Unavailable(f"{synthesizer.name} said nothing.")
    return await asyncio.to_thread(_mp3, np.concatenate(pieces), synthesizer.sample_rate)


def _mp3(pcm: NDArray[np.int16], rate: int) -> bytes:
    encoder = open_encoder("mp3")
    return encoder.encode(StreamResampler(rate, PCM_RATE_HZ).process(pcm, last=True)) + encoder.finish()


preview = Endpoint(_read, _answer)
