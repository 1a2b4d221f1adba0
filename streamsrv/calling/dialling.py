"""Calls a server as a provider does: rings at its webhook, and streams the call where the answer says."""

import asyncio
import secrets
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import replace
from http import HTTPStatus

from streamsrv.calling.call import CallPlan, CallReport, place_call
from streamsrv.calling.peers import PEERS
from streamsrv.calling.peers.base import Identity
from streamsrv.calling.ringing import NotAnswered, Request, Stream, read_answer, webhook
from streamsrv.calling.signing import sign_twilio
from streamsrv.calling.wires import CallFailed

WEBHOOK_S = 15.0
"""Seconds in which a server has to answer a webhook; providers wait about as long."""
MAX_ANSWER_BYTES = 256 * 1024
DEFAULT_ACCOUNT = "AC00000000000000000000000000000000"


def new_identity(provider: str, caller: str, called: str, account: str = "", **parameters: str) -> Identity:
    """Return a call with a name of its own, as the provider makes names."""
    name = uuid.uuid4()
    call_id = {"twilio": f"CA{name.hex}", "telnyx": f"v3:{name.hex}", "exotel": name.hex}.get(provider, str(name))
    stream = f"MZ{uuid.uuid4().hex}" if provider in ("twilio", "exotel") else str(uuid.uuid4())
    return Identity(call_id, caller, called, parameters, account or DEFAULT_ACCOUNT, stream)


async def ring(provider: str, call: Identity, server: str, secret: str = "", public_url: str = "") -> Stream:
    """Ring at `server` (http://host:port), and return the stream that it wants.

    `public_url`: the address that signatures are made for, if it is another one. Raises `CallFailed` if the server
    cannot be reached or refuses, and `NotAnswered` if it does not want the call.
    """
    told_public_url = bool(public_url)
    server, public_url = server.rstrip("/"), (public_url or server).rstrip("/")
    try:
        request = webhook(provider, call, public_url, secret, int(time.time()), secrets.token_hex(10))
    except ImportError as error:
        raise CallFailed("The package cryptography is missing: pip install 'streamsrv[telephony]'.") from error
    except ValueError as error:
        raise CallFailed(f"The secret is no key of {provider}: {error}") from error
    status, body = await asyncio.to_thread(_ask, server, request)
    try:
        stream = read_answer(provider, call, status, body)
    except NotAnswered as error:
        if status != HTTPStatus.FORBIDDEN or not secret or told_public_url:
            raise
        hint = f"It was signed for {server}: if the server's settings have another public_url, give that one, too."
        raise NotAnswered(f"{error} {hint}") from error
    public_socket = public_url.replace("http", "ws", 1)
    if not stream.url.startswith(("ws://", "wss://")):
        raise NotAnswered(f"The address {stream.url!r} of the stream is not one of a WebSocket.")
    return replace(stream, url=stream.url.replace(public_socket, server.replace("http", "ws", 1), 1))


async def dial(
    provider: str, call: Identity, server: str, plan: CallPlan, secret: str = "", public_url: str = ""
) -> CallReport:
    """Ring at a server and stream the call; `plan.url` is that of the answer. Raises as `ring` and `place_call`."""
    stream = await ring(provider, call, server, secret, public_url)
    headers = dict(plan.headers)
    if provider == "twilio" and secret:
        signed = stream.url.replace(server.rstrip("/").replace("http", "ws", 1), _socket(public_url or server), 1)
        headers |= sign_twilio(secret, signed)
    return await place_call(stream.peer, replace(plan, url=stream.url, headers=headers))


async def stream_straight(provider: str, call: Identity, plan: CallPlan) -> CallReport:
    """Stream a call to `plan.url` without a webhook; raises as `place_call`.

    Parameters tell what the streams of some providers do not: the numbers, and the name of the call.
    """
    told = {"from": call.caller, "to": call.called, "call_id": call.call_id}
    call = replace(call, parameters=told | dict(call.parameters))
    return await place_call(PEERS[provider](call), plan)


def _socket(url: str) -> str:
    return url.rstrip("/").replace("http", "ws", 1)


def _ask(server: str, request: Request) -> tuple[int, str]:
    """Send a request, and return status and body."""
    url = f"{server}{request.path}"
    asked = urllib.request.Request(url, request.body or None, request.headers, method=request.method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(asked, timeout=WEBHOOK_S) as answer:
            return answer.status, answer.read(MAX_ANSWER_BYTES).decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read(MAX_ANSWER_BYTES).decode(errors="replace")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        reason = getattr(reason, "strerror", None) or reason
        raise CallFailed(f"{url} cannot be reached: {reason}; is the server running? (streamsrv serve)") from error
