"""The speaking of a session: its tasks end when they are stopped."""

import asyncio
from collections.abc import Callable

import pytest

from streamsrv.core.effects import Generate, StopGeneration, Synthesize
from streamsrv.core.inputs import GenerationFailed, Input, ModelOutput, SegmentSpoken, SpeechOutput
from streamsrv.engines.llm.base import ChatOptions, Finished, Text
from streamsrv.engines.tts.base import SpeechOptions
from streamsrv.runtime.speaking import Speaking
from streamsrv.testing.fakes import ScriptedChatModel, ToneSynthesizer

GENERATE = Generate(1, (), (), ChatOptions())
SYNTHESIZE = Synthesize(1, "Hello.", SpeechOptions())
STOP = StopGeneration(1)


class Voice:
    """A `Speaking` over fakes; `on_report` is called with each report, as the core's effects would be."""

    def __init__(self) -> None:
        self.chat = ScriptedChatModel("One two three.")
        self.synthesizer = ToneSynthesizer()
        self.reported: list[Input] = []
        self.on_report: Callable[[Input], None] = lambda _: None
        self.tasks: list[asyncio.Task[None]] = []
        self.speaking = Speaking(self.chat, self.synthesizer, self._spawn, self._report)

    def _spawn(self, work) -> "asyncio.Task[None]":
        self.tasks.append(asyncio.ensure_future(work))
        return self.tasks[-1]

    def _report(self, happened: Input) -> None:
        self.reported.append(happened)
        self.on_report(happened)

    async def ended(self) -> list[bool]:
        """Wait until all tasks have ended; return which of them were cancelled."""
        async with asyncio.timeout(10):
            await asyncio.wait(self.tasks)
        assert self.chat.open_streams == self.synthesizer.open_streams == 0
        return [task.cancelled() for task in self.tasks]


@pytest.fixture
async def voice() -> Voice:
    return Voice()


async def test_an_answer_and_a_segment_run_to_their_ends(voice: Voice):
    voice.speaking.generate(GENERATE)
    voice.speaking.synthesize(SYNTHESIZE)
    assert await voice.ended() == [False, False]
    deltas = [report.delta for report in voice.reported if isinstance(report, ModelOutput)]
    assert isinstance(deltas[-1], Finished)
    assert "".join(delta.text for delta in deltas if isinstance(delta, Text)) == "One two three."
    assert isinstance(voice.reported[-1], SegmentSpoken | ModelOutput)
    assert voice.chat.cancelled == 0


async def test_what_is_stopped_before_its_first_step_opens_nothing(voice: Voice):
    voice.speaking.generate(GENERATE)
    voice.speaking.synthesize(SYNTHESIZE)
    voice.speaking.stop(STOP)
    assert await voice.ended() == [True, True]
    assert voice.chat.asked == []
    assert voice.reported == []


async def test_a_report_that_stops_its_own_generation_is_the_last_one_and_its_task_is_not_cancelled(voice: Voice):
    def stop_at_text(happened: Input) -> None:
        if isinstance(happened, ModelOutput) and isinstance(happened.delta, Text):
            voice.speaking.stop(STOP)

    voice.on_report = stop_at_text
    voice.speaking.generate(GENERATE)
    assert await voice.ended() == [False]
    assert len([report for report in voice.reported if isinstance(report, ModelOutput)]) == 2
    assert not [report for report in voice.reported if isinstance(report, GenerationFailed)]


async def test_the_last_delta_that_ends_its_generation_lets_the_stream_end_by_itself(voice: Voice):
    def stop_at_end(happened: Input) -> None:
        if isinstance(happened, ModelOutput) and isinstance(happened.delta, Finished):
            voice.speaking.stop(STOP)

    voice.on_report = stop_at_end
    voice.speaking.generate(GENERATE)
    assert await voice.ended() == [False]
    assert voice.chat.cancelled == 0


async def test_a_report_of_the_model_stops_the_voice(voice: Voice):
    voice.chat.hold = asyncio.Event()

    def stop(happened: Input) -> None:
        if isinstance(happened, SpeechOutput):
            voice.speaking.stop(STOP)

    voice.on_report = stop
    voice.speaking.generate(GENERATE)
    voice.speaking.synthesize(SYNTHESIZE)
    assert await voice.ended() == [True, False]
    assert not [report for report in voice.reported if isinstance(report, SegmentSpoken)]


async def test_a_stop_of_one_generation_is_none_of_another(voice: Voice):
    voice.speaking.generate(GENERATE)
    voice.speaking.stop(StopGeneration(2))
    assert await voice.ended() == [False]
