"""What another model says after words of an answer is joined to them: nothing doubled, nothing lost."""

import random

import pytest

from streamsrv.engines.llm.base import ChatOptions, Message
from streamsrv.engines.llm.failover.continuation import MIN_OUTPUT_TOKENS, Joint, begun_answer, shortened, to_continue

ANSWER = (
    "The capital of France is Paris, and it lies on the Seine. It has about 2.1 million people (12 with its suburbs); "
    "the capital is old, and the Seine is long! Isn't that, in a word, “grand”?"
)
CUTS = range(4, len(ANSWER))


def joined(said: str, text: str, sizes: random.Random) -> str:
    """What is heard of both, where the text comes in pieces of any sizes."""
    joint, heard = Joint(said), said
    while text:
        size = sizes.randint(1, 6)
        heard += joint.feed(text[:size])
        text = text[size:]
    return heard + joint.close()


def is_inside_word(cut: int) -> bool:
    return not ANSWER[cut].isspace() and not ANSWER[cut - 1].isspace()


def last_words(said: str, count: int) -> str:
    return " ".join(said.split(" ")[-count:])


@pytest.mark.parametrize("cut", CUTS)
def test_a_model_that_begins_anew_or_repeats_the_last_words_repeats_nothing(cut: int):
    said, rest = ANSWER[:cut], ANSWER[cut:]
    for text in (ANSWER, last_words(said, 4) + rest, last_words(said, 9) + rest):
        assert joined(said, text, random.Random(cut)) == ANSWER


@pytest.mark.parametrize("cut", [cut for cut in CUTS if not is_inside_word(cut)])
def test_a_model_that_goes_on_is_joined_with_or_without_a_space_or_dots(cut: int):
    said, rest = ANSWER[:cut], ANSWER[cut:]
    for text in (rest, rest.lstrip(), "..." + rest, "… " + rest.lstrip()):
        assert joined(said, text, random.Random(cut)) == ANSWER


@pytest.mark.parametrize(
    ("said", "text", "heard"),
    [
        ("The capital of Fran", "France is Paris.", "The capital of France is Paris."),
        ("I see a", "apple trees.", "I see a apple trees."),
        ("It is Paris", ". It is old.", "It is Paris. It is old."),
        ("It is Paris.", "Paris. It is old.", "It is Paris. It is old."),
        ("It costs $", "5.", "It costs $5."),
        ("東京は日本の", "首都です。", "東京は日本の首都です。"),
        ("東京は日本の", "日本の首都です。", "東京は日本の首都です。"),
        ("Well,", "the", "Well, the"),
        ("Done.", "", "Done."),
        ("Done.", "Done.", "Done."),
    ],
)
def test_joints(said: str, text: str, heard: str):
    assert joined(said, text, random.Random(0)) == heard


def test_what_repeats_nothing_is_not_held_back():
    joint = Joint("The capital of France is")
    assert joint.feed("Par") == " Par"
    assert joint.feed("is.") == "is."


def test_a_long_answer_is_joined_in_little_time():
    said = "one two three " * 10_000
    assert joined(said, "three one two three and four.", random.Random(0)).endswith("one two three and four.")


def test_the_model_is_shown_the_words_so_far_and_asked_to_go_on():
    asked = to_continue([Message("user", "Hi")], "Hello th")
    assert [message.role for message in asked] == ["user", "assistant", "user"]
    assert asked[1].content == "Hello th"


def test_an_engine_that_goes_on_with_a_last_message_finds_it():
    asked = [Message("user", "Hi")]
    assert begun_answer(to_continue(asked, "Hello th")) == [*asked, Message("assistant", "Hello th")]
    assert begun_answer([*asked, Message("assistant", "Hello!")]) is None
    assert begun_answer([]) is None


def test_what_was_said_counts_towards_the_limit_of_the_answer():
    assert shortened(ChatOptions(), "Hello").max_output_tokens is None
    left = shortened(ChatOptions(max_output_tokens=100), "word " * 30).max_output_tokens
    assert left is not None
    assert MIN_OUTPUT_TOKENS <= left < 100
    assert shortened(ChatOptions(max_output_tokens=100), "word " * 900).max_output_tokens == MIN_OUTPUT_TOKENS
    assert shortened(ChatOptions(max_output_tokens=5), "word " * 900).max_output_tokens == 5
