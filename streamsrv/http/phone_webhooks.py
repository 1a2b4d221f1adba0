"""`/v1/calls/{provider}`: what telephone providers ask when a call rings. Some of them send it by GET."""

from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from streamsrv.http.request_body import read_body
from streamsrv.protocol.errors import ProtocolError
from streamsrv.transports.telephony.call_events import CallEvents
from streamsrv.transports.telephony.providers.answers import Answer
from streamsrv.transports.telephony.providers.webhook import BadWebhook, Webhook
from streamsrv.transports.telephony.webhooks import Webhooks, whole_url

MAX_BODY_BYTES = 64 * 1024
"""Longest body of a webhook; those of providers have some kB."""


async def call_rings(request: Request) -> Response:
    """Say what becomes of a call, in the provider's own form."""
    events: CallEvents = request.app.state.call_events
    return await _answer(request, "", events.asked)


async def status(request: Request) -> Response:
    """Take what a provider reports of a call: that it has ended, or that a machine has answered."""
    events: CallEvents = request.app.state.call_events
    return await _answer(request, "/status", events.reported)


async def _answer(request: Request, path: str, decide: Callable[[str, Webhook], Answer]) -> Response:
    """Check a request, and answer it as `decide` says; `path`: below that of the provider."""
    provider = request.path_params["provider"]
    try:
        answer = decide(provider, await _read(request, provider, f"/{provider}{path}"))
    except BadWebhook as error:
        raise ProtocolError("invalid_value", str(error)) from None
    except ClientDisconnect:
        return Response(status_code=499)  # the provider is gone
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
