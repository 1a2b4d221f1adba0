"""Middleware that counts requests and logs those that are for the API or are refused."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamsrv.access.authentication import client_address
from streamsrv.access.principal import PUBLIC
from streamsrv.http.errors import MAX_PATH, REFUSED, Refused
from streamsrv.observability.logging import log_event
from streamsrv.observability.metrics import OTHER, Metrics

logger = logging.getLogger(__name__)

LOGGED = "/v1/"
"""Requests below this path are logged; pages are not."""
PROBES = ("/healthz", "/readyz")
"""Paths of health checks. Their refusals are answers, so they are neither logged nor counted as refusals."""
QUOTING = ("invalid", "unavailable", "internal")
"""Reasons of refusals whose message is not logged, because it may quote what a user said."""
WARNED = (401, 403, 429, 503)
"""Statuses of refusals that are logged as warnings."""


class ObserveRequests:
    """ASGI middleware that counts and logs HTTP requests, and refusals of WebSockets.

    `templates`: what names a route in the metrics, by the `id` of the route. Paths come from clients and would be too
    many.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, templates: Mapping[int, str]) -> None:
        self._app = app
        self._metrics = metrics
        self._templates = templates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._observe(scope, receive, send)
            return
        await self._app(scope, receive, send)
        if scope["type"] == "websocket" and REFUSED in scope:
            refused: Refused = scope[REFUSED]
            self._refused(scope, refused, f"a WebSocket was refused with {refused.status}: {refused.message}")

    async def _observe(self, scope: Scope, receive: Receive, send: Send) -> None:
        started_s, status, began_s = time.monotonic(), 0, 0.0
        is_api = scope["path"].removeprefix(scope.get("root_path", "")).startswith(LOGGED)

        async def observed_send(message: Message) -> None:
            nonlocal status, began_s
            if message["type"] == "http.response.start":
                status, began_s = message["status"], time.monotonic()
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        except Exception:
            status = status or 500
            raise
        finally:
            now_s = time.monotonic()
            route = self._templates.get(id(scope.get("route")), OTHER)
            self._metrics.request(route, scope["method"], status or 499, (began_s or now_s) - started_s)
            self._log(scope, status, 1000 * (now_s - started_s), is_api=is_api)

    def _log(self, scope: Scope, status: int, ms: float, *, is_api: bool) -> None:
        text = f"{quote(scope['method'])} {_path(scope)}: {status or 'no answer'} after {ms:.0f} ms"
        if (refused := scope.get(REFUSED)) is not None:
            self._refused(scope, refused, text if refused.reason in QUOTING else f"{text}: {refused.message}")
        elif is_api:
            principal = getattr(HTTPConnection(scope).state, "principal", PUBLIC)
            kind = "anonymous requests" if principal == PUBLIC else ""
            log_event(logger, logging.INFO, text, {"client": client_address(HTTPConnection(scope))}, kind=kind)

    def _refused(self, scope: Scope, refused: Refused, text: str) -> None:
        if scope["path"].endswith(PROBES):
            return
        self._metrics.refusal(refused.reason)
        log_event(
            logger,
            logging.WARNING if refused.status in WARNED and refused.reason != "stopping" else logging.INFO,
            text,
            {
                "reason": refused.reason,
                "code": refused.code,
                "status": refused.status,
                "client": client_address(HTTPConnection(scope)),
            },
            kind=f"refused {refused.reason}",
        )


def _path(scope: Scope) -> str:
    return quote(scope["path"][:MAX_PATH])


def route_templates(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[tuple[BaseRoute, str]]:
    """Yield each route and mount with its path, whose parameters are in braces."""
    for route in routes:
        if isinstance(route, Mount):
            yield route, f"{prefix}{route.path}/{{path}}"
            yield from route_templates(route.routes or (), prefix + route.path)
        elif isinstance(route, Route | WebSocketRoute):
            yield route, prefix + route.path
