"""A recogniser fails in a session with another one behind it: what the client is told."""

from collections.abc import Sequence

import pytest

from driven import Driven, driven, quiet, tone
from streamsrv.engines.asr.base import Recognizer, Transcript
from streamsrv.engines.asr.failover.recognizer import FallbackRecognizer
from streamsrv.errors import Overloaded, Rejected, Unavailable
from streamsrv.testing.fakes import ScriptedRecognizer, fake_engines
from streamsrv.testing.faults import Fault
from streamsrv.testing.faulty import FaultyRecognizer

PREFIX = "conversation.item.input_audio_transcription"
TEXT = "where is the station please"
PARTIALS = [
    (200, Transcript("", "where is")),
    (400, Transcript("where is", "the")),
    (700, Transcript("where is the", "station")),
]
ASKED, BEHIND = "faulty-scripted-recognizer", "scripted-recognizer"


def first(fault: Fault) -> FaultyRecognizer:
    return FaultyRecognizer(ScriptedRecognizer(TEXT, PARTIALS), *[fault] * 9)


def behind(text: str = "Where is the station, please?") -> ScriptedRecognizer:
    return ScriptedRecognizer(text)


async def said(recognizers: Sequence[Recognizer]) -> tuple[str, dict]:
    """The joined deltas of a spoken turn, and the event that ends its transcription; the turn is answered."""
    engines = fake_engines(recognizer=FallbackRecognizer(recognizers))
    async with driven(engines) as session:
        session.client.configure(audio={"input": {"transcription": {"model": "whisper-1"}}})
        session.client.append(tone(1000) + quiet(1500))
        await session.client.until("response.done")
        events = session.client.events
    await engines.aclose()
    deltas = [event["delta"] for event in events if event["type"] == f"{PREFIX}.delta"]
    (ended,) = [event for event in events if event["type"] in (f"{PREFIX}.completed", f"{PREFIX}.failed")]
    return "".join(deltas), ended


@pytest.mark.parametrize("results", range(4))
async def test_the_transcript_is_whole_and_names_its_recogniser(results: int):
    fault = Fault(after=results, error=Unavailable("The line is dead."))
    deltas, completed = await said([first(fault), behind()])
    words = [word.casefold().strip(",.?") for word in completed["transcript"].split()]
    assert words == TEXT.split()
    assert completed["transcript"] == deltas
    assert completed["streamsrv"]["model"] == BEHIND
    assert completed["streamsrv"]["fallback"] == {"from": ASKED, "reason": "The line is dead."}


async def test_without_room_the_next_one_recognises():
    deltas, completed = await said([first(Fault(error=Overloaded("It is full."))), behind()])
    assert deltas == completed["transcript"] == "Where is the station, please?"
    assert completed["streamsrv"] == {"model": BEHIND, "fallback": {"from": ASKED, "reason": "It is full."}}


async def test_a_recogniser_that_works_is_named_alone():
    _, completed = await said([behind(), first(Fault())])
    assert completed["streamsrv"] == {"model": BEHIND}


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ([first(Fault(after=2, error=Unavailable("It is gone.")))], "It is gone."),
        (
            [first(Fault(after=2, error=Unavailable("It is gone."))), first(Fault(error=Unavailable("So is it.")))],
            "No speech recogniser can transcribe this. It is gone. So is it.",
        ),
        ([first(Fault(after=1, error=Rejected("The prompt is bad."))), behind()], "The prompt is bad."),
    ],
)
async def test_when_none_is_left_the_client_is_told_why(chain: list[Recognizer], message: str):
    engines = fake_engines(recognizer=FallbackRecognizer(chain))
    async with driven(engines) as session:
        session.client.append(tone(1000) + quiet(1500))
        failed = await session.client.until(f"{PREFIX}.failed")
        assert failed["error"]["message"] == message
        await is_alive(session)
    await engines.aclose()


async def is_alive(session: Driven) -> None:
    session.client.say("response.create")
    assert (await session.client.until("response.done"))["response"]["status"] == "completed"
