"""What is private in the messages of telephone providers stands in no error and no log."""

import json

import pytest

from streamsrv.transports.telephony.codec import MalformedMessage, MediaCodec
from streamsrv.transports.telephony.codecs import CODECS
from streamsrv.transports.telephony.masking import masked

TOKEN = "Zr0-k1yI5xKJ7pLq2mNvB_8sT4uW6aQe9dRfGhYcXtE"
PRIVATE = {"streamsrv_token": TOKEN, "from": "+4917012345678"}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("+4917012345678 called", "+… called"),
        ("0170 / 123-45-67", "…"),
        (f"token {TOKEN}.", "token …."),
        (
            "audio/l16 at 48000 Hz, code 1008, start.media_format",
            "audio/l16 at 48000 Hz, code 1008, start.media_format",
        ),
    ],
)
def test_numbers_and_tokens_are_masked(text: str, kept: str):
    assert masked(text) == kept


@pytest.mark.parametrize("provider", CODECS)
@pytest.mark.parametrize(
    "message",
    [
        json.dumps(PRIVATE)[:-1],
        json.dumps([PRIVATE]),
        json.dumps({"event": PRIVATE}),
        json.dumps({"event": "start", "start": [PRIVATE], "headers": [PRIVATE], "content-type": str(PRIVATE)}),
        json.dumps(
            {"event": "start", "start": {"callId": "1", "streamId": "2"}, "extra_headers": json.dumps(PRIVATE)[:-1]}
        ),
        json.dumps({"event": "websocket:connected", "content-type": "audio/l16;rate=8000", "headers": [PRIVATE]}),
    ],
)
def test_a_message_that_cannot_be_read_tells_nothing_private(provider: str, message: str):
    codec: MediaCodec = CODECS[provider]()
    told = ""
    try:
        codec.read(message)
    except MalformedMessage as error:
        told = str(error)
    assert "70123" not in told
    assert TOKEN[:20] not in told
