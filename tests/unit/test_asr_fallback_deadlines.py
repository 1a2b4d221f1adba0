"""When a recogniser of a chain counts as stalled or late, and when it is only slow."""

import asyncio
from contextlib import aclosing

import numpy as np
import pytest

from recognizer_chain import ANY, FRAME, chain, check_nothing_lost, hear, recognize, speak, speech, virtual
from streamsrv.engines.asr.base import Abilities
from streamsrv.testing.mortal_recognizer import Death, MortalRecognizer, spoken

FRAME_S = FRAME / 16_000
DEADLINE_S = 5.0


@virtual
async def test_a_stall_is_noticed_after_its_deadline_of_speech_and_a_late_final_after_its_own():
    loop = asyncio.get_running_loop()
    first, second = MortalRecognizer("first", Death("stall", 5)), MortalRecognizer("second")
    recognizer = chain(first, second)
    async with aclosing(recognizer.connect()) as session, aclosing(session.open(ANY)) as stream:
        hearing = asyncio.create_task(hear(stream))
        await speak(stream, speech(range(1, 6)))
        since = loop.time()
        while not second.opened:
            await speak(stream, spoken(7, 32))
        assert loop.time() - since == pytest.approx(3.0, abs=0.5)
        stream.finish()
        await hearing
    late, second = MortalRecognizer("late", Death("mute_finish", 0)), MortalRecognizer("second")
    since = loop.time()
    transcripts = await recognize(chain(late, second), speech(range(1, 6)))
    assert loop.time() - since == pytest.approx(5 * 0.48 + DEADLINE_S, abs=0.3)
    check_nothing_lost(transcripts, range(1, 6))


@virtual
async def test_a_slow_one_is_not_late_with_a_clip_while_it_keeps_up_with_speech():
    """A minute that comes at once may take a minute, and the deadline after that."""
    first, second = MortalRecognizer("first", delay_s=60.0), MortalRecognizer("second")
    first.abilities = Abilities(final_deadline_s=15.0)
    numbers = [1 + number % 7 for number in range(125)]
    transcripts = await recognize(chain(first, second), speech(numbers), live=False)
    assert transcripts[-1].model == "first"
    first.delay_s = 76.0
    transcripts = await recognize(chain(first, second), speech(numbers), live=False)
    assert transcripts[-1].model == "second"
    check_nothing_lost(transcripts, numbers)


@virtual
async def test_noise_without_words_is_no_stall():
    """A stalled recogniser counts as failed only if its replacement hears more."""
    first, second = MortalRecognizer("first"), MortalRecognizer("second")
    recognizer = chain(first, second)
    for _ in range(4):
        async with aclosing(recognizer.connect()) as session, aclosing(session.open(ANY)) as stream:
            for _ in range(200):
                stream.push(np.zeros(FRAME, np.int16), speech=True)
                await asyncio.sleep(FRAME_S)
            stream.finish()
            assert (await hear(stream))[-1].text == ""
    assert second.opened == 4
    assert recognizer.breakers.state("recognizer", "first") == "closed"
    first.death = Death("stall", 1)
    for _ in range(3):
        await recognize(recognizer, speech(range(1, 20)))
    assert recognizer.breakers.state("recognizer", "first") == "open"
