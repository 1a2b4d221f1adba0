"""Which recognisers of a chain are left out after failures, and when they are tried again."""

import asyncio
from contextlib import aclosing

import pytest

from recognizer_chain import ANY, Watching, chain, check_nothing_lost, recognize, speak, speech, virtual
from streamsrv.engines.asr.base import ReplacedRecognizer
from streamsrv.engines.asr.failover.recognizer import FallbackRecognizer
from streamsrv.errors import Overloaded, Unavailable
from streamsrv.testing.mortal_recognizer import Death, MortalRecognizer


@virtual
async def test_without_room_the_next_one_is_asked_and_the_breaker_stays_closed():
    full, second = (
        MortalRecognizer("full", Death("open", 0, Overloaded("full has no room."))),
        MortalRecognizer("second"),
    )
    recognizer = chain(full, second)
    for _ in range(5):
        transcripts = await recognize(recognizer, speech(range(1, 4)))
        check_nothing_lost(transcripts, range(1, 4))
        assert transcripts[-1].instead_of == ReplacedRecognizer("full", "full has no room.")
    assert recognizer.breakers.state("recognizer", "full") == "closed"


@virtual
async def test_after_failures_in_a_row_it_is_left_out_and_then_tried_by_one():
    watching = Watching()
    first, second = MortalRecognizer("first", Death("iterate", 1)), MortalRecognizer("second")
    recognizer = chain(first, second, observer=watching)
    for _ in range(5):
        check_nothing_lost(await recognize(recognizer, speech([1, 2])), [1, 2])
    assert first.opened == 3
    assert watching.fallbacks == [("first", "second")] * 5
    await asyncio.sleep(6)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(recognize(recognizer, speech(range(1, 9)))) for _ in range(50)]
    assert first.opened == 4
    for task in running:
        check_nothing_lost(task.result(), range(1, 9))
        assert task.result()[-1].instead_of == ReplacedRecognizer("first", "The provider has gone away.")
    first.death = None
    await asyncio.sleep(20)
    assert (await recognize(recognizer, speech([1, 2])))[-1].model == "first"
    assert recognizer.breakers.state("recognizer", "first") == "closed"


@virtual
async def test_a_key_that_is_refused_is_tried_once():
    first = MortalRecognizer("first", Death("iterate", 0, Unavailable("wrong key", refuses_key=True)))
    watching = Watching()
    recognizer = chain(first, MortalRecognizer("second"), observer=watching)
    for _ in range(3):
        await recognize(recognizer, speech([1]))
    assert first.opened == 1
    assert watching.failures == [("first", "unauthorized")]


@virtual
async def test_one_that_is_left_out_is_tried_when_nothing_else_works():
    first, second = MortalRecognizer("first", Death("iterate", 1)), MortalRecognizer("second", Death("iterate", 1))
    recognizer = chain(first, second)
    for _ in range(5):
        with pytest.raises(Unavailable):
            await recognize(recognizer, speech([1, 2]))
    assert (first.opened, second.opened) == (5, 5)
    second.death = None
    check_nothing_lost(await recognize(recognizer, speech([1, 2])), [1, 2])


@virtual
async def test_a_probe_that_is_dropped_lets_the_next_utterance_probe():
    first, second = MortalRecognizer("first", Death("iterate", 0)), MortalRecognizer("second")
    recognizer = chain(first, second)
    for _ in range(3):
        await recognize(recognizer, speech([1]))
    first.death = None
    await asyncio.sleep(6)
    async with aclosing(recognizer.connect()) as session, aclosing(session.open(ANY)) as stream:
        await speak(stream, speech([1]))
    assert (await recognize(recognizer, speech([1])))[-1].model == "first"


async def test_warming_up_needs_one_that_works():
    dead = MortalRecognizer("dead", Death("iterate"))
    await FallbackRecognizer([dead, MortalRecognizer("alive")]).warm_up()
    with pytest.raises(Unavailable):
        await FallbackRecognizer([dead, dead]).warm_up()
