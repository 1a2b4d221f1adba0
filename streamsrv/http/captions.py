"""`/v1/streamsrv/captions/{room}`: the captions of a room, live as server-sent events and as files.

A speaker is a session whose `streamsrv.captions` names the room. Viewers need no session. `caption_changes.py` has what
speakers may do besides.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from streamsrv.access.authentication import identify
from streamsrv.access.refusal import Refusal
from streamsrv.captions.room import Room
from streamsrv.http import caption_changes, caption_file, qr_code
from streamsrv.http.caption_changes import caption_to_wire, check_speaker, find_room, status_of
from streamsrv.http.errors import error_response
from streamsrv.http.streaming import STREAM_HEADERS
from streamsrv.protocol.errors import invalid
from streamsrv.service import Service
from streamsrv.text.subtitles import SRT_TYPE, spoken, srt, vtt


def caption_routes() -> list[Route]:
    """Return the routes below `/v1/streamsrv/captions`. They check access themselves, because it may be public."""
    return [
        Route("/{room:room}", _guarded(_status)),
        Route("/{room:room}/events", _events),
        Route("/{room:room}/captions.{format}", _guarded(_file)),
        Route("/{room:room}/qr.svg", qr_code.QrCodes().answer),
        Route("/{room:room}/corrections", caption_changes.correct, methods=["POST"]),
        Route("/{room:room}/clear", caption_changes.clear, methods=["POST"]),
        Route("/{room:room}/file", caption_file.CaptionFiles(), methods=["POST"]),
    ]


def _guarded(answer: Callable[[str, Request, Service], Response]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        service: Service = request.app.state.service
        identify(request, service.authentication.for_caption_reader)
        return answer(request.path_params["room"], request, service)

    return endpoint


def _status(name: str, request: Request, service: Service) -> Response:
    return JSONResponse(status_of(find_room(name, service)))


async def _events(request: Request) -> Response:
    """Stream `room`, `final` and `partial` events; `Last-Event-ID` or `?last_event_id=` resumes after a final event.

    If the room does not exist yet, the stream waits for it. With `?speaker=1` it also has `viewers` events, for those
    who may speak there, and does not count as a viewer's.
    """
    service: Service = request.app.state.service
    name: str = request.path_params["room"]
    asked = request.query_params.get("speaker")
    if asked not in (None, "1"):
        raise invalid(asked, "speaker", "accepted is 1")
    if asked:
        check_speaker(request, service)
    else:
        identify(request, service.authentication.for_caption_reader)
    if service.rooms.viewers >= service.settings.caption_viewers:
        message = f"This server has its maximum of {service.settings.caption_viewers} caption viewers."
        return error_response(
            503, message, code="viewer_limit_reached", type="server_error", headers={"Retry-After": "10"}
        )
    last_event_id = request.headers.get("last-event-id") or request.query_params.get("last_event_id", "")
    events = _counted(service.rooms.watch(name, last_event_id, as_speaker=bool(asked)), service)
    return StreamingResponse(events, media_type="text/event-stream", headers=STREAM_HEADERS)


async def _counted(events: AsyncGenerator[bytes, None], service: Service) -> AsyncGenerator[bytes, None]:
    service.rooms.viewers += 1
    try:
        async with aclosing(events):
            async for event in events:
                yield event
    finally:
        service.rooms.viewers -= 1


def _file(name: str, request: Request, service: Service) -> Response:
    wanted: str = request.path_params["format"]
    if wanted not in _FORMATS:
        raise Refusal(404, "not_found", f"Invalid format '{wanted}': accepted are {', '.join(_FORMATS)}.", "format")
    response = _FORMATS[wanted](find_room(name, service).room)
    response.headers["Cache-Control"] = "no-cache"
    return response


def _vtt(room: Room) -> Response:
    return PlainTextResponse(vtt(room.cues), media_type="text/vtt")


def _srt(room: Room) -> Response:
    return PlainTextResponse(srt(room.cues), media_type=SRT_TYPE)


def _text(room: Room) -> Response:
    return PlainTextResponse("".join(f"{spoken(cue)}\n" for cue in room.cues))


def _json(room: Room) -> Response:
    return JSONResponse({**room.status, "captions": [caption_to_wire(caption) for caption in room.captions]})


_FORMATS: dict[str, Callable[[Room], Response]] = {"vtt": _vtt, "srt": _srt, "txt": _text, "json": _json}
