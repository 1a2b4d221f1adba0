"""Builds the ASGI application from all parts of the server."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from streamsrv.engines.loaded import Engines
from streamsrv.http import (
    audiosocket,
    call_control,
    calls,
    capabilities,
    chat,
    client_secrets,
    models,
    outbound_calls,
    phone_webhooks,
    recordings,
    speech,
    status,
    transcriptions,
    usage,
    voice_form,
    voice_previews,
    voices,
)
from streamsrv.http.captions import caption_routes
from streamsrv.http.errors import protocol_error
from streamsrv.http.exchange import Exchanges, TrackExchanges
from streamsrv.http.identity import Authenticated, RequestIds
from streamsrv.http.observed import ObserveRequests, route_templates
from streamsrv.http.pages import page_exception, page_routes
from streamsrv.http.root_path import RootPath
from streamsrv.http.single import refuse_websocket, single_exception, single_routes
from streamsrv.observability.tracing import Tracing, open_tracing
from streamsrv.protocol.errors import ProtocolError
from streamsrv.service import Service
from streamsrv.settings import Settings
from streamsrv.transports.live_calls import LiveCalls
from streamsrv.transports.telephony.application.ringing_calls import RingingCalls
from streamsrv.transports.telephony.audiosocket_server import serving_audiosocket
from streamsrv.transports.telephony.exchange import PhoneExchange
from streamsrv.transports.telephony.media_socket import MediaSockets, media
from streamsrv.transports.telephony.parts import add_telephony
from streamsrv.transports.telephony.phone_calls import serving_phone_calls
from streamsrv.transports.telephony.recordings import remove_unfinished
from streamsrv.transports.telephony.sip.endpoint import serving_sip
from streamsrv.transports.webrtc.calls import serving_calls
from streamsrv.transports.websocket import realtime

if TYPE_CHECKING:
    from streamsrv.ledger.ledger import Ledger

EXCEPTION_HANDLERS: dict[Any, Any] = {HTTPException: page_exception, ProtocolError: protocol_error}
"""Error handlers by exception type; loosely typed, as Starlette has no type for one of requests and WebSockets."""
EXCEPTION_HANDLERS_OF_ONE = EXCEPTION_HANDLERS | {HTTPException: single_exception}
"""The same for a server that runs one model alone."""
MAX_UNREAD_BODIES_PER_PLACE = 8
"""Requests whose bodies may arrive at once, for each request that may be answered at once."""


def build_app(
    settings: Settings, engines: Engines, tracing: Tracing | None = None, ledger: "Ledger | None" = None
) -> Starlette:
    """Build the ASGI application over loaded, warm models.

    `tracing`: None: what the settings say. `ledger`: where costs are kept (`open_ledger`); None: nowhere. Raises
    `Unavailable` if the settings ask for tracing that cannot be.
    """
    if tracing is None and settings.tracing:
        tracing = open_tracing(with_words=settings.tracing_words)
    service = Service(settings, engines, tracing=tracing, ledger=ledger)
    exchanges = Exchanges(lambda: MAX_UNREAD_BODIES_PER_PLACE * service.settings.max_requests)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        live = app.state.live_calls
        async with (
            service.background as background,
            serving_calls(service, live) as calls,
            serving_phone_calls(service, live, app.state.ringing_calls) as phone_calls,
            serving_audiosocket(service, phone_calls.serve) as app.state.audiosocket,
            serving_sip(service, phone_calls) as app.state.sip_endpoint,
        ):
            app.state.calls = calls
            app.state.phone_calls = phone_calls
            background.keep(phone_calls.speech.keep, "the synthesis of what telephone agents always say")
            if settings.recording_folder is not None:
                await asyncio.to_thread(remove_unfinished, settings.recording_folder)
            exchange = PhoneExchange(
                service,
                app.state.phone_tokens,
                app.state.webhooks,
                app.state.provider_apis,
                phone_calls.serve,
                app.state.outbound_calls.is_unwanted,
            )
            app.state.media_sockets = MediaSockets(exchange, service.metrics)
            background.keep(service.watch, "the measurement of load")
            background.keep(service.watch_models, "the look for what clients may choose")
            if (keeper := service.rooms.keeper) is not None:
                await service.rooms.restore()
                background.keep(keeper.run, "the keeping of caption rooms")
            if ledger is not None:
                await ledger.start()
                background.keep(ledger.run, "the ledger")
            if settings.tool_server:
                background.spawn(service.tools.report(), "the look at the tool servers")
            yield
        await service.tools.aclose()
        if service.rooms.keeper is not None:
            await service.rooms.keeper.aclose()
        if ledger is not None:
            await ledger.aclose()
        if tracing is not None:
            await tracing.aclose()

    routes = _routes(Middleware(Authenticated, service.authentication.for_request), is_whole=settings.only is None)
    templates = {id(route): template for route, template in route_templates(routes)}
    for route, template in route_templates(routes):
        if isinstance(route, Route):
            service.metrics.expect_route(template, route.methods or ())
    app = Starlette(
        lifespan=lifespan,
        middleware=[
            Middleware(RootPath, settings.root_path),
            Middleware(RequestIds),
            Middleware(ObserveRequests, service.metrics, templates),
            Middleware(TrackExchanges, exchanges),
            Middleware(CrossOrigin, lambda: service.settings),
        ],
        exception_handlers=EXCEPTION_HANDLERS if settings.only is None else EXCEPTION_HANDLERS_OF_ONE,
        routes=routes,
    )
    app.state.service = service
    app.state.live_calls = LiveCalls()
    add_telephony(app, service)
    app.state.ringing_calls = RingingCalls(service.background)
    app.state.exchanges = exchanges
    return app


def _routes(needs_key: Middleware, *, is_whole: bool) -> list[BaseRoute]:
    """Return the routes of a whole server, or of one that runs one model alone."""
    rest = _rest_routes()
    probes = [
        Route("/healthz", status.healthz),
        Route("/readyz", status.readyz),
        Route("/metrics", status.metrics),
    ]
    if not is_whole:
        own = Mount("/v1", routes=single_routes(rest), middleware=[needs_key])
        return [WebSocketRoute("/{path:path}", refuse_websocket), own, *probes]
    return [
        WebSocketRoute("/v1/realtime", realtime),
        WebSocketRoute("/v1/calls/{provider}/media", media),
        Mount("/v1/streamsrv/captions", routes=caption_routes()),
        *_call_routes(),
        Route("/v1/calls/{provider}", phone_webhooks.call_rings, methods=["GET", "POST"]),
        Route("/v1/calls/{provider}/status", phone_webhooks.status, methods=["GET", "POST"]),
        Mount("/v1", routes=rest, middleware=[needs_key]),
        *probes,
        *page_routes(),
    ]


def _call_routes() -> list[Route]:
    """Return the routes of calls, which authenticate by themselves: a client secret is enough to open a call."""
    return [
        Route("/v1/calls/audiosocket", audiosocket.announce, methods=["POST"]),
        Route("/v1/realtime/calls", calls.create, methods=["POST"]),
        Route("/v1/realtime/calls/{call_id}", call_control.hang_up, methods=["DELETE"]),
        Route("/v1/realtime/calls/{call_id}/hangup", call_control.hang_up, methods=["POST"]),
        Route("/v1/realtime/calls/{call_id}/accept", call_control.accept, methods=["POST"]),
        Route("/v1/realtime/calls/{call_id}/reject", call_control.reject, methods=["POST"]),
        Route("/v1/realtime/calls/{call_id}/refer", call_control.refer, methods=["POST"]),
    ]


def _rest_routes() -> list[Route]:
    return [
        Route("/models", models.models),
        Route("/usage", usage.usage),
        Route("/models/{name:path}", models.model),
        Route("/audio/speech", speech.speech, methods=["POST"]),
        Route("/audio/voices", voices.voices, methods=["GET"]),
        Route("/audio/voices", voice_form.create, methods=["POST"]),
        Route("/audio/voices/{name:path}/preview", voice_previews.preview, methods=["GET"]),
        Route("/audio/voices/{name:path}", voices.voice, methods=["GET"]),
        Route("/audio/voices/{name:path}", voices.delete, methods=["DELETE"]),
        Route("/audio/transcriptions", transcriptions.transcriptions, methods=["POST"]),
        Route("/audio/translations", transcriptions.translations, methods=["POST"]),
        Route("/calls", outbound_calls.begin, methods=["POST"]),
        Route("/chat/completions", chat.completions, methods=["POST"]),
        Route("/streamsrv/capabilities", capabilities.capabilities),
        Route("/streamsrv/calls", call_control.calls),
        Route("/streamsrv/recordings", recordings.recordings, methods=["GET"]),
        Route("/streamsrv/recordings/{call_id}", recordings.recording, methods=["GET"]),
        Route("/streamsrv/recordings/{call_id}", recordings.delete, methods=["DELETE"]),
        Route("/realtime/client_secrets", client_secrets.client_secrets, methods=["POST"]),
    ]


class CrossOrigin(CORSMiddleware):
    """Lets pages of allowed origins read the responses. `settings` returns the settings in force."""

    def __init__(self, app: ASGIApp, settings: Callable[[], Settings]) -> None:
        super().__init__(
            app,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=["Location", "Retry-After"],
        )
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._settings().allowed_origins:
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def is_allowed_origin(self, origin: str) -> bool:
        allowed = self._settings().allowed_origins
        return "*" in allowed or origin in allowed
