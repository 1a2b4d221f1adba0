"""The decisions about a call that rings, and the webhook that asks for one. No event loop."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from openai import InvalidWebhookSignatureError, OpenAI

from streamsrv.access.refusal import Refusal
from streamsrv.protocol.session_object import Session
from streamsrv.transports.telephony.application.incoming_event import (
    UnusableSecret,
    incoming_event,
    signed_headers,
    sip_headers,
)
from streamsrv.transports.telephony.application.pending_call import (
    Accepted,
    CallerLeft,
    HungUp,
    PendingCall,
    Referred,
    Rejected,
    Unanswered,
)
from streamsrv.transports.telephony.line import CallFacts

SESSION = Session(id="sess_1")
TWILIO = CallFacts("twilio", "CA1", "+491701234567", "+4930123456", parameters={"shop": "7"})


def begin_and_end_refer(call: PendingCall) -> None:
    call.begin_refer()
    call.end_refer("tel:+1", done=True)


DECISIONS: dict[str, tuple[Callable[[PendingCall], Any], Any, str]] = {
    "accept": (lambda call: call.accept(SESSION), Accepted(SESSION), "accepted"),
    "reject": (lambda call: call.reject(486), Rejected(486), "rejected"),
    "refer": (begin_and_end_refer, Referred("tel:+1"), "referred"),
    "hang up": (lambda call: call.hang_up(), HungUp(), "hung up"),
}


@pytest.mark.parametrize("first", DECISIONS)
@pytest.mark.parametrize("second", DECISIONS)
def test_the_first_decision_is_taken_and_a_later_one_refused(first: str, second: str) -> None:
    call = PendingCall("rtc_1")
    assert call.decision is None
    decide, decision, past = DECISIONS[first]
    decide(call)
    assert call.decision == decision
    with pytest.raises(Refusal) as refused:
        DECISIONS[second][0](call)
    assert (refused.value.status, refused.value.code, refused.value.param) == (409, "call_not_ringing", "call_id")
    assert past in refused.value.message
    call.caller_left()
    call.unanswered("It took too long.")
    assert call.decision == decision


@pytest.mark.parametrize("decide", [d[0] for d in DECISIONS.values()], ids=DECISIONS)
@pytest.mark.parametrize(
    ("end", "decision"),
    [
        (lambda call: call.caller_left(), CallerLeft()),
        (lambda call: call.unanswered("It took too long."), Unanswered("It took too long.")),
    ],
    ids=["the caller leaves", "nobody answers"],
)
def test_nothing_can_be_decided_once_it_rings_no_more(
    decide: Callable[[PendingCall], Any], end: Callable[[PendingCall], Any], decision: object
) -> None:
    call = PendingCall("rtc_1")
    end(call)
    with pytest.raises(Refusal):
        decide(call)
    assert call.decision == decision


@pytest.mark.parametrize("other", ["accept", "reject", "refer"])
def test_while_a_call_is_referred_only_a_hang_up_is_taken(other: str) -> None:
    call = PendingCall("rtc_1")
    call.begin_refer()
    with pytest.raises(Refusal, match="being referred"):
        DECISIONS[other][0](call)
    call.hang_up()
    call.end_refer("tel:+1", done=True)
    assert call.decision == HungUp()


def test_a_call_rings_on_after_a_transfer_that_failed() -> None:
    call = PendingCall("rtc_1")
    call.begin_refer()
    call.end_refer("tel:+1", done=False)
    assert call.decision is None
    call.accept(SESSION)


@pytest.mark.parametrize("done", [True, False])
def test_the_time_that_ends_during_a_transfer_counts_only_if_that_fails(done: bool) -> None:
    call = PendingCall("rtc_1")
    call.begin_refer()
    call.unanswered("It took too long.")
    assert call.decision is None
    call.end_refer("tel:+1", done=done)
    assert call.decision == (Referred("tel:+1") if done else Unanswered("It took too long."))


@pytest.mark.parametrize("secret", ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "any text", "schlüssel"])
def test_the_stock_package_unwraps_the_webhook(secret: str) -> None:
    client = OpenAI(api_key="any", webhook_secret=secret)
    now = int(time.time())
    body = incoming_event("rtc_1", TWILIO, "evt_1", now)
    headers = signed_headers(secret, "wh_1", now, body)
    event = client.webhooks.unwrap(body, headers)
    assert event.type == "realtime.call.incoming"
    assert (event.id, event.object, event.created_at, event.data.call_id) == ("evt_1", "event", now, "rtc_1")
    for changed in (body.replace(b"rtc_1", b"rtc_2"), body + b" "):
        with pytest.raises(InvalidWebhookSignatureError):
            client.webhooks.unwrap(changed, headers)
    with pytest.raises(InvalidWebhookSignatureError):
        client.webhooks.unwrap(body, {**headers, "webhook-id": "wh_2"})


def test_the_signature_is_that_of_the_standard_webhooks_specification() -> None:
    headers = signed_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64!", ""])
def test_a_secret_that_cannot_sign_is_refused_without_being_told(secret: str) -> None:
    with pytest.raises(UnusableSecret) as refused:
        signed_headers(secret, "wh_1", 1, b"{}")
    assert "not base64" not in str(refused.value)


def test_the_headers_of_a_provider_that_does_not_speak_sip() -> None:
    assert sip_headers(TWILIO) == [
        ("From", "sip:+491701234567@twilio.invalid"),
        ("To", "sip:+4930123456@twilio.invalid"),
        ("Call-ID", "CA1"),
        ("shop", "7"),
    ]


def test_a_caller_without_a_number_is_anonymous() -> None:
    assert sip_headers(CallFacts("exotel", "1"))[0] == ("From", "sip:anonymous@anonymous.invalid")


@pytest.mark.parametrize("name", ["From", "from", "CALL-ID", "To"])
def test_custom_parameters_do_not_stand_for_the_headers_of_the_network(name: str) -> None:
    facts = CallFacts("twilio", "CA1", "+1", "+2", parameters={name: "forged"})
    assert [value for _, value in sip_headers(facts)] == ["sip:+1@twilio.invalid", "sip:+2@twilio.invalid", "CA1"]


def test_the_headers_of_a_sip_call_are_those_of_its_invite_without_credentials() -> None:
    invite = {
        "Via": "SIP/2.0/UDP 10.0.0.1",
        "from": '"Ann" <sip:ann@example.com>;tag=1',
        "To": "<sip:100@example.org>",
        "Proxy-Authorization": "Digest secret",
        "authorization": "Digest secret",
        "X-Shop": "7",
    }
    facts = CallFacts("sip", "abc@10.0.0.1", "ann", "100", parameters=invite)
    assert sip_headers(facts) == [
        ("Call-ID", "abc@10.0.0.1"),
        ("Via", "SIP/2.0/UDP 10.0.0.1"),
        ("from", '"Ann" <sip:ann@example.com>;tag=1'),
        ("To", "<sip:100@example.org>"),
        ("X-Shop", "7"),
    ]


def test_headers_are_bounded_and_any_text_can_be_sent() -> None:
    parameters = {f"p{number}": "\udcff" * 10_000 for number in range(500)}
    body = incoming_event("rtc_1", CallFacts("twilio", "CA1", parameters=parameters), "evt_1", 1)
    assert len(body) < 1_000_000
    assert len(json.loads(body)["data"]["sip_headers"]) == 100
