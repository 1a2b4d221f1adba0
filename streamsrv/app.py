"""Builds the ASGI application: the only place where everything meets."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from streamsrv.api import status
from streamsrv.config import Settings
from streamsrv.providers.engines import Engines
from streamsrv.service import Service
from streamsrv.transports.websocket import realtime


def build_app(settings: Settings, engines: Engines) -> Starlette:
    """The server as an ASGI application, over models that are loaded and warm."""
    service = Service(settings, engines)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        watch = asyncio.create_task(service.metrics.watch_event_loop())
        yield
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)

    app = Starlette(
        lifespan=lifespan,
        routes=[
            WebSocketRoute("/v1/realtime", realtime),
            Route("/v1/models", status.models),
            Route("/healthz", status.healthz),
            Route("/readyz", status.readyz),
            Route("/metrics", status.metrics),
        ],
    )
    app.state.service = service
    return app
