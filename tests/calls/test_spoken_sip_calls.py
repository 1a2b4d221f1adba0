"""A whole call over SIP: a softphone with a recorded question calls `streamsrv serve` with the embedded models."""

import asyncio
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import connect

from served_process import ServedProcess
from sip_peers import HOST, RATE_HZ, WITHOUT_BARESIP, Baresip, free_port, has_baresip
from streamsrv.audio.files import read_audio
from streamsrv.testing.word_errors import count_word_errors

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("baresip") is None, reason="needs pip install 'streamsrv[sip]'"),
    pytest.mark.skipif(not has_baresip(), reason=WITHOUT_BARESIP),
]
QUESTION = Path(__file__).parents[2] / "fixtures/is_the_front_door_locked.flac"
WORDS = "is the front door locked"
GREETING = "Hello, this is the front desk."
SETTINGS = """
[[sip_endpoint]]
port = {port}
rtp_ports = "32000-32999"

[[phone_number]]
numbers = ["100"]
greeting = "{greeting}"
instructions = "Answer in one short sentence."
silence_ms = 0
"""
PATIENCE_S = 120


def microphone() -> np.ndarray:
    """The question after the greeting, and then silence for as long as the answer may take."""
    before, after = np.zeros(5 * RATE_HZ, np.int16), np.zeros(PATIENCE_S * RATE_HZ, np.int16)
    return np.concatenate([before, read_audio(QUESTION, RATE_HZ), after])


async def conversation(url: str, call_id: str) -> dict[str, str]:
    """Join the call; return the caller's words, and those of the answer once the caller has heard it."""
    found: dict[str, str] = {}
    async with connect(f"{url.replace('http', 'ws')}/v1/realtime?call_id={call_id}", max_size=None) as sideband:
        async for text in sideband:
            event: dict[str, Any] = json.loads(text)
            match event["type"]:
                case "conversation.item.input_audio_transcription.completed":
                    found["question"] = event["transcript"]
                case "response.output_audio_transcript.done" if "question" in found:
                    found["answer"] = event["transcript"]
                case "output_audio_buffer.stopped" if "answer" in found:
                    return found
                case _:
                    pass
    raise AssertionError(f"the call ended before: {found}")


@pytest.mark.parametrize("codec", ["PCMU", "G722"])
async def test_a_softphone_asks_and_what_it_hears_is_the_greeting_and_the_answer(tmp_path: Path, codec: str):
    port = free_port()
    settings = tmp_path / "streamsrv.toml"
    settings.write_text(SETTINGS.format(port=port, greeting=GREETING))
    folder = tmp_path / "phone"
    folder.mkdir()
    phone = Baresip(folder, microphone(), f";audio_codecs={codec}")
    with ServedProcess(tmp_path, "--config", str(settings), "--chat", "smollm2-135m") as served:
        url = await asyncio.to_thread(served.url)
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="any") as client, asyncio.timeout(PATIENCE_S):
            async with phone.calling(f"sip:100@{HOST}:{port}"):
                while not (calls := (await client.get("/streamsrv/calls", cast_to=dict[str, Any]))["data"]):
                    await asyncio.sleep(0.05)
                said = await conversation(url, calls[0]["id"])
                await client.realtime.calls.hangup(calls[0]["id"])
                await phone.until("terminated")
            recorded = next(folder.glob("dump-*-dec.wav"))
            heard = await client.audio.transcriptions.create(file=recorded, model="moonshine-tiny")
    assert count_word_errors(WORDS, said["question"]).rate <= 0.2, said
    assert said["answer"]
    assert count_word_errors(f"{GREETING} {said['answer']}", heard.text).rate < 0.3, (said, heard.text)
