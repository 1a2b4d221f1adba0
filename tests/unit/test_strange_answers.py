"""Answers that look like no speech: nothing is lost, and a voice gets short texts without control characters."""

import unicodedata
from typing import Any

import pytest

from harness import Talk, event, of_type
from streamsrv.core.answers.spoken_segments import MAX_SPOKEN
from streamsrv.core.effects import SetTimer, Synthesize
from streamsrv.core.inputs import Failure, GenerationFailed
from streamsrv.core.timers import SpeechDue
from streamsrv.engines.llm.base import Finished

ANSWERS = {
    "600 words without a mark": "word " * 600,
    "20,000 characters": ("The quick brown fox, it jumps over 123 dogs. " * 500)[:20_000],
    "20,000 letters without a space": "a" * 20_000,
    "3,000 digits": "1234567890" * 300,
    "emoji": "🎉🎊😀 👍🏽",
    "families": "👨‍👩‍👧‍👦" * 100,
    "control characters": "Hello\x00 wor\x07ld\x1b[31m. \u202eabc\u202c \u200bzero\ufeff bye.",
    "nothing but control characters": "\x00\x01\x02\u200b",
    "ten scripts": "Hello 你好 Привет مرحبا שלום สวัสดี नमस्ते 안녕하세요 こんにちは. Ok.",
    "half a surrogate pair": "one \ud800 two",
    "tags": "<speak>hi</speak> &amp; <b>x</b>",
    "combining marks": "e\u0301" * 500,
}


def speak(talk: Talk) -> dict[str, Any]:
    """Speak all of the answer, as it becomes due; return the response."""
    effects = talk.synthesize(ms_per_character=20) if of_type(talk.all, Synthesize) else []
    while due := [timer for timer in of_type(effects, SetTimer) if isinstance(timer.key, SpeechDue)]:
        talk.now_ms += due[-1].delay_ms
        effects = [*talk.fire(due[-1].key), *talk.synthesize(ms_per_character=20)]
    return event(talk.all, "response.done")["response"]


@pytest.mark.parametrize("name", ANSWERS)
def test_nothing_of_it_is_lost_and_a_voice_gets_no_more_than_it_can_take(name: str):
    talk = Talk()
    talk.says("Hello.")
    talk.model(ANSWERS[name], Finished("stop"))
    response = speak(talk)
    assert response["status"] == "completed"
    assert response["output"][0]["content"][0]["transcript"] == ANSWERS[name].strip()
    spoken = [effect.text for effect in of_type(talk.all, Synthesize)]
    assert all(0 < len(text) <= MAX_SPOKEN and any(map(str.isalnum, text)) for text in spoken)
    assert not [letter for letter in "".join(spoken) if unicodedata.category(letter) in ("Cc", "Cs")]


@pytest.mark.parametrize("name", ANSWERS)
def test_nothing_of_it_is_lost_without_a_voice(name: str):
    talk = Talk()
    talk.says("Hello.")
    answer = ANSWERS[name]
    talk.model(answer[: len(answer) // 2])
    if of_type(talk.all, Synthesize):
        talk.give(GenerationFailed(talk.generation, Failure("unavailable", "mute"), "synthesizer"))
    talk.model(answer[len(answer) // 2 :], Finished("stop"))
    failed = GenerationFailed(talk.generation, Failure("unavailable", "mute"), "synthesizer")
    if "response.done" not in str(talk.all):
        talk.give(failed)
    response = event(talk.all, "response.done")["response"]
    assert response["output"][0]["content"][0]["transcript"] == answer.strip()
