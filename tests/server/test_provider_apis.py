"""What providers are asked over their REST APIs, by a fake of these: hang up, transfer, begin, and their errors."""

import asyncio
import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fake_provider_api import FakeProviderApi, fake_provider_api
from streamsrv.errors import Rejected, Unavailable
from streamsrv.settings import Settings
from streamsrv.transports.telephony.line import CallFacts
from streamsrv.transports.telephony.provider_apis import ProviderApi, ProviderApis
from streamsrv.transports.telephony.providers.rest_requests import Outgoing

KEY = generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
ENVIRON = {"TOKEN": "token", "API_KEY": "key", "PEM": PEM.replace("\n", "\\n")}
TABLES = [
    {"name": "twilio", "account": "AC1", "auth_token_variable": "TOKEN"},
    {"name": "telnyx", "api_key_variable": "API_KEY", "application": "app-1"},
    {"name": "plivo", "account": "MA1", "auth_token_variable": "TOKEN"},
    {"name": "vonage", "application": "app-1", "private_key_variable": "PEM"},
    {
        "name": "exotel",
        "account": "ex1",
        "api_key_variable": "API_KEY",
        "api_token_variable": "TOKEN",
        "application": "7",
    },
]
OUTGOING = Outgoing("+4930123", "+4930999", "https://v.example/a", "https://v.example/s", True, True, "key")
BASIC = {name: "Basic " + base64.b64encode(pair).decode() for name, pair in {
    "twilio": b"AC1:token", "plivo": b"MA1:token", "exotel": b"key:token"}.items()}  # fmt: skip


@pytest.fixture
def fake() -> Iterator[FakeProviderApi]:
    with fake_provider_api() as running:
        yield running


def api(fake: FakeProviderApi, name: str) -> ProviderApi:
    tables = [table | {"api_url": fake.url} for table in TABLES]
    settings = Settings(phone_provider=tables)  # type: ignore[arg-type]
    found = ProviderApis(lambda: settings, lambda _: "https://v.example/?dial=", ENVIRON).of(name)
    assert found is not None
    return found


def facts(name: str) -> CallFacts:
    return CallFacts(name, "id/1", "+4915", "+4930999")


@pytest.mark.parametrize(
    ("name", "method", "path", "body"),
    [
        ("twilio", "POST", "/Accounts/AC1/Calls/id%2F1.json", {"Status": "completed"}),
        ("telnyx", "POST", "/calls/id%2F1/actions/hangup", {}),
        ("plivo", "DELETE", "/Account/MA1/Call/id%2F1/", None),
        ("vonage", "PUT", "/calls/id%2F1", {"action": "hangup"}),
    ],
)
async def test_a_call_is_ended(fake: FakeProviderApi, name: str, method: str, path: str, body: Any):
    await api(fake, name).hang_up(facts(name))
    asked = fake.next()
    assert (asked.method, asked.path) == (method, path)
    assert (asked.form if name == "twilio" else asked.json if asked.body else None) == body


async def test_a_call_of_exotel_ends_with_its_stream(fake: FakeProviderApi):
    await api(fake, "exotel").hang_up(facts("exotel"))
    assert fake.asked.empty()


@pytest.mark.parametrize("status", [404, 422])
async def test_a_call_that_has_ended_needs_no_end(fake: FakeProviderApi, status: int):
    fake.status = status
    await api(fake, "telnyx").hang_up(facts("telnyx"))


@pytest.mark.parametrize(
    ("name", "destination", "words"),
    [
        ("twilio", "+4930555", "<Dial><Number>+4930555</Number></Dial>"),
        ("twilio", "sip:desk@pbx.example", "<Dial><Sip>sip:desk@pbx.example</Sip></Dial>"),
        ("telnyx", "tel:+4930555", '"to":"+4930555"'),
        ("telnyx", "TEL:+49-(30).555", '"to":"+4930555"'),
        ("twilio", "SIP:desk@pbx.example", "<Dial><Sip>sip:desk@pbx.example</Sip></Dial>"),
        ("plivo", "+4930555", f"https://v.example/?dial={b'+4930555'.hex()}"),
        ("vonage", "+4930555", '"number":"4930555"'),
        ("vonage", "sip:desk@pbx.example", '"uri":"sip:desk@pbx.example"'),
    ],
)
async def test_a_call_is_transferred(fake: FakeProviderApi, name: str, destination: str, words: str):
    await api(fake, name).transfer(facts(name), destination)
    asked = fake.next()
    text = asked.form["Twiml"] if name == "twilio" else asked.body.decode().replace('": ', '":')
    assert words in text


@pytest.mark.parametrize("destination", ["", "nobody", "sip:a<b>@c", "+49&x", "sip:a b@c", "sip:a\x01@b", "tel:-"])
async def test_a_call_is_transferred_only_to_a_telephone(fake: FakeProviderApi, destination: str):
    with pytest.raises(Rejected, match="is not a number"):
        await api(fake, "twilio").transfer(facts("twilio"), destination)
    assert fake.asked.empty()


async def test_exotel_transfers_nothing(fake: FakeProviderApi):
    with pytest.raises(Rejected, match="no transfers"):
        await api(fake, "exotel").transfer(facts("exotel"), "+4930555")


@pytest.mark.parametrize(
    ("name", "call_id", "path", "fields"),
    [
        ("twilio", "CA-out", "/Accounts/AC1/Calls.json", {"To": "+4930123", "MachineDetection": "DetectMessageEnd"}),
        ("telnyx", "v3:out", "/calls", {"connection_id": "app-1", "answering_machine_detection": "greeting_end"}),
        ("plivo", "plivo-out", "/Account/MA1/Call/", {"to": "4930123", "machine_detection": "true"}),
        ("vonage", "vonage-out", "/calls", {"answer_url": ["https://v.example/a"], "answer_method": "POST"}),
        ("exotel", "exotel-out", "/Accounts/ex1/Calls/connect.json", {"CallerId": "+4930999", "CustomField": "key"}),
    ],
)
async def test_a_call_begins(fake: FakeProviderApi, name: str, call_id: str, path: str, fields: dict[str, Any]):
    assert await api(fake, name).begin(OUTGOING) == call_id
    asked = fake.next()
    assert (asked.method, asked.path) == ("POST", path)
    told = asked.form if name in ("twilio", "exotel") else asked.json
    assert {field: told[field] for field in fields} == fields
    if name in BASIC:
        assert asked.headers["authorization"] == BASIC[name]


async def test_machines_are_looked_for_only_if_that_is_wanted(fake: FakeProviderApi):
    for name in ("twilio", "telnyx", "plivo", "vonage"):
        await api(fake, name).begin(replace(OUTGOING, detects_machines=False))
        assert b"achine" not in fake.next().body


async def test_vonage_gets_a_token_of_the_application(fake: FakeProviderApi):
    await api(fake, "vonage").hang_up(facts("vonage"))
    scheme, _, token = fake.next().headers["authorization"].partition(" ")
    claims = jwt.decode(token, KEY.public_key(), algorithms=["RS256"])
    assert (scheme, claims["application_id"]) == ("Bearer", "app-1")


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (401, b'{"message": "Authenticate"}', Unavailable, "status 401: Authenticate"),
        (400, b'{"code": 21211, "message": "The To number is not valid."}', Rejected, "The To number is not valid."),
        (422, b'{"errors": [{"detail": "Invalid destination"}]}', Rejected, "Invalid destination"),
        (429, b"", Unavailable, "status 429"),
        (503, b"<html>", Unavailable, "status 503: <html>"),
        (200, b"no json", Unavailable, "did not say which call"),
        (200, b"[]", Unavailable, "did not say which call"),
        (200, b"x" * 300_000, Unavailable, "longer than"),
    ],
)
async def test_errors_of_a_provider_are_told(
    fake: FakeProviderApi, status: int, body: bytes, error: type[Exception], words: str
):
    fake.status, fake.answer = status, body
    with pytest.raises(error, match=words):
        await api(fake, "twilio").begin(OUTGOING)


async def test_a_provider_that_cannot_be_reached_is_told(fake: FakeProviderApi):
    found = api(FakeProviderApi(url="http://127.0.0.1:1"), "twilio")
    with pytest.raises(Unavailable, match="twilio cannot be reached"):
        await asyncio.wait_for(found.hang_up(facts("twilio")), 20)


def test_a_provider_without_what_its_api_needs_has_none():
    settings = Settings(phone_provider=[{"name": "twilio", "auth_token_variable": "TOKEN"}])  # type: ignore[arg-type]
    apis = ProviderApis(lambda: settings, lambda _: "", ENVIRON)
    assert (apis.of("twilio"), apis.of("telnyx")) == (None, None)


async def test_a_secret_that_is_not_set_is_told(fake: FakeProviderApi):
    tables = [TABLES[0] | {"api_url": fake.url}]
    settings = Settings(phone_provider=tables)  # type: ignore[arg-type]
    found = ProviderApis(lambda: settings, lambda _: "", {}).of("twilio")
    assert found is not None
    with pytest.raises(Unavailable, match="auth_token_variable of twilio names is not set"):
        await found.hang_up(facts("twilio"))
