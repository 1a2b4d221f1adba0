"""The times of written words, from those of the words that a voice has spoken."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import RATE, Talk, event, events, of_type
from streamsrv.core.effects import Generate
from streamsrv.core.inputs import SegmentSpoken, SpeechOutput
from streamsrv.core.playback.word_placement import find_words, place_words
from streamsrv.engines.llm.base import Finished
from streamsrv.engines.tts.base import SpokenBy, SpokenWord
from streamsrv.protocol.session_object import StreamsrvOptions
from streamsrv.text.speakable import spoken_text
from streamsrv.text.spoken_text import as_written


def said(text: str, *, each_ms: int = 100, language: str = "en", count: int | None = None):
    """What is written, with times: a voice spends as long on each word that it is given, and speaks `count` of them."""
    speech = spoken_text(text, language)
    words = [
        SpokenWord(word, index * each_ms, (index + 1) * each_ms) for index, word in enumerate(speech.spoken.split())
    ]
    placed = place_words(speech, words[:count], complete=count is None)
    return [(word.text, word.start_ms, word.end_ms) for word in placed]


def test_what_is_said_in_more_words_takes_the_time_of_all():
    assert said("It costs $3 now.") == [("It", 0, 100), ("costs", 100, 200), ("$3", 200, 400), ("now.", 400, 500)]


def test_what_is_not_said_takes_no_time():
    words = {word: (start, end) for word, start, end in said("So **bold** 🎉 it is.")}
    assert words["🎉"][0] == words["🎉"][1]
    assert words["**bold**"] == (100, 200)
    assert words["is."] == (300, 400)


def test_the_words_of_speech_that_broke_off_are_those_that_were_said_whole():
    assert [word for word, *_ in said("It costs $3 now.", count=3)] == ["It", "costs"]
    assert [word for word, *_ in said("It costs $3 now.", count=4)] == ["It", "costs", "$3"]
    assert [word for word, *_ in said("It costs $3.", count=4)] == ["It", "costs", "$3."]


@pytest.mark.parametrize("told", ["It costs THREE bucks now", "it, costs three dollars, NOW"])
def test_words_that_a_voice_reads_otherwise_are_bridged(told: str):
    words = [SpokenWord(word, index * 100, (index + 1) * 100) for index, word in enumerate(told.split())]
    placed = {word.text: (word.start_ms, word.end_ms) for word in place_words(spoken_text("It costs $3 now."), words)}
    assert (placed["costs"], placed["now."]) == ((100, 200), (400, 500))
    assert 200 <= placed["$3"][0] < placed["$3"][1] <= 400


def test_scripts_without_spaces_have_a_time_for_each_character():
    placed = place_words(as_written("你好，世界。"), [SpokenWord("你好，世界。", 0, 600)])
    assert [word.text for word in placed] == ["你", "好，", "世", "界。"]
    assert placed[-1].end_ms == 600
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(placed))


def test_words_that_are_written_as_they_are_told_are_found_in_order():
    words = [SpokenWord(word, index, index + 1) for index, word in enumerate(["a", "a", "b"])]
    assert [(word.text, word.end) for word in find_words(" a  a b.", words)] == [("a", 2), ("a", 5), ("b", 7)]


def test_nothing_is_known_without_words():
    assert place_words(as_written("Hello."), []) == []
    assert place_words(as_written("Hello."), [SpokenWord("other", 0, 100)]) == []


# Sessions


def answered(*words: SpokenWord, spoken_by: SpokenBy | None = None) -> tuple[Talk, list[Any]]:
    """An answer of two seconds, "It costs $3. Bye.", whose first segment has these words."""
    talk = Talk(streamsrv=StreamsrvOptions(events=["words.timed"]))
    talk.says("How much?")
    talk.model("It costs $3. Bye.", Finished("stop"))
    second = np.ones(RATE, np.int16)
    talk.give(SpeechOutput(talk.generation, second, RATE, words, spoken_by))
    talk.give(SegmentSpoken(talk.generation))
    talk.give(SpeechOutput(talk.generation, second, RATE, (), spoken_by))
    talk.give(SegmentSpoken(talk.generation))
    return talk, [sent for sent in events(talk.all) if sent["type"] == "streamsrv.words.timed"]


SPOKEN = tuple(SpokenWord(w, i * 200, i * 200 + 200) for i, w in enumerate(["It", "costs", "three", "dollars."]))


def test_times_tell_whether_they_are_estimates_and_are_of_what_is_written():
    _, (told, estimated) = answered(*SPOKEN)
    assert (told["estimated"], estimated["estimated"]) == (False, True)
    assert [word["word"] for word in told["words"]] == ["It", "costs", "$3."]
    assert told["words"][2] == {"word": "$3.", "start_ms": 400, "end_ms": 800}
    assert estimated["words"] == [{"word": "Bye.", "start_ms": 1000, "end_ms": 2000}]


def test_times_that_fit_no_word_are_replaced_by_estimates():
    _, (told, _) = answered(SpokenWord("something", 0, 300), SpokenWord("else", 300, 900))
    assert told["estimated"]
    assert [word["word"] for word in told["words"]] == ["It", "costs", "$3."]


@pytest.mark.parametrize(("audio_ms", "heard"), [(799, "It costs"), (800, "It costs $3."), (2000, "It costs $3. Bye.")])
def test_a_reply_is_truncated_to_what_is_written_of_what_was_heard(audio_ms: int, heard: str):
    talk, _ = answered(*SPOKEN)
    item_id = event(talk.all, "response.output_item.added")["item"]["id"]
    talk.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=audio_ms)
    talk.says("And?")
    assert of_type(talk.all, Generate)[-1].messages[-2].content == heard


def test_a_response_tells_who_spoke():
    talk, _ = answered(spoken_by=SpokenBy("espeak", "en-us", instead_of="hibari"))
    own = event(talk.all, "response.done")["response"]["streamsrv"]
    assert own["spoken_by"] == [{"synthesizer": "espeak", "voice": "en-us", "instead_of": "hibari"}]


TEXT = st.text(st.sampled_from("ab  $3.5€%é😀*`\n你好"), max_size=60)


@given(TEXT, st.integers(0, 5), st.booleans())
def test_words_are_in_order_and_cover_the_text(text: str, missing: int, complete: bool):
    speech = spoken_text(text, "en")
    words = [SpokenWord(word, i * 50, i * 50 + 40) for i, word in enumerate(speech.spoken.split())]
    placed = place_words(speech, words[: len(words) - missing], complete=complete)
    assert all(a.end <= b.end and a.start_ms <= b.start_ms for a, b in pairwise(placed))
    assert all(word.start_ms <= word.end_ms and speech.written[: word.end].endswith(word.text) for word in placed)
    if complete and placed:
        assert "".join(word.text for word in placed) == "".join(text.split())
