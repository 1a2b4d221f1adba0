"""The pieces in which synthesisers speak a segment."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamsrv.engines.tts.sentences import clauses, speech_pieces


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ('She said "No." Then she left…  It was 3.5 km.', ['She said "No."', "Then she left…", "It was 3.5 km."]),
        ("你好。再见！", ["你好。", "再见！"]),
        ("... ?! 😀 — .", []),
        ("", []),
        ("alpha beta, gamma delta; epsilon", ["alpha beta,", "gamma delta;", "epsilon"]),
        ("alpha beta gamma delta", ["alpha beta", "gamma delta"]),
    ],
)
def test_sentences_are_spoken_one_by_one_and_long_ones_in_parts(text: str, pieces: list[str]):
    assert list(speech_pieces(text, 14)) == pieces


@settings(max_examples=50)
@given(st.text(), st.integers(1, 40))
def test_no_piece_is_too_long_and_no_letter_is_lost(text: str, longest: int):
    pieces = list(speech_pieces(text, longest))
    assert all(len(piece) <= longest for piece in pieces)
    assert [c for c in "".join(pieces) if c.isalnum()] == [c for c in text if c.isalnum()]


def test_clauses_keep_the_mark_that_ends_them():
    assert list(clauses("Hello, there! Isn't it 3.5?")) == [("Hello", ","), ("there", "!"), ("Isn't it 3.5", "?")]
    assert list(clauses("你好，再见。 and so on")) == [("你好", "，"), ("再见", "。"), ("and so on", "")]


@settings(max_examples=50)
@given(st.text())
def test_clauses_have_all_letters(text: str):
    found = [c for clause, _ in clauses(text) for c in clause if c.isalnum()]
    assert found == [c for c in text if c.isalnum()]
