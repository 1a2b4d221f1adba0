"""The messages with which telephone providers start a media stream, as in their documents."""

import json
from typing import Any

TWILIO_START: dict[str, Any] = {
    "event": "start",
    "sequenceNumber": "1",
    "start": {
        "accountSid": "AC1",
        "streamSid": "MZ1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"token": "t", "from": "+491", "to": "+492"},
    },
    "streamSid": "MZ1",
}
TELNYX_START: dict[str, Any] = {
    "event": "start",
    "sequence_number": "1",
    "stream_id": "32DE",
    "start": {
        "user_id": "3E6F",
        "call_control_id": "v2:T02",
        "call_session_id": "ff55",
        "from": "+13122010094",
        "to": "+13122123456",
        "tags": ["TAG1"],
        "client_state": "aGF2",
        "custom_parameters": {"customer_id": "customer_123"},
        "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
    },
}
PLIVO_START: dict[str, Any] = {
    "event": "start",
    "sequenceNumber": 1,
    "start": {
        "callId": "1234",
        "streamId": "8765",
        "accountId": "MAX",
        "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
    },
    "extra_headers": "userId=12345;sessionId=abc-xyz",
}
EXOTEL_START: dict[str, Any] = {
    "event": "start",
    "sequence_number": "1",
    "stream_sid": "MZ2",
    "start": {
        "stream_sid": "MZ2",
        "call_sid": "CA2",
        "account_sid": "AC2",
        "from": "+919876543210",
        "to": "+918047491899",
        "custom_parameters": {"key1": "value1"},
        "media_format": {"encoding": "audio/x-raw", "sample_rate": "8000", "bit_rate": "16"},
    },
}
VONAGE_START: dict[str, Any] = {
    "event": "websocket:connected",
    "content-type": "audio/l16;rate=16000",
    "call_id": "aaaa-bbbb",
    "caller": "447700900000",
    "called": "447700900001",
}
STARTS = {
    "twilio": TWILIO_START,
    "telnyx": TELNYX_START,
    "plivo": PLIVO_START,
    "vonage": VONAGE_START,
    "exotel": EXOTEL_START,
}


def changed(start: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The same message with another value in a field; `...`: without the field."""
    copy: dict[str, Any] = json.loads(json.dumps(start))
    *outer, name = path.split("/")
    fields = copy
    for key in outer:
        fields = fields[key]
    if value is ...:
        del fields[name]
    else:
        fields[name] = value
    return copy
