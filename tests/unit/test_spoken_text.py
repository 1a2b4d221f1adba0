"""Which characters of a written text belong to which of what is said for it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.text.speakable import spoken_text
from streamsrv.text.spoken_text import SpokenText, as_written, silent
from test_speakable import TEXTS

LANGUAGES = st.sampled_from(["en", "de", "fr", "ja"])


def said_for(speech: SpokenText, written: str) -> str:
    """What is said for a part of the written text."""
    start = speech.written.index(written)
    ends = speech.spoken_at(start), speech.spoken_at(start + len(written))
    return speech.spoken[round(ends[0]) : round(ends[1])]


@pytest.mark.parametrize(
    ("text", "written", "spoken"),
    [
        ("It is $3 now.", "$3", "three dollars"),
        ("It is $3 now.", "now.", "now."),
        ("It is **very** good", "very", "very"),
        ("On Nov. 5, 2026 at 9:30 am.", "Nov.", "November"),
        ("On Nov. 5, 2026 at 9:30 am.", "2026", ", twenty twenty-six"),
        ("On Nov. 5, 2026 at 9:30 am.", "9:30 am", "nine thirty AM"),
        ("23 November", "November", "November"),
        ("# A title\nand [a link](https://a.b/c) &amp; more", "a link", "a link"),
        ("# A title\nand [a link](https://a.b/c) &amp; more", "&amp;", "and"),
        ("Hi 😀 there", "😀", ""),
        ("See https://www.example.com/a?b.", "https://www.example.com/a?b", "example dot com"),
        ("pages 3-5 of", "3-5", "three to five"),
    ],
)
def test_a_part_belongs_to_what_is_said_for_it(text: str, written: str, spoken: str) -> None:
    assert said_for(spoken_text(text), written).strip() == spoken


def test_a_number_counts_as_said_when_all_of_it_was_said() -> None:
    speech = spoken_text("It is $3 now.")
    end = speech.spoken.index(" now")
    assert {speech.written_end(said) for said in range(6, end)} == {len("It is ")}
    assert speech.written_end(end) == len("It is $3")
    assert speech.written_end(end + 2) == len("It is $3 n")


def test_the_markup_at_the_end_counts_as_said_with_the_last_word() -> None:
    speech = spoken_text("That is **all** 😀")
    assert speech.written_end(len(speech.spoken)) == len(speech.written)


@given(TEXTS, LANGUAGES)
def test_the_pieces_cover_both_texts_in_order(text: str, language: str) -> None:
    speech = spoken_text(text, language)
    assert speech.written == text
    ends = [(0, 0)]
    for piece in speech.pieces:
        assert (piece.written_start, piece.spoken_start) == ends[-1]
        assert piece.written_start <= piece.written_end
        assert piece.spoken_start <= piece.spoken_end
        if piece.is_verbatim:
            assert piece.written_end - piece.written_start == piece.spoken_end - piece.spoken_start
        ends.append((piece.written_end, piece.spoken_end))
    assert ends[-1] == (len(text), len(speech.spoken))


@given(TEXTS, LANGUAGES)
def test_positions_in_one_text_grow_with_those_in_the_other(text: str, language: str) -> None:
    speech = spoken_text(text, language)
    written = [speech.written_end(end) for end in range(len(speech.spoken) + 1)]
    spoken = [speech.spoken_at(offset) for offset in range(len(text) + 1)]
    assert all(before <= after for positions in (written, spoken) for before, after in pairwise(positions))
    assert written[-1] == len(text)
    assert spoken[-1] == len(speech.spoken)


def test_a_text_can_be_said_as_it_is_written_or_not_at_all() -> None:
    assert [as_written("Yes.").written_end(end) for end in range(5)] == [0, 1, 2, 3, 4]
    assert (silent("😀").spoken, silent("😀").spoken_at(1)) == ("", 0.0)
    assert as_written("").pieces == silent("").pieces == ()
