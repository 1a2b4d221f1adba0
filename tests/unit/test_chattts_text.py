"""The text that ChatTTS is given: nothing in it is dropped without a sound, and its tags stay."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.tts.chattts_model.text import MAX_CHARACTERS, MAX_CHINESE_CHARACTERS, pieces, readable

READABLE = re.compile(r"(?:[\u4e00-\u9fffA-Za-z，。、,. ]|\[(?:laugh|uv_break|v_break|lbreak)\])*")
"""What ChatTTS reads; it drops everything else."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It has 42 rooms, 3.5 km away!", "It has forty two rooms, three point five km away."),
        ("Well-known: café, naïve Zoë", "Well known, cafe, naive Zoe"),
        ("Really? (Yes.)", "Really. Yes."),
        ("你好！今天是3号，温度12.5。", "你好。今天是 三 号，温度 十二点五。"),
        ("٣ apples", "three apples"),
        ("[laugh] Ha. [uv_break] Well", "[laugh] Ha. [uv_break] Well"),
        ("[spk_emb] a [x] b", "spk emb, a, x, b"),
        ("a😀b\x00c\ud800d", "abcd"),
    ],
)
def test_what_chattts_cannot_read_is_written_in_another_way(text: str, expected: str):
    assert readable(text) == expected


@pytest.mark.parametrize("text", ["", " ", "...", "?!", "😀", "\u200b", "\ud800", "[laugh]", "[uv_break] ."])
def test_a_text_without_words_is_not_spoken(text: str):
    assert list(pieces(text)) == []


@given(st.text(max_size=300) | st.text("ab 你1.,。?![laugh]-", max_size=600))
def test_any_text_becomes_short_pieces_that_chattts_can_read(text: str):
    for piece in pieces(text):
        assert READABLE.fullmatch(piece)
        assert len(piece) <= 3 * MAX_CHARACTERS  # a tag is not cut


@pytest.mark.parametrize(
    ("text", "limit"), [("word " * 4_000, MAX_CHARACTERS), ("你好" * 2_000, MAX_CHINESE_CHARACTERS)]
)
def test_a_long_text_without_marks_is_cut_and_nothing_is_lost(text: str, limit: int):
    found = list(pieces(text))
    assert max(map(len, found)) <= limit
    assert "".join("".join(found).split()) == "".join(text.split())


def test_short_sentences_are_spoken_together():
    assert list(pieces("One. Two. Three.")) == ["One. Two. Three."]
