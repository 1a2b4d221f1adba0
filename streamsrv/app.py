"""Builds the ASGI application: the only place where everything meets."""

from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from streamsrv.api import status
from streamsrv.config import Settings
from streamsrv.providers.engines import Engines
from streamsrv.service import Service
from streamsrv.transports.websocket import realtime


def build_app(settings: Settings, engines: Engines) -> Starlette:
    """The server as an ASGI application, over models that are loaded and warm."""
    app = Starlette(
        routes=[
            WebSocketRoute("/v1/realtime", realtime),
            Route("/v1/models", status.models),
            Route("/healthz", status.healthz),
            Route("/readyz", status.readyz),
        ]
    )
    app.state.service = Service(settings, engines)
    return app
