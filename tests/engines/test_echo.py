"""A client whose microphone hears the reply: real models and voices, a fake room and fake time (`room.py`)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from room import MICROPHONE_RATE, RealEngines, Room, load_real_engines

from streamsrv.audio.files import read_audio

FIXTURES = Path(__file__).parents[2] / "fixtures"
REPLIES = (
    "Hello! How can I help you today?",
    "I'm sorry, I didn't quite catch that. Could you please say it again?",
    "I found three restaurants nearby. The first one is Bella Roma, which opens at six.",
    "That will be $25.99 plus 8% tax, so about $28 in total.",
)


@pytest.fixture(scope="module")
def real() -> Iterator[RealEngines]:
    try:
        engines = load_real_engines()
    except (LookupError, ImportError) as missing:
        pytest.skip(str(missing))
    yield engines
    engines.scheduler.close()


def spoken(name: str) -> NDArray[np.int16]:
    """A person's voice at 16 kHz."""
    return read_audio(FIXTURES / f"{name}.flac", MICROPHONE_RATE)


async def reply_begins(room: Room) -> None:
    """A question in writing, and the first second of its answer."""
    content = '[{"type": "input_text", "text": "Go on."}]'
    item = f'{{"type": "message", "role": "user", "content": {content}}}'
    room.send(f'{{"type": "conversation.item.create", "item": {item}}}')
    room.send('{"type": "response.create"}')
    await room.run(1000)


async def reply_ends(room: Room) -> None:
    """The rest of the answer, and the time until its echo would have been answered."""
    for _ in range(60):
        if not room.playing:
            break
        await room.run(512)
    await room.run(3000)


def turns(room: Room) -> int:
    return room.types().count("input_audio_buffer.speech_started")


@pytest.mark.parametrize("holds", [False, True], ids=["stock", "transport"])
@pytest.mark.parametrize("echo_db", [-10, -30])
@pytest.mark.parametrize(
    "reply",
    [*REPLIES[:2], *(pytest.param(reply, marks=pytest.mark.slow) for reply in REPLIES[2:])],
    ids=[reply.split()[0] for reply in REPLIES],
)
async def test_the_echo_of_a_reply_neither_interrupts_nor_is_answered(
    real: RealEngines, reply: str, echo_db: float, holds: bool
):
    room = Room(real, reply, echo_db=echo_db, holds=holds)
    await reply_begins(room)
    assert room.playing
    await reply_ends(room)
    await room.aclose()
    assert (turns(room), len(room.asked)) == (0, 1), room.types()


@pytest.mark.parametrize("echo_db", [None, -20, -30])
async def test_a_person_who_talks_over_the_reply_and_its_echo_interrupts(real: RealEngines, echo_db: float | None):
    room = Room(real, REPLIES[2], echo_db=echo_db)
    await reply_begins(room)
    room.says(spoken("is_the_garage_door_open"))
    await room.run(5000)
    await room.aclose()
    assert turns(room) >= 1
    assert "garage" in room.asked[1].lower()


async def test_speech_after_the_reply_is_answered(real: RealEngines):
    room = Room(real, "Do you want to know whether the front door is locked?", echo_db=-20)
    await reply_begins(room)
    while room.playing:
        await room.run(32)
    await room.run(480)
    room.says(spoken("is_the_front_door_locked"))
    await room.run(5000)
    await room.aclose()
    assert len(room.asked) == 2
    assert "front door" in room.asked[1].lower(), "the same words as the reply's, after it"


@pytest.mark.parametrize("holds", [False, True], ids=["stock", "transport"])
@pytest.mark.parametrize("text", ["mm hmm", "Mm-hmm.", "uh-huh", "Mhm."])
async def test_a_synthetic_backchannel_does_not_stop_the_reply(real: RealEngines, text: str, holds: bool):
    room = Room(real, REPLIES[2], echo_db=None, holds=holds)
    await reply_begins(room)
    room.says(await room.voice(text))
    await reply_ends(room)
    await room.aclose()
    assert (turns(room), len(room.asked)) == (0, 1), room.types()
