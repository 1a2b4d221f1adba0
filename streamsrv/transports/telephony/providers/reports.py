"""Reads what providers report of calls: that one has ended, or that a machine has answered. Pure."""

from dataclasses import dataclass
from typing import Any, Literal

from streamsrv.transports.telephony.providers.answers import read_call
from streamsrv.transports.telephony.providers.webhook import Webhook

ENDED = frozenset(
    "completed busy no-answer failed canceled cancelled rejected timeout unanswered hangup".split()
)  # as Twilio, Plivo, Vonage and Exotel call it


@dataclass(frozen=True, slots=True)
class Report:
    """One report. `may_speak`: whether the answering machine listens now."""

    call_id: str
    has_ended: bool = False
    answered_by: Literal["", "human", "machine", "fax"] = ""
    may_speak: bool = False


def read_report(provider: str, request: Webhook) -> Report:
    """Read a report; one that means nothing for a call has only the id of the call. Raises `BadWebhook`."""
    if provider == "telnyx" and request.is_json:
        return _of_call_control(request)
    fields = request.fields
    call_id = read_call(provider, request).provider_call_id
    state = next((fields[name] for name in ("CallStatus", "Status", "status") if fields.get(name)), "").lower()
    if provider == "vonage":
        by = state if state in ("machine", "human") else ""
        speaks = fields.get("sub_state", "") in ("beep_start", "beep_timeout")
        return Report(call_id, state in ENDED, "machine" if by == "machine" else "human" if by else "", speaks)
    if provider == "plivo" and fields.get("Machine", "").lower() == "true":  # which does not tell when to speak
        return Report(call_id, answered_by="machine", may_speak=True)
    answered_by = fields.get("AnsweredBy", "")
    if answered_by == "fax":
        return Report(call_id, answered_by="fax")
    if answered_by.startswith("machine"):
        return Report(call_id, answered_by="machine", may_speak=answered_by.startswith("machine_end"))
    is_human = answered_by == "human"
    return Report(call_id, not answered_by and state in ENDED, "human" if is_human else "")


def event_of(request: Webhook) -> str:
    """Return the type of an event of Telnyx's Call Control; empty for another request."""
    data: Any = request.json.get("data")
    found: Any = data.get("event_type") if isinstance(data, dict) else None  # pyright: ignore[reportUnknownVariableType]
    return found if isinstance(found, str) else ""


def _of_call_control(request: Webhook) -> Report:
    call_id, event = read_call("telnyx", request).provider_call_id, event_of(request)
    result = str(request.json["data"]["payload"].get("result", ""))
    match event:
        case "call.hangup":
            return Report(call_id, has_ended=True)
        case "call.machine.detection.ended" | "call.machine.premium.detection.ended" if result.startswith("fax"):
            return Report(call_id, answered_by="fax")
        case "call.machine.detection.ended" | "call.machine.premium.detection.ended" if result.startswith("machine"):
            return Report(call_id, answered_by="machine")
        case "call.machine.greeting.ended" | "call.machine.premium.greeting.ended":
            return Report(call_id, answered_by="machine", may_speak=True)
        case _:
            return Report(call_id)
