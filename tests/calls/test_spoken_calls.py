"""Whole calls with recorded speech, at the rate of each line, and the embedded models."""

import asyncio
from pathlib import Path

import pytest

from answering import PROVIDERS, RATE, answering, called
from streamsrv.audio.files import read_audio
from streamsrv.calling.script import Turn
from streamsrv.engines.startup import load_engines
from streamsrv.errors import EngineError
from streamsrv.settings import Settings

QUESTION = Path(__file__).parents[2] / "fixtures/is_the_front_door_locked.flac"


@pytest.fixture(scope="module")
def real_server():
    try:
        engines = asyncio.run(load_engines(Settings(chat="smollm2-135m"), print))
    except (EngineError, ImportError) as error:
        pytest.skip(str(error))
    with answering(engines, {"greeting": "Hello."}) as running:
        yield running
    asyncio.run(engines.aclose())


@pytest.mark.slow
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_recorded_speech_is_answered_aloud(real_server, provider: str):
    report = await called(real_server, provider, Turn(read_audio(QUESTION, RATE)))
    assert report.violations == []
    assert report.ended_by == "caller"
    (turn,) = report.turns
    assert turn.first_speech_ms is not None
    assert report.played_ms > 500
    await real_server.without_sessions()
