"""A recording is spoken into a caption room of a server with real engines: its captions are right, and on time."""

import asyncio

import numpy as np
import pytest

from recordings import recording
from rest import ask
from serving import RunningServer
from streamsrv.audio.files import read_audio
from streamsrv.testing.word_errors import count_word_errors
from streamsrv.text.words import split_words
from wire import wire

SPOKEN = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, "
    "it was the epoch of belief, it was the epoch of incredulity, it was the season of light, it was the season of "
    "darkness, it was the spring of hope, it was the winter of despair"
)
COMMITTED = "input_audio_buffer.committed"
COMPLETED = "conversation.item.input_audio_transcription.completed"
RATE = 24_000
SECONDS = 24
MAX_S = 17
"""A monologue is cut at its next pause after 10 s, and after 16 s at the least one."""


@pytest.fixture(scope="module")
def captions(real_server: RunningServer) -> dict:
    """The room's captions after the recording, and its WebVTT file."""
    return asyncio.run(speak(real_server))


async def speak(real_server: RunningServer) -> dict:
    pcm = read_audio(recording("two_cities.wav"), RATE)[: SECONDS * RATE]
    pcm = np.concatenate([pcm, np.zeros(RATE, np.int16)])
    # The speaker never pauses for 3 s, so that nothing but the length of the monologue ends a turn.
    patient = {"audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 3000}}}}
    async with wire(f"{real_server.realtime_url}?intent=transcription&captions=cities") as client:
        await client.send("session.update", session=patient)
        for start in range(0, len(pcm), RATE):
            await client.append(pcm[start : start + RATE].tobytes())
        await client.send("input_audio_buffer.commit")
        waiting: set[str] = set()  # items without their words: on a busy machine those of a later one may come first
        async with asyncio.timeout(60):
            while True:
                event = await client.next()
                if event["type"] == COMMITTED:
                    waiting.add(event["item_id"])
                if event["type"] != COMPLETED:
                    continue
                waiting.remove(event["item_id"])
                if waiting:
                    continue
                kept = (await ask(real_server, "GET", "/streamsrv/captions/cities/captions.json")).json["captions"]
                if kept and kept[-1]["end"] > SECONDS - 4:
                    break
        vtt = (await ask(real_server, "GET", "/streamsrv/captions/cities/captions.vtt")).body.decode()
    return {"captions": kept, "vtt": vtt}


def test_the_words_are_right(captions: dict):
    heard = split_words(" ".join(caption["text"] for caption in captions["captions"]))
    errors = count_word_errors(SPOKEN, " ".join(heard[: len(SPOKEN.split())]))
    assert errors.rate < 0.15, heard


def test_a_monologue_is_cut_into_texts_of_bearable_length(captions: dict):
    lengths = [caption["end"] - caption["start"] for caption in captions["captions"]]
    assert len(lengths) >= 2
    assert max(lengths) < MAX_S


def test_the_subtitles_follow_one_another(captions: dict):
    lines = [line for line in captions["vtt"].splitlines() if " --> " in line]
    times = [part for line in lines for part in line.split(" --> ")]
    assert len(lines) >= 4
    assert times == sorted(times)


def test_every_word_has_its_time_in_the_recording(captions: dict):
    words = [word for caption in captions["captions"] for word in caption["words"]]
    assert all(0 <= word["start"] < word["end"] <= SECONDS + 1 for word in words)
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)
