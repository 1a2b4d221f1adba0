"""Reads which call a provider asks about, and writes its answers. Pure.

They are TwiML (Twilio), TeXML (Telnyx), Plivo's XML, an NCCO (Vonage), and the JSON of Exotel's Voicebot applet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode
from xml.sax.saxutils import quoteattr

import msgspec

from streamsrv.transports.telephony.line import CallFacts
from streamsrv.transports.telephony.providers.webhook import BadWebhook, Webhook, checked_name
from streamsrv.transports.telephony.tokens import TOKEN_PARAMETER

MAX_PARAMETERS = 50
"""Custom parameters or SIP headers that are kept of a call."""
MAX_PARAMETER_CHARS = 1024
VONAGE_RATE = 16_000
"""Hz of the audio that Vonage is asked for."""

Refusal = Literal["busy", "rejected"]
"""Why a call is not answered: there is no capacity, or nobody answers this number."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of an answer."""

    body: str
    media_type: str
    status: int = 200


def read_call(provider: str, request: Webhook) -> CallFacts:
    """Return which call rings or was answered; raises `BadWebhook`."""
    if provider == "telnyx" and request.is_json:
        return _call_control(request)
    called, caller, call_id = _NAMES[provider]
    fields = request.fields
    outbound = fields.get("Direction", "").startswith("outbound") or "outbound" in dict(request.query)
    return CallFacts(
        provider,
        request.call_name(*call_id),
        caller=_first(fields, caller),
        called=_first(fields, called),
        direction="outbound" if outbound else "inbound",
        parameters=_sip_headers(fields),
    )


_NAMES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "twilio": (("To", "Called"), ("From", "Caller"), ("CallSid",)),
    "telnyx": (("To", "Called"), ("From", "Caller"), ("CallSid", "CallControlId")),
    "plivo": (("To",), ("From",), ("CallUUID",)),
    "vonage": (("to",), ("from", "from_user"), ("uuid", "conversation_uuid")),
    "exotel": (("CallTo", "To"), ("CallFrom", "From"), ("CallSid",)),
}
"""The fields that name the callee, the caller and the call."""


def _call_control(request: Webhook) -> CallFacts:
    data = request.json.get("data")
    payload: Any = data.get("payload") if isinstance(data, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(payload, dict) or not isinstance(payload.get("call_control_id"), str):  # pyright: ignore[reportUnknownMemberType]
        raise BadWebhook("The field 'data.payload.call_control_id' is missing.")
    fields = {str(name): value for name, value in payload.items() if isinstance(value, str)}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return CallFacts(
        "telnyx",
        checked_name(fields["call_control_id"], "data.payload.call_control_id"),
        caller=fields.get("from", "")[:256],
        called=fields.get("to", "")[:256],
        direction="outbound" if fields.get("direction") == "outgoing" else "inbound",
    )


def _first(fields: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((fields[name][:256] for name in names if fields.get(name)), "")


def _sip_headers(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the SIP headers that the provider passes on, by their own names."""
    found = {
        name[len(prefix) :]: value[:MAX_PARAMETER_CHARS]
        for name, value in fields.items()
        for prefix in ("SipHeader_", "X-PH-")
        if name.startswith(prefix) and len(name) > len(prefix)
    }
    return dict(list(found.items())[:MAX_PARAMETERS])


def connect(facts: CallFacts, media_url: str, token: str) -> Answer:
    """Return the answer that streams a call to `media_url` (wss://) with a one-time token."""
    with_token = stream_address(media_url, token)
    match facts.provider:
        case "twilio":  # a URL with a query is refused
            parameter = f"<Parameter name={quoteattr(TOKEN_PARAMETER)} value={quoteattr(token)}/>"
            return _xml(f"<Connect><Stream url={quoteattr(media_url)}>{parameter}</Stream></Connect>")
        case "telnyx":
            both = 'track="inbound_track" codec="PCMU" bidirectionalMode="rtp" bidirectionalCodec="PCMU"'
            return _xml(f"<Connect><Stream url={quoteattr(with_token)} {both}/></Connect>")
        case "plivo":
            kind = 'bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000"'
            return _xml(f"<Stream {kind}>{_escaped(with_token)}</Stream>")
        case "vonage":
            headers = {TOKEN_PARAMETER: token, "call_id": facts.provider_call_id, "direction": facts.direction}
            endpoint = {
                "type": "websocket",
                "uri": media_url,
                "content-type": f"audio/l16;rate={VONAGE_RATE}",
                "headers": headers,
            }
            return _json([{"action": "connect", "endpoint": [endpoint]}])
        case _:
            return _json({"url": with_token})


def stream_address(media_url: str, token: str) -> str:
    """Return the address of a media socket that carries a token."""
    return f"{media_url}?{urlencode({TOKEN_PARAMETER: token})}"


def refuse(provider: str, why: Refusal) -> Answer:
    """Return the answer with which a call is not answered, the provider's own way."""
    match provider:
        case "twilio" | "telnyx":
            return _xml(f'<Reject reason="{why}"/>')
        case "plivo":
            return _xml(f'<Hangup reason="{why}"/>')
        case "vonage":  # which has no refusal: an NCCO without an action ends the call
            return _json([])
        case _:  # the applet fails, and Exotel's flow goes on to its next one
            message = "All lines are busy." if why == "busy" else "Nobody answers this number."
            error = {"message": message, "type": "server_error", "code": why, "param": None}
            return Answer(_json({"error": error}).body, "application/json", 503 if why == "busy" else 404)


def hang_up_answer(provider: str) -> Answer:
    """Return the answer that ends a call that was answered already, such as an outbound one."""
    match provider:
        case "twilio" | "telnyx" | "plivo":
            return _xml("<Hangup/>")
        case _:
            return _json([])


def dial(provider: str, destination: str) -> Answer:
    """Return the answer that gives the call to another telephone; for providers that read XML or NCCO."""
    is_sip = destination.startswith(("sip:", "sips:"))
    number = destination.removeprefix("tel:")
    match provider:
        case "vonage":
            endpoint = (
                {"type": "sip", "uri": destination} if is_sip else {"type": "phone", "number": number.lstrip("+")}
            )
            return _json([{"action": "connect", "endpoint": [endpoint]}])
        case "plivo":
            tag = "User" if is_sip else "Number"
        case _:
            tag = "Sip" if is_sip else "Number"
    return _xml(f"<Dial><{tag}>{_escaped(destination if is_sip else number)}</{tag}></Dial>")


def _xml(inside: str) -> Answer:
    return Answer(f'<?xml version="1.0" encoding="UTF-8"?><Response>{inside}</Response>', "application/xml")


def _json(value: object) -> Answer:
    return Answer(msgspec.json.encode(value).decode(), "application/json")


def _escaped(text: str) -> str:
    return quoteattr(text)[1:-1]
