"""How the tokens of a transducer become words and transcripts."""

import math

import pytest

from streamsrv.engines.asr.base import Word
from streamsrv.engines.asr.tokens import Token, TokenTranscripts, read_words


def at(ms: float) -> int:
    return round(ms)


def tokens(text: str, *, start: float = 0, step: float = 80) -> list[Token]:
    """Tokens separated by `|`; `_` begins a word."""
    return [Token(piece.replace("_", "▁"), start + index * step, -0.5) for index, piece in enumerate(text.split("|"))]


def test_words_have_the_times_and_the_mean_confidence_of_their_tokens():
    heard = [Token("▁lock", 80, math.log(0.8)), Token("ed", 160, math.log(0.2)), Token("▁door", 400)]
    words = read_words(heard, at, 80)
    assert [(word.text, word.start_ms, word.end_ms) for word in words] == [("locked", 80, 240), ("door", 400, 480)]
    assert words[0].confidence == pytest.approx(0.4)
    assert words[1].confidence is None


def test_words_do_not_overlap_even_if_tokens_have_the_same_time():
    words = read_words(tokens("_a|_b|_c", step=0), at, 80)
    times = [ms for word in words for ms in (word.start_ms, word.end_ms)]
    assert times == sorted(times)


def test_scripts_without_spaces_are_split_into_characters():
    assert [word.text for word in read_words(tokens("_你好|吗"), at, 80)] == ["你", "好", "吗"]


@pytest.mark.parametrize("text", ["", "_", "_|_"])
def test_tokens_without_letters_are_no_words(text):
    assert read_words(tokens(text), at, 80) == ()


def test_the_last_word_is_tentative_until_a_pause():
    transcripts = TokenTranscripts(at, 80, grows=True)
    first = transcripts.accept(tokens("_the|_do"), at_pause=False)
    assert first is not None
    assert (first.stable, first.tentative) == ("the", "do")
    second = transcripts.accept(tokens("_the|_do|or"), at_pause=True)
    assert second is not None
    assert (second.stable, second.tentative, second.at_pause) == ("the door", "", True)
    final = transcripts.final(logprobs=False)
    assert (final.text, final.is_final, final.logprobs) == ("the door", True, ())
    assert final.words[0] == Word("the", 0, 80, pytest.approx(math.exp(-0.5)))


def test_the_same_tokens_are_no_news_but_at_a_pause():
    transcripts = TokenTranscripts(at, 80, grows=True)
    assert transcripts.accept(tokens("_the"), at_pause=False) is not None
    assert transcripts.accept(tokens("_the"), at_pause=False) is None
    assert transcripts.accept(tokens("_the"), at_pause=True) is not None


def test_a_word_that_goes_on_after_a_pause_is_appended_to():
    transcripts = TokenTranscripts(at, 80, grows=True)
    before = transcripts.accept(tokens("_the|_tele"), at_pause=True)
    after = transcripts.accept(tokens("_the|_tele|phone|_rings"), at_pause=False)
    assert before is not None
    assert after is not None
    assert after.stable == "the telephone"
    assert after.stable.startswith(before.stable)


def test_revised_tokens_are_stable_when_two_results_agree():
    transcripts = TokenTranscripts(at, 80, grows=False)
    texts = ["_the|_do", "_the|_door|_is", "_the|_door|_was|_shut"]
    stable = [transcripts.accept(tokens(text), at_pause=False) for text in texts]
    assert [each.stable for each in stable if each] == ["", "the", "the door"]
    settled = transcripts.accept(tokens(texts[-1]), at_pause=True)
    assert settled is not None
    assert settled.stable == "the door was shut"


@pytest.mark.parametrize("grows", [True, False])
def test_segments_follow_each_other(grows):
    transcripts = TokenTranscripts(at, 80, grows=grows)
    transcripts.accept(tokens("_one|_two"), at_pause=True)
    transcripts.close_segment()
    later = transcripts.accept(tokens("_three|_four", start=5000), at_pause=True)
    assert later is not None
    assert later.stable.startswith("one two")
    final = transcripts.final(logprobs=True)
    assert final.text == "one two three four"
    assert [word.start_ms for word in final.words] == [0, 80, 5000, 5080]
    assert [each.token for each in final.logprobs] == [" one", " two", " three", " four"]
    assert "".join(each.token for each in final.logprobs).strip() == final.text
