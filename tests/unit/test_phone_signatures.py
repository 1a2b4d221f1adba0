"""The signatures of telephone providers; Twilio's against the validator of its own package."""

import base64
import hmac
import json
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twilio.request_validator import RequestValidator

from streamsrv.transports.telephony.providers.signatures import (
    BadSignature,
    check_password,
    check_plivo,
    check_telnyx,
    check_twilio,
    check_vonage,
)
from streamsrv.transports.telephony.providers.webhook import Webhook

URL = "https://voice.example.org/v1/calls/twilio"
FORM = {"CallSid": "CA1", "From": "+15550001", "To": "+4930123", "Überfall": "schön & gut", "Empty": ""}
NOW_S = 1_790_000_000


def posted(url: str, form: dict[str, str], **headers: str) -> Webhook:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Webhook("POST", url, {"content-type": "application/x-www-form-urlencoded"} | given, urlencode(form).encode())


@pytest.mark.parametrize("url", [URL, f"{URL}?a=1&b=%20x", "wss://voice.example.org/v1/calls/twilio/media"])
@pytest.mark.parametrize("port", ["", ":443"])
@pytest.mark.parametrize("algorithm", ["HMAC_SHA1", "HMAC_SHA256"])
def test_what_twilio_signs_is_accepted(url: str, port: str, algorithm: str):
    signed_url = url.replace("example.org", f"example.org{port}")
    form = {} if url.startswith("wss") else FORM
    signature = RequestValidator("token").compute_signature(signed_url, form, algorithm)
    headers = {"x_twilio_signature": signature}
    if algorithm == "HMAC_SHA256":
        headers["x_twilio_webhooks_signature_settings"] = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"
    check_twilio(posted(url, form, **headers), "token")
    with pytest.raises(BadSignature, match="wrong"):
        check_twilio(posted(url, form | {"To": "+1900"}, **headers), "token")
    with pytest.raises(BadSignature, match="wrong"):
        check_twilio(posted(url, form, **headers), "another")


def test_a_shared_key_of_twilio_signs_only_sha256():
    settings = "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"
    signature = RequestValidator("shared").compute_signature(URL, FORM, "HMAC_SHA256")
    request = posted(URL, FORM, x_twilio_signature=signature, x_twilio_webhooks_signature_settings=settings)
    check_twilio(request, "token", "shared")
    with pytest.raises(BadSignature):
        check_twilio(request, "token")


def test_a_form_with_repeated_fields_is_signed_as_twilio_does():
    signature = RequestValidator("token").compute_signature(URL, {"a": "2", "b": "1"})
    request = Webhook("POST", URL, {"x-twilio-signature": signature}, b"b=1&a=2&a=2")
    check_twilio(request, "token")


def test_a_body_of_json_is_known_by_its_hash():
    body = b'{"a": 1}'
    url = f"{URL}?bodySHA256={sha256(body).hexdigest()}"
    signature = RequestValidator("token").compute_signature(url, {})
    headers = {"x-twilio-signature": signature, "content-type": "application/json"}
    assert RequestValidator("token").validate(url, body.decode(), signature)
    check_twilio(Webhook("POST", url, headers, body), "token")
    with pytest.raises(BadSignature, match="bodySHA256"):
        check_twilio(Webhook("POST", url, headers, b'{"a": 2}'), "token")


def test_a_signature_that_is_missing_or_unknown_is_told():
    with pytest.raises(BadSignature, match="x-twilio-signature is missing"):
        check_twilio(posted(URL, FORM), "token")
    settings = "algorithm=HMAC_MD5"
    with pytest.raises(BadSignature, match="HMAC_MD5"):
        check_twilio(posted(URL, FORM, x_twilio_signature="x", x_twilio_webhooks_signature_settings=settings), "token")
    with pytest.raises(BadSignature, match="wrong"):
        check_twilio(posted(URL, FORM, x_twilio_signature="schön"), "token")


KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def by_telnyx(body: bytes, at_s: int = NOW_S) -> Webhook:
    signature = base64.b64encode(KEY.sign(f"{at_s}|".encode() + body)).decode()
    return Webhook("POST", URL, {"telnyx-signature-ed25519": signature, "telnyx-timestamp": str(at_s)}, body)


def test_what_telnyx_signs_is_accepted():
    check_telnyx(by_telnyx(b'{"data": {}}'), PUBLIC_KEY, NOW_S + 200)


@pytest.mark.parametrize(
    ("request_", "now_s", "why"),
    [
        (by_telnyx(b"{}"), NOW_S + 301, "301 s old"),
        (by_telnyx(b"{}"), NOW_S - 301, "-301 s old"),
        (Webhook("POST", URL, by_telnyx(b"{}").headers, b"{ }"), NOW_S, "wrong"),
        (Webhook("POST", URL, {"telnyx-timestamp": str(NOW_S)}, b"{}"), NOW_S, "telnyx-signature-ed25519 is missing"),
        (Webhook("POST", URL, {**by_telnyx(b"").headers, "telnyx-timestamp": "soon"}), NOW_S, "no Unix time"),
        (Webhook("POST", URL, {**by_telnyx(b"").headers, "telnyx-signature-ed25519": "!"}), NOW_S, "wrong"),
    ],
)
def test_other_requests_are_not_telnyxs(request_: Webhook, now_s: float, why: str):
    with pytest.raises(BadSignature, match=why):
        check_telnyx(request_, PUBLIC_KEY, now_s)


PLIVO_URL = "https://v.example/v1/calls/plivo"
PLIVO_FORM = {"CallUUID": "u-1", "From": "15550001", "To": "4930123", "Event": "StartApp"}


@pytest.mark.parametrize(
    ("method", "url", "form", "signature"),
    [
        ("POST", PLIVO_URL, PLIVO_FORM, "iE7+d9wSJc9tbJkq+A2+ulwJaEu16FAdSNe5BL8Ms+0="),
        ("POST", f"{PLIVO_URL}?b=2&a=1&a=0", PLIVO_FORM, "Nl2aSnhDMD/2LH7GReMxdbd8mcy6pZpVKyYc/ADTjEM="),
        ("GET", f"{PLIVO_URL}?b=2&a=1", {}, "dRRgcnCm57FfGFrIlNXH33We7SddsjwC9L0tWpWx6ls="),
        ("POST", PLIVO_URL, {}, "QbQmq4BMNWwG23dXC2O/WQ92eSSsnPw1a1xW9v5qPxk="),
    ],
)
def test_what_plivo_signs_is_accepted(method: str, url: str, form: dict[str, str], signature: str):
    """The signatures were computed by the functions of the package plivo 4.63."""
    headers = {"x-plivo-signature-v3": f"other,{signature}", "x-plivo-signature-v3-nonce": "12345"}
    request = Webhook(method, url, headers, urlencode(form).encode())
    check_plivo(request, "secret")
    with pytest.raises(BadSignature, match="wrong"):
        check_plivo(request, "another")
    with pytest.raises(BadSignature, match="wrong"):
        check_plivo(Webhook(method, url, {**headers, "x-plivo-signature-v3-nonce": "1"}, request.body), "secret")


def jwt(claims: dict[str, Any], *, secret: str = "secret", alg: str = "HS256") -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": alg}, claims)
    ]
    digest = hmac.digest(secret.encode(), ".".join(parts).encode(), "sha256")
    return ".".join([*parts, base64.urlsafe_b64encode(digest).decode().rstrip("=")])


def by_vonage(body: bytes = b"{}", **claims: Any) -> Webhook:
    held = {"iat": NOW_S, "api_key": "abc", "payload_hash": sha256(b"{}").hexdigest()} | claims
    return Webhook("POST", URL, {"authorization": f"Bearer {jwt(held)}"}, body)


def test_what_vonage_signs_is_accepted():
    check_vonage(by_vonage(), "secret", "abc", NOW_S)
    get = Webhook("GET", URL, {"authorization": f"Bearer {jwt({'iat': NOW_S})}"})
    check_vonage(get, "secret", "", NOW_S)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (by_vonage(b"{ }"), "payload_hash"),
        (by_vonage(payload_hash=None), "payload_hash"),
        (by_vonage(iat=NOW_S - 400), "400 s old"),
        (by_vonage(iat=None), "no Unix time"),
        (by_vonage(api_key="xyz"), "another account"),
        (Webhook("GET", URL, {"authorization": f"Bearer {jwt({}, secret='other')}"}), "signature of the JWT is wrong"),
        (Webhook("GET", URL, {"authorization": f"Bearer {jwt({}, alg='none')}"}), "accepted is HS256"),
        (Webhook("GET", URL, {"authorization": "Bearer x.y"}), "no bearer JWT"),
        (Webhook("GET", URL, {"authorization": "Bearer x.y.z"}), "cannot be read"),
        (Webhook("GET", URL), "authorization is missing"),
    ],
)
def test_other_requests_are_not_vonages(request_: Webhook, why: str):
    with pytest.raises(BadSignature, match=why):
        check_vonage(request_, "secret", "abc", NOW_S)


def test_exotel_brings_a_password():
    def request(text: str) -> Webhook:
        return Webhook("GET", URL, {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"})

    check_password(request("exotel:pw"), "exotel", "pw")
    for wrong in ("exotel:other", "other:pw", "exotel:", "exotel"):
        with pytest.raises(BadSignature, match="wrong"):
            check_password(request(wrong), "exotel", "pw")
    with pytest.raises(BadSignature, match="wrong"):
        check_password(Webhook("GET", URL, {"authorization": "Bearer pw"}), "exotel", "pw")
