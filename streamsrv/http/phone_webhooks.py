"""`/v1/calls/{provider}`: what telephone providers ask when a call rings. Some of them send it by GET."""

from starlette.requests import Request
from starlette.responses import Response

from streamsrv.http.request_body import read_body
from streamsrv.transports.telephony.call_events import CallEvents
from streamsrv.transports.telephony.providers.answers import Answer
from streamsrv.transports.telephony.providers.webhook import Webhook
from streamsrv.transports.telephony.webhooks import Webhooks, whole_url

MAX_BODY_BYTES = 64 * 1024
"""Longest body of a webhook; those of providers have some kB."""


async def call_rings(request: Request) -> Response:
    """Say what becomes of a call, in the provider's own form."""
    events: CallEvents = request.app.state.call_events
    provider = request.path_params["provider"]
    return _written(events.asked(provider, await _read(request, provider, f"/{provider}")))


async def status(request: Request) -> Response:
    """Take what a provider reports of a call: that it has ended, or that a machine has answered."""
    events: CallEvents = request.app.state.call_events
    provider = request.path_params["provider"]
    return _written(events.reported(provider, await _read(request, provider, f"/{provider}/status")))


def _written(answer: Answer) -> Response:
    return Response(answer.body, answer.status, media_type=answer.media_type, headers={"Cache-Control": "no-store"})


async def _read(request: Request, provider: str, path: str) -> Webhook:
    """Read and check a request; `path`: below the path of all calls. Raises `Refusal` or `ProtocolError`."""
    webhooks: Webhooks = request.app.state.webhooks
    webhooks.provider(provider)  # refuse before the body is read
    body = b"" if request.method == "GET" else await read_body(request, MAX_BODY_BYTES)
    url = whole_url(webhooks, path, request.url.query)
    read = Webhook(request.method, url, {name.lower(): value for name, value in request.headers.items()}, body)
    webhooks.check(provider, read)
    return read
