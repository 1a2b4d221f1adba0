"""Servers with few places: a session beside as many requests as there may be."""

import asyncio
import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from rest import loud, post_form, quiet, wav
from serving import serving
from streamsrv.engines.startup import voice_activity_scheduler
from streamsrv.inference.scheduler import Scheduler
from streamsrv.settings import Settings
from streamsrv.testing.fakes import LoudnessVad, fake_engines
from wire import quiet as silence
from wire import tone, wire

REQUESTS = 8


class SlowVad(LoudnessVad):
    """Takes a while for each call, so that calls queue up."""

    def probabilities(self, frames: NDArray[np.int16]) -> list[float]:
        time.sleep(0.002)
        return super().probabilities(frames)


@pytest.mark.parametrize("max_sessions", [1, 2])
@pytest.mark.parametrize("crowded", [False, True], ids=["as it is set up", "with a queue that is too short"])
async def test_a_session_is_heard_beside_transcriptions(max_sessions: int, crowded: bool):
    """In a queue that is too short transcriptions are refused, and never the session."""
    settings = Settings(max_sessions=max_sessions, max_requests=REQUESTS)
    voice_activity = Scheduler(1, queue_limit=2) if crowded else voice_activity_scheduler(settings)
    engines = replace(fake_engines(), vad=SlowVad(), voice_activity=voice_activity)
    recording = wav(*[loud(1000), quiet(1500)] * 4)
    with serving(engines, max_sessions=max_sessions, max_requests=REQUESTS) as server:
        async with wire(server.realtime_url) as client:
            uploads = [post_form(server, "/audio/transcriptions", file=recording) for _ in range(REQUESTS)]
            answers = asyncio.gather(*uploads)
            for _ in range(3):
                await client.append(tone(1000) + silence(1500))
                assert (await client.until("response.done"))["response"]["status"] == "completed"
            statuses = {answer.status for answer in await answers}
    assert statuses <= ({200, 429} if crowded else {200})
    await engines.aclose()
