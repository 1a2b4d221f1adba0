"""A recorded voice gets a spoken answer, with the embedded models."""

import asyncio

import numpy as np
import pytest

from caller import RATE, calling
from recordings import recording
from serving import serving
from streamsrv.audio.files import read_audio
from streamsrv.engines.startup import load_engines
from streamsrv.errors import EngineError
from streamsrv.settings import Settings


@pytest.fixture(scope="module")
def real_server():
    try:
        engines = asyncio.run(load_engines(Settings(chat="smollm2-135m"), print))
    except (EngineError, ImportError) as error:
        pytest.skip(str(error))
    with serving(engines, webrtc_hosts="127.0.0.1", webrtc_processes=1) as running:
        yield running
    asyncio.run(engines.aclose())


PATIENT = {"type": "realtime", "audio": {"input": {"transcription": {}, "turn_detection": {"type": "server_vad"}}}}
PATIENT["audio"]["input"]["turn_detection"]["silence_duration_ms"] = 2000


async def test_recorded_speech_is_understood_and_answered_aloud(real_server):
    voice = read_audio(recording("beckett.wav"), RATE)
    async with calling(real_server, PATIENT) as caller:
        caller.microphone.say(voice)
        completed = await caller.until("conversation.item.input_audio_transcription.completed")
        assert "ever tried" in completed["transcript"].lower()
        await caller.hears(sound=True)
        await caller.until("output_audio_buffer.stopped")
        said = [event for event in caller.received if event["type"] == "response.output_audio_transcript.done"]
        assert said[0]["transcript"].strip()
        # Speech takes about 65 ms a character: as much was heard as was said.
        loud_ms = 20 * int(np.sum(np.array(caller.heard) > 100))
        assert 20 * len(said[0]["transcript"]) < loud_ms < 200 * len(said[0]["transcript"])
