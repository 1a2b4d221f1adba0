"""`POST /v1/streamsrv/captions/{room}/corrections` and `/clear`: what those who may speak in a room do to its text."""

import math
import time
from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from streamsrv.access.authentication import identify
from streamsrv.access.principal import Principal
from streamsrv.access.refusal import Refusal
from streamsrv.captions.events import corrected_mark, marked
from streamsrv.captions.room import Caption
from streamsrv.captions.rooms import CHANGES_PER_S, MAX_CHANGES, OpenRoom
from streamsrv.http.request_body import convert_object, read_body, read_object
from streamsrv.service import Service

MAX_CORRECTION_BYTES = 64 * 1024
"""Longest body of a correction: enough for its longest text, with every character escaped."""
MAX_CORRECTED = 5000
"""Characters of a corrected text."""


class Correction(Struct, frozen=True, forbid_unknown_fields=True):
    """The new text of a final caption; an empty one removes it."""

    item_id: Annotated[str, Meta(min_length=1, max_length=256)]
    text: Annotated[str, Meta(max_length=MAX_CORRECTED, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


async def correct(request: Request) -> Response:
    """Replace the text of a final caption, for all viewers and in all files; return the caption."""
    service: Service = request.app.state.service
    check_speaker(request, service)
    try:
        body = await read_body(request, MAX_CORRECTION_BYTES)
    except ClientDisconnect:
        return Response(status_code=499)  # the client is gone
    asked = convert_object(read_object(body), Correction)
    opened = _changeable(request, service)
    caption = opened.room.correct(asked.item_id, asked.text.strip())
    if caption is None:
        message = f"The caption room '{opened.room.name}' has no final caption with this id."
        raise Refusal(404, "caption_not_found", message, "item_id")
    opened.changed()
    return JSONResponse(caption_to_wire(caption))


async def clear(request: Request) -> Response:
    """Remove all texts of a room, for its viewers and from the disk; return the status of the room."""
    service: Service = request.app.state.service
    check_speaker(request, service)
    opened = _changeable(request, service)
    service.rooms.clear(opened)
    if service.rooms.keeper is not None:
        await service.rooms.keeper.flush()
    return JSONResponse(status_of(opened))


def check_speaker(request: Request, service: Service) -> Principal:
    """Return the principal of a request if it may speak in the room; raises `Refusal`.

    A client secret may be used up by then: its session must speak in the room now.
    """
    principal = identify(request, service.authentication.for_call)
    name, session_id = request.path_params["room"], principal.secret_id
    if session_id is not None:
        opened = service.rooms.find(name)
        if name not in (principal.caption_rooms or ()) or opened is None or not opened.room.has_speaker(session_id):
            message = f"The session of this client secret does not speak in the caption room '{name}' now."
            raise Refusal(403, "caption_room_not_allowed", message, "room")
    return principal


def find_room(name: str, service: Service) -> OpenRoom:
    """Return an open room; raises `Refusal`."""
    opened = service.rooms.find(name)
    if opened is None:
        message = f"The caption room '{name}' does not exist: nobody has spoken in it in the last minutes."
        raise Refusal(404, "caption_room_not_found", message, "room")
    return opened


def status_of(opened: OpenRoom) -> dict[str, Any]:
    """Return a room as JSON."""
    return {**opened.room.status, "viewers": opened.viewers}


def caption_to_wire(caption: Caption) -> dict[str, Any]:
    """Return a caption as JSON; times are in seconds."""
    said = caption.utterance
    words = [{"word": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000} for word in said.words]
    return {
        "item_id": caption.item_id,
        "speaker": caption.speaker,
        "start": said.start_ms / 1000,
        "end": said.end_ms / 1000,
        "text": said.text,
        "words": words,
        **marked(said.translated_to),
        **corrected_mark(caption.is_corrected),
    }


def _changeable(request: Request, service: Service) -> OpenRoom:
    """Return the room of a request whose text may be changed once more now; raises `Refusal`."""
    opened, now_s = find_room(request.path_params["room"], service), time.monotonic()
    if not opened.changes.take(1, now_s):
        message = (
            f"The text of this room has been changed {MAX_CHANGES} times in a short time: {CHANGES_PER_S:g} "
            "corrections or clears a second are accepted."
        )
        retry_after_s = math.ceil(opened.changes.wait_s(1, now_s))
        raise Refusal(429, "rate_limit_exceeded", message, retry_after_s=retry_after_s)
    return opened
