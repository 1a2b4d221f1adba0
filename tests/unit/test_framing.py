import pytest

from streamsrv.media.messages import FRAMING, CallMessage, Clear, Configure, Event, Speech
from streamsrv.processes.framing import MAX_MESSAGE_BYTES, Deframer, Heartbeat

SAID: list[Configure | CallMessage | Heartbeat] = [
    Heartbeat(1.5),
    Event(1, '{"type":"x"}'),
    Speech(2, "item_1", 24_000, bytes(range(256)) * 10),
    Clear(1),
]


@pytest.mark.parametrize("step", [1, 3, 100, 10_000])
def test_messages_survive_however_the_stream_is_cut(step: int):
    stream = b"".join(map(FRAMING.encode, SAID))
    deframer = Deframer(FRAMING)
    heard = [
        message for start in range(0, len(stream), step) for message in deframer.feed(stream[start : start + step])
    ]
    assert heard == SAID


def test_a_length_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="bytes"):
        list(Deframer(FRAMING).feed((MAX_MESSAGE_BYTES + 1).to_bytes(4, "little")))
