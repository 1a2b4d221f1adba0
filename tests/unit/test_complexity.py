"""How hard requests count: the parts that the labelled utterances (tests/docs/test_routing_table.py) do not show."""

import pytest

from streamsrv.engines.llm.base import Message, Tool
from streamsrv.engines.llm.routing.complexity import DEEP_TURNS, LEVELS, assess, language_of

TOOLS = [Tool("lights")]


def said(*texts: str) -> list[Message]:
    """A dialogue of these words of the user, each but the last one answered."""
    messages: list[Message] = []
    for text in texts:
        messages += [Message("user", text), Message("assistant", "An answer.")]
    return messages[:-1]


def test_nothing_was_asked_yet():
    assert assess([Message("system", "Plan a trip and prove it.")]).complexity == "simple"
    assert assess(said("")).complexity == "simple"


@pytest.mark.parametrize(
    "text", ["WRITE A PYTHON FUNCTION", "write a python function", "Um, please, write a Python function!"]
)
def test_case_punctuation_and_fillers_do_not_matter(text: str):
    assert assess(said(text)).complexity == "hard"


def test_an_action_counts_only_where_there_are_tools():
    assert assess(said("turn on the lights"), TOOLS).tasks == {"tools"}
    assert assess(said("turn on the lights")).tasks == frozenset()


def test_results_of_tools_do_not_hide_what_was_asked():
    dialogue = [
        *said("write a python function that sorts"),
        Message("assistant", ""),
        Message("tool", "done", call_id="1"),
    ]
    assert assess(dialogue).complexity == "hard"


def test_a_follow_up_is_as_hard_as_what_it_follows():
    question = "What are the pros and cons of a heat pump?"
    assert assess(said(question, "and in an old house")).complexity == "moderate"
    assert "goes on from a question that was moderate" in " ".join(
        assess(said(question, "and in an old house")).reasons
    )
    assert assess(said(question, "okay thanks")).complexity == "small_talk"
    assert assess(said(question, "What is the capital of Peru?")).complexity == "simple"


def test_deep_in_a_dialogue_no_question_is_simple():
    question = "What is the capital of Peru?"
    assert assess(said(*["hello"] * (DEEP_TURNS - 2), question)).complexity == "simple"
    assert assess(said(*["hello"] * (DEEP_TURNS - 1), question)).complexity == "moderate"


def test_a_very_long_text_is_hard_and_not_read_as_a_whole():
    assert assess(said("and so on " * 100_000)).complexity == "hard"


def test_code_in_the_text_makes_it_hard():
    found = assess(said("look at this ```print(x)```"))
    assert (found.complexity, found.tasks) == ("hard", {"code"})


@pytest.mark.parametrize("text", ["?", "...", "\u0000", "🙂", "ß", "’", "a" * 5000, "```", "１２３", "\ud800"])
def test_any_text_has_a_complexity(text: str):
    assert assess(said(text), TOOLS).complexity in LEVELS


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("what is the time", "en"),
        ("wie spät ist es und was machst du", "de"),
        ("quelle est la capitale de la France", "fr"),
        ("qué hora es en la ciudad", "es"),
        ("che ora è in questo posto", "it"),
        ("現在何時ですか", "ja"),
        ("你好吗", "zh"),
        ("지금 몇 시예요", "ko"),
        ("который час", "ru"),
        ("كم الساعة", "ar"),
        ("xyzzy", ""),
        ("", ""),
    ],
)
def test_the_language_of_a_text(text: str, language: str):
    assert language_of(text) == language
