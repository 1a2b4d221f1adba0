"""`POST /v1/audio/voices`: clones a voice from a recording.

Source: the OpenAI API reference. There a recording of the speaker proves the consent; here whoever sends the request
states it.
"""

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, BinaryIO, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamsrv.access.principal import Principal
from streamsrv.access.refusal import Refusal
from streamsrv.audio.files import AudioFileError, rate_of, read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.audio.resample import StreamResampler
from streamsrv.engines.asr.recordings import speech_in
from streamsrv.engines.metering.accounts import SpendingAccount
from streamsrv.http.endpoint import Endpoint
from streamsrv.http.request_body import convert, read_form
from streamsrv.http.uploaded_audio import file_of, on_thread
from streamsrv.http.voices import clone_to_wire
from streamsrv.ids import new_id
from streamsrv.protocol.errors import ProtocolError, invalid
from streamsrv.protocol.openai_voices import OPENAI_VOICES
from streamsrv.service import Service
from streamsrv.settings import Settings
from streamsrv.voices.library import NameTaken, TooManyVoices, VoiceRecord
from streamsrv.voices.reference import ACCEPTED, Reference, UnusableRecording, examine

MAX_BYTES = 10 * 1024 * 1024
"""Longest body: OpenAI's limit on a recording. A recording of usable length is shorter in every format."""
MAX_SECONDS = 120.0
"""Longest recording that is decoded, in seconds, the silence at its ends included."""
MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 192_000
AGREED = frozenset({"true", "yes", "1"})


class VoiceFields(Struct, kw_only=True, forbid_unknown_fields=True):
    """The form without its file. `consent`: that the person whose voice it is agrees."""

    name: Annotated[str, Meta(min_length=1, max_length=256)]
    consent: str
    type: Literal["audio_sample"] = "audio_sample"


@dataclass(frozen=True, slots=True)
class NewVoice:
    """A request whose recording is not decoded yet."""

    name: str
    file: BinaryIO
    principal: Principal


@asynccontextmanager
async def _read(request: Request, settings: Settings) -> AsyncGenerator[NewVoice]:
    service: Service = request.app.state.service
    principal: Principal = request.state.principal
    _check_can_clone(service)  # refuse before the client sends a recording
    form = await read_form(request, min(MAX_BYTES, settings.max_upload_bytes), param="audio_sample")
    try:
        fields = convert(_text_fields(form), VoiceFields, strict=False)
        if fields.consent.strip().lower() not in AGREED:
            reason = "accepted is 'true', which states that the person whose voice it is agrees to its use"
            raise invalid(fields.consent, "consent", reason)
        name = _name(fields.name, service)
        _check_room(service, principal, name)
        yield NewVoice(name, file_of(form, "audio_sample"), principal)
    finally:
        await form.close()


async def _answer(asked: NewVoice, service: Service, account: SpendingAccount) -> Response:
    reference = await _reference(asked.file, service)
    owner, now_s = asked.principal.key_id, int(time.time())
    record = VoiceRecord(new_id("voice"), asked.name, owner, now_s, reference.seconds, consent=True)
    try:
        await service.cloned_voices.add(record, reference.pcm, service.settings.max_voices_per_key)
    except (TooManyVoices, NameTaken):  # another request was faster
        _check_room(service, asked.principal, asked.name)
        raise
    return JSONResponse(clone_to_wire(record, service.engines))


def _check_can_clone(service: Service) -> None:
    if not service.engines.synthesizer.clones_voices:
        message = "No synthesiser of this server speaks with cloned voices. Its operator can load one, such as xtts-v2."
        raise Refusal(400, "voice_cloning_unavailable", message)
    if not service.settings.max_voices_per_key:
        message = "This server clones no voices: its setting 'max_voices_per_key' is 0."
        raise Refusal(400, "voice_cloning_unavailable", message)


def _check_room(service: Service, principal: Principal, name: str) -> None:
    most = service.settings.max_voices_per_key
    try:
        service.cloned_voices.check_room(principal.key_id, name, most)
    except TooManyVoices:
        message = f"This API key has {most} cloned voices, which is as many as it may have. Delete one first."
        raise Refusal(400, "voice_limit_reached", message) from None
    except NameTaken:
        raise invalid(name, "name", "this API key has a cloned voice of this name; accepted are others") from None


def _name(given: str, service: Service) -> str:
    """Return the name without spaces at its ends. Refuse one that would mean another voice where it is used."""
    name = given.strip()
    if not name or not name.isprintable():
        raise invalid(given, "name", "accepted is printable text of 1 to 256 characters")
    known = service.capabilities
    taken = {"default", *OPENAI_VOICES, *known.voices, *known.voice_aliases}
    if name in taken or name.lower() in taken:  # names of other voices are looked up in small letters, too
        raise invalid(name, "name", "another voice has this name; accepted are others")
    return name


def _text_fields(form: FormData) -> dict[str, str]:
    """Return the text fields for validation, each given once."""
    fields: dict[str, str] = {}
    for name, value in form.multi_items():
        if name == "audio_sample":
            continue
        if name in fields:
            raise ProtocolError("invalid_form", f"The form has '{name[:60]}' more than once.", name[:60])
        fields[name] = value if isinstance(value, str) else ""
    if fields.get("type") == "prompt":
        raise invalid("prompt", "type", "this server makes no voices from descriptions; accepted is 'audio_sample'")
    return fields


async def _reference(file: BinaryIO, service: Service) -> Reference:
    """Decode and examine a recording. Raises `ProtocolError`."""
    engines = service.engines
    try:
        async with service.examining:
            rate, pcm, heard = await on_thread(lambda is_cancelled: _decode(file, is_cancelled))
            speech = await speech_in(heard, engines.vad, engines.voice_activity, engines.observer)
            return await on_thread(lambda _: examine(pcm, rate, speech))
    except AudioFileError as error:
        reason = f"{str(error).rstrip('.')}; {ACCEPTED}"
    except UnusableRecording as error:
        reason = str(error)
    message = f"Invalid value for 'audio_sample': {reason}."
    raise ProtocolError("invalid_value", message, "audio_sample")


def _decode(file: BinaryIO, is_cancelled: Callable[[], bool]) -> tuple[int, NDArray[np.int16], NDArray[np.int16]]:
    """Return the rate of a recording, its mono samples, and the same at 16 kHz."""
    rate = rate_of(file)
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ:
        raise UnusableRecording(f"its sample rate is {rate} Hz; accepted are {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")
    pcm = read_audio(file, rate, MAX_SECONDS, is_cancelled)
    return rate, pcm, StreamResampler(rate, SPEECH_RATE_HZ).process(pcm, last=True)


create = Endpoint(_read, _answer)
