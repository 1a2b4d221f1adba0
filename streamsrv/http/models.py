"""`GET /v1/models` and `GET /v1/models/{id}`: the models of this server."""

import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamsrv.engines.absent import ABSENT
from streamsrv.engines.loaded import Engines
from streamsrv.http.errors import error_response
from streamsrv.service import Service

STARTED = int(time.time())


async def models(request: Request) -> Response:
    """Return all models."""
    service: Service = request.app.state.service
    return JSONResponse({"object": "list", "data": [_to_wire(name) for name in _names(service.engines)]})


async def model(request: Request) -> Response:
    """Return one model; 404 for names that are not listed, although requests may use any name."""
    service: Service = request.app.state.service
    name = request.path_params["name"]
    if name not in _names(service.engines):
        return error_response(404, f"The model '{name}' does not exist.", code="model_not_found", param="model")
    return JSONResponse(_to_wire(name))


def _names(engines: Engines) -> list[str]:
    names = [engines.chat.name, *engines.chat_by_name, engines.recognizer.name, engines.synthesizer.name]
    return [name for name in dict.fromkeys(names) if name != ABSENT]


def _to_wire(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": STARTED, "owned_by": "streamsrv"}
