"""Cutting an answer into segments to speak."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.core.answers.segmenter import LONG_CHARACTERS, MAX_ADDRESS, Segment, Segmenter


def cut(*deltas: str) -> list[Segment]:
    segmenter = Segmenter()
    segments = [segment for delta in deltas for segment in segmenter.feed(delta)]
    return segments + segmenter.finish()


def texts(answer: str) -> list[str]:
    return [segment.text for segment in cut(answer)]


VOCABULARY = """
    the and Because Dr. e.g. U.S. etc. No. Nov. 1. 2) - * # 3.14 1,000, $5 million 9:30 https://a.b/c?d=1, what? Yes!
    ... . Hmm… word—word — “quoted,” (aside) **bold:** `code` `open [link to](http://a.b) [unclosed ``` ```python ~~~ 😀
    今日は。 はい、 it He p.m. a,b J. K. clause; colon:
"""
WORDS = st.sampled_from(VOCABULARY.split())
SPACES = st.sampled_from([" ", " ", " ", " ", "  ", "\n", "\n\n", "\r\n", "\t", "\u00a0", ""])
ANSWERS = st.one_of(
    st.text(),
    st.lists(st.tuples(WORDS, SPACES), max_size=60).map(lambda parts: "".join(word + space for word, space in parts)),
)


@given(ANSWERS, st.data())
def test_the_cuts_do_not_depend_on_the_deltas(answer: str, data: st.DataObject) -> None:
    places = sorted(data.draw(st.sets(st.integers(0, len(answer)), max_size=20)))
    deltas = [answer[start:end] for start, end in zip([0, *places], [*places, len(answer)], strict=True)]
    assert cut(*deltas) == cut(answer)


@given(ANSWERS)
def test_the_segments_joined_are_the_answer_and_none_is_empty(answer: str) -> None:
    segments = texts(answer)
    assert "".join(segments) == answer
    assert all(segments)


@given(ANSWERS)
def test_every_segment_is_whole_words_and_the_whitespace_after_them(answer: str) -> None:
    for before, after in pairwise(texts(answer)):
        assert before[-1].isspace() or before.rstrip("\"'”’)]}»›*_`~」』）】")[-1:] in "—。！？、，；："
        assert not after[0].isspace()


@pytest.mark.parametrize(
    ("answer", "first"),
    [
        ("Sure, I can help you with that, of course.", "Sure, I can help you with that, "),
        ("The capital is Paris. It is old.", "The capital is Paris. "),
        ("Here it is: a list.", "Here it is: "),
        ("That was odd—really odd.", "That was odd—"),
        ("That was odd — really odd.", "That was odd — "),
        ("“That was rather odd—” she said, smiling.", "“That was rather odd—” "),
        ("I think you should probably go there and see it.", "I think you should probably go there "),
        (
            "One two three four five six seven eight nine ten eleven.",
            "One two three four five six seven eight nine ten ",
        ),
        ("今日はとてもいい天気ですね、散歩に行きましょう。", "今日はとてもいい天気ですね、"),
    ],
)
def test_the_first_segment_is_short(answer: str, first: str) -> None:
    assert texts(answer)[0] == first
    assert len(texts(answer)) > 1


def test_a_first_sentence_of_two_words_is_spoken_with_the_next() -> None:
    assert texts("Yes! It is. Really.") == ["Yes! It is. ", "Really."]


def test_later_segments_are_whole_sentences() -> None:
    answer = "Of course I can. First, boil the water, then wait; after that, pour it. Is that clear? Good!"
    assert texts(answer)[1:] == [
        "First, boil the water, then wait; after that, pour it. ",
        "Is that clear? ",
        "Good!",
    ]


@pytest.mark.parametrize(
    "sentence",
    [
        "Pi is 3.14 and a thousand is 1,000 exactly.",
        "The train leaves at 9:30 a.m. on Monday.",
        "Ask Dr. Smith, Mr. Jones, or J. R. R. Tolkien.",
        "Ask Dr. No and Mr. So.",
        "Fruit, e.g. apples, i.e. the red ones, costs approx. two dollars.",
        "The U.S. Army was there.",
        "See https://example.com/a,b?c=d. e for more.",
        "Well... that is odd . . . very odd.",
        "See No. 5 and Fig. 3 of Nov. 23, 2026.",
        "Call it [the first one, or the second. Or so](https://example.com).",
        "Run `a, b. C` now.",
        "Where did you go? she asked.",
        "Acme Inc. builds rockets, etc. for a living.",
    ],
)
def test_a_sentence_is_not_cut_inside(sentence: str) -> None:
    lead = "This is the start. "
    assert texts(lead + sentence) == [lead, sentence]


@pytest.mark.parametrize("amount", ["$5 million", "5 km", "23 November", "9:30 am", "Mr. Smith"])
def test_a_cut_without_a_mark_spares_what_belongs_together(amount: str) -> None:
    answer = f"one two three four five six seven eight nine {amount} twelve thirteen"
    assert not any(segment.endswith(amount.split()[0] + " ") for segment in texts(answer))
    assert len(texts(answer)) == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("He lives in the U.S. ", "The house is old."),
        ("It opens at 9 a.m. ", "We can go then."),
        ("Apples, pears, etc. ", "They are all good."),
        ("The answer is no. ", "I am sorry."),
        ("There are 5. ", "Take one."),
        ("“Is it so?” ", "She nodded."),
        ("**Very important!** ", "Read it."),
        ("He did it (again). ", "Why?"),
        ("本当ですか？！", "はい。"),
        ("「そうです。」", "はい。"),
    ],
)
def test_a_sentence_ends_there(before: str, after: str) -> None:
    lead = "This is the start. "
    assert texts(lead + before + after) == [lead, before, after]


def test_lines_and_list_items_end_a_segment() -> None:
    answer = "Tips:\n1. Sleep well\n2. Drink water. Often.\n- Walk\n\nThat is all"
    assert cut(answer) == [
        Segment("Tips:\n", True),
        Segment("1. Sleep well\n", True),
        Segment("2. Drink water. ", True),
        Segment("Often.\n", True),
        Segment("- Walk\n\n", True),
        Segment("That is all", True),
    ]


def test_a_list_in_one_line_keeps_its_numbers() -> None:
    assert texts("1. Do not lie down. 2. Keep cool. 3. Sleep.") == [
        "1. Do not lie down. ",
        "2. Keep cool. ",
        "3. Sleep.",
    ]


def test_a_code_fence_is_one_segment() -> None:
    fence = "```python\nprint('a, b. C')\n\nprint(1)\n```\n"
    assert texts(f"Here is it:\n{fence}Done.") == ["Here is it:\n", fence, "Done."]


def test_an_unclosed_code_fence_is_one_segment() -> None:
    assert texts("Look:\n```\nx = 1\n\ny = 2. Z") == ["Look:\n", "```\nx = 1\n\ny = 2. Z"]


def test_a_clause_does_not_end_a_sentence() -> None:
    assert [segment.ends_sentence for segment in cut("In the morning, it rains. Always.")] == [False, True, True]


def test_a_long_sentence_is_cut_at_a_clause_mark() -> None:
    clause = "each of them adds a little more to it, "
    answer = "It begins here. " + clause * 8 + "and so it ends."
    segments = texts(answer)
    assert len(segments) > 2
    assert all(segment.endswith(", ") for segment in segments[1:-1])
    assert all(len(segment) <= LONG_CHARACTERS + len(clause) for segment in segments)


def test_a_long_sentence_without_marks_is_cut_between_words() -> None:
    segments = texts("It begins here. " + "word " * 300)
    assert all(len(segment) <= 2 * LONG_CHARACTERS + len("word ") for segment in segments)


def test_text_without_an_ending_is_flushed() -> None:
    segmenter = Segmenter()
    assert segmenter.feed("No ending") == []
    assert segmenter.finish() == [Segment("No ending", True)]
    assert segmenter.finish() == []


def test_nothing_gives_no_segment() -> None:
    assert cut("") == []


def test_a_segment_is_certain_with_the_first_character_of_the_next_word() -> None:
    segmenter = Segmenter()
    assert segmenter.feed("In the morning, ") == []
    assert segmenter.feed("i") == [Segment("In the morning, ", False)]


@pytest.mark.parametrize("unclosed", ["[a](", "[a](b", "https://a"])
def test_an_address_without_an_end_is_cut(unclosed: str):
    answer = unclosed * 3000
    assert "".join(texts(answer)) == answer
    assert max(map(len, texts(answer))) <= MAX_ADDRESS + 2 * LONG_CHARACTERS


def first_of(text: str, language: str) -> str:
    return next((segment.text for segment in Segmenter(language).feed(text)), "")


def test_english_words_begin_phrases_and_sentences_in_english_only():
    text = "El edificio mide unos 5 ft. No es muy alto, dicen. "
    assert first_of(text, "en") == "El edificio mide unos 5 ft. "
    assert first_of(text, "es") == "El edificio mide unos 5 ft. No es muy alto, "
    phrase = "Der alte Mann wohnte dort ganz allein in "
    assert first_of(phrase, "en") == "Der alte Mann wohnte dort ganz allein "
    assert first_of(phrase, "de") == ""
