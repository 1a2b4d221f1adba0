"""When the accurate one of two recognisers is asked under load: how many streams at once, how long its answers take."""

import pytest

from streamsrv.engines.asr.base import Transcript
from streamsrv.engines.asr.pause_gate import MAX_MS, MIN_SPEECH_MS
from streamsrv.engines.asr.two_speed import MAX_ANSWER_S, MIN_TURN_SILENCE_MS
from two_speed_pair import FINAL_FAST, Pair, heard, push, say, speak


async def test_only_so_many_streams_are_decoded_at_once_and_the_next_one_gets_its_turn_in_the_same_pause():
    pair = Pair(at_once=1)
    async with pair.open() as one, pair.open() as other:
        first, second = pair.accurate.streams
        speak(one)
        speak(other)
        push(other, 32, speech=False)
        assert second.frames == []
        await say(first, Transcript("", "one", at_pause=True))
        push(other, 32, speech=False)
        assert second.speech_ms == 1000


async def test_a_stream_may_ask_again_before_its_first_answer():
    pair = Pair(at_once=1)
    async with pair.open() as stream:
        speak(stream)
        speak(stream)
        assert pair.accurate.streams[0].speech_ms == 2000


async def test_a_question_that_is_never_answered_does_not_block_the_others_for_ever():
    pair = Pair(at_once=1)
    async with pair.open() as one, pair.open() as other:
        speak(one)
        pair.now_ms += MAX_ANSWER_S * 1000
        speak(other)
        assert pair.accurate.streams[1].speech_ms == 1000


async def test_a_closed_stream_makes_room():
    pair = Pair(at_once=1)
    async with pair.open() as one:
        speak(one)
    async with pair.open() as other:
        speak(other)
        assert pair.accurate.streams[1].speech_ms == 1000


async def test_the_pace_is_measured_from_question_to_answer():
    pair = Pair()
    async with pair.open() as stream:
        speak(stream, 1000)
        pair.now_ms += 250
        await say(pair.accurate.streams[0], Transcript("", "one", at_pause=True))
        assert pair.recognizer.pace.expected_ms(1000) == pytest.approx(250)
        pair.now_ms += 1000
        await say(pair.accurate.streams[0], Transcript("", "one", at_pause=True))
        assert pair.recognizer.pace.expected_ms(1000) == pytest.approx(250)


async def test_an_accurate_one_that_is_too_slow_is_tried_again_after_some_pauses():
    pair = Pair(budget_ms=0)
    pair.recognizer.pace.measured(1000, MIN_TURN_SILENCE_MS * 1.5)
    async with pair.open() as stream:
        accurate = pair.accurate.streams[0]
        speak(stream)
        push(stream, 1000, speech=False)
        assert accurate.frames == []
        pauses = 1
        while not accurate.frames:
            speak(stream, MIN_SPEECH_MS)
            pauses += 1
        assert pauses > 3


async def test_speech_that_was_not_recognised_in_time_is_dropped():
    pair = Pair()
    async with pair.open() as stream:
        for _ in range(MAX_MS // 1000 + 1):
            push(stream, 1000, speech=True)
        speak(stream)
        stream.finish()
        assert pair.accurate.streams[0].frames == []
        await say(pair.fast.streams[0], FINAL_FAST)
        assert await heard(stream) == FINAL_FAST
