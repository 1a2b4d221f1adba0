"""The fakes of the stages and the engines with faults: their results, delays and errors."""

import asyncio

import numpy as np
import pytest

from streamsrv.engines.asr.base import RecognitionOptions, RecognitionStream, Transcript
from streamsrv.engines.asr.failover.recognizer import FallbackRecognizer
from streamsrv.engines.llm.base import ChatOptions, Delta, Finished, Message, Text
from streamsrv.engines.tts.base import SpeechOptions
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable
from streamsrv.testing.clocks import ManualClock
from streamsrv.testing.fakes import ScriptedChatModel, ScriptedRecognizer, ToneSynthesizer, fake_engines
from streamsrv.testing.faults import Fault
from streamsrv.testing.faulty import FaultyChatModel, FaultyRecognizer, FaultySynthesizer

SECOND = np.zeros(16_000, np.int16)


async def ask(chat: FaultyChatModel) -> list[Delta]:
    return [delta async for delta in chat.stream([Message("user", "hi")], (), ChatOptions())]


async def transcripts(stream: RecognitionStream) -> list[Transcript]:
    return [transcript async for transcript in stream]


async def test_scripted_partials_come_after_their_audio():
    partials = [(1000, Transcript("what")), (2000, Transcript("what is"))]
    stream = ScriptedRecognizer("what is it", partials).open(RecognitionOptions())
    following = aiter(stream)
    stream.push(SECOND[:-1])
    stream.push(SECOND[:1])
    assert await anext(following) == partials[0][1]
    stream.finish()
    assert await anext(following) == Transcript("what is it", is_final=True)
    with pytest.raises(StopAsyncIteration):
        await anext(following)


async def test_a_fault_delays_each_result():
    clock = ManualClock()
    chat = FaultyChatModel(ScriptedChatModel("one two"), Fault(first_ms=300, each_ms=50), clock=clock)
    given: list[Delta] = []

    async def follow() -> None:
        async for delta in chat.stream([], (), ChatOptions()):
            given.append(delta)

    following = asyncio.create_task(follow())
    counts: list[int] = []
    for pass_ms in (299, 1, 49, 1, 100):
        await clock.advance(pass_ms)
        counts.append(len(given))
    assert counts == [0, 1, 1, 2, 4]
    await following


@pytest.mark.parametrize("error", [Unavailable("down"), Rejected("no"), Overloaded("full")])
@pytest.mark.parametrize("after", [0, 1, 4])
async def test_a_fault_raises_after_its_number_of_results(error: EngineError, after: int):
    chat = FaultyChatModel(ScriptedChatModel("one two"), Fault(after=after, error=error))
    given: list[Delta] = []
    with pytest.raises(type(error), match=str(error)):
        async for delta in chat.stream([], (), ChatOptions()):
            given.append(delta)
    assert len(given) == after


async def test_calls_without_a_fault_are_unchanged():
    chat = FaultyChatModel(ScriptedChatModel("one"), Fault(), Fault(error=Unavailable("down")))
    assert (await ask(chat))[0] == Text("one")
    with pytest.raises(Unavailable):
        await ask(chat)
    assert (await ask(chat))[-1] == Finished("stop")


async def test_a_stuck_call_gives_nothing_more_and_can_be_cancelled():
    model = ScriptedChatModel("one two")
    chat = FaultyChatModel(model, Fault(after=1, stuck=True))
    stream = chat.stream([], (), ChatOptions())
    assert await anext(stream) == Text("one ")
    stuck = asyncio.ensure_future(anext(stream))
    await ManualClock().advance(1_000_000)
    assert not stuck.done()
    stuck.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stuck
    assert model.cancelled == 1


async def test_an_overloaded_recogniser_refuses_to_open():
    recognizer = FaultyRecognizer(ScriptedRecognizer(), Fault(error=Overloaded("full")))
    session = recognizer.connect()
    with pytest.raises(Overloaded):
        session.open(RecognitionOptions())
    stream = session.open(RecognitionOptions())
    stream.push(SECOND)
    stream.finish()
    assert [transcript.text for transcript in await transcripts(stream)] == ["hello"]


async def test_a_recogniser_fails_during_a_recognition():
    partials = [(1000, Transcript("what"))]
    recognizer = FaultyRecognizer(ScriptedRecognizer("what", partials), Fault(after=1, error=Unavailable("down")))
    stream = recognizer.connect().open(RecognitionOptions())
    stream.push(SECOND)
    following = aiter(stream)
    assert (await anext(following)).text == "what"
    with pytest.raises(Unavailable):
        await anext(following)


async def test_a_synthesiser_fails_by_segment():
    synthesizer = FaultySynthesizer(ToneSynthesizer(), Fault(), Fault(error=Unavailable("down")))
    assert len([chunk async for chunk in synthesizer.stream("hello", SpeechOptions())]) == 1
    with pytest.raises(Unavailable):
        await anext(synthesizer.stream("hello", SpeechOptions()))


async def test_sleepers_wake_in_the_order_of_their_times():
    clock = ManualClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, *delays_ms: float) -> None:
        for delay_ms in delays_ms:
            await clock.sleep(delay_ms)
            woken.append((name, clock.now_ms))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sleeper("slow", 100))
        tasks.create_task(sleeper("quick", 40, 40, 40))
        await clock.advance(110)
        assert woken == [("quick", 40), ("quick", 80), ("slow", 100)]
        await clock.advance(10)
    assert woken[-1] == ("quick", 120)


async def test_fake_engines_accept_other_engines():
    chat, recognizer = ScriptedChatModel(), ScriptedRecognizer("other words")
    engines = fake_engines(chat, recognizer=recognizer)
    assert (engines.chat, engines.recognizer.name) == (chat, recognizer.name)
    assert isinstance(engines.recognizer, FallbackRecognizer)
    assert engines.recognizer.recognizers == (recognizer,)
    await engines.aclose()
