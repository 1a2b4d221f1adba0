"""Health and metrics."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from streamsrv.access.authentication import identify
from streamsrv.access.principal import PUBLIC
from streamsrv.http.errors import error_response
from streamsrv.service import Service


async def healthz(request: Request) -> Response:
    """Return 200 while the server works, and 503 with the reason if it must be restarted."""
    service: Service = request.app.state.service
    if problems := service.background.problems:
        return error_response(503, " ".join(problems), code="unhealthy", type="server_error")
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Return whether there is room for a session. The server listens only after all models are loaded and warm.

    `problems` are the models that fail now, for whoever watches: others take their place, or clients get errors.
    """
    service: Service = request.app.state.service
    service.admission.check_session(PUBLIC)
    return JSONResponse(
        {
            "status": "ready",
            "sessions": service.sessions,
            "max_sessions": service.settings.max_sessions,
            "problems": service.problems,
        }
    )


async def metrics(request: Request) -> Response:
    """Return the metrics for Prometheus. If API keys are configured, the request needs one."""
    service: Service = request.app.state.service
    identify(request, service.authentication.for_request)
    return Response(service.metrics.exposition(), media_type="text/plain; version=0.0.4")
