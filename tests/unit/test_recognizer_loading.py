"""A client that asked for it is told while the recogniser that it chose is loaded."""

import asyncio
import time

import pytest

from driven import Driven, quiet, tone
from harness import Talk, counting_ids, event, of_type
from streamsrv.core.capabilities import Capabilities
from streamsrv.core.effects import PrepareRecognizer
from streamsrv.core.inputs import RecognizerPrepared
from streamsrv.core.session import SessionCore
from streamsrv.engines.asr.base import Abilities, Recognizer, RecognizerFacts
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.recognizer_pool import RecognizerPool
from streamsrv.engines.recognizers import Recognizers
from streamsrv.errors import Unavailable
from streamsrv.protocol.session_object import Session
from streamsrv.testing.fakes import ScriptedRecognizer, fake_engines

CAPABILITIES = Capabilities(
    recognizers={name: RecognizerFacts(Abilities()) for name in ("first", "second")}, chains={"": ["first"]}
)
TOLD = {"events": ["recognizer.loading"]}


def choosing(model: str) -> dict:
    return {"input": {"transcription": {"model": model}}}


def make_core(session: Session, **others) -> SessionCore:
    return SessionCore(session, capabilities=CAPABILITIES, **others)


class ChoosingTalk(Talk):
    """A session of a server with two recognisers."""

    def __init__(self) -> None:
        super().__init__()
        self.core = make_core(Session(id="sess_1"), new_id=counting_ids())
        self.all = self.core.start()


def types(effects) -> list[str]:
    return [effect.type for effect in effects if hasattr(effect, "type")]


def test_the_recogniser_is_prepared_when_it_is_chosen_and_once():
    talk = ChoosingTalk()
    assert not of_type(talk.all, PrepareRecognizer)
    assert of_type(talk.update(audio=choosing("second")), PrepareRecognizer) == [PrepareRecognizer("second")]
    assert not of_type(talk.update(instructions="Be brief."), PrepareRecognizer)
    assert not of_type(talk.update(audio={"input": {"transcription": {"language": "de"}}}), PrepareRecognizer)
    assert of_type(talk.update(audio=choosing("whisper-1")), PrepareRecognizer) == [PrepareRecognizer("first")]


def test_a_session_that_begins_with_a_recogniser_has_it_prepared():
    audio = {"input": {"transcription": {"model": "second"}}}
    core = make_core(Session(id="sess_1"), new_id=counting_ids())
    session = core.session
    assert session.audio.input.transcription is None
    talk = ChoosingTalk()
    talk.update(audio=audio)
    started = make_core(talk.core.session, new_id=counting_ids()).start()
    assert of_type(started, PrepareRecognizer) == [PrepareRecognizer("second")]


def test_the_client_is_told_if_it_asked_for_it():
    talk = ChoosingTalk()
    talk.update(audio=choosing("second"), streamsrv=TOLD)
    assert (
        event(talk.give(RecognizerPrepared("second", "loading")), "streamsrv.recognizer.loading")["model"] == "second"
    )
    assert event(talk.give(RecognizerPrepared("second", "ready")), "streamsrv.recognizer.ready")["model"] == "second"
    talk.update(audio=choosing("first"))
    failed = event(talk.give(RecognizerPrepared("first", "failed", "It is gone.")), "streamsrv.recognizer.failed")
    assert (failed["model"], failed["error"]["message"]) == ("first", "It is gone.")


def test_stock_clients_are_not_told():
    talk = ChoosingTalk()
    talk.update(audio=choosing("second"))
    assert not talk.give(RecognizerPrepared("second", "loading"))
    assert not talk.give(RecognizerPrepared("second", "ready"))


def test_a_client_that_asks_while_it_waits_is_told_then():
    talk = ChoosingTalk()
    talk.update(audio=choosing("second"))
    talk.give(RecognizerPrepared("second", "loading"))
    assert types(talk.update(streamsrv=TOLD)) == ["session.updated", "streamsrv.recognizer.loading"]
    assert types(talk.update(instructions="Be brief.")) == ["session.updated"]


def test_news_of_a_recogniser_that_is_no_longer_chosen_are_dropped():
    talk = ChoosingTalk()
    talk.update(audio=choosing("second"), streamsrv=TOLD)
    talk.update(audio=choosing("first"))
    assert not talk.give(RecognizerPrepared("second", "loading"))


def test_a_client_that_chooses_another_one_while_it_waits_is_told_of_that_one():
    talk = ChoosingTalk()
    talk.update(audio=choosing("second"), streamsrv=TOLD)
    talk.give(RecognizerPrepared("second", "loading"))
    assert types(talk.update(audio=choosing("first"))) == ["session.updated"]
    assert types(talk.update(instructions="Be brief.")) == ["session.updated"]
    assert event(talk.give(RecognizerPrepared("first", "ready")), "streamsrv.recognizer.ready")["model"] == "first"
    talk.update(audio=choosing("second"))
    talk.give(RecognizerPrepared("second", "loading"))
    talk.update(audio=choosing("first"))
    loading = talk.give(RecognizerPrepared("first", "loading"))
    assert event(loading, "streamsrv.recognizer.loading")["model"] == "first"


# --- in a running session ---------------------------------------------------------------------------------------------


class Shelf:
    """A library with one recogniser, which the test loads."""

    def __init__(self) -> None:
        self.pool = RecognizerPool(100)
        self.loading: asyncio.Future[Recognizer] = asyncio.get_running_loop().create_future()
        self.model = ScriptedRecognizer("the second one")
        self.model.name = "second"

    def __contains__(self, name: str) -> bool:
        return name == "second"

    def __getitem__(self, name: str):
        return self.pool.recognizer(name, name, Abilities(), 1, self._load)

    async def _load(self) -> Recognizer:
        return await self.loading

    def observe(self, _: object) -> None: ...


@pytest.fixture
async def shelf() -> Shelf:
    return Shelf()


def session_with(shelf: Shelf) -> Driven:
    breakers = Breakers(time.monotonic)
    engines = fake_engines()
    first = ScriptedRecognizer("the first one")
    first.name = "first"
    object.__setattr__(engines, "recognizers", Recognizers([first], breakers, library=shelf))  # type: ignore[arg-type]
    session = Driven(engines, make_core)
    session.client.configure(audio={"input": {"transcription": {"model": "second"}}}, streamsrv=TOLD)
    return session


async def test_words_that_are_said_while_the_recogniser_is_loaded_are_recognised(shelf: Shelf):
    session = session_with(shelf)
    client = session.client
    assert (await client.until("streamsrv.recognizer.loading"))["model"] == "second"
    client.append(tone(600) + quiet(1200))
    await client.until("input_audio_buffer.committed")
    shelf.loading.set_result(shelf.model)
    await client.until("streamsrv.recognizer.ready")
    completed = await client.until("conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == "the second one"
    await session.leave()
    assert not shelf.model.open_streams
    assert shelf["second"].holds == 0
    await shelf.pool.aclose()


async def test_another_recogniser_takes_over_the_words_if_it_cannot_be_loaded(shelf: Shelf):
    session = session_with(shelf)
    client = session.client
    await client.until("streamsrv.recognizer.loading")
    client.append(tone(600) + quiet(1200))
    await client.until("input_audio_buffer.committed")
    shelf.loading.set_exception(Unavailable("/secret is truncated"))
    failed = await client.until("streamsrv.recognizer.failed")
    assert failed["error"]["message"] == "The speech recogniser second could not be loaded; the server's log says why."
    completed = await client.until("conversation.item.input_audio_transcription.completed")
    assert completed["transcript"] == "the first one"
    await session.leave()
    assert "/secret" not in str(client.events)
    assert shelf["second"].holds == 0
    await shelf.pool.aclose()


async def test_a_client_that_leaves_while_its_recogniser_is_loaded_lets_go_of_it(shelf: Shelf):
    session = session_with(shelf)
    await session.client.until("streamsrv.recognizer.loading")
    session.client.append(tone(600))
    await session.client.until("input_audio_buffer.speech_started")
    assert await session.leave() is None
    assert shelf["second"].holds == 0
    await shelf.pool.aclose()


async def test_a_client_that_chooses_the_default_one_while_it_waits_learns_that_it_need_not(shelf: Shelf):
    session = session_with(shelf)
    await session.client.until("streamsrv.recognizer.loading")
    session.client.configure(audio=choosing("first"))
    assert (await session.client.until("streamsrv.recognizer.ready"))["model"] == "first"
    await session.leave()
    assert shelf["second"].holds == 0
    await shelf.pool.aclose()
