"""Text that is spoken and text that is thought, told apart however the stream is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.llm.base import Reasoning, Text
from streamsrv.engines.llm.reasoning import ReasoningFilter

PIECES = st.sampled_from(["<think>", "</think>", "<", "think", ">", "</", "thi", "word", " ", "\n", "1<2", "é"])
STREAMS = st.lists(PIECES, max_size=12).map("".join)


def run(deltas: list[str], *, start_inside: bool = False) -> tuple[str, str]:
    """What was spoken and what was thought."""
    reasoning_filter = ReasoningFilter(start_inside=start_inside)
    found = [part for delta in deltas for part in reasoning_filter.feed(delta)] + reasoning_filter.close()
    spoken = "".join(part.text for part in found if isinstance(part, Text))
    return spoken, "".join(part.text for part in found if isinstance(part, Reasoning))


@pytest.mark.parametrize(
    ("stream", "spoken", "thought"),
    [
        ("Hello there.", "Hello there.", ""),
        ("<think>plan</think>\n\nHello.", "Hello.", "plan"),
        ("<think></think>Hello.", "Hello.", ""),
        ("Yes. <think>more?</think>No.", "Yes. No.", "more?"),
        ("<think>one</think><think>two</think>Hi", "Hi", "onetwo"),
        ("<think>never closed", "", "never closed"),
        ("a < b, <b>bold</b>", "a < b, <b>bold</b>", ""),
        ("closes nothing</think> Hi", "closes nothing Hi", ""),
        ("<think>a <think> b</think>Hi", "Hi", "a  b"),
        ("ends like a tag <thi", "ends like a tag <thi", ""),
    ],
)
def test_spoken_and_thought(stream: str, spoken: str, thought: str):
    assert run([stream]) == (spoken, thought)


def test_a_template_that_opens_the_tag_itself():
    assert run(["plan", "ning</thi", "nk>", "Hi"], start_inside=True) == ("Hi", "planning")


def test_what_cannot_be_a_tag_is_not_held_back():
    assert ReasoningFilter().feed("Hello") == [Text("Hello")]
    assert ReasoningFilter().feed("a <b") == [Text("a <b")]


@given(stream=STREAMS, cuts=st.lists(st.integers(0, 60)), start_inside=st.booleans())
def test_cuts_change_nothing(stream: str, cuts: list[int], start_inside: bool):
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    deltas = [stream[start:end] for start, end in pairwise(edges)]
    assert run(deltas, start_inside=start_inside) == run([stream], start_inside=start_inside)


@given(stream=STREAMS, start_inside=st.booleans())
def test_nothing_is_lost_but_tags_and_leading_space(stream: str, start_inside: bool):
    spoken, thought = run([stream], start_inside=start_inside)
    rest = stream.replace("<think>", "").replace("</think>", "")
    assert sorted((spoken + thought).replace(" ", "").replace("\n", "")) == sorted(
        rest.replace(" ", "").replace("\n", "")
    )
