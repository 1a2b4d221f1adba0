"""Signs webhooks as the providers do, each from its published documents. Pure.

What signs is the secret of the provider's side: the auth token of Twilio and Plivo, the private key of Telnyx (Ed25519,
base64), the signature secret of Vonage. Exotel signs nothing and gives `user:password`.
"""

import base64
import hmac
from collections.abc import Sequence
from hashlib import sha256

import msgspec

Pairs = Sequence[tuple[str, str]]


def sign_twilio(secret: str, url: str, form: Pairs = ()) -> dict[str, str]:
    """Sign a webhook; without a form, the handshake of a socket (`wss://`)."""
    text = url + "".join(f"{name}{value}" for name, value in sorted(form))
    return {"X-Twilio-Signature": _base64(hmac.digest(secret.encode(), text.encode(), "sha1"))}


def sign_telnyx(secret: str, body: bytes, now_s: int) -> dict[str, str]:
    """Sign a body; raises `ValueError` for a key that is none, and `ImportError` without the package cryptography."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret, validate=True))
    signature = key.sign(f"{now_s}|".encode() + body)
    return {"telnyx-signature-ed25519": _base64(signature), "telnyx-timestamp": str(now_s)}


def sign_plivo(secret: str, url: str, form: Pairs, nonce: str) -> dict[str, str]:
    """Sign a webhook (V3) whose URL has no query."""
    text = f"{url}?" + "".join(f"{name}{value}" for name, value in sorted(form)) + f".{nonce}"
    signature = _base64(hmac.digest(secret.encode(), text.encode(), "sha256"))
    return {"X-Plivo-Signature-V3": signature, "X-Plivo-Signature-V3-Nonce": nonce}


def sign_vonage(secret: str, account: str, body: bytes, now_s: int, nonce: str) -> dict[str, str]:
    """Sign a body with a JWT."""
    claims = {
        "iat": now_s,
        "jti": nonce,
        "iss": "Vonage",
        "payload_hash": sha256(body).hexdigest(),
        "api_key": account,
    }
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    signature = _url_base64(hmac.digest(secret.encode(), signed.encode(), "sha256"))
    return {"Authorization": f"Bearer {signed}.{signature}"}


def sign_exotel(secret: str) -> dict[str, str]:
    """Give `user:password`."""
    return {"Authorization": f"Basic {_base64(secret.encode())}"}


def _part(value: object) -> str:
    return _url_base64(msgspec.json.encode(value))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _url_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
