"""What becomes of a Kaldi recogniser's results; no model is needed."""

import json

import pytest

from streamsrv.engines.asr.base import Word
from streamsrv.engines.asr.kaldi.segments import Segments, read_partial, read_result


def partial(text: str, fed_ms: float):
    return read_partial(json.dumps({"partial": text}), fed_ms)


def result(*words: tuple[str, float, float], begin_s: float = 0.0):
    found = [{"word": word, "start": start, "end": end, "conf": 0.5} for word, start, end in words]
    return read_result(json.dumps({"result": found, "text": " ".join(each["word"] for each in found)}), 0, begin_s)


@pytest.fixture
def segments() -> Segments:
    return Segments("ko", lambda fed_ms: round(fed_ms) + 100)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("[4] 명 숙박", ("4", "명", "숙박")),
        ("[00] [1]", ("00", "1")),
        ("[noise] the <unk> word <SPOKEN_NOISE>", ("the", "word")),
        ("a[b]c", ("ac",)),
    ],
)
def test_numbers_lose_their_brackets_and_noises_are_no_words(text, words):
    assert partial(text, 0).texts == words


def test_times_of_words_are_those_of_the_utterance():
    heard = result(("[3]", 10.5, 11.0), ("[noise]", 11.0, 11.2), ("개", 11.2, 11.5), begin_s=10)
    assert heard.words == (Word("3", 500, 1000, 0.5), Word("개", 1200, 1500, 0.5))
    assert heard.ends_segment


def test_an_empty_result_has_no_words():
    assert read_result('{"text": ""}', 0, 0).words == ()


def test_a_word_is_stable_when_results_half_a_second_apart_agree_on_it(segments):
    assert segments.accept(partial("one two", 500), at_pause=False).stable == ""
    soon = segments.accept(partial("one two three", 700), at_pause=False)
    assert (soon.stable, soon.tentative) == ("", "one two three")
    later = segments.accept(partial("one two four", 1000), at_pause=False)
    assert (later.stable, later.tentative) == ("one two", "four")


def test_a_result_that_says_the_same_is_no_news_unless_a_pause_follows(segments):
    segments.accept(partial("one", 500), at_pause=False)
    assert segments.accept(partial("one", 600), at_pause=False) is None
    settled = segments.accept(partial("one", 700), at_pause=True)
    assert settled.at_pause
    assert settled.text == "one"


def test_the_text_of_a_segment_is_stable_when_it_ends_and_another_follows(segments):
    segments.accept(partial("one to", 500), at_pause=False)
    ended = segments.accept(result(("one", 0, 0.5), ("two", 0.5, 1)), at_pause=False)
    assert (ended.stable, ended.tentative) == ("one two", "")
    next_one = segments.accept(partial("three", 1700), at_pause=False)
    assert (next_one.stable, next_one.tentative) == ("one two", "three")


def test_stable_text_is_never_taken_back_but_the_final_text_is_that_of_the_segments(segments):
    segments.accept(partial("one two x", 500), at_pause=False)
    given = segments.accept(partial("one two x", 1000), at_pause=True)
    ended = segments.accept(result(("one", 0, 0.5), ("too", 0.5, 1)), at_pause=False)
    assert given.stable == "one two x"
    assert ended.stable.startswith(given.stable)
    assert segments.final().text == "one too"


def test_the_final_transcript_has_all_words_with_times_in_order(segments):
    segments.accept(result(("one", 0, 0.5)), at_pause=False)
    segments.accept(result(("two", 0.45, 1)), at_pause=False)
    final = segments.final()
    assert (final.text, final.is_final, final.language) == ("one two", True, "ko")
    assert final.words == (Word("one", 100, 600, 0.5), Word("two", 600, 1100, 0.5))


def test_without_speech_the_final_text_is_empty(segments):
    assert segments.final().text == ""
