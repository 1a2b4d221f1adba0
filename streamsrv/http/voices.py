"""`/v1/audio/voices`: the voices of this server and those that a key has cloned.

Source: the OpenAI API reference, which has no list; what is not in its voice objects is in `streamsrv`.
"""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamsrv.access.principal import Principal
from streamsrv.access.refusal import Refusal
from streamsrv.core.capabilities import Capabilities
from streamsrv.engines.loaded import Engines
from streamsrv.engines.tts.base import Voice
from streamsrv.protocol.errors import MAX_QUOTED, unknown_parameter
from streamsrv.service import Service
from streamsrv.voices.library import VoiceRecord

STARTED = int(time.time())


async def voices(request: Request) -> Response:
    """Return all voices that the client may use: the default one first, its cloned ones last."""
    service: Service = request.app.state.service
    check_query(request)
    found = list(voices_by_id(service, request.state.principal).values())
    return JSONResponse({"object": "list", "data": found}, headers={"Cache-Control": "no-store"})


async def voice(request: Request) -> Response:
    """Return one voice, by any of its names; 404 for one that does not exist, or belongs to another key."""
    check_query(request)
    return JSONResponse(named_voice(request), headers={"Cache-Control": "no-store"})


async def delete(request: Request) -> Response:
    """Delete a cloned voice of this key."""
    service: Service = request.app.state.service
    principal: Principal = request.state.principal
    name = request.path_params["name"]
    if any(name == voice.name for voice in service.engines.synthesizer.voices):
        message = f"The voice '{name}' belongs to a synthesiser of this server; only cloned voices can be deleted."
        raise Refusal(403, "voice_not_deletable", message)
    if not await service.cloned_voices.remove(principal.key_id, name):
        raise no_such_voice(name)
    service.previews.forget(name)
    return JSONResponse({"id": name, "object": "audio.voice.deleted", "deleted": True})


def named_voice(request: Request) -> dict[str, Any]:
    """Return the object of the voice that the path names. Raises `Refusal`."""
    service: Service = request.app.state.service
    principal: Principal = request.state.principal
    name = request.path_params["name"]
    found = voices_by_id(service, principal)
    if name not in found:
        clone = service.capabilities_of(principal).clone(name)
        meant = service.capabilities.voice_aliases.get(name) or (clone.id if clone else None)
        if meant not in found:
            raise no_such_voice(name)
        name = meant
    return found[name]


def check_query(request: Request, *known: str) -> None:
    """Refuse parameters of the query that have no effect."""
    for name in request.query_params:
        if name not in known:
            raise unknown_parameter(name, "", known)


def no_such_voice(name: str) -> Refusal:
    """Make the error for a voice that the client does not have."""
    return Refusal(404, "voice_not_found", f"The voice '{name[:MAX_QUOTED]}' does not exist.")


def voices_by_id(service: Service, principal: Principal) -> dict[str, dict[str, Any]]:
    """Return the objects of all voices that the client may use."""
    engines, capabilities = service.engines, service.capabilities_of(principal)
    speakers = [synthesizer for synthesizer in engines.synthesizers for _ in synthesizer.voices]
    found = {
        voice.name: _to_wire(voice, speaker.name, capabilities)
        for voice, speaker in zip(engines.synthesizer.voices, speakers, strict=True)
    }
    for record in service.cloned_voices.records(principal.key_id).values():
        found.setdefault(record.id, clone_to_wire(record, engines))
    return found


def clone_to_wire(record: VoiceRecord, engines: Engines) -> dict[str, Any]:
    """Return the object of a cloned voice."""
    speaker = next((each for each in engines.synthesizers if each.clones_voices), None)
    languages = speaker.voices if speaker else ()
    extension: dict[str, Any] = {
        "cloned": True,
        "languages": languages_of(*languages),
        "gender": None,
        "description": "",
        "engine": speaker.name if speaker else None,
        "aliases": [],
        "is_default": False,
        "ready": speaker is not None,
        "lacks": None if speaker else "a synthesiser that speaks with cloned voices",
        "seconds": record.seconds,
        "consent": record.consent,
    }
    return _object(record.id, record.name, record.created_at, "audio_sample", extension)


def languages_of(*voices: Voice) -> list[str]:
    """Return the ISO 639-1 codes that some of the voices speak; none: they speak any language."""
    if not all(voice.languages for voice in voices):
        return []
    return sorted({language for voice in voices for language in voice.languages})


def _to_wire(voice: Voice, speaker: str, capabilities: Capabilities) -> dict[str, Any]:
    extension: dict[str, Any] = {
        "cloned": False,
        "languages": languages_of(voice),
        "gender": voice.gender or None,
        "description": voice.description,
        "engine": speaker,
        "aliases": sorted(alias for alias, name in capabilities.voice_aliases.items() if name == voice.name),
        "is_default": voice.name == capabilities.voice("", "voice"),
        "ready": True,
        "lacks": None,
    }
    return _object(voice.name, voice.name, STARTED, "built_in", extension)


def _object(id: str, name: str, created_at: int, type: str, extension: dict[str, Any]) -> dict[str, Any]:
    wire: dict[str, Any] = {"id": id, "object": "audio.voice", "name": name, "created_at": created_at, "type": type}
    return wire | {"streamsrv": extension}
