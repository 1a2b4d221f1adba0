"""The replacement list of a caption room: what it finds in any script, and how long that takes."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamsrv.core.caption_list import check_replacements
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import CaptionOptions, CaptionReplacement
from streamsrv.text.replacements import MAX_GROWTH, MAX_TOKENS, Replacement, Replacements, applied


def replaced(text: str, *entries: tuple) -> str:
    return applied(text, Replacements(Replacement(*entry) for entry in entries).edits(text))


@pytest.mark.parametrize(
    ("text", "entry", "expected"),
    [
        ("The stream serve runs.", ("stream serve", "streamsrv"), "The streamsrv runs."),
        ("Stream  Serve's page", ("stream serve", "streamsrv"), "streamsrv's page"),
        ("a stream server", ("stream serve", "streamsrv"), "a stream server"),
        ("upstream serve", ("stream serve", "streamsrv"), "upstream serve"),
        ("start the art, Art!", ("art", "X"), "start the X, X!"),
        ("us and US", ("US", "USA", True), "us and USA"),
        ("Use C++, c++.", ("c++", "C plus plus"), "Use C plus plus, C plus plus."),
        ("Straße, STRASSE", ("strasse", "road"), "road, road"),
        ("Cafe\u0301 and Café", ("café", "coffee"), "coffee and coffee"),
        ("मैं हिन्दी बोलता", ("हिन्दी", "Hindi"), "मैं Hindi बोलता"),
        ("मैं हिन्द बोलता", ("हिन", "X"), "मैं हिन्द बोलता"),
        ("我在东京工作", ("东京", "Tokyo"), "我在Tokyo工作"),
        ("ที่กรุงเทพครับ", ("กรุงเทพ", "Bangkok"), "ที่Bangkokครับ"),
        ("Это москва.", ("Москва", "Moscow"), "Это Moscow."),
        ("um, so um yes um", ("um", ""), ", so yes "),
        ("a b", ("a", "b"), "b b"),
        ("", ("a", "b"), ""),
    ],
)
def test_whole_words_are_found_in_any_script(text: str, entry: tuple, expected: str):
    assert replaced(text, entry) == expected


def test_the_longest_entry_is_used_and_what_was_put_in_is_not_replaced_again():
    entries = [("new york", "NY"), ("new", "old"), ("NY", "wrong"), ("new york city", "NYC")]
    assert replaced("new york city, new york, new yorker", *entries) == "NYC, NY, old yorker"


def test_an_exact_entry_goes_before_one_in_any_case():
    assert replaced("may May MAY", ("may", "1"), ("May", "2", True)) == "1 2 1"


def test_a_text_grows_by_no_more_than_the_limit():
    text = "a " * 500
    assert len(replaced(text, ("a", "x" * 200))) <= len(text) + MAX_GROWTH
    assert replaced(text, ("a", "x" * 200)).count("x") == 5 * 200


def test_the_time_is_linear_in_the_text_for_the_worst_list():
    nested = Replacements(Replacement(" ".join("a" * count) + " b", "x") for count in range(1, MAX_TOKENS // 2))

    def seconds(words: int) -> float:
        text = "a " * words
        began = time.perf_counter()
        nested.edits(text)
        return time.perf_counter() - began

    seconds(100)
    once, ten_times = (min(seconds(words) for _ in range(3)) for words in (2000, 20_000))
    assert ten_times < 40 * once, "quadratic work would take a hundred times as long"


@given(st.text(), st.lists(st.tuples(st.text(min_size=1, max_size=5), st.text(max_size=5), st.booleans()), max_size=5))
def test_edits_are_in_order_and_within_the_text(text: str, entries: list[tuple]):
    edits = Replacements(Replacement(*entry) for entry in entries).edits(text)
    at = 0
    for edit in edits:
        assert at <= edit.start < edit.end <= len(text)
        at = edit.end


def refused(*entries: CaptionReplacement) -> tuple[str | None, str]:
    with pytest.raises(ProtocolError) as error:
        check_replacements(CaptionOptions(room="main", replacements=list(entries)))
    return error.value.param, error.value.message


def test_a_list_that_means_nothing_is_refused_and_the_entry_is_named():
    param = "session.streamsrv.captions.replacements"
    assert refused(CaptionReplacement("ok", "x"), CaptionReplacement("  ", "x")) == (
        f"{param}[1].from",
        f"Invalid value '  ' for '{param}[1].from': it is blank.",
    )
    found, message = refused(*[CaptionReplacement(word, "x") for word in ("Stream serve", "a", "stream  SERVE")])
    assert (found, "entry 0 has the same words" in message) == (f"{param}[2].from", True)
    found, message = refused(CaptionReplacement("a " * 12 + "b", "x"))
    assert (found, "at most 12 words, or 24 characters" in message) == (f"{param}[0].from", True)


def test_the_same_words_in_another_case_are_two_entries_if_case_matters():
    exact = [CaptionReplacement("May", "x", True), CaptionReplacement("may", "y", True), CaptionReplacement("MAY", "z")]
    check_replacements(CaptionOptions(room="main", replacements=exact))
    check_replacements(CaptionOptions(room="main", replacements=[CaptionReplacement("a " * 11 + "b", "x")]))
    check_replacements(CaptionOptions(room="main"))
    check_replacements(None)
