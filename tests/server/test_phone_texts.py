"""The fixed texts of a telephone agent: synthesised before a call needs them, and said where there is no room."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from fake_line import PATIENCE_S, FakeLine
from phone_exchange import AGENT, NUMBER, Exchange, exchange
from streamsrv.access.principal import LOOPBACK
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions
from streamsrv.errors import Unavailable
from streamsrv.phone_settings import read_phone_numbers
from streamsrv.testing.fakes import ToneSynthesizer, fake_engines
from streamsrv.transports.telephony.agents import agent_of


class CountingSynthesizer(ToneSynthesizer):
    """A tone for each text, which counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails = False

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        if self.fails:
            raise Unavailable("This fake voice is out of order.")
        self.asked.append(text)
        async for chunk in super().stream(text, options):
            yield chunk


async def prepared(world: Exchange, texts: int) -> "asyncio.Task[None]":
    keeping = asyncio.create_task(world.calls.speech.keep())
    async with asyncio.timeout(PATIENCE_S):
        while len(world.service.kept_speech) < texts or not world.calls.speech.busy:
            await asyncio.sleep(0.01)
    return keeping


async def test_fixed_texts_are_synthesised_once_before_the_first_call():
    voice = CountingSynthesizer()
    async with exchange(fake_engines(synthesizer=voice), phone_number=[NUMBER]) as world:
        keeping = await prepared(world, 5)
        agent = agent_of(world.service.settings.phone_number[0])
        asked = list(voice.asked)
        assert "Call again." in asked
        for _ in range(2):
            line = FakeLine()
            async with world.ring(line, agent) as caller:
                assert (await caller.until("response.done"))["response"]["streamsrv"]["said"] == "greeting"
        assert voice.asked == asked
        keeping.cancel()


async def test_over_capacity_a_caller_hears_the_text_of_the_agent():
    async with exchange(fake_engines(), phone_number=[NUMBER], max_sessions=1) as world:
        keeping = await prepared(world, 5)
        async with world.ring(FakeLine()):
            line = FakeLine()
            await world.calls.serve(line, agent_of(world.service.settings.phone_number[0]), LOOPBACK)
            assert line.heard_ms == pytest.approx(len("Call again.") * 60, abs=25)
        keeping.cancel()


async def test_over_capacity_each_caller_hears_an_announcement_and_is_hung_up():
    async with exchange(fake_engines(), phone_number=[NUMBER], max_sessions=1) as world:
        keeping = await prepared(world, 5)
        async with world.ring(FakeLine()):
            lines = [FakeLine() for _ in range(50)]
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*(world.calls.serve(line, AGENT, LOOPBACK) for line in lines))
        keeping.cancel()
        assert all(line.hung_up.is_set() for line in lines)
        assert all(abs(line.heard()).max(initial=0) > 1000 for line in lines)


async def test_changed_settings_have_their_texts_synthesised():
    voice = CountingSynthesizer()
    async with exchange(fake_engines(synthesizer=voice), phone_number=[NUMBER]) as world:
        keeping = await prepared(world, 5)
        changed = world.service.settings.model_copy(
            update={"phone_number": read_phone_numbers([{**NUMBER, "greeting": "Good morning."}])}
        )
        world.service.apply(changed, world.service.engines)
        async with asyncio.timeout(PATIENCE_S):
            while "Good morning." not in voice.asked or len(world.service.kept_speech) != 4:
                await asyncio.sleep(0.01)
        keeping.cancel()


async def test_a_voice_that_fails_leaves_the_tone_of_a_busy_line(caplog):
    voice = CountingSynthesizer()
    voice.fails = True
    async with exchange(fake_engines(synthesizer=voice), phone_number=[NUMBER], max_sessions=1) as world:
        keeping = asyncio.create_task(world.calls.speech.keep())
        async with asyncio.timeout(PATIENCE_S):
            while "out of order" not in caplog.text:
                await asyncio.sleep(0.01)
        async with world.ring(FakeLine()):
            line = FakeLine()
            agent = agent_of(world.service.settings.phone_number[0])
            serving = asyncio.ensure_future(world.calls.serve(line, agent, LOOPBACK))
            while line.heard_ms < 200:
                await asyncio.sleep(0.01)
            assert abs(line.heard()).max() > 1000
            line.close("The caller hung up.")
            await serving
        keeping.cancel()
