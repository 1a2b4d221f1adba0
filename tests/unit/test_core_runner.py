"""The boundary around a core: one input at a time, and an exception is the end."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from msgspec import structs

from driven import Driven
from streamsrv.captions.rooms import Rooms
from streamsrv.core.effects import Effect, SendEvent
from streamsrv.core.inputs import Input, PlaybackEnded, PlaybackReported
from streamsrv.core.session import SessionCore
from streamsrv.protocol.session_object import CaptionOptions, Session, StreamsrvOptions
from streamsrv.runtime.core_runner import CoreRunner
from streamsrv.runtime.ending import Ending
from streamsrv.testing.fakes import fake_engines

FIRST, SECOND, THIRD = PlaybackReported("item", 1), PlaybackReported("item", 2), PlaybackEnded("item", 3)


@dataclass
class FakeCore:
    """Sends two events for each input; `log` keeps what happened in order."""

    session: Session = field(default_factory=lambda: Session(id="sess_1", expires_at=0, model="test"))
    log: list[Any] = field(default_factory=list)

    def start(self, now_ms: int) -> list[Effect]:
        self.log.append("start")
        return [SendEvent("number 0", {}), SendEvent("number 1", {})]

    def handle(self, happened: Input, now_ms: int) -> list[Effect]:
        self.log.append(happened)
        return [SendEvent("number 0", {}), SendEvent("number 1", {})]


@pytest.fixture
def core() -> FakeCore:
    return FakeCore()


@pytest.fixture
async def ending() -> Ending:
    return Ending()


@pytest.fixture
def runner(core: FakeCore, ending: Ending) -> CoreRunner:
    return CoreRunner(cast("SessionCore", core), ending)


async def test_an_input_that_an_effect_leads_to_is_handled_after_the_other_effects(core: FakeCore, runner: CoreRunner):
    followers, sent = [SECOND, THIRD], ["number 0", "number 1"]

    def send(effect: SendEvent) -> None:
        if followers:
            runner.handle(followers.pop(0))
        core.log.append(effect.type)

    runner.start({SendEvent: send})
    assert core.log == ["start", *sent, SECOND, *sent, THIRD, *sent]


async def test_an_exception_of_the_core_or_of_an_effect_ends_the_session(
    core: FakeCore, runner: CoreRunner, ending: Ending, caplog: pytest.LogCaptureFixture
):
    def fail(effect: SendEvent) -> None:
        raise ZeroDivisionError

    runner.start({SendEvent: fail})
    assert ending.outcome == (1011, "Internal error.")
    assert "ZeroDivisionError" in caplog.text
    runner.handle(FIRST)
    assert core.log == ["start"]


async def test_nothing_is_handled_once_the_session_has_ended(core: FakeCore, runner: CoreRunner, ending: Ending):
    def send(effect: SendEvent) -> None:
        runner.handle(FIRST)
        ending.settle(None)

    runner.start({SendEvent: send})
    assert core.log == ["start"]


async def test_a_session_ends_once():
    ending = Ending()
    assert not ending.is_settled
    ending.settle((1001, "first"))
    ending.settle((1011, "second"))
    async with asyncio.timeout(10):
        await ending.wait()
    assert ending.outcome == (1001, "first")


async def test_a_caption_room_that_is_refused_at_the_start_is_told_after_the_session():
    def in_a_room(session: Session, **options: Any) -> SessionCore:
        captions = StreamsrvOptions(captions=CaptionOptions("full"))
        return SessionCore(structs.replace(session, streamsrv=captions), **options)

    rooms = Rooms(0, keep_ms=0, new_key=lambda: "key")
    engines = fake_engines()
    session = Driven(engines, in_a_room, rooms)
    error = await session.client.until("error")
    assert error["error"]["code"] == "caption_room_limit_reached"
    assert [event["type"] for event in session.client.events] == ["session.created", "error"]
    await session.leave()
    await engines.aclose()
