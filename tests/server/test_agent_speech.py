"""What the operator is told about telephone agents before anybody calls."""

import asyncio
import logging
from contextlib import suppress

import pytest

from streamsrv.phone_settings import read_phone_numbers
from streamsrv.service import Service
from streamsrv.settings import Settings
from streamsrv.testing.fakes import fake_engines
from streamsrv.transports.telephony.agent_speech import AgentSpeech


async def test_a_language_model_that_is_not_loaded_is_told(caplog: pytest.LogCaptureFixture):
    numbers = read_phone_numbers(
        [
            {"numbers": ["1"], "name": "lost", "model": "no-such-model", "greeting": "Hello."},
            {"numbers": ["2"], "name": "fine", "greeting": "Hello."},
        ]
    )
    service = Service(Settings(phone_number=numbers), fake_engines())
    speech = AgentSpeech(service)
    caplog.set_level(logging.ERROR)
    keeping = asyncio.create_task(speech.keep())
    async with asyncio.timeout(20):
        while len(speech.busy) < 2:
            await asyncio.sleep(0)
    keeping.cancel()
    with suppress(asyncio.CancelledError):
        await keeping
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith("the agent 'lost' names the language model 'no-such-model', which is not loaded: ")
