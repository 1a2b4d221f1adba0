"""`/v1/calls/{provider}`: what telephone providers ask when a call rings. Some of them send it by GET."""

from starlette.requests import Request
from starlette.responses import Response

from streamsrv.http.request_body import read_body
from streamsrv.transports.telephony.providers.webhook import Webhook
from streamsrv.transports.telephony.webhooks import Webhooks, whole_url

MAX_BODY_BYTES = 64 * 1024
"""Longest body of a webhook; those of providers have some kB."""


async def call_rings(request: Request) -> Response:
    """Say what becomes of a call, in the provider's own form."""
    webhooks: Webhooks = request.app.state.webhooks
    provider = request.path_params["provider"]
    webhooks.provider(provider)  # refuse before the body is read
    asked = await read_webhook(request, f"/{provider}")
    webhooks.check(provider, asked)
    answer = webhooks.answer(provider, asked)
    return Response(answer.body, answer.status, media_type=answer.media_type, headers={"Cache-Control": "no-store"})


async def read_webhook(request: Request, path: str) -> Webhook:
    """Read a request; `path`: below the path of all calls. Raises `Refusal`."""
    body = b"" if request.method == "GET" else await read_body(request, MAX_BODY_BYTES)
    url = whole_url(request.app.state.webhooks, path, request.url.query)
    return Webhook(request.method, url, {name.lower(): value for name, value in request.headers.items()}, body)
