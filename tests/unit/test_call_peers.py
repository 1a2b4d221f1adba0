"""The provider's end of media streams: what is said in its own words, and which mistakes of a server are found."""

import base64
import json

import numpy as np
import pytest

from streamsrv.calling.impairment import Impairment, Path
from streamsrv.calling.peers import PEERS
from streamsrv.calling.peers.base import Clear, HangUp, Identity, Mark, Peer, Play, Violation
from streamsrv.calling.peers.telnyx import TelnyxPeer

CALL = Identity("12345678-1234-1234-1234-123456789abc", "+4930111", "+4930222", {"streamsrv_token": "t"}, stream="S1")
SILENCE_20_MS = base64.b64encode(b"\xff" * 160).decode()
SILENCE_L16 = base64.b64encode(bytes(320)).decode()


def peer(provider: str) -> Peer:
    return PEERS[provider](CALL)


def said(message: str | bytes) -> dict:
    return json.loads(message)


def test_twilio_starts_its_stream_with_texts_and_custom_parameters():
    connected, start = map(said, peer("twilio").opening())
    assert connected == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert (start["event"], start["sequenceNumber"], start["streamSid"]) == ("start", "1", "S1")
    assert start["start"]["callSid"] == CALL.call_id
    assert start["start"]["customParameters"] == {"streamsrv_token": "t"}


def test_chunks_are_counted_also_those_that_are_lost():
    twilio = peer("twilio")
    twilio.opening()
    first = said(twilio.media(np.zeros(160, np.int16)))
    twilio.skip()
    third = said(twilio.media(np.zeros(160, np.int16)))
    assert (first["media"]["chunk"], first["media"]["timestamp"]) == ("1", "0")
    assert (third["media"]["chunk"], third["media"]["timestamp"]) == ("3", "40")
    assert first["media"]["payload"] == SILENCE_20_MS


def test_plivo_has_numbers_and_tells_custom_parameters_as_one_text():
    (start,) = map(said, peer("plivo").opening())
    assert (start["sequenceNumber"], start["extra_headers"]) == (1, "streamsrv_token=t")
    assert start["start"]["mediaFormat"] == {"encoding": "audio/x-mulaw", "sampleRate": 8000}


def test_vonage_tells_the_headers_in_its_first_message_and_sends_binary_frames():
    vonage = peer("vonage")
    (connected,) = map(said, vonage.opening())
    assert connected == {
        "event": "websocket:connected", "content-type": "audio/l16;rate=16000", "streamsrv_token": "t"
    }  # fmt: skip
    assert vonage.media(np.ones(320, np.int16)) == b"\x01\x00" * 320


def test_audiosocket_frames_have_a_type_and_a_length():
    audiosocket = peer("audiosocket")
    (name,) = audiosocket.opening()
    assert name == b"\x01\x00\x10" + bytes.fromhex("12345678123412341234123456789abc")
    assert audiosocket.media(np.ones(160, np.int16)) == b"\x10\x01\x40" + b"\x01\x00" * 160
    assert audiosocket.digit("#") == b"\x03\x00\x01#"
    assert audiosocket.closing() == [b"\x00\x00\x00"]
    assert audiosocket.read(b"\x00\x00\x00") == HangUp()


ORDERS = [
    ("twilio", '{"event":"clear","streamSid":"S1"}', Clear()),
    ("twilio", '{"event":"mark","streamSid":"S1","mark":{"name":"m"}}', Mark("m")),
    ("telnyx", '{"event":"clear"}', Clear()),
    ("telnyx", '{"event":"mark","mark":{"name":"m"}}', Mark("m")),
    ("plivo", '{"event":"clearAudio","streamId":"S1"}', Clear()),
    ("plivo", '{"event":"checkpoint","streamId":"S1","name":"m"}', Mark("m")),
    ("vonage", '{"action":"clear"}', Clear()),
    ("vonage", '{"action":"notify","payload":{"mark":"m"}}', Mark('{"mark":"m"}')),
    ("exotel", '{"event":"clear","stream_sid":"S1"}', Clear()),
    ("exotel", '{"event":"mark","stream_sid":"S1","mark":{"name":"m"}}', Mark("m")),
]


@pytest.mark.parametrize(("provider", "message", "order"), ORDERS)
def test_orders_of_the_server_are_read(provider: str, message: str, order: object):
    assert peer(provider).read(message) == order


@pytest.mark.parametrize(
    ("provider", "message", "samples"),
    [
        ("twilio", f'{{"event":"media","streamSid":"S1","media":{{"payload":"{SILENCE_20_MS}"}}}}', 160),
        ("telnyx", f'{{"event":"media","media":{{"payload":"{SILENCE_20_MS}"}}}}', 160),
        ("plivo", f'{{"event":"playAudio","media":{{"contentType":"audio/x-mulaw","sampleRate":8000,'
                  f'"payload":"{SILENCE_20_MS}"}}}}', 160),
        ("vonage", bytes(640), 320),
        ("exotel", f'{{"event":"media","stream_sid":"S1","media":{{"payload":"{SILENCE_L16}"}}}}', 160),
        ("audiosocket", b"\x10\x01\x40" + bytes(320), 160),
    ],
)  # fmt: skip
def test_audio_of_the_server_is_read(provider: str, message: str | bytes, samples: int):
    order = peer(provider).read(message)
    assert isinstance(order, Play)
    assert order.pcm.tolist() == [0] * samples


@pytest.mark.parametrize(
    ("provider", "message", "problem"),
    [
        ("twilio", '{"event":"clear","streamSid":"S2"}', "streamSid is 'S2'; the stream is 'S1'"),
        ("twilio", '{"event":"bark","streamSid":"S1"}', "Twilio takes media, mark and clear"),
        ("twilio", '{"event":"media","streamSid":"S1","media":{"payload":"?"}}', "is not base64"),
        ("twilio", '{"event":"media","streamSid":"S1","media":{"payload":""}}', "is empty"),
        ("twilio", '{"event":"media","streamSid":"S1","media":7}', "media is no object: 7"),
        ("twilio", '{"event":"mark","streamSid":"S1","mark":{}}', "mark.name is no name: None"),
        ("twilio", b"\xff" * 160, "A binary message"),
        ("twilio", "[]", "no JSON object"),
        ("telnyx", '{"event":"media","media":{"payload":"//8="}}', "Telnyx takes 20 to 30000 ms"),
        ("plivo", '{"event":"playAudio","media":{"contentType":"audio/x-l16","sampleRate":8000,"payload":"AAA="}}',
         "the stream is audio/x-mulaw at 8000 Hz"),
        ("vonage", bytes(320), "Vonage takes frames of 640 bytes"),
        ("vonage", '{"action":"notify"}', "payload is no object"),
        ("exotel", '{"event":"media","stream_sid":"S1","media":{"payload":"AAA="}}', "no multiple of 320"),
        ("exotel", '{"event":"media","stream_sid":"S1","media":{"payload":"AA=="}}', "no whole samples"),
        ("audiosocket", b"\x10\x00\x01\x00", "no whole samples"),
        ("audiosocket", b"\x42\x00\x00", "type 0x42"),
    ],
)  # fmt: skip
def test_what_a_provider_does_not_accept_is_told(provider: str, message: str | bytes, problem: str):
    with pytest.raises(Violation, match=problem):
        peer(provider).read(message)


def test_marks_come_back_as_each_provider_tells_them():
    assert said(peer("twilio").passed("m"))["mark"] == {"name": "m"}
    assert said(peer("plivo").passed("m"))["event"] == "playedStream"
    assert said(peer("vonage").passed('{"mark":"m"}')) == {"event": "websocket:notify", "payload": {"mark": "m"}}
    assert peer("audiosocket").passed("m") is None


def test_telnyx_streams_other_encodings():
    telnyx = TelnyxPeer(CALL, "PCMA")
    assert said(telnyx.opening()[1])["start"]["media_format"]["encoding"] == "PCMA"
    assert base64.b64decode(said(telnyx.media(np.zeros(160, np.int16)))["media"]["payload"]) == b"\xd5" * 160


def chunks(impairment: Impairment, *, keeps_order: bool) -> list[str]:
    path = Path(impairment, 20, keeps_order)
    arrived: list[str] = []
    for number in range(100):
        if not path.loses():
            path.put(str(number), number * 20)
        arrived += path.due(number * 20)  # type: ignore[arg-type]
    return arrived + path.due(1e9)  # type: ignore[operator]


def test_a_path_without_impairment_passes_everything_on_at_once():
    assert chunks(Impairment(), keeps_order=False) == [str(number) for number in range(100)]


def test_loss_and_repetition_are_those_of_the_seed():
    impairment = Impairment(loss=0.2, repeated=0.2, seed=5)
    arrived = chunks(impairment, keeps_order=True)
    assert arrived == chunks(impairment, keeps_order=True)
    assert 60 < len(set(arrived)) < 95
    assert len(arrived) > len(set(arrived))


@pytest.mark.parametrize("keeps_order", [True, False])
def test_only_providers_that_do_not_keep_the_order_reorder(keeps_order: bool):
    arrived = chunks(Impairment(reordered=0.2, jitter_ms=10, seed=1), keeps_order=keeps_order)
    in_order = arrived == sorted(arrived, key=int)
    assert in_order == keeps_order
    assert len(arrived) == 100
