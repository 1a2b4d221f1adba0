"""Health and metrics."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamsrv.access.authentication import identify
from streamsrv.access.principal import PUBLIC
from streamsrv.http.errors import error_response
from streamsrv.service import Service


async def healthz(request: Request) -> Response:
    """Whether the server works: 503 with the reason when it should be started anew."""
    service: Service = request.app.state.service
    if problems := service.background.problems:
        return error_response(503, " ".join(problems), code="unhealthy", type="server_error")
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Models are loaded and warm (or this would not answer), and there is room for a session."""
    service: Service = request.app.state.service
    service.admission.check_session(PUBLIC)
    return JSONResponse(
        {"status": "ready", "sessions": service.sessions, "max_sessions": service.settings.max_sessions}
    )


async def metrics(request: Request) -> Response:
    """`GET /metrics`, for Prometheus; with keys configured it needs one, as everything else does."""
    service: Service = request.app.state.service
    identify(request, service.authentication.for_request)
    return Response(service.metrics.exposition(), media_type="text/plain; version=0.0.4")
