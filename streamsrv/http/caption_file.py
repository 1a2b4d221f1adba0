"""`POST /v1/streamsrv/captions/{room}/file`: captions a recording in a room, faster than it would take to play it.

The recording is a speaker of the room. It uses the models of live sessions, but waits for theirs.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from streamsrv.access.authentication import identify
from streamsrv.access.refusal import Refusal
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.captions.rooms import OpenRoom
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.recognition import engine_options
from streamsrv.engines.asr.base import RecognitionOptions, RecognizedUtterance
from streamsrv.engines.asr.recordings import recognize_recording
from streamsrv.engines.metering.accounts import SpendingAccount
from streamsrv.http.endpoint import Endpoint
from streamsrv.http.recording_form import Prompt, text_fields
from streamsrv.http.request_body import convert, read_form
from streamsrv.http.streaming import server_sent, streamed
from streamsrv.http.uploaded_audio import decode, file_of
from streamsrv.ids import new_id
from streamsrv.inference.scheduler import Scheduler
from streamsrv.protocol.session_object import Name, SpeakerName, Title, Transcription
from streamsrv.service import Service
from streamsrv.settings import Settings

LOOK_S = 0.05
"""Seconds between two looks whether live sessions wait, before the next utterance of a recording is recognised."""


class FileFields(Struct, kw_only=True, forbid_unknown_fields=True):
    """The form without its file: what a session would say about its speech and its captions."""

    model: Name = ""
    language: Name | None = None
    languages: list[Name] = []
    prompt: Prompt = ""
    keywords: list[str] = []
    title: Title = ""
    speaker: SpeakerName = ""
    translate: Literal["en"] | None = None

    def recognition(self, capabilities: Capabilities) -> tuple[str, RecognitionOptions]:
        """Return the name of the recogniser (empty: the default one), and its options; raises `ProtocolError`."""
        task = "transcribe" if self.translate is None else "translate"
        asked = Transcription(
            model=self.model,
            language=self.language,
            languages=self.languages,
            prompt=self.prompt,
            keywords=self.keywords,
        )
        meant = capabilities.transcription(asked, _path, task)
        return meant.model or "", engine_options(meant, task)


def _path(option: str) -> str:
    return {"task": "translate"}.get(option, option)


@dataclass(frozen=True, slots=True)
class CaptionFile:
    """A valid request whose file is not decoded yet."""

    room: str
    fields: FileFields
    file: BinaryIO
    max_seconds: float


class CaptionFiles:
    """The endpoint, an ASGI application. It needs an API key, because a client secret opens nothing but its session."""

    def __init__(self) -> None:
        self._endpoint = Endpoint(_read, _answer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        service: Service = scope["app"].state.service
        identify(request, service.authentication.for_request)
        _check_free(request.path_params["room"], service)  # refuse before the client sends a large body
        await self._endpoint(scope, receive, send)


@asynccontextmanager
async def _read(request: Request, settings: Settings) -> AsyncGenerator[CaptionFile]:
    form = await read_form(request, settings.max_upload_bytes)
    try:
        fields = convert(text_fields(form), FileFields, strict=False)
        yield CaptionFile(request.path_params["room"], fields, file_of(form, "file"), settings.max_audio_seconds)
    finally:
        await form.close()


async def _answer(asked: CaptionFile, service: Service, account: SpendingAccount) -> Response:
    model, options = asked.fields.recognition(service.capabilities)
    options = replace(options, account=account)
    engines = service.engines
    recognizer = engines.recognizers.find(model, options.language)
    pcm = await decode(asked.file, "file", SPEECH_RATE_HZ, asked.max_seconds)
    _check_free(asked.room, service)
    opened = service.rooms.open(asked.room, "room")
    recognized = recognize_recording(pcm, recognizer, engines.vad, engines.voice_activity, options, engines.observer)
    events = _captioned(recognized, pcm, opened, service, asked.fields)
    return await streamed(server_sent(events), "text/event-stream")


async def _captioned(
    recognized: AsyncGenerator[RecognizedUtterance, None],
    pcm: NDArray[np.int16],
    opened: OpenRoom,
    service: Service,
    fields: FileFields,
) -> AsyncGenerator[dict[str, Any], None]:
    """Show what is recognised in the room, and yield how far it is, in seconds of the recording."""
    room, clock_ms, speaker_id = opened.room, service.rooms.clock_ms, new_id("file")
    duration = round(len(pcm) / SPEECH_RATE_HZ, 3)
    offset_ms = room.enter_recording(speaker_id, clock_ms(), fields.speaker, fields.title)
    opened.changed()
    try:
        yield {"type": "captions.file.started", "duration": duration, "offset": offset_ms / 1000}
        captions = 0
        async with aclosing(recognized):
            async for said in recognized:
                captions += 1
                room.settle(speaker_id, new_id("item"), said, said.end_ms, clock_ms())
                opened.changed()
                yield {"type": "captions.file.progress", "seconds": said.end_ms / 1000, "duration": duration}
                await _until_free(service.engines.scheduler)
        yield {"type": "captions.file.done", "seconds": duration, "duration": duration, "captions": captions}
    finally:
        room.leave(speaker_id, clock_ms())
        opened.changed()


async def _until_free(scheduler: Scheduler) -> None:
    """Wait until no work of live sessions waits for a model."""
    while scheduler.queue_age_s > 0:  # noqa: ASYNC110 (nothing tells when the queue of a scheduler is empty)
        await asyncio.sleep(LOOK_S)


def _check_free(name: str, service: Service) -> None:
    opened = service.rooms.find(name)
    if opened is not None and opened.room.has_recording:
        message = f"The caption room '{name}' is being given the captions of another file."
        raise Refusal(409, "caption_file_in_progress", message, "room")
