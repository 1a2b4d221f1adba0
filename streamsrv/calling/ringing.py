"""Rings at a server as a provider does: what its webhook sends, and what the answer to it means. Pure."""

import re
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlencode
from xml.etree import ElementTree

import msgspec

from streamsrv.calling.peers import PEERS
from streamsrv.calling.peers.base import Identity, Peer
from streamsrv.calling.peers.plivo import CONTENT_TYPES
from streamsrv.calling.peers.telnyx import ENCODINGS
from streamsrv.calling.signing import Pairs, sign_exotel, sign_plivo, sign_telnyx, sign_twilio, sign_vonage

FORM = "application/x-www-form-urlencoded"


class NotAnswered(Exception):
    """The server does not stream the call; the text says what it does instead, as a sentence."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a provider asks. `path`: with a query, below the address of the server."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Stream:
    """Where the server wants the call to be streamed: the peer that does so, and the address of the socket."""

    peer: Peer
    url: str


def webhook(provider: str, call: Identity, public_url: str, secret: str, now_s: int, nonce: str) -> Request:
    """Return what a provider asks when a call rings; without `secret`, it is not signed. Raises `ValueError`."""
    path = f"/v1/calls/{provider}"
    url = f"{public_url}{path}"
    match provider:
        case "twilio" | "telnyx":
            form = _twilio_form(call) if provider == "twilio" else _telnyx_form(call)
            body = urlencode(form).encode()
            headers = {"Content-Type": FORM}
            if secret:
                headers |= sign_twilio(secret, url, form) if provider == "twilio" else sign_telnyx(secret, body, now_s)
            return Request("POST", path, body, headers)
        case "plivo":
            form = _plivo_form(call)
            signature = sign_plivo(secret, url, form, nonce) if secret else {}
            return Request("POST", path, urlencode(form).encode(), {"Content-Type": FORM, **signature})
        case "vonage":
            body = msgspec.json.encode(_vonage_fields(call))
            signature = sign_vonage(secret, call.account, body, now_s, nonce) if secret else {}
            return Request("POST", path, body, {"Content-Type": "application/json", **signature})
        case "exotel":
            query = urlencode(_exotel_query(call))
            return Request("GET", f"{path}?{query}", b"", sign_exotel(secret) if secret else {})
        case _:
            raise ValueError(f"{provider} has no webhook")


def _twilio_form(call: Identity) -> Pairs:
    return (
        ("AccountSid", call.account),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", call.call_id),
        ("CallStatus", "ringing"),
        ("Called", call.called),
        ("Caller", call.caller),
        ("Direction", "inbound"),
        ("From", call.caller),
        ("To", call.called),
    )


def _telnyx_form(call: Identity) -> Pairs:
    return (
        ("AccountSid", call.account),
        ("CallSid", call.call_id),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
        ("From", call.caller),
        ("To", call.called),
    )


def _plivo_form(call: Identity) -> Pairs:
    return (
        ("CallStatus", "ringing"),
        ("CallUUID", call.call_id),
        ("Direction", "inbound"),
        ("Event", "StartApp"),
        ("From", call.caller),
        ("To", call.called),
    )


def _vonage_fields(call: Identity) -> dict[str, str]:
    return {
        "from": call.caller.lstrip("+"),
        "to": call.called.lstrip("+"),
        "uuid": call.call_id,
        "conversation_uuid": f"CON-{call.call_id}",
        "region_url": "https://api-eu-3.vonage.com",
    }


def _exotel_query(call: Identity) -> Pairs:
    return (
        ("CallSid", call.call_id),
        ("CallFrom", call.caller),
        ("CallTo", call.called),
        ("Direction", "incoming"),
        ("CallType", "call-attempt"),
    )


def read_answer(provider: str, call: Identity, status: int, body: str) -> Stream:
    """Return the stream that an answer asks for; raises `NotAnswered`."""
    if status != 200:
        raise NotAnswered(f"The server answers the webhook with HTTP {status}: {_message(body)}")
    match provider:
        case "vonage":
            return _read_ncco(call, body)
        case "exotel":
            url = _json(body).get("url")
            if not isinstance(url, str):
                raise NotAnswered(f"The answer names no url: {body[:200]}")
            rate = re.search(r"[?&]sample-rate=(\d+)", url)
            return Stream(PEERS["exotel"](call, int(rate[1]) if rate else 8_000), url)
        case _:
            return _read_xml(provider, call, body)


def _read_xml(provider: str, call: Identity, body: str) -> Stream:
    try:
        if "<!" in body:  # no provider reads definitions of entities
            raise NotAnswered("The answer has a document type, which no provider reads.")
        response = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise NotAnswered(f"The answer is no XML: {error}.") from None
    stream = response.find("Stream") if provider == "plivo" else response.find("Connect/Stream")
    if response.tag != "Response" or stream is None:
        acts = ", ".join(_described(element) for element in response) or "nothing"
        raise NotAnswered(f"The server does not stream the call, but answers {acts}.")
    if provider == "plivo":
        return _read_plivo(call, stream)
    parameters = {item.get("name", ""): item.get("value", "") for item in stream.findall("Parameter")}
    url = stream.get("url", "")
    call = _with_parameters(call, parameters)
    if provider == "twilio":
        if "?" in url:
            raise NotAnswered(f"The address {url} has a query, which Twilio refuses; custom parameters are possible.")
        return Stream(PEERS["twilio"](call), url)
    if stream.get("bidirectionalMode") != "rtp":
        raise NotAnswered("The stream is not bidirectional: bidirectionalMode is not rtp.")
    codec = stream.get("bidirectionalCodec", "PCMU")
    if codec not in ENCODINGS:
        raise NotAnswered(f"The codec {codec} is not simulated; {', '.join(ENCODINGS)} are.")
    return Stream(PEERS["telnyx"](call, codec), url)


def _read_plivo(call: Identity, stream: ElementTree.Element) -> Stream:
    if stream.get("bidirectional") != "true":
        raise NotAnswered("The stream is not bidirectional.")
    content_type = stream.get("contentType", "audio/x-l16;rate=8000")
    if content_type not in CONTENT_TYPES:
        raise NotAnswered(f"The contentType {content_type} is none of Plivo's: {', '.join(CONTENT_TYPES)}.")
    pairs = [pair.partition("=") for pair in re.split("[;,]", stream.get("extraHeaders", "")) if "=" in pair]
    call = _with_parameters(call, {name: value for name, _, value in pairs})
    return Stream(PEERS["plivo"](call, content_type), (stream.text or "").strip())


def _read_ncco(call: Identity, body: str) -> Stream:
    try:
        actions = msgspec.json.decode(body, type=list[dict[str, Any]])
    except msgspec.DecodeError as error:
        raise NotAnswered(f"The answer is no NCCO: {error}.") from None
    for action in actions:
        endpoints = cast("list[Any]", action.get("endpoint") or [{}])
        endpoint = cast("dict[str, Any]", endpoints[0])
        if action.get("action") == "connect" and endpoint.get("type") == "websocket":
            rate = re.fullmatch(r"audio/l16;rate=(8000|16000|24000)", str(endpoint.get("content-type")))
            if rate is None:
                raise NotAnswered(f"The content-type {endpoint.get('content-type')} is none of Vonage's.")
            headers = {str(name): str(value) for name, value in endpoint.get("headers", {}).items()}
            return Stream(PEERS["vonage"](_with_parameters(call, headers), int(rate[1])), str(endpoint.get("uri")))
    names = ", ".join(str(action.get("action")) for action in actions) or "nothing"
    raise NotAnswered(f"The server does not stream the call, but answers {names}.")


def _with_parameters(call: Identity, parameters: dict[str, str]) -> Identity:
    return Identity(call.call_id, call.caller, call.called, parameters, call.account, call.stream)


def _described(element: ElementTree.Element) -> str:
    attributes = "".join(f" {name}={value!r}" for name, value in element.attrib.items())
    return f"<{element.tag}{attributes}>"


def _json(body: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _message(body: str) -> str:
    error = _json(body).get("error")
    message = cast("dict[str, Any]", error).get("message") if isinstance(error, dict) else None
    return str(message or " ".join(body.split())[:300] or "without a word.")
