"""Two recognisers on one stream: which audio each gets, and whose transcript counts."""

import asyncio

import pytest

from fake_decoder import let_tasks_run
from streamsrv.engines.asr.base import Transcript
from streamsrv.engines.asr.pause_gate import MIN_SPEECH_MS, PAUSE_MS
from streamsrv.engines.asr.two_speed import load
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.errors import Overloaded, Rejected, Unavailable
from streamsrv.inference.scheduler import Scheduler
from two_speed_pair import FINAL_ACCURATE, FINAL_FAST, LONG_MS, Pair, ScriptedRecognizer, heard, push, say, speak

# --- who hears what ---------------------------------------------------------------------------------------------------


async def test_the_fast_one_hears_everything_at_once_and_the_accurate_one_speech_only_when_a_pause_follows():
    pair = Pair()
    async with pair.open() as stream:
        [fast], [accurate] = pair.fast.streams, pair.accurate.streams
        push(stream, 32, speech=False)
        push(stream, 500, speech=True)
        push(stream, PAUSE_MS - 1, speech=False)
        push(stream, 500, speech=True)
        assert accurate.frames == [(32, False)]
        push(stream, PAUSE_MS, speech=False)
        assert accurate.frames == fast.frames
        push(stream, 32, speech=False)
        assert accurate.frames == fast.frames


async def test_a_click_is_not_worth_asking():
    pair = Pair()
    async with pair.open() as stream:
        speak(stream, MIN_SPEECH_MS - 1, pause_ms=500)
        assert pair.accurate.streams[0].frames == []


async def test_partial_results_are_those_of_the_fast_one():
    pair = Pair()
    async with pair.open() as stream:
        push(stream, 1000, speech=True)
        partial = Transcript("one", "to", language="en")
        await say(pair.fast.streams[0], partial)
        assert await heard(stream) == partial


async def test_in_a_pause_the_tentative_words_are_those_of_the_accurate_one():
    pair = Pair()
    async with pair.open() as stream:
        speak(stream)
        await say(pair.fast.streams[0], Transcript("wreck a", "nice beach", at_pause=True))
        await say(pair.accurate.streams[0], Transcript("", "Recognize a nice speech.", at_pause=True))
        assert await heard(stream) == Transcript("wreck a", "nice speech.", at_pause=True)
        await say(pair.fast.streams[0], Transcript("wreck a nice", "beach", at_pause=True))
        assert await heard(stream) == Transcript("wreck a nice", "speech.", at_pause=True)


async def test_the_accurate_transcript_from_before_the_user_continued_is_not_shown():
    pair = Pair()
    async with pair.open() as stream:
        speak(stream)
        await say(pair.accurate.streams[0], Transcript("", "one", at_pause=True))
        assert (await heard(stream)).text == "one"
        push(stream, 32, speech=True)
        await say(pair.accurate.streams[0], Transcript("", "too late", at_pause=True))
        await say(pair.fast.streams[0], Transcript("", "won two"))
        assert await heard(stream) == Transcript("", "won two")


# --- the final transcript ---------------------------------------------------------------------------------------------


async def test_the_accurate_final_counts_when_it_is_there_before_the_fast_one():
    pair = Pair(budget_ms=0)
    async with pair.open() as stream:
        speak(stream)
        await say(pair.accurate.streams[0], Transcript("", "accurate", at_pause=True))
        stream.finish()
        assert pair.fast.streams[0].finished
        assert pair.accurate.streams[0].finished
        await say(pair.accurate.streams[0], FINAL_ACCURATE)
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_ACCURATE
        assert [transcript async for transcript in stream] == []


async def test_the_accurate_final_counts_when_it_comes_within_the_budget():
    pair = Pair()
    async with pair.open() as stream:
        speak(stream)
        stream.finish()
        await say(pair.fast.streams[0], FINAL_FAST)
        reading = asyncio.ensure_future(heard(stream))
        await let_tasks_run()
        assert not reading.done()
        await say(pair.accurate.streams[0], FINAL_ACCURATE)
        assert await reading == FINAL_ACCURATE


async def test_the_fast_final_counts_when_the_budget_is_used_up():
    pair = Pair(budget_ms=1)
    async with pair.open() as stream:
        speak(stream)
        stream.finish()
        assert pair.accurate.streams[0].finished
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_FAST


@pytest.mark.parametrize("error", [Overloaded("full"), Unavailable("down"), Rejected("no")])
async def test_the_fast_final_counts_when_the_accurate_one_fails(error):
    pair = Pair()
    async with pair.open() as stream:
        speak(stream)
        pair.accurate.streams[0].transcripts.end(error)
        stream.finish()
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_FAST


async def test_the_fast_one_works_alone_when_the_accurate_one_takes_no_more_streams():
    pair = Pair(error=Overloaded("full"))
    async with pair.open() as stream:
        speak(stream)
        stream.finish()
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_FAST


async def test_a_failure_of_the_fast_one_is_the_streams_own():
    pair = Pair()
    async with pair.open() as stream:
        pair.fast.streams[0].transcripts.end(Unavailable("down"))
        with pytest.raises(Unavailable, match="down"):
            await heard(stream)


async def test_an_end_without_a_pause_asks_when_the_answer_is_expected_within_the_budget():
    pair = Pair(budget_ms=300)
    pair.recognizer.pace.measured(1000, 300)
    async with pair.open() as stream:
        speak(stream, 1000, pause_ms=0)
        stream.finish()
        assert pair.accurate.streams[0].speech_ms == 1000
        assert pair.accurate.streams[0].finished
        await say(pair.accurate.streams[0], FINAL_ACCURATE)
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_ACCURATE


async def test_an_end_without_a_pause_waits_for_nothing_when_the_answer_would_be_late():
    pair = Pair(budget_ms=LONG_MS)
    pair.recognizer.pace.measured(1000, LONG_MS + 1)
    async with pair.open() as stream:
        speak(stream, 1000, pause_ms=0)
        stream.finish()
        assert pair.accurate.streams[0].frames == []
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_FAST


async def test_an_answer_that_is_still_far_away_is_not_waited_for():
    pair = Pair(budget_ms=100)
    async with pair.open() as stream:
        speak(stream)
        pair.recognizer.pace.measured(1000, 400)
        pair.now_ms += 299
        stream.finish()
        assert not pair.accurate.streams[0].finished
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_FAST


async def test_an_answer_that_is_due_is_waited_for():
    pair = Pair(budget_ms=100)
    async with pair.open() as stream:
        speak(stream)
        pair.recognizer.pace.measured(1000, 400)
        pair.now_ms += 301
        stream.finish()
        assert pair.accurate.streams[0].finished


# --- life -------------------------------------------------------------------------------------------------------------


async def test_closing_closes_both_and_leaves_no_task():
    pair = Pair()
    tasks = asyncio.all_tasks()
    async with pair.open() as stream:
        speak(stream)
    await stream.aclose()
    assert pair.fast.streams[0].closed
    assert pair.accurate.streams[0].closed
    assert asyncio.all_tasks() == tasks
    assert [transcript async for transcript in stream] == []


async def test_audio_after_finish_is_ignored():
    pair = Pair()
    async with pair.open() as stream:
        speak(stream)
        stream.finish()
        stream.finish()
        push(stream, 1000, speech=True)
        assert pair.accurate.streams[0].speech_ms == 1000


async def test_both_are_warmed_up_and_closed():
    pair = Pair()
    await pair.recognizer.warm_up()
    await pair.recognizer.aclose()
    assert (pair.fast.warm, pair.accurate.warm, pair.fast.closed, pair.accurate.closed) == (1, 1, True, True)


def test_an_entry_names_its_parts():
    scheduler = Scheduler(0)
    asked: list[str] = []

    def load_part(name: str) -> ScriptedRecognizer:
        asked.append(name)
        return ScriptedRecognizer(name)

    entry = ModelEntry("pair", "recognizer", "two_speed", options={"fast": "a", "accurate": "b", "budget_ms": 7})
    recognizer = load(entry, LoadContext(scheduler, {}, load_part=load_part))
    assert (recognizer.name, recognizer.budget_ms, asked) == ("pair", 7, ["a", "b"])
    with pytest.raises(Unavailable, match=r"The options of pair are wrong: .*slow"):
        load(ModelEntry("pair", "recognizer", "two_speed", options={"slow": "a"}), LoadContext(scheduler, {}))
