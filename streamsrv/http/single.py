"""What a server has that runs one model alone, and what it answers to everything else."""

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket

from streamsrv.http.errors import MAX_PATH, error_response, http_exception
from streamsrv.service import Service

SERVED = ("/audio/speech", "/audio/voices", "/models", "/usage")
"""Beginnings of the paths below `/v1` that a synthesiser alone is used by."""


def single_routes(routes: Sequence[Route]) -> list[Route]:
    """Return those routes below `/v1` that a server with one synthesiser has."""
    return [route for route in routes if route.path.startswith(SERVED)]


async def single_exception(request: Request, exception: Exception) -> Response:
    """Return the error for what Starlette refuses; for a path that this server lacks it says what it has."""
    assert isinstance(exception, HTTPException)
    if exception.status_code != 404:
        return await http_exception(request, exception)
    return _not_here(request.app.state.service, request.url.path)


async def refuse_websocket(websocket: WebSocket) -> None:
    """Refuse every WebSocket."""
    await websocket.send_denial_response(_not_here(websocket.app.state.service, websocket.url.path))


def _not_here(service: Service, path: str) -> Response:
    served, name = ", ".join(f"/v1{path}" for path in SERVED), service.engines.synthesizer.name
    message = (
        f"Not Found: {path[:MAX_PATH]}. This server runs only the speech synthesiser {name}; it has {served}, "
        "/healthz, /readyz and /metrics."
    )
    return error_response(404, message, code="not_found")
