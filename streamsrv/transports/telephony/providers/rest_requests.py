"""Writes requests to the REST APIs of telephone providers. Pure.

Sources: the references of Twilio's Call resource, Telnyx's Call Control, Plivo's Call API, Vonage's Voice API and
Exotel's Connect API.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import quote

import msgspec

from streamsrv.phone_provider_settings import PhoneProviderSettings
from streamsrv.transports.telephony.providers.answers import dial

RING_S = 30
"""Seconds for which an outbound call rings."""
API_URLS = {
    "twilio": "https://api.twilio.com/2010-04-01",
    "telnyx": "https://api.telnyx.com/v2",
    "plivo": "https://api.plivo.com/v1",
    "vonage": "https://api.nexmo.com/v1",
    "exotel": "https://api.exotel.com/v1",
}


class Unsupported(Exception):
    """The provider's API cannot do this; the text is a sentence."""


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One request. `path`: below the API's address. One of `form` and `json`, or neither, is its body."""

    method: Literal["POST", "PUT", "DELETE"]
    path: str
    form: tuple[tuple[str, str], ...] = ()
    json: Any = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A call that is to begin. `answer_url`, `status_url`: where the provider asks and tells about it."""

    to: str
    from_: str
    answer_url: str
    status_url: str
    detects_machines: bool
    leaves_message: bool
    """Whether an answering machine is waited for until it listens."""
    key: str = field(repr=False)
    """By which the server knows the call again."""


class Requests(Protocol):
    """The requests of one provider."""

    def hang_up(self, call_id: str) -> RestRequest | None:
        """None: a call ends when its stream does."""
        ...

    def transfer(self, call_id: str, destination: str, url: str) -> RestRequest:
        """`url`: answers with the destination, for an API that takes no other form. Raises `Unsupported`."""
        ...

    def go_on(self, call_id: str, url: str) -> RestRequest:
        """Have the call ask `url` what to do next. Raises `Unsupported`."""
        ...

    def begin(self, call: Outgoing) -> RestRequest: ...

    def call_id(self, answer: Any) -> str:
        """Return the id of the call that has begun; empty: the answer has none."""
        ...


def _held(answer: Any, *path: str) -> str:
    for name in path:
        answer = answer.get(name) if isinstance(answer, dict) else None  # pyright: ignore[reportUnknownVariableType]
    return answer if isinstance(answer, str) else ""


@dataclass(frozen=True, slots=True)
class TwilioRequests:
    account: str

    def hang_up(self, call_id: str) -> RestRequest:
        return self._update(call_id, ("Status", "completed"))

    def transfer(self, call_id: str, destination: str, url: str) -> RestRequest:
        return self._update(call_id, ("Twiml", dial("twilio", destination).body))

    def go_on(self, call_id: str, url: str) -> RestRequest:
        return self._update(call_id, ("Url", url), ("Method", "POST"))

    def begin(self, call: Outgoing) -> RestRequest:
        form = [("To", call.to), ("From", call.from_), ("Url", call.answer_url), ("Method", "POST")]
        form += [("StatusCallback", call.status_url), ("StatusCallbackEvent", "completed"), ("Timeout", str(RING_S))]
        if call.detects_machines:
            form += [
                ("MachineDetection", "DetectMessageEnd" if call.leaves_message else "Enable"),
                ("AsyncAmd", "true"),
            ]
            form += [("AsyncAmdStatusCallback", call.status_url)]
        return RestRequest("POST", f"/Accounts/{self.account}/Calls.json", tuple(form))

    def call_id(self, answer: Any) -> str:
        return _held(answer, "sid")

    def _update(self, call_id: str, *form: tuple[str, str]) -> RestRequest:
        return RestRequest("POST", f"/Accounts/{self.account}/Calls/{_part(call_id)}.json", form)


@dataclass(frozen=True, slots=True)
class TelnyxRequests:
    application: str

    def hang_up(self, call_id: str) -> RestRequest:
        return self.act(call_id, "hangup", {})

    def transfer(self, call_id: str, destination: str, url: str) -> RestRequest:
        return self.act(call_id, "transfer", {"to": destination.removeprefix("tel:")})

    def go_on(self, call_id: str, url: str) -> RestRequest:
        raise Unsupported("A call of Telnyx asks no address what to do next.")

    def answer(self, call_id: str, stream_url: str, *, is_answered: bool) -> RestRequest:
        """Answer a call that rings and stream it; or stream one that was answered."""
        stream = {
            "stream_url": stream_url,
            "stream_track": "inbound_track",
            "stream_codec": "PCMU",
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": "PCMU",
        }
        return self.act(call_id, "streaming_start" if is_answered else "answer", stream)

    def stop_stream(self, call_id: str) -> RestRequest:
        """End the stream of a call that goes on."""
        return self.act(call_id, "streaming_stop", {})

    def reject(self, call_id: str, cause: Literal["USER_BUSY", "CALL_REJECTED"]) -> RestRequest:
        """Do not answer a call that rings."""
        return self.act(call_id, "reject", {"cause": cause})

    def begin(self, call: Outgoing) -> RestRequest:
        fields: dict[str, Any] = {
            "connection_id": self.application,
            "to": call.to,
            "from": call.from_,
            "timeout_secs": RING_S,
            "webhook_url": call.answer_url,
            "webhook_url_method": "POST",
        }
        if call.detects_machines:
            fields["answering_machine_detection"] = "greeting_end" if call.leaves_message else "detect"
        return RestRequest("POST", "/calls", json=fields)

    def call_id(self, answer: Any) -> str:
        return _held(answer, "data", "call_control_id")

    def act(self, call_id: str, action: str, fields: dict[str, Any]) -> RestRequest:
        """Write a command for a call."""
        return RestRequest("POST", f"/calls/{_part(call_id)}/actions/{action}", json=fields)


@dataclass(frozen=True, slots=True)
class PlivoRequests:
    account: str

    def hang_up(self, call_id: str) -> RestRequest:
        return RestRequest("DELETE", self._path(call_id))

    def transfer(self, call_id: str, destination: str, url: str) -> RestRequest:
        return self.go_on(call_id, url)

    def go_on(self, call_id: str, url: str) -> RestRequest:
        return RestRequest("POST", self._path(call_id), json={"legs": "aleg", "aleg_url": url, "aleg_method": "POST"})

    def begin(self, call: Outgoing) -> RestRequest:
        fields: dict[str, Any] = {
            "to": call.to.removeprefix("+"),
            "from": call.from_.removeprefix("+"),
            "answer_url": call.answer_url,
            "answer_method": "POST",
            "hangup_url": call.status_url,
            "hangup_method": "POST",
            "ring_timeout": RING_S,
        }
        if call.detects_machines:
            fields["machine_detection"] = "true"
            fields |= {"machine_detection_url": call.status_url, "machine_detection_method": "POST"}
        return RestRequest("POST", self._path(), json=fields)

    def call_id(self, answer: Any) -> str:
        return _held(answer, "request_uuid")

    def _path(self, call_id: str = "") -> str:
        return f"/Account/{self.account}/Call/{f'{_part(call_id)}/' if call_id else ''}"


@dataclass(frozen=True, slots=True)
class VonageRequests:
    def hang_up(self, call_id: str) -> RestRequest:
        return RestRequest("PUT", f"/calls/{_part(call_id)}", json={"action": "hangup"})

    def transfer(self, call_id: str, destination: str, url: str) -> RestRequest:
        ncco = msgspec.json.decode(dial("vonage", destination).body)
        return self._to(call_id, {"type": "ncco", "ncco": ncco})

    def go_on(self, call_id: str, url: str) -> RestRequest:
        return self._to(call_id, {"type": "ncco", "url": [url]})

    def begin(self, call: Outgoing) -> RestRequest:
        fields: dict[str, Any] = {
            "to": [{"type": "phone", "number": call.to.removeprefix("+")}],
            "from": {"type": "phone", "number": call.from_.removeprefix("+")},
            "answer_url": [call.answer_url],
            "answer_method": "POST",
            "event_url": [call.status_url],
            "event_method": "POST",
            "ringing_timer": RING_S,
        }
        if call.detects_machines:
            fields["advanced_machine_detection"] = {"behavior": "continue", "mode": "default", "beep_timeout": 45}
        return RestRequest("POST", "/calls", json=fields)

    def call_id(self, answer: Any) -> str:
        return _held(answer, "uuid")

    def _to(self, call_id: str, destination: dict[str, Any]) -> RestRequest:
        fields = {"action": "transfer", "destination": destination}
        return RestRequest("PUT", f"/calls/{_part(call_id)}", json=fields)


@dataclass(frozen=True, slots=True)
class ExotelRequests:
    account: str
    application: str

    def hang_up(self, call_id: str) -> None:
        return None

    def transfer(self, call_id: str, destination: str, url: str) -> RestRequest:
        raise Unsupported("Exotel has no transfers by its API: the call flow goes on when the stream ends.")

    def go_on(self, call_id: str, url: str) -> RestRequest:
        raise Unsupported("A call of Exotel asks no address what to do next.")

    def begin(self, call: Outgoing) -> RestRequest:
        flow = f"http://my.exotel.com/{self.account}/exoml/start_voice/{self.application}"
        form = (("From", call.to), ("CallerId", call.from_), ("Url", flow), ("CustomField", call.key))
        status = (("StatusCallback", call.status_url), ("TimeOut", str(RING_S)))
        return RestRequest("POST", f"/Accounts/{self.account}/Calls/connect.json", form + status)

    def call_id(self, answer: Any) -> str:
        return _held(answer, "Call", "Sid")


def requests_of(provider: PhoneProviderSettings) -> Requests:
    """Return the requests of a provider."""
    account, application = getattr(provider, "account", ""), getattr(provider, "application", "")
    match provider.name:
        case "twilio":
            return TwilioRequests(account)
        case "telnyx":
            return TelnyxRequests(application)
        case "plivo":
            return PlivoRequests(account)
        case "vonage":
            return VonageRequests()
        case "exotel":
            return ExotelRequests(account, application)


def _part(text: str) -> str:
    """Return a text as one part of a path."""
    return quote(text, safe="")
