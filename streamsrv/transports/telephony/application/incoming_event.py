"""The webhook event `realtime.call.incoming` and its signature. Pure.

Sources: OpenAI's guide "Realtime API with SIP" and its webhook reference; the Standard Webhooks specification.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping

from streamsrv.transports.telephony.line import CallFacts
from streamsrv.transports.telephony.tokens import TOKEN_PARAMETER

SECRET_PREFIX = "whsec_"
"""A secret that begins so is Base64 after it; any other one is taken as it is."""
MAX_HEADERS = 100
MAX_VALUE = 2048
"""Characters of the value of a header."""
_SECRET_HEADERS = ("authorization", "proxy-authorization")
_FROM_FACTS = ("from", "to", "call-id")


class UnusableSecret(Exception):
    """The secret of a webhook cannot sign; the text says why, without the secret."""


def incoming_event(call_id: str, facts: CallFacts, event_id: str, created_at: int) -> bytes:
    """Return the body of the webhook. `created_at`: Unix time in seconds."""
    headers = [{"name": name, "value": value} for name, value in sip_headers(facts)]
    data = {"call_id": call_id, "sip_headers": headers}
    event = {"id": event_id, "object": "event", "type": "realtime.call.incoming", "created_at": created_at}
    return json.dumps({**event, "data": data}, ensure_ascii=False).encode(errors="replace")


def sip_headers(facts: CallFacts) -> list[tuple[str, str]]:
    """Return names and values of the headers of a call's INVITE, without its credentials.

    For a call that did not come by SIP, From, To and Call-ID are written as SIP would, with the provider's name as the
    domain, and each custom parameter of the provider is a header.
    """
    if facts.provider == "sip":
        given = {name.lower() for name in facts.parameters}
        missing = [(name, value) for name, value in _written(facts) if name.lower() not in given]
        return [*missing, *_kept(facts.parameters)][:MAX_HEADERS]
    others = {name: value for name, value in facts.parameters.items() if name.lower() not in _FROM_FACTS}
    return [*_written(facts), *_kept(others)][:MAX_HEADERS]


def _written(facts: CallFacts) -> Iterator[tuple[str, str]]:
    yield "From", _uri(facts.caller, facts.provider)
    yield "To", _uri(facts.called, facts.provider)
    yield "Call-ID", facts.provider_call_id


def _uri(number: str, provider: str) -> str:
    if number.lower().startswith(("sip:", "sips:", "tel:")):
        return number
    # RFC 3323 has this form for callers who withhold their numbers; .invalid (RFC 2606) is a domain of nobody.
    return f"sip:{number}@{provider}.invalid" if number else "sip:anonymous@anonymous.invalid"


def _kept(parameters: Mapping[str, str]) -> list[tuple[str, str]]:
    return [
        (name[:MAX_VALUE], value[:MAX_VALUE])
        for name, value in parameters.items()
        if name.lower() not in _SECRET_HEADERS and name != TOKEN_PARAMETER
    ]


def signed_headers(secret: str, webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a webhook. `timestamp`: Unix time of this attempt, in seconds.

    Raises `UnusableSecret`.
    """
    key = _key(secret)
    signed = b".".join((webhook_id.encode(), str(timestamp).encode(), body))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": webhook_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}


def _key(secret: str) -> bytes:
    if not secret.startswith(SECRET_PREFIX):
        key = secret.encode()
    else:
        try:
            key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
        except binascii.Error as error:
            raise UnusableSecret(f"it begins with {SECRET_PREFIX}, and is not Base64 after that") from error
    if not key:
        raise UnusableSecret("it is empty")
    return key
