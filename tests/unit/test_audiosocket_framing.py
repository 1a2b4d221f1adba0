"""The framing of AudioSocket, with the bytes of its document."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.transports.telephony.codec import MalformedMessage
from streamsrv.transports.telephony.codecs.audiosocket import (
    RATE_OF_KIND,
    AudioCame,
    AudioSocketReader,
    CallNamed,
    DigitCame,
    ErrorCame,
    HungUp,
    UnknownCame,
    audio_messages,
    message,
)

CALL = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")


def test_the_messages_of_a_call():
    stream = (
        b"\x01\x00\x10" + CALL.bytes + b"\x10\x00\x04\x01\x00\x02\x00" + b"\x12\x00\x02\x05\x00"
        b"\x03\x00\x01#" + b"\xff\x00\x01\x04" + b"\xff\x00\x00" + b"\x42\x00\x01x" + b"\x00\x00\x00"
    )  # fmt: skip
    assert AudioSocketReader().read(stream) == [
        CallNamed(str(CALL)),
        AudioCame(b"\x01\x00\x02\x00", 8_000),
        AudioCame(b"\x05\x00", 16_000),
        DigitCame("#"),
        ErrorCame("memory could not be had"),
        ErrorCame("without a code"),
        UnknownCame(0x42),
        HungUp(),
    ]


@given(st.lists(st.integers(1, 40), max_size=30))
def test_messages_may_come_in_any_pieces(sizes: list[int]):
    stream = message(0x01, CALL.bytes) + b"".join(message(0x10, bytes(2 * size)) for size in sizes) + message(0x00)
    reader, found, start = AudioSocketReader(), [], 0
    for size in [*sizes, len(stream)]:
        found += reader.read(stream[start : start + size])
        start += size
    assert found == [CallNamed(str(CALL)), *(AudioCame(bytes(2 * size), 8_000) for size in sizes), HungUp()]


@given(st.binary(max_size=3000))
def test_any_bytes_give_messages_or_errors(data: bytes):
    for found in AudioSocketReader().read(data):
        assert found is not None


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (message(0x10, b"abc"), "audio: 3 bytes"),
        (message(0x03, b"12"), "DTMF: '12' is no key"),
        (message(0x03), "is no key"),
        (message(0x01, b"short"), "UUID: 5 bytes"),
    ],
)
def test_a_message_that_cannot_be_read_is_an_error_and_the_next_one_is_read(bad: bytes, told: str):
    error, digit = AudioSocketReader().read(bad + message(0x03, b"5"))
    assert isinstance(error, MalformedMessage)
    assert told in str(error)
    assert digit == DigitCame("5")


@pytest.mark.parametrize("rate", RATE_OF_KIND.values())
def test_audio_is_sent_in_messages_of_20_ms_at_most(rate: int):
    audio = bytes(rate // 10 * 2)
    messages = audio_messages(audio + b"\x01\x02", rate)
    assert len(messages) == 6
    [*whole, last] = AudioSocketReader().read(b"".join(messages))
    assert whole == [AudioCame(bytes(rate // 50 * 2), rate)] * 5
    assert last == AudioCame(b"\x01\x02", rate)
