"""A user who says the same again and again: the transcript has every round. Real models, recordings and server."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from room import load_real_engines

from serving import RunningServer, serving
from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.testing.fakes import fake_engines
from wire import Wire, wire

FIXTURES = Path(__file__).parents[2] / "fixtures"
FRONT, GARAGE, LOCK = "is_the_front_door_locked", "is_the_garage_door_open", "lock_the_front_door"
NOUN = {FRONT: "front door", GARAGE: "garage door", LOCK: "lock the front door"}
WITHOUT_TURNS = {"audio": {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}}
LONG_TURNS = {
    "audio": {
        "input": {
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 3000, "create_response": False},
            "transcription": {"model": "whisper-1"},
        }
    }
}


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    try:
        real = load_real_engines()
    except (LookupError, ImportError) as missing:
        pytest.skip(str(missing))
    with serving(replace(fake_engines(recognizer=real.recognizer), vad=real.vad)) as running:
        yield running
    real.scheduler.close()


def again_and_again(name: str, times: int, pause_ms: int = 0) -> NDArray[np.int16]:
    """A recording, `times` over, at 24 kHz."""
    pause = np.zeros(PCM_RATE_HZ * pause_ms // 1000, np.int16)
    return np.tile(np.concatenate([read_audio(FIXTURES / f"{name}.flac", PCM_RATE_HZ), pause]), times)


async def append(client: Wire, pcm: NDArray[np.int16], append_ms: int) -> None:
    data, size = pcm.tobytes(), 48 * append_ms
    for start in range(0, len(data), size):
        await client.append(data[start : start + size])


async def committed(client: Wire, pcm: NDArray[np.int16], append_ms: int = 200) -> str:
    """The transcript of what is appended, as fast as the server takes it, and committed."""
    await append(client, pcm, append_ms)
    await client.send("input_audio_buffer.commit")
    return (await client.until("conversation.item.input_audio_transcription.completed"))["transcript"]


@pytest.mark.parametrize("name", [FRONT, GARAGE, LOCK])
@pytest.mark.parametrize("times", [3, 6, *(pytest.param(times, marks=pytest.mark.slow) for times in (2, 4, 10))])
async def test_a_commit_has_every_round(server: RunningServer, name: str, times: int):
    async with wire(server.realtime_url) as client:
        await client.send("session.update", session={"type": "realtime", **WITHOUT_TURNS})
        transcript = await committed(client, again_and_again(name, times))
    assert transcript.lower().count(NOUN[name]) == times, transcript


@pytest.mark.parametrize("pause_ms", [400, 1000])
@pytest.mark.parametrize("append_ms", [20, pytest.param(5000, marks=pytest.mark.slow)])
async def test_pauses_and_the_length_of_appends_change_nothing(server: RunningServer, pause_ms: int, append_ms: int):
    async with wire(server.realtime_url) as client:
        await client.send("session.update", session={"type": "realtime", **WITHOUT_TURNS})
        transcript = await committed(client, again_and_again(FRONT, 6, pause_ms), append_ms)
    assert transcript.lower().count(NOUN[FRONT]) == 6, transcript


async def test_a_transcription_session_has_every_round(server: RunningServer):
    async with wire(f"{server.realtime_url}?intent=transcription") as client:
        await client.send("session.update", session={"type": "transcription", **WITHOUT_TURNS})
        transcript = await committed(client, again_and_again(FRONT, 6))
    assert transcript.lower().count(NOUN[FRONT]) == 6, transcript


@pytest.mark.parametrize("times", [4, 6])
async def test_a_long_turn_has_every_round(server: RunningServer, times: int):
    async with wire(server.realtime_url) as client:
        await client.send("session.update", session={"type": "realtime", **LONG_TURNS})
        await append(client, np.concatenate([again_and_again(FRONT, times), np.zeros(4 * PCM_RATE_HZ, np.int16)]), 200)
        event = await client.until("conversation.item.input_audio_transcription.completed")
    assert event["transcript"].lower().count(NOUN[FRONT]) == times, event["transcript"]


async def test_different_sentences_are_decoded_as_before(server: RunningServer):
    async with wire(server.realtime_url) as client:
        await client.send("session.update", session={"type": "realtime", **WITHOUT_TURNS})
        said = np.concatenate([again_and_again(name, 1) for name in (FRONT, GARAGE, LOCK) * 2])
        transcript = (await committed(client, said)).lower()
    assert [transcript.count(noun) for noun in ("front door", "garage door", "lock the")] == [4, 2, 2], transcript
