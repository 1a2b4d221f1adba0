"""Finding the language of a text among those that can be spoken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentences import SENTENCES, SHORT, sentences
from streamsrv.text.language_detection import detect_language
from streamsrv.text.languages import LANGUAGE_NAMES
from streamsrv.text.scripts import scripts_of

ALL = frozenset(SENTENCES)


def found(texts: dict[str, str], default: str | None) -> list[tuple[str, str, str]]:
    """The texts that are taken for another language: their language, the text, and the language found.

    `default` None: each text's own language is expected.
    """
    detected = [
        (language, text, detect_language(text, ALL, language if default is None else default))
        for language, joined in texts.items()
        for text in sentences(joined)
    ]
    return [(language, text, seen) for language, text, seen in detected if seen != language]


@pytest.mark.parametrize("default", ["", "en", "nl", None])
def test_sentences_are_told_apart_whatever_is_expected(default: str | None) -> None:
    assert found(SENTENCES, default) == []


def test_short_texts_are_mostly_told_apart() -> None:
    missed = found(SHORT, "en")
    assert {seen for _, _, seen in missed} <= {"en"}, "what is not certain has the language that is expected"
    assert len(missed) <= 3


def test_a_short_text_in_the_expected_language_is_no_switch() -> None:
    assert found(SHORT, None) == []


@pytest.mark.parametrize("text", ["", "...", "123", "3,50 €", "😀", "https://"])
def test_a_text_without_letters_has_the_language_that_is_expected(text: str) -> None:
    assert detect_language(text, ALL, "de") in ("de", "en" if text == "https://" else "de")


@pytest.mark.parametrize(
    ("text", "among", "default", "language"),
    [
        ("Das ist ein langer deutscher Satz.", {"en"}, "en", "en"),
        ("Das ist ein langer deutscher Satz.", set[str](), "en", "en"),
        ("東京に行きます。", {"en", "zh", "ja"}, "en", "ja"),
        ("東京大学", {"zh", "ja"}, "ja", "ja"),
        ("東京大学", {"zh", "ja"}, "en", "zh"),
        ("東京大学", {"en", "ja"}, "en", "ja"),
        ("iPhoneを買いました。", {"en", "ja"}, "en", "ja"),
        ("Ich war in Paris.", {"en", "de"}, "en", "de"),
        ("Привет!", {"en", "de"}, "de", "de"),
        ("Привет!", {"en", "ru"}, "en", "ru"),
        ("Γειά σου", {"en", "el", "ru"}, "en", "el"),
        ("Det er en fin dag i dag, ikke sant?", {"en", "no"}, "en", "no"),
        ("Berlin", {"en", "de", "fr"}, "fr", "fr"),
    ],
)
def test_only_a_language_that_can_be_spoken_is_found(text: str, among: set[str], default: str, language: str) -> None:
    assert detect_language(text, among, default) == language


@given(st.text(), st.sets(st.sampled_from(sorted(LANGUAGE_NAMES))), st.sampled_from(["", "en", "ja"]))
def test_any_text_has_a_language_of_those_or_the_expected_one(text: str, among: set[str], default: str) -> None:
    assert detect_language(text, among, default) in {*among, default}


def test_every_language_has_a_script() -> None:
    assert scripts_of("ja") == {"CJK", "HIRAGANA"}
    assert scripts_of("de") == {"LATIN"}
    assert scripts_of("sr") == {"CYRILLIC", "LATIN"}
