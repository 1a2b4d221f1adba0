"""An engine or the core fails with an unexpected error: the effect on its session, and none on others."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from driven import Driven, driven, quiet, tone
from streamsrv.core.effects import Effect, SetTimer
from streamsrv.core.inputs import (
    EventReceived,
    FrameHeard,
    Input,
    ModelOutput,
    PlaybackReported,
    SpeechOutput,
    TimerFired,
    TranscriptReceived,
)
from streamsrv.core.session import SessionCore
from streamsrv.core.timers import IdleTimeout
from streamsrv.engines.asr.base import RecognitionOptions, Transcript
from streamsrv.engines.llm.base import ChatOptions, Delta, Message, Tool
from streamsrv.engines.loaded import Engines
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions
from streamsrv.engines.turn.base import WordsEnding
from streamsrv.testing.fakes import (
    LoudnessVad,
    ScriptedChatModel,
    ScriptedRecognizer,
    ToneSynthesizer,
    fake_engines,
    open_streams,
)

POISON = "poison"
POISONED_PEAK = 30_000
"""Peak of the audio of the session that meets the fault."""


class Trap:
    """Fails at one `place` of one stage, for poisoned input only."""

    def __init__(self, place: str, error: BaseException) -> None:
        self.place = place
        self.error = error

    def at(self, place: str, is_poisoned: bool) -> None:
        if place == self.place and is_poisoned:
            raise self.error


def is_loud(pcm: NDArray[np.int16]) -> bool:
    return bool(len(pcm)) and int(np.abs(pcm.astype(np.int32)).max()) > POISONED_PEAK - 1000


class TrappedVad(LoudnessVad):
    def __init__(self, trap: Trap) -> None:
        self._trap = trap

    def open(self) -> "TrappedVad":
        self._trap.at("vad.open", True)
        return self

    def probabilities(self, frames: NDArray[np.int16]) -> list[float]:
        self._trap.at("vad", is_loud(frames))
        return super().probabilities(frames)[: 0 if self._trap.place == "vad.short" and is_loud(frames) else None]


class TrappedWordsModel:
    name = "trapped-words-model"
    languages = frozenset({"en"})

    def __init__(self, trap: Trap) -> None:
        self._trap = trap

    async def ending(self, text: str) -> WordsEnding:
        self._trap.at("words", True)
        likely = float("nan") if self._trap.place == "words.nan" else 0.9
        return WordsEnding(likely, likely)

    async def aclose(self) -> None: ...


class TrappedTurnModel:
    name = "trapped-turn-model"

    def __init__(self, trap: Trap) -> None:
        self._trap = trap

    def evidence(self, probability: float) -> float:
        return probability

    def probability(self, pcm: NDArray[np.int16]) -> float:
        self._trap.at("turn", is_loud(pcm))
        return float("nan") if self._trap.place == "turn.nan" else 0.9


class TrappedRecognizer(ScriptedRecognizer):
    def __init__(self, trap: Trap) -> None:
        super().__init__("hello there")
        self.trap = trap

    def open(self, options: RecognitionOptions) -> Any:
        self.trap.at("recognizer.open", options.prompt == POISON)
        return _TrappedRecognition(super().open(options), self.trap, options.prompt == POISON)


class _TrappedRecognition:
    def __init__(self, stream: Any, trap: Trap, is_poisoned: bool) -> None:
        self._stream = stream
        self._trap = trap
        self._is_poisoned = is_poisoned

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        self._trap.at("recognizer.push", self._is_poisoned)
        self._stream.push(pcm, speech=speech)

    def finish(self) -> None:
        self._trap.at("recognizer.finish", self._is_poisoned)
        self._stream.finish()

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._trap.at("recognizer.close", self._is_poisoned)

    async def __aiter__(self) -> AsyncIterator[Transcript]:
        self._trap.at("recognizer", self._is_poisoned)
        if self._trap.place == "recognizer.mute" and self._is_poisoned:
            return
        async for transcript in self._stream:
            yield transcript


class TrappedChatModel(ScriptedChatModel):
    def __init__(self, trap: Trap) -> None:
        super().__init__(*[f"Good day to you. This is {POISON} for a voice."] * 10)
        self._trap = trap

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        is_poisoned = is_poison(messages)
        self._trap.at("chat", is_poisoned)
        count = 0
        async for delta in super().stream(messages, tools, options):
            yield delta
            count += 1
            self._trap.at("chat.later", is_poisoned and count == 3)
            if self._trap.place == "chat.short" and is_poisoned and count == 3:
                return

    async def prepare(self, messages: Sequence[Message]) -> None:
        self._trap.at("chat.prepare", is_poison(messages))


class TrappedSynthesizer(ToneSynthesizer):
    def __init__(self, trap: Trap) -> None:
        self._trap = trap

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        self._trap.at("synthesizer", options.voice == POISON)
        async for chunk in super().stream(text, options):
            yield chunk
        self._trap.at("synthesizer.later", options.voice == POISON)


def is_poison(messages: Sequence[Message]) -> bool:
    return any(message.content == POISON for message in messages)


def trapped(place: str, error: BaseException | None = None) -> Engines:
    trap = Trap(place, error or ZeroDivisionError("boom"))
    engines = fake_engines(
        TrappedChatModel(trap), recognizer=TrappedRecognizer(trap), synthesizer=TrappedSynthesizer(trap)
    )
    judges = {"turn": TrappedTurnModel(trap), "turn_words": TrappedWordsModel(trap)}
    return replace(engines, vad=TrappedVad(trap), **judges)


def configure(session: Driven, *, poisoned: bool) -> None:
    name = POISON if poisoned else "none"
    session.client.configure(
        instructions=name,
        audio={
            "input": {
                "transcription": {"model": "any", "prompt": name},
                "turn_detection": {"type": "semantic_vad"},
            },
            "output": {"voice": name},
        },
    )


def speak(session: Driven, *, poisoned: bool) -> None:
    session.client.append(tone(1000, POISONED_PEAK if poisoned else 8000) + quiet(9000))


async def answered(session: Driven) -> str:
    """The status of the next response."""
    return (await session.client.until("response.done"))["response"]["status"]


def faults(*places: str, cancelled: Sequence[str] = ()) -> Any:
    """Each place with an exception, and those in `cancelled` also with a cancellation inside the engine."""
    cases = [pytest.param(place, ZeroDivisionError("boom"), id=place) for place in places]
    cases += [pytest.param(place, asyncio.CancelledError(), id=f"{place}, cancelled") for place in cancelled]
    return pytest.mark.parametrize(("place", "error"), cases)


@faults(
    *("vad.open", "vad", "vad.short", "turn", "turn.nan", "words", "words.nan", "chat.prepare", "recognizer.close"),
    cancelled=("chat.prepare", "recognizer.close"),
)
async def test_a_stage_that_can_be_done_without_is_done_without(place: str, error: BaseException):
    engines = trapped(place, error)
    async with driven(engines) as session, driven(engines) as sibling:
        configure(session, poisoned=True)
        configure(sibling, poisoned=False)
        speak(session, poisoned=True)
        speak(sibling, poisoned=False)
        assert [await answered(session), await answered(sibling)] == ["completed", "completed"]
    assert [session.running.result(), sibling.running.result()] == [None, None]
    assert not open_streams(engines)
    await engines.aclose()


@faults(
    *("recognizer.open", "recognizer.push", "recognizer.finish", "recognizer", "recognizer.mute"),
    cancelled=("recognizer",),
)
async def test_a_recogniser_that_fails_is_told_and_the_session_goes_on(place: str, error: BaseException):
    engines = trapped(place, error)
    async with driven(engines) as session, driven(engines) as sibling:
        configure(session, poisoned=True)
        configure(sibling, poisoned=False)
        speak(session, poisoned=True)
        speak(sibling, poisoned=False)
        failed = await session.client.until("conversation.item.input_audio_transcription.failed")
        assert "speech recogniser" in failed["error"]["message"]
        session.client.say("response.create")
        assert [await answered(session), await answered(sibling)] == ["completed", "completed"]
    assert not open_streams(engines)
    await engines.aclose()


@faults(
    *("chat", "chat.later", "chat.short", "synthesizer", "synthesizer.later"),
    cancelled=("chat", "chat.later", "synthesizer", "synthesizer.later"),
)
async def test_a_model_or_a_voice_that_fails_is_told_in_its_response_and_nowhere_else(place: str, error: BaseException):
    engines = trapped(place, error)
    async with driven(engines) as session, driven(engines) as sibling:
        configure(session, poisoned=True)
        configure(sibling, poisoned=False)
        for each in (session, sibling):
            each.client.say("response.create")
        done = (await session.client.until("response.done"))["response"]
        is_mute = place.startswith("synthesizer")
        assert done["status"] == ("completed" if is_mute else "failed")
        told = done["streamsrv"]["voice_failed"] if is_mute else done["status_details"]
        assert told["error"]["message"].startswith("The ")
        assert await answered(sibling) == "completed"
        configure(session, poisoned=False)
        session.client.say("response.create", response={"audio": {"output": {"voice": "none"}}})
        assert await answered(session) == "completed"
    assert not open_streams(engines)
    await engines.aclose()


class Bug(Exception):
    """What no code expects."""


def buggy(kind: type[Input] | None) -> Callable[..., SessionCore]:
    """Cores that fail at their first input of a kind; None: at their start."""

    class BuggyCore(SessionCore):
        def start(self, now_ms: int = 0) -> list[Effect]:
            if kind is None:
                raise Bug
            return [*super().start(now_ms), SetTimer(IdleTimeout(), 1)]

        def handle(self, happened: Input, now_ms: int) -> list[Effect]:
            if kind is not None and isinstance(happened, kind):
                raise Bug
            return super().handle(happened, now_ms)

    return BuggyCore


@pytest.mark.parametrize(
    "kind",
    [None, EventReceived, FrameHeard, TranscriptReceived, ModelOutput, SpeechOutput, TimerFired, PlaybackReported],
)
async def test_a_bug_of_the_core_ends_its_session_wherever_it_shows(
    kind: type[Input] | None, caplog: pytest.LogCaptureFixture
):
    engines = trapped("nowhere")
    session, sibling = Driven(engines, buggy(kind)), Driven(engines)
    if kind is not TimerFired:  # speech clears the timer of an idle user
        speak(session, poisoned=False)
    if kind is EventReceived:
        session.client.say("response.create")
    if kind is PlaybackReported:
        await session.client.until("response.done")
        session.driver.handle(PlaybackReported("item", 1))
    assert await session.outcome() == (1011, "Internal error.")
    (logged,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert logged.exc_info is not None
    assert logged.exc_info[0] is Bug
    speak(sibling, poisoned=False)
    assert await answered(sibling) == "completed"
    assert await sibling.leave() is None
    assert not open_streams(engines)
    await engines.aclose()


class UnforeseenChannelError(Exception):
    """What a transport should not raise."""


async def test_a_fault_of_a_transport_ends_its_session(caplog: pytest.LogCaptureFixture):
    async def fail(frame: bytes) -> None:
        raise UnforeseenChannelError

    engines = fake_engines()
    session = Driven(engines)
    session.client.send = fail
    assert await session.outcome() == (1011, "Internal error.")
    assert "UnforeseenChannelError" in caplog.text
    await engines.aclose()


@pytest.mark.parametrize("ended_by", ["the client", "a bug", "cancellation"])
async def test_what_is_reported_after_the_end_is_harmless(ended_by: str, caplog: pytest.LogCaptureFixture):
    engines = fake_engines()
    session = Driven(engines, buggy(EventReceived) if ended_by == "a bug" else SessionCore)
    await session.client.until("session.created")
    if ended_by == "the client":
        session.client.leave()
    elif ended_by == "a bug":
        session.client.say("response.create")
    else:
        session.running.cancel()
    await asyncio.wait([session.running])
    caplog.clear()
    session.driver.handle(PlaybackReported("item", 100))
    assert not caplog.records
    await engines.aclose()
