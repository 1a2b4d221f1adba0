"""`/v1/streamsrv/recordings`: lists, gives and deletes the recordings of telephone calls."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from streamsrv.access.refusal import Refusal
from streamsrv.service import Service
from streamsrv.transports.telephony.recordings import (
    audio_of,
    delete_recording,
    find_recording,
    list_recordings,
)


async def recordings(request: Request) -> Response:
    """Return all recordings that are whole, the oldest first."""
    folder = _folder(request)
    found = [] if folder is None else await asyncio.to_thread(list_recordings, folder)
    data: list[dict[str, Any]] = [{"object": "recording", **msgspec.to_builtins(facts)} for facts in found]
    return JSONResponse({"object": "list", "data": data}, headers={"Cache-Control": "no-store"})


async def recording(request: Request) -> Response:
    """Return the audio of a recording: WAV, the caller on the left, the agent on the right."""
    folder, call_id = _folder(request), request.path_params["call_id"]
    if folder is None or await asyncio.to_thread(find_recording, folder, call_id) is None:
        raise _no_such(call_id)
    return FileResponse(audio_of(folder, call_id), media_type="audio/wav", headers={"Cache-Control": "no-store"})


async def delete(request: Request) -> Response:
    """Delete a recording."""
    folder, call_id = _folder(request), request.path_params["call_id"]
    if folder is None or not await asyncio.to_thread(delete_recording, folder, call_id):
        raise _no_such(call_id)
    return JSONResponse({"id": call_id, "object": "recording.deleted", "deleted": True})


def _folder(request: Request) -> Path | None:
    service: Service = request.app.state.service
    return service.settings.recording_folder


def _no_such(call_id: str) -> Refusal:
    return Refusal(404, "recording_not_found", f"There is no recording of a call '{call_id[:64]}'.", "call_id")
