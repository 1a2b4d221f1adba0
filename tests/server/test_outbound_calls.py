"""`POST /v1/calls`, answering machines, and Telnyx's Call Control, with a fake of the providers' REST APIs."""

import base64
import http.client
import json
import time
import xml.etree.ElementTree as ET
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twilio.request_validator import RequestValidator

from fake_provider_api import FakeProviderApi, fake_provider_api
from serving import RunningServer, serving
from streamsrv.testing.fakes import fake_engines
from streamsrv.transports.telephony.tokens import TOKEN_PARAMETER, Admitted

PUBLIC = "https://voice.example.org"
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
OUTBOUND = {"outbound": True, "outbound_to": ["+49*"], "outbound_from": ["+4930999"]}
TWILIO = {"name": "twilio", "account": "AC1", "auth_token_variable": "T_TOKEN"}
TELNYX = {"name": "telnyx", "public_key": PUBLIC_KEY, "api_key_variable": "T_TOKEN", "application": "app-1"}
AGENTS = [
    {"name": "desk", "numbers": ["+4930999"], "greeting": "Hello."},
    {"name": "reminder", "numbers": ["+4930998"], "greeting": "Hello.", "voicemail": "Please call us back."},
]
ASKED = {"to": "+4915123", "agent": "desk"}


@contextmanager
def running(**changed: Any) -> Generator[tuple[RunningServer, FakeProviderApi]]:
    with pytest.MonkeyPatch.context() as patch, fake_provider_api() as fake:
        patch.setenv("T_TOKEN", "token")
        changes = {name: value for name, value in (OUTBOUND | changed).items() if value is not None}
        tables = [table | changes | {"api_url": fake.url} for table in (TWILIO, TELNYX)]
        settings: dict[str, Any] = {"public_url": PUBLIC, "phone_number": AGENTS, "phone_provider": tables}
        with serving(fake_engines(), api_keys="secret", **settings) as server:
            yield server, fake


@pytest.fixture(scope="module")
def both() -> Generator[tuple[RunningServer, FakeProviderApi]]:
    with running() as pair:
        yield pair


def send(server: RunningServer, path: str, body: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    got = response.status, response.read()
    connection.close()
    return got


def call(server: RunningServer, key: str = "secret", **fields: Any) -> tuple[int, Any]:
    body = json.dumps({"provider": "twilio"} | ASKED | fields)
    status, answer = send(server, "/v1/calls", body, authorization=f"Bearer {key}")
    return status, json.loads(answer)


def by_twilio(server: RunningServer, url: str, form: dict[str, str]) -> bytes:
    signature = RequestValidator("token").compute_signature(url, form)
    headers = {"x_twilio_signature": signature, "content_type": "application/x-www-form-urlencoded"}
    status, answer = send(server, url.removeprefix(PUBLIC), urlencode(form), **headers)
    assert status == 200
    return answer


def by_telnyx(server: RunningServer, event: str, path: str = "/v1/calls/telnyx", **payload: str) -> None:
    body = json.dumps({"data": {"event_type": event, "payload": payload}})
    now_s = str(int(time.time()))
    signature = base64.b64encode(KEY.sign(f"{now_s}|{body}".encode())).decode()
    headers = {"telnyx_signature_ed25519": signature, "telnyx_timestamp": now_s, "content_type": "application/json"}
    assert send(server, path, body, **headers)[0] == 200


def redeem(server: RunningServer, token: str, provider: str, call_id: str) -> Admitted:
    return server.app.state.phone_tokens.redeem(token, provider, call_id, time.time())


def token_of(twiml: bytes) -> str:
    parameter = ET.fromstring(twiml).find("./Connect/Stream/Parameter")
    assert parameter is not None
    return parameter.get("value", "")


def test_a_call_begins_and_is_streamed_when_it_is_answered(both: tuple[RunningServer, FakeProviderApi]):
    server, fake = both
    status, answer = call(server)
    assert (status, answer["provider_call_id"], answer["from"]) == (201, "CA-out", "+4930999")
    asked = fake.next()
    assert (asked.form["To"], asked.form["From"], asked.form["MachineDetection"]) == ("+4915123", "+4930999", "Enable")
    form = {"CallSid": "CA-out", "From": "+4930999", "To": "+4915123", "Direction": "outbound-api"}
    twiml = by_twilio(server, asked.form["Url"], form)
    admitted = redeem(server, token_of(twiml), "twilio", "CA-out")
    assert (admitted.agent.name, admitted.facts.direction) == ("desk", "outbound")
    assert admitted.principal is not None
    assert admitted.principal.key_id.startswith("key_")
    by_twilio(server, asked.form["StatusCallback"], {"CallSid": "CA-out", "CallStatus": "completed"})
    assert b"<Hangup" in by_twilio(server, asked.form["Url"], form | {"CallStatus": "in-progress"})


def test_a_machine_gets_the_message_of_the_agent(both: tuple[RunningServer, FakeProviderApi]):
    server, fake = both
    call(server, agent="reminder")
    begun = fake.next()
    assert begun.form["MachineDetection"] == "DetectMessageEnd"
    report = {"CallSid": "CA-out", "AnsweredBy": "machine_end_beep"}
    by_twilio(server, begun.form["AsyncAmdStatusCallback"], report)
    redirected = fake.next()
    assert redirected.path == "/Accounts/AC1/Calls/CA-out.json"
    form = {"CallSid": "CA-out", "CallStatus": "in-progress"}
    admitted = redeem(server, token_of(by_twilio(server, redirected.form["Url"], form)), "twilio", "CA-out")
    assert admitted.agent.rules.greeting == "Please call us back."
    assert (admitted.agent.rules.silence_prompts, admitted.agent.rules.goodbye) == ((), "")
    by_twilio(server, begun.form["AsyncAmdStatusCallback"], report)
    assert fake.asked.empty()
    by_twilio(server, begun.form["StatusCallback"], {"CallSid": "CA-out", "CallStatus": "completed"})


@pytest.mark.parametrize(
    ("fields", "status", "param", "words"),
    [
        ({"to": "+1900555"}, 400, "to", "may not be called; allowed are +49*"),
        ({"to": "+49x"}, 400, "to", "may not be called"),
        ({"from": "+1"}, 400, "from", "no number of ours; they are +4930999"),
        ({"agent": "nobody"}, 400, "agent", "they are desk, reminder"),
        ({"provider": "vonage"}, 400, "provider", "none of twilio, telnyx"),
        ({"provider": ""}, 400, "provider", "none of twilio, telnyx"),
        ({"too": "+49"}, 400, "too", "too"),
        ({"to": 5}, 400, "to", "to"),
        ({"to": ""}, 400, "to", "to"),
    ],
)
def test_calls_that_may_not_be_are_refused(
    both: tuple[RunningServer, FakeProviderApi], fields: dict[str, Any], status: int, param: str, words: str
):
    server, fake = both
    got, answer = call(server, **fields)
    assert (got, answer["error"]["param"]) == (status, param)
    assert words in answer["error"]["message"]
    assert fake.asked.empty()


def test_a_call_needs_an_api_key(both: tuple[RunningServer, FakeProviderApi]):
    assert call(both[0], key="other")[0] == 401


@pytest.mark.parametrize(("status", "told"), [(400, 400), (401, 502), (503, 503)])
def test_what_the_provider_refuses_is_told(both: tuple[RunningServer, FakeProviderApi], status: int, told: int):
    server, fake = both
    fake.status = status
    try:
        got, answer = call(server)
    finally:
        fake.status = 200
    fake.next()
    assert got == told
    assert f"twilio answered with status {status}" in answer["error"]["message"]
    assert len(server.app.state.outbound_calls) == 0


def test_calls_are_begun_at_a_bounded_rate():
    with running(outbound_per_minute=2) as (server, _):
        statuses = [call(server)[0] for _ in range(3)]
    assert statuses == [201, 201, 429]


def test_calls_begin_only_where_the_operator_says_so():
    with running(**dict.fromkeys(OUTBOUND)) as (server, fake):
        status, answer = call(server)
    assert (status, answer["error"]["code"]) == (403, "outbound_calls_not_allowed")
    assert fake.asked.empty()


def test_call_control_is_obeyed_by_commands(both: tuple[RunningServer, FakeProviderApi]):
    server, fake = both
    payload = {"call_control_id": "v3:in", "from": "+4915", "to": "+4930999", "direction": "incoming"}
    by_telnyx(server, "call.initiated", **payload)
    answered = fake.next()
    assert answered.path == "/calls/v3%3Ain/actions/answer"
    assert answered.json["stream_bidirectional_mode"] == "rtp"
    (token,) = parse_qs(urlsplit(answered.json["stream_url"]).query)[TOKEN_PARAMETER]
    assert redeem(server, token, "telnyx", "v3:in").agent.name == "desk"
    by_telnyx(server, "call.initiated", **payload | {"call_control_id": "v3:no", "to": "+1"})
    rejected = fake.next()
    assert (rejected.path, rejected.json) == ("/calls/v3%3Ano/actions/reject", {"cause": "CALL_REJECTED"})


def test_a_call_of_call_control_leaves_a_message(both: tuple[RunningServer, FakeProviderApi]):
    server, fake = both
    call(server, agent="reminder", provider="telnyx")
    path = fake.next().json["webhook_url"].removeprefix(PUBLIC)
    payload = {"call_control_id": "v3:out", "from": "+4930999", "to": "+4915123", "direction": "outgoing"}
    by_telnyx(server, "call.initiated", path, **payload)
    by_telnyx(server, "call.answered", path, **payload)
    assert fake.next().path == "/calls/v3%3Aout/actions/streaming_start"
    by_telnyx(server, "call.machine.detection.ended", path, **payload, result="machine")
    by_telnyx(server, "call.machine.greeting.ended", path, **payload, result="beep_detected")
    assert fake.next().path == "/calls/v3%3Aout/actions/streaming_stop"
    started = fake.next()
    (token,) = parse_qs(urlsplit(started.json["stream_url"]).query)[TOKEN_PARAMETER]
    assert redeem(server, token, "telnyx", "v3:out").agent.rules.greeting == "Please call us back."
    by_telnyx(server, "call.hangup", path, **payload)
    assert server.app.state.outbound_calls.named("telnyx", "v3:out") is None
