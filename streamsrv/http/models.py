"""`GET /v1/models` and `GET /v1/models/{id}`: the models of this server, and which recognisers clients may choose."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamsrv.engines.absent import ABSENT
from streamsrv.engines.catalogue import Kind, ModelEntry
from streamsrv.engines.loaded import Engines
from streamsrv.engines.model_entry import RecognizerAbility
from streamsrv.engines.model_facts import model_facts
from streamsrv.http.errors import error_response
from streamsrv.service import Service

STARTED = int(time.time())


async def models(request: Request) -> Response:
    """Return all models."""
    service: Service = request.app.state.service
    listed = model_facts_by_name(service.engines)
    return JSONResponse({"object": "list", "data": [_to_wire(name, facts) for name, facts in listed.items()]})


async def model(request: Request) -> Response:
    """Return one model; 404 for names that are not listed, although requests may use any name."""
    service: Service = request.app.state.service
    name, listed = request.path_params["name"], model_facts_by_name(service.engines)
    if name not in listed:
        return error_response(404, f"The model '{name}' does not exist.", code="model_not_found", param="model")
    return JSONResponse(_to_wire(name, listed[name]))


def model_facts_by_name(engines: Engines) -> dict[str, dict[str, Any]]:
    """Return what is known of each model that a request may name: language models, recognisers and synthesisers.

    A recogniser that is not ready is named with what it lacks.
    """
    stated = {held.entries[0].name: held.entries for held in engines.loaded}
    found = {
        name: _facts("chat", stated.get(name, ())) | asdict(engines.chat_model(name).abilities)
        for name in dict.fromkeys([engines.chat.name, *engines.chat_by_name])
        if name != ABSENT
    }
    found |= {facts["name"]: facts for facts in recognizer_facts(engines)}
    found |= {
        synthesizer.name: _facts("synthesizer", stated.get(synthesizer.name, ()))
        for synthesizer in engines.synthesizers
        if synthesizer.name != ABSENT
    }
    return found


def recognizer_facts(engines: Engines) -> list[dict[str, Any]]:
    """Return what is known of each recogniser that a client may name: those of the settings first."""
    stated = {held.entries[0].name: held.entries for held in engines.loaded}
    found: list[dict[str, Any]] = []
    for name, known in engines.recognizers.facts.items():
        can = known.abilities
        found.append(
            _facts("recognizer", engines.recognizers.entries(name) or stated.get(name, ()))
            | {"name": name, "languages": sorted(can.languages), "ready": not known.lacks, "lacks": known.lacks or None}
            | {ability: getattr(can, ability) for ability in get_args(RecognizerAbility)}
        )
    return found


def _facts(kind: Kind, entries: Sequence[ModelEntry]) -> dict[str, Any]:
    """Return the facts of a loaded model from its entry and those of its parts; one without an entry has few."""
    return (model_facts(entries[0], entries[1:]) if entries else {}) | {"kind": kind, "ready": True, "lacks": None}


def _to_wire(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    extension = {key: value for key, value in facts.items() if key != "name"}
    return {"id": name, "object": "model", "created": STARTED, "owned_by": "streamsrv", "streamsrv": extension}
