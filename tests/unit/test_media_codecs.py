"""The codecs of the providers, with the messages of their documents."""

import base64
import json
from typing import Any

import pytest

from stream_starts import EXOTEL_START, PLIVO_START, STARTS, TELNYX_START, TWILIO_START, VONAGE_START, changed
from streamsrv.protocol.session_object import Pcm, Pcma, Pcmu
from streamsrv.transports.telephony.codec import (
    DigitReceived,
    ErrorReported,
    MalformedMessage,
    MarkReceived,
    MediaCodec,
    MediaReceived,
    StreamStarted,
    StreamStopped,
    UnknownMessage,
)
from streamsrv.transports.telephony.codecs import CODECS
from streamsrv.transports.telephony.codecs.fields import MAX_MESSAGE_BYTES
from streamsrv.transports.telephony.line import CallFacts

CHUNK = bytes(range(160))
PAYLOAD = base64.b64encode(CHUNK).decode()
L16 = bytes(640)

JSON_PROVIDERS = sorted(STARTS.keys() - {"vonage"})


def started(provider: str, **changes: Any) -> tuple[MediaCodec, StreamStarted]:
    codec = CODECS[provider]()
    [event] = codec.read(json.dumps(STARTS[provider] | changes))
    assert isinstance(event, StreamStarted)
    return codec, event


def sent(messages: list[str | bytes]) -> list[Any]:
    return [json.loads(message) if isinstance(message, str) else message for message in messages]


def test_a_call_of_twilio():
    codec = CODECS["twilio"]()
    assert codec.read('{"event": "connected", "protocol": "Call", "version": "1.0.0"}') == []
    [start] = codec.read(json.dumps(TWILIO_START))
    given = {"token": "t", "from": "+491", "to": "+492"}
    assert start == StreamStarted(CallFacts("twilio", "CA1", "+491", "+492", "inbound", given), Pcmu(), 8000)
    media = {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": PAYLOAD}
    message = {"event": "media", "sequenceNumber": "3", "media": media, "streamSid": "MZ1"}
    assert codec.read(json.dumps(message)) == [MediaReceived(CHUNK, 1)]
    message["media"] = media | {"track": "outbound"}
    assert codec.read(json.dumps(message)) == []
    dtmf = {
        "event": "dtmf",
        "streamSid": "MZ1",
        "sequenceNumber": "5",
        "dtmf": {"track": "inbound_track", "digit": "#"},
    }
    assert codec.read(json.dumps(dtmf)) == [DigitReceived("#")]
    mark = {"event": "mark", "sequenceNumber": "4", "streamSid": "MZ1", "mark": {"name": "m 1"}}
    assert codec.read(json.dumps(mark)) == [MarkReceived("m 1")]
    stop = {"event": "stop", "sequenceNumber": "5", "stop": {"accountSid": "AC1", "callSid": "CA1"}, "streamSid": "MZ1"}
    assert codec.read(json.dumps(stop)) == [StreamStopped("")]
    assert sent(codec.media(CHUNK)) == [{"event": "media", "streamSid": "MZ1", "media": {"payload": PAYLOAD}}]
    assert sent(codec.mark("m")) == [{"event": "mark", "streamSid": "MZ1", "mark": {"name": "m"}}]
    assert sent(codec.clear()) == [{"event": "clear", "streamSid": "MZ1"}]


def test_a_call_of_telnyx():
    codec = CODECS["telnyx"]()
    assert codec.read('{"event": "connected", "version": "1.0.0"}') == []
    [start] = codec.read(json.dumps(TELNYX_START))
    facts = CallFacts("telnyx", "v2:T02", "+13122010094", "+13122123456", "inbound", {"customer_id": "customer_123"})
    assert start == StreamStarted(facts, Pcmu(), 8000)
    media = {"track": "inbound", "chunk": "2", "timestamp": "20", "payload": PAYLOAD}
    message = {"event": "media", "sequence_number": "4", "stream_id": "32DE", "media": media}
    assert codec.read(json.dumps(message)) == [MediaReceived(CHUNK, 2)]
    dtmf = {"event": "dtmf", "stream_id": "32DE", "sequence_number": "5", "dtmf": {"digit": "1"}}
    assert codec.read(json.dumps(dtmf)) == [DigitReceived("1")]
    error = {"event": "error", "payload": {"code": 100004, "title": "malformed_frame", "detail": "Unable to decode"}}
    assert codec.read(json.dumps(error)) == [ErrorReported("100004 malformed_frame Unable to decode")]
    stop = {"event": "stop", "sequence_number": "5", "stop": {"user_id": "3E6F", "call_control_id": "v2:T02"}}
    assert codec.read(json.dumps(stop)) == [StreamStopped("")]
    assert sent(codec.media(CHUNK)) == [{"event": "media", "media": {"payload": PAYLOAD}}]
    assert sent(codec.mark("m")) == [{"event": "mark", "mark": {"name": "m"}}]
    assert sent(codec.clear()) == [{"event": "clear"}]


@pytest.mark.parametrize(
    ("encoding", "rate", "expected"),
    [("PCMA", 8000, (Pcma(), 8000)), ("L16", 16000, (Pcm(), 16000)), ("L16", "8000", (Pcm(), 8000))],
)
def test_telnyx_streams_a_law_and_linear_audio_too(encoding: str, rate: Any, expected: Any):
    message = changed(TELNYX_START, "start/media_format", {"encoding": encoding, "sample_rate": rate})
    [start] = CODECS["telnyx"]().read(json.dumps(message))
    assert isinstance(start, StreamStarted)
    assert (start.format, start.sample_rate) == expected


def test_a_call_of_plivo():
    codec = CODECS["plivo"]()
    [start] = codec.read(json.dumps(PLIVO_START))
    given = {"userId": "12345", "sessionId": "abc-xyz"}
    assert start == StreamStarted(CallFacts("plivo", "1234", "", "", "inbound", given), Pcmu(), 8000)
    media = {"track": "inbound", "timestamp": "1705312200000", "chunk": 41, "payload": PAYLOAD}
    message = {"event": "media", "sequenceNumber": 42, "streamId": "8765", "media": media}
    assert codec.read(json.dumps(message)) == [MediaReceived(CHUNK, 41)]
    dtmf = {"event": "dtmf", "streamId": "8765", "dtmf": {"track": "inbound", "digit": "5", "timestamp": "1705312"}}
    assert codec.read(json.dumps(dtmf)) == [DigitReceived("5")]
    assert codec.read('{"event": "playedStream", "streamId": "8765", "name": "greeting"}') == [MarkReceived("greeting")]
    assert codec.read('{"event": "clearedAudio", "streamId": "8765", "sequenceNumber": 7}') == []
    media = {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": PAYLOAD}
    assert sent(codec.media(CHUNK)) == [{"event": "playAudio", "streamId": "8765", "media": media}]
    assert sent(codec.mark("m")) == [{"event": "checkpoint", "streamId": "8765", "name": "m"}]
    assert sent(codec.clear()) == [{"event": "clearAudio", "streamId": "8765"}]


@pytest.mark.parametrize(
    "headers", ["a=1;b=x=y", "a=1,b=x=y", '{"a": "1", "b": "x=y"}', {"a": 1, "b": "x=y"}], ids=lambda value: str(value)
)
def test_plivo_writes_its_headers_in_several_ways(headers: Any):
    _, start = started("plivo", extra_headers=headers)
    assert start.facts.parameters == {"a": "1", "b": "x=y"}


def test_plivo_plays_linear_audio_at_the_rate_of_the_stream():
    message = changed(PLIVO_START, "start/mediaFormat", {"encoding": "audio/x-l16", "sampleRate": 16000})
    codec = CODECS["plivo"]()
    codec.read(json.dumps(message))
    [played] = sent(codec.media(L16))
    assert (played["media"]["contentType"], played["media"]["sampleRate"]) == ("audio/x-l16", 16000)


def test_a_call_of_vonage():
    codec = CODECS["vonage"]()
    [start] = codec.read(json.dumps(VONAGE_START))
    assert isinstance(start, StreamStarted)
    assert (start.facts.provider_call_id, start.facts.caller) == ("aaaa-bbbb", "447700900000")
    assert (start.facts.called, start.format, start.sample_rate) == ("447700900001", Pcm(), 16000)
    assert codec.read(L16) == [MediaReceived(L16)]
    assert codec.read('{"event": "websocket:dtmf", "digit": "5", "duration": 260}') == [DigitReceived("5")]
    assert codec.read('{"event": "websocket:cleared"}') == []
    assert codec.mark("m") == ['{"action":"notify","payload":{"mark":"m"}}']
    assert codec.read('{"event": "websocket:notify", "payload": {"mark": "m"}}') == [MarkReceived("m")]
    assert codec.clear() == ['{"action":"clear"}']


def test_vonage_gets_frames_of_20_ms_and_the_last_one_is_padded_before_a_mark():
    codec, _ = started("vonage")
    assert codec.media(bytes([1]) * 1000) == [bytes([1]) * 640]
    assert codec.media(bytes([2]) * 600) == [bytes([1]) * 360 + bytes([2]) * 280]
    assert codec.mark("m")[0] == bytes([2]) * 320 + bytes(320)
    codec.media(bytes([3]) * 100)
    codec.clear()
    assert len(codec.mark("m")) == 1, "what was kept is dropped by a clear"


def test_vonage_names_the_call_in_its_headers_wherever_they_stand():
    message = {"event": "websocket:connected", "content-type": "audio/l16;rate=8000", "headers": {"uuid": "u1"}}
    [start] = CODECS["vonage"]().read(json.dumps(message))
    assert isinstance(start, StreamStarted)
    assert (start.facts.provider_call_id, start.sample_rate) == ("u1", 8000)


def test_a_stream_of_vonage_without_a_header_has_no_name():
    [start] = CODECS["vonage"]().read('{"event": "websocket:connected", "content-type": "audio/l16;rate=24000"}')
    assert start == StreamStarted(CallFacts("vonage", ""), Pcm(), 24000)


def test_a_call_of_exotel():
    codec = CODECS["exotel"]()
    assert codec.read('{"event": "connected"}') == []
    [start] = codec.read(json.dumps(EXOTEL_START))
    facts = CallFacts("exotel", "CA2", "+919876543210", "+918047491899", "inbound", {"key1": "value1"})
    assert start == StreamStarted(facts, Pcm(), 8000)
    media = {"chunk": "2", "timestamp": "200", "payload": PAYLOAD}
    message = {"event": "media", "sequence_number": "3", "stream_sid": "MZ2", "media": media}
    assert codec.read(json.dumps(message)) == [MediaReceived(CHUNK, 2)]
    dtmf = {"event": "dtmf", "sequence_number": "7", "stream_sid": "MZ2", "dtmf": {"digit": "5", "duration": "100"}}
    assert codec.read(json.dumps(dtmf)) == [DigitReceived("5")]
    mark = {"event": "mark", "sequence_number": "15", "stream_sid": "MZ2", "mark": {"name": "m"}}
    assert codec.read(json.dumps(mark)) == [MarkReceived("m")]
    stop = {"event": "stop", "sequence_number": "25", "stream_sid": "MZ2", "stop": {"reason": "callended"}}
    assert codec.read(json.dumps(stop)) == [StreamStopped("callended")]
    assert sent(codec.clear()) == [{"event": "clear", "stream_sid": "MZ2"}]


def test_exotel_gets_multiples_of_320_bytes():
    codec, _ = started("exotel")
    [first] = sent(codec.media(bytes([1]) * 1000))
    assert base64.b64decode(first["media"]["payload"]) == bytes([1]) * 960
    rest, mark = sent(codec.mark("m"))
    assert base64.b64decode(rest["media"]["payload"]) == bytes([1]) * 40 + bytes(280)
    assert mark == {"event": "mark", "stream_sid": "MZ2", "mark": {"name": "m"}}


@pytest.mark.parametrize("provider", STARTS)
def test_a_message_of_an_unknown_kind_is_told_by_its_kind(provider: str):
    codec, _ = started(provider)
    assert codec.read('{"event": "something.new", "x": 1}') == [UnknownMessage("something.new")]


@pytest.mark.parametrize("provider", STARTS)
@pytest.mark.parametrize(
    "message",
    ["", "no JSON", "[]", "17", "null", '"text"', "{}", '{"event": 5}', '{"event": null}', '{"event": ["start"]}',
     "[" * 100_000, '{"event":' * 50_000, '{"event": "\ud800"}', "x" * (MAX_MESSAGE_BYTES + 1)],
    ids=lambda value: value[:20],
)  # fmt: skip
def test_what_is_no_message_is_refused(provider: str, message: str):
    codec, _ = started(provider)
    with pytest.raises(MalformedMessage):
        codec.read(message)


@pytest.mark.parametrize("provider", JSON_PROVIDERS)
@pytest.mark.parametrize(
    ("media", "told"),
    [
        (None, "media: None is no JSON object"),
        ("x", "media: 'x' is no JSON object"),
        ({}, "media.payload: None is no text of base64"),
        ({"payload": 5}, "media.payload: 5 is no text of base64"),
        ({"payload": "%%%"}, "media.payload: '%%%' is no base64"),
        ({"payload": PAYLOAD, "chunk": "one"}, "media.chunk: 'one' is no whole number from 0"),
        ({"payload": PAYLOAD, "chunk": -1}, "media.chunk: -1 is no whole number"),
        ({"payload": PAYLOAD, "chunk": True}, "media.chunk: True is no whole number"),
        ({"payload": PAYLOAD, "chunk": 1.5}, "media.chunk: 1.5 is no whole number"),
        ({"payload": PAYLOAD, "chunk": "9" * 4000}, "is no whole number"),
    ],
)
def test_media_with_wrong_fields_names_the_field(provider: str, media: Any, told: str):
    codec, _ = started(provider)
    with pytest.raises(MalformedMessage, match="media") as raised:
        codec.read(json.dumps({"event": "media", "media": media}))
    assert told in str(raised.value)
    assert not raised.value.ends_stream
    assert len(str(raised.value)) < 300


def test_half_a_sample_is_refused():
    codec, _ = started("exotel")
    payload = base64.b64encode(bytes(321)).decode()
    with pytest.raises(MalformedMessage, match=r"media\.payload: 321 bytes"):
        codec.read(json.dumps({"event": "media", "media": {"payload": payload}}))
    codec, _ = started("vonage")
    with pytest.raises(MalformedMessage, match="audio: 641 bytes"):
        codec.read(bytes(641))


@pytest.mark.parametrize("provider", STARTS)
def test_huge_audio_is_refused(provider: str):
    codec, _ = started(provider)
    huge = bytes(MAX_MESSAGE_BYTES + 2)
    message = json.dumps({"event": "media", "media": {"payload": base64.b64encode(huge).decode()}})
    with pytest.raises(MalformedMessage, match="at most"):
        codec.read(huge if provider == "vonage" else message)


@pytest.mark.parametrize("digit", [None, "", "10", 5, "x", ["1"], "\u0661"])
@pytest.mark.parametrize("provider", STARTS)
def test_what_is_no_key_is_refused(provider: str, digit: Any):
    codec, _ = started(provider)
    message = (
        {"event": "websocket:dtmf", "digit": digit}
        if provider == "vonage"
        else {"event": "dtmf", "dtmf": {"digit": digit}}
    )
    with pytest.raises(MalformedMessage, match="is no key"):
        codec.read(json.dumps(message))


@pytest.mark.parametrize(
    ("provider", "path", "value"),
    [
        ("twilio", "start", ...),
        ("twilio", "start/callSid", ...),
        ("twilio", "start/callSid", 17),
        ("twilio", "start/streamSid", ""),
        ("twilio", "start/customParameters", "x"),
        ("twilio", "start/mediaFormat", ...),
        ("twilio", "start/mediaFormat/encoding", "audio/opus"),
        ("twilio", "start/mediaFormat/sampleRate", 16000),
        ("twilio", "start/mediaFormat/sampleRate", "fast"),
        ("telnyx", "start/call_control_id", None),
        ("telnyx", "start/media_format/encoding", "G722"),
        ("telnyx", "start/media_format/encoding", "OPUS"),
        ("telnyx", "start/custom_parameters", [1]),
        ("plivo", "start/callId", ...),
        ("plivo", "extra_headers", "{"),
        ("plivo", "start/mediaFormat/sampleRate", 44100),
        ("exotel", "start/call_sid", ...),
        ("exotel", "start/media_format/sample_rate", "11025"),
        ("vonage", "content-type", "audio/l16"),
        ("vonage", "content-type", "audio/l16;rate=" + "9" * 5000),
        ("vonage", "content-type", "audio/opus;rate=16000"),
        ("vonage", "headers", "x"),
    ],
)  # fmt: skip
def test_a_start_that_cannot_be_used_ends_the_stream(provider: str, path: str, value: Any):
    with pytest.raises(MalformedMessage) as raised:
        CODECS[provider]().read(json.dumps(changed(STARTS[provider], path, value)))
    assert raised.value.ends_stream
    assert (
        path.rpartition("/")[2] in str(raised.value)
        or "mediaFormat" in str(raised.value)
        or "header" in str(raised.value)
        or "media_format" in str(raised.value)
    )
