"""`/v1/calls/{provider}`: the webhooks of telephone providers on a running server."""

import asyncio
import base64
import http.client
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from serving import RunningServer, serving
from stream_starts import TWILIO_START, changed
from streamsrv.testing.fakes import fake_engines
from streamsrv.transports.telephony.tokens import MAX_TOKENS, TOKEN_PARAMETER, Admitted, TokenRefused

PUBLIC = "https://voice.example.org/app"
CALL = {"CallSid": "CA1", "From": "+15550001", "To": "+4930123", "Direction": "inbound"}
SECRETS = {"T_TOKEN": "token", "P_TOKEN": "token", "E_PASSWORD": "pw"}
PROVIDERS = [
    {"name": "twilio", "account": "AC1", "auth_token_variable": "T_TOKEN"},
    {"name": "exotel", "webhook_password_variable": "E_PASSWORD"},
    {"name": "vonage", "signature_secret_variable": "NOT_SET"},
    {"name": "plivo"},
]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        agent = {"name": "desk", "numbers": ["+4930123"], "greeting": "Hello."}
        with serving(fake_engines(), public_url=PUBLIC, phone_number=[agent], phone_provider=PROVIDERS) as running:
            yield running


@dataclass(frozen=True)
class Got:
    status: int
    media_type: str
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.body)["error"]

    @property
    def xml(self) -> ET.Element:
        return ET.fromstring(self.body)


def ask(server: RunningServer, path: str, body: str = "", method: str = "POST", **headers: str) -> Got:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if method == "POST":
        given["content-type"] = "application/x-www-form-urlencoded"
    connection.request(method, path, body or None, given)
    response = connection.getresponse()
    got = Got(response.status, response.headers.get_content_type(), response.read())
    connection.close()
    return got


def by_twilio(server: RunningServer, form: dict[str, str], query: str = "") -> Got:
    signature = RequestValidator("token").compute_signature(f"{PUBLIC}/v1/calls/twilio{query}", form)
    return ask(server, f"/v1/calls/twilio{query}", urlencode(form), x_twilio_signature=signature)


def redeem(server: RunningServer, token: str, provider: str, call_id: str) -> Admitted:
    webhooks = server.app.state.webhooks
    return server.app.state.phone_tokens.redeem(token, provider, call_id, webhooks.now_s())


def test_twilio_is_told_where_to_stream_a_call(server: RunningServer):
    got = by_twilio(server, CALL | {"CallSid": "CA-stream"})
    assert (got.status, got.media_type) == (200, "application/xml")
    stream = got.xml.find("./Connect/Stream")
    assert stream is not None
    assert stream.get("url") == "wss://voice.example.org/app/v1/calls/twilio/media"
    parameter = stream.find("Parameter")
    assert parameter is not None
    assert parameter.get("name") == TOKEN_PARAMETER
    admitted = redeem(server, parameter.get("value", ""), "twilio", "CA-stream")
    assert (admitted.facts.caller, admitted.facts.called, admitted.agent.name) == ("+15550001", "+4930123", "desk")


@pytest.mark.parametrize(("sign", "heard"), [("token", True), ("other", False), ("", False)])
async def test_a_socket_of_twilio_is_signed_and_brings_its_token(server: RunningServer, sign: str, heard: bool):
    call_id = f"CA-socket-{sign}"
    parameter = by_twilio(server, CALL | {"CallSid": call_id}).xml.find("./Connect/Stream/Parameter")
    assert parameter is not None
    url = "wss://voice.example.org/app/v1/calls/twilio/media"
    headers = {"X-Twilio-Signature": RequestValidator(sign).compute_signature(url, {})} if sign else {}
    address = f"ws://127.0.0.1:{server.port}/v1/calls/twilio/media"
    start = changed(TWILIO_START, "start/callSid", call_id)
    start = changed(start, "start/customParameters", {TOKEN_PARAMETER: parameter.get("value")})
    async with asyncio.timeout(20):
        if sign == "other":
            with pytest.raises(InvalidStatus, match="403"):
                await connect(address, additional_headers=headers)
            return
        async with connect(address, additional_headers=headers) as socket:
            await socket.send(json.dumps(start))
            if heard:
                assert json.loads(await socket.recv())["event"] == "media"
                return
            with pytest.raises(ConnectionClosed, match="not signed"):
                await socket.recv()


def test_a_number_that_nobody_answers_is_rejected(server: RunningServer):
    got = by_twilio(server, CALL | {"CallSid": "CA-nobody", "To": "+1900"})
    reject = got.xml.find("Reject")
    assert reject is not None
    assert reject.get("reason") == "rejected"


def test_a_line_is_busy_while_too_many_calls_have_not_come(server: RunningServer):
    tokens = server.app.state.phone_tokens
    now_s = server.app.state.webhooks.now_s()
    got = by_twilio(server, CALL | {"CallSid": "CA-last"})
    token = got.xml.find("./Connect/Stream/Parameter")
    assert token is not None
    admitted = redeem(server, token.get("value", ""), "twilio", "CA-last")
    held = [tokens.issue(admitted, now_s) for _ in range(MAX_TOKENS - len(tokens))]
    try:
        reject = by_twilio(server, CALL | {"CallSid": "CA-busy"}).xml.find("Reject")
    finally:
        for one in held:
            tokens.redeem(one, "twilio", "CA-last", now_s)
    assert reject is not None
    assert reject.get("reason") == "busy"


def test_a_request_that_is_sent_again_gets_no_second_token(server: RunningServer):
    first, second = (by_twilio(server, CALL | {"CallSid": "CA-twice"}) for _ in range(2))
    assert first.body == second.body
    token = first.xml.find("./Connect/Stream/Parameter")
    assert token is not None
    redeem(server, token.get("value", ""), "twilio", "CA-twice")
    with pytest.raises(TokenRefused):
        redeem(server, token.get("value", ""), "twilio", "CA-twice")
    webhooks = server.app.state.webhooks
    now_s = webhooks.now_s
    webhooks.now_s = lambda: now_s() + 100
    try:
        replayed = by_twilio(server, CALL | {"CallSid": "CA-twice"})
    finally:
        webhooks.now_s = now_s
    assert (replayed.status, replayed.error["code"]) == (409, "request_replayed")


@pytest.mark.parametrize("signature", ["", "x", base64.b64encode(b"x" * 20).decode()])
def test_a_wrong_signature_is_refused(server: RunningServer, signature: str):
    headers = {"x_twilio_signature": signature} if signature else {}
    got = ask(server, "/v1/calls/twilio", urlencode(CALL), **headers)
    assert (got.status, got.error["code"]) == (403, "invalid_signature")


def test_a_call_without_its_id_is_refused(server: RunningServer):
    got = by_twilio(server, {"From": "+1555"})
    assert (got.status, got.error["message"]) == (400, "The field 'CallSid' is missing.")


@pytest.mark.parametrize(
    ("provider", "status", "code", "words"),
    [
        ("skype", 404, "provider_not_found", "twilio, telnyx"),
        ("telnyx", 503, "phone_provider_not_configured", "[[phone_provider]] table with name = 'telnyx'"),
        ("plivo", 503, "phone_provider_not_configured", "set auth_token_variable"),
        ("vonage", 503, "phone_provider_not_configured", "variable that signature_secret_variable of vonage names"),
    ],
)
def test_a_provider_that_cannot_be_checked_is_refused(
    server: RunningServer, provider: str, status: int, code: str, words: str
):
    got = ask(server, f"/v1/calls/{provider}", urlencode(CALL))
    assert (got.status, got.error["code"]) == (status, code)
    assert words in got.error["message"]


def test_a_server_without_a_public_address_takes_no_calls():
    with serving(fake_engines()) as server:
        got = ask(server, "/v1/calls/twilio", urlencode(CALL))
    assert (got.status, got.error["code"]) == (503, "phone_provider_not_configured")
    assert "public_url" in got.error["message"]


def test_a_body_is_bounded(server: RunningServer):
    got = ask(server, "/v1/calls/twilio", "x" * 70_000)
    assert got.status == 413


def test_exotel_gets_an_address_with_a_token(server: RunningServer):
    query = urlencode({"CallSid": "e1", "CallFrom": "0155500", "CallTo": "+4930123"})
    basic = f"Basic {base64.b64encode(b'exotel:pw').decode()}"
    got = ask(server, f"/v1/calls/exotel?{query}", method="GET", authorization=basic)
    url = urlsplit(str(json.loads(got.body)["url"]))
    assert (url.scheme, url.path) == ("wss", "/app/v1/calls/exotel/media")
    (token,) = parse_qs(url.query)[TOKEN_PARAMETER]
    assert redeem(server, token, "exotel", "e1").facts.caller == "0155500"
    assert ask(server, f"/v1/calls/exotel?{query}", method="GET").status == 403
