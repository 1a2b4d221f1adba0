"""Requests and streams that no provider sends: each is the sender's error, and does nothing else."""

import base64
import json
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from twilio.request_validator import RequestValidator

from fake_provider_api import FakeProviderApi, fake_provider_api
from serving import RunningServer, serving
from stream_starts import STARTS
from streamsrv.testing.fakes import fake_engines
from streamsrv.transports.telephony.providers.signatures import BadSignature, check_plivo, check_twilio
from streamsrv.transports.telephony.providers.webhook import BadWebhook, Webhook, checked_name
from test_phone_signatures import URL
from test_phone_sockets import closed, stream

PUBLIC = "https://voice.example.org"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
EXOTEL = {"authorization": f"Basic {base64.b64encode(b'exotel:pw').decode()}"}


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProviderApi]:
    with fake_provider_api() as running:
        yield running


@pytest.fixture(scope="module")
def server(fake: FakeProviderApi) -> Iterator[RunningServer]:
    providers = [
        {"name": "exotel", "webhook_password_variable": "E_PASSWORD"},
        {"name": "plivo", "account": "MA1", "auth_token_variable": "E_PASSWORD", "api_url": fake.url},
    ]
    agent = {"numbers": ["*"], "greeting": "Hello."}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("E_PASSWORD", "pw")
        with serving(fake_engines(), public_url=PUBLIC, phone_number=[agent], phone_provider=providers) as running:
            yield running


@pytest.mark.parametrize("path", ["exotel", "exotel/status"])
@pytest.mark.parametrize(
    ("query", "content_type", "body"),
    [
        ("?a=%ff", FORM, b"CallSid=1"),
        (f"?{'a=1&' * 300}", FORM, b"CallSid=1"),
        ("", FORM, b"CallSid=%ff"),
        ("", FORM, b"\xff"),
        ("", JSON, b"[1]"),
        ("", JSON, b"{"),
        ("", JSON, b'{"CallSid": {}}'),
        ("", FORM, b"CallSid=.."),
        ("", FORM, b"CallSid=1%0d%0aX:y"),
    ],
)
def test_what_cannot_be_read_is_a_bad_request(
    server: RunningServer, path: str, query: str, content_type: str, body: bytes
):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST", f"/v1/calls/{path}{query}", body, {"content-type": content_type, **EXOTEL})
    response = connection.getresponse()
    assert response.status == 400
    assert json.loads(response.read())["error"]["code"] == "invalid_value"
    connection.close()


def test_json_that_no_signature_covers_is_refused():
    body = b'{"CallSid": "CA1", "CallUUID": "1", "To": "+4930123"}'
    signed = {"x-twilio-signature": RequestValidator("token").compute_signature(URL, {}), "content-type": JSON}
    with pytest.raises(BadSignature, match="JSON"):
        check_twilio(Webhook("POST", URL, signed, body), "token")
    check_twilio(Webhook("POST", URL, signed), "token")
    signed = {"x-plivo-signature-v3": "any", "x-plivo-signature-v3-nonce": "n", "content-type": JSON}
    with pytest.raises(BadSignature, match="JSON"):
        check_plivo(Webhook("POST", URL, signed, body), "token")


@pytest.mark.parametrize("name", ["", ".", "..", "a\n", "\x00", "☃", "a" * 257])
def test_a_call_has_a_name_that_is_one_part_of_a_path(name: str):
    with pytest.raises(BadWebhook, match="CallSid"):
        checked_name(name, "CallSid")


@pytest.mark.parametrize("name", ["CA0123", "v3:T02llQxIyaRkhfRKxgAP8nY511EhFLizdvdUKJiSw8d6A9BborherQ", "a/b?c"])
def test_names_of_providers_are_taken(name: str):
    assert checked_name(name, "CallSid") == name


async def test_a_client_that_names_a_call_can_do_nothing_with_it_at_the_provider(
    server: RunningServer, fake: FakeProviderApi
):
    async with stream(server, STARTS["plivo"], "plivo") as socket:
        assert await socket.recv()
        [call] = server.app.state.live_calls
        call.hang_up("The test ends it.")
        assert (await closed(socket))[0] == 1000
    await server.without_sessions()
    assert fake.asked.empty()
