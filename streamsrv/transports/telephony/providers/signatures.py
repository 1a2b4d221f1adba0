"""Checks that requests come from a provider: its signature, or its password. Pure; all comparisons take constant time.

Sources: the documents of Twilio ("Security"), Telnyx ("Webhook signing"), Plivo ("Signature validation", V3) and Vonage
("Signed webhooks"). Exotel signs nothing, so it gets a password (HTTP Basic).
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, cast
from urllib.parse import urlsplit

from streamsrv.protocol.json_values import UnreadableJson, read_json
from streamsrv.transports.telephony.providers.webhook import Pairs, Webhook

MAX_AGE_S = 300.0
"""Seconds by which the time of a signature may differ from this server's clock."""


class BadSignature(Exception):
    """A request is not the provider's; the text says why, without secrets."""


def check_twilio(request: Webhook, auth_token: str, signing_key: str = "") -> None:
    """Check `X-Twilio-Signature`; `signing_key`: the secret of a shared key, with which HMAC-SHA256 is computed."""
    given = _header(request, "x-twilio-signature")
    algorithm = _algorithm(request.headers.get("x-twilio-webhooks-signature-settings", ""))
    if algorithm not in ("HMAC_SHA1", "HMAC_SHA256"):
        raise BadSignature(f"The algorithm {algorithm[:32]!r} is not known; accepted are HMAC_SHA1 and HMAC_SHA256.")
    key = (signing_key if algorithm == "HMAC_SHA256" and signing_key else auth_token).encode()
    fields = request.form
    hashes = [value for name, value in request.query if name == "bodySHA256"]
    if request.is_json and request.body and not hashes:
        raise BadSignature("The body is JSON, and the URL has no bodySHA256 that signs it.")
    if hashes and not fields and not _is_same(sha256(request.body).hexdigest(), hashes[0].lower()):
        raise BadSignature("The hash of the body is not that of bodySHA256.")
    text = "".join(f"{name}{value}" for name, value in sorted(set(fields)))
    digest = "sha256" if algorithm == "HMAC_SHA256" else "sha1"
    computed = [
        _in_base64(hmac.digest(key, f"{url}{text}".encode(), digest)) for url in _with_and_without_port(request)
    ]
    if not any(_is_same(one, given) for one in computed):
        raise BadSignature("The signature is wrong for this URL, body and secret.")


def _algorithm(settings: str) -> str:
    """Return the algorithm in `key=...,algorithm=...`; without one, it is the oldest."""
    pairs = [part.partition("=") for part in settings.split(",")]
    return next((value.strip() for name, _, value in pairs if name.strip() == "algorithm" and value), "HMAC_SHA1")


def _with_and_without_port(request: Webhook) -> list[str]:
    """Return the URL as it is, and with the default port added or left out: Twilio is not of one mind."""
    parts = urlsplit(request.url)
    default = {"https": 443, "wss": 443, "http": 80, "ws": 80}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    others = [host, f"{host}:{parts.port or default}"]
    return list(dict.fromkeys([request.url, *(parts._replace(netloc=other).geturl() for other in others)]))


def check_telnyx(request: Webhook, public_key: str, now_s: float) -> None:
    """Check `telnyx-signature-ed25519` and the age of `telnyx-timestamp`."""
    signature, timestamp = _header(request, "telnyx-signature-ed25519"), _header(request, "telnyx-timestamp")
    _check_age(timestamp, now_s)
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), f"{timestamp}|".encode() + request.body)
    except (InvalidSignature, binascii.Error, ValueError):
        raise BadSignature("The signature is wrong for this body, time and public key.") from None


def check_plivo(request: Webhook, auth_token: str) -> None:
    """Check `X-Plivo-Signature-V3`, which may list several signatures."""
    given, nonce = _header(request, "x-plivo-signature-v3"), _header(request, "x-plivo-signature-v3-nonce")
    if request.is_json and request.body:
        raise BadSignature("The body is JSON, which the signature does not cover; accepted is a form.")
    base = request.url.partition("?")[0]
    query, form = _grouped(request.query), _grouped(request.form if request.method == "POST" else ())
    text = base
    if query or form:
        text += "?" + "&".join(f"{name}={value}" for name, values in query for value in values)
    if query and form:
        text += "."
    text += "".join(f"{name}{value}" for name, values in form for value in values)
    computed = _in_base64(hmac.digest(auth_token.encode(), f"{text}.{nonce}".encode(), "sha256"))
    if not any(_is_same(computed, one.strip()) for one in given.split(",")):
        raise BadSignature("The signature is wrong for this URL, body and auth token.")


def _grouped(pairs: Pairs) -> list[tuple[str, list[str]]]:
    return [(name, sorted(value for other, value in pairs if other == name)) for name in sorted({n for n, _ in pairs})]


def check_vonage(request: Webhook, secret: str, account: str, now_s: float) -> None:
    """Check the JWT (HS256) in `Authorization`: its signature, its age, its account and the hash of the body."""
    scheme, _, token = _header(request, "authorization").partition(" ")
    parts = token.strip().split(".")
    if scheme.lower() != "bearer" or len(parts) != 3:
        raise BadSignature("The header authorization holds no bearer JWT.")
    computed = hmac.digest(secret.encode(), f"{parts[0]}.{parts[1]}".encode(), "sha256")
    head, claims, signature = _json_of(parts[0]), _json_of(parts[1]), _url_bytes(parts[2])
    if head.get("alg") != "HS256":
        raise BadSignature(f"The JWT is signed with {str(head.get('alg'))[:16]!r}; accepted is HS256.")
    if not hmac.compare_digest(computed, signature):
        raise BadSignature("The signature of the JWT is wrong for this signature secret.")
    _check_age(str(claims.get("iat", "")), now_s)
    if account and claims.get("api_key") != account:
        raise BadSignature("The JWT is of another account.")
    held = claims.get("payload_hash")
    if (request.body or held) and not _is_same(sha256(request.body).hexdigest(), str(held).lower()):
        raise BadSignature("The hash of the body is not that of the JWT's payload_hash.")


def check_password(request: Webhook, user: str, password: str) -> None:
    """Check HTTP Basic authentication."""
    scheme, _, given = _header(request, "authorization").partition(" ")
    wanted = _in_base64(f"{user}:{password}".encode())
    if scheme.lower() != "basic" or not _is_same(wanted, given.strip()):
        raise BadSignature("The user or the password is wrong.")


def _check_age(timestamp: str, now_s: float) -> None:
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise BadSignature(f"The time {timestamp[:20]!r} of the signature is no Unix time in seconds.")
    if abs(now_s - int(timestamp)) > MAX_AGE_S:
        raise BadSignature(f"The signature is {now_s - int(timestamp):.0f} s old; accepted are {MAX_AGE_S:g}.")


def _header(request: Webhook, name: str) -> str:
    if not (value := request.headers.get(name, "")):
        raise BadSignature(f"The header {name} is missing.")
    return value


def _json_of(part: str) -> Mapping[str, Any]:
    try:
        value = read_json(_url_bytes(part))
    except UnreadableJson:
        value = None
    if not isinstance(value, dict):
        raise BadSignature("The JWT cannot be read.")
    return cast("dict[str, Any]", value)


def _url_bytes(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise BadSignature("The JWT cannot be read.") from None


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))


def _in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
