"""Word errors are counted alike however a text is written."""

import pytest

from streamsrv.testing.word_errors import count_word_errors, normalized_words


@pytest.mark.parametrize(
    ("language", "reference", "hypothesis"),
    [
        ("en", "Dr. Smith paid 21 %", "doctor smith paid twenty one percent"),
        ("fr", "allume la chambre à 80 pourcent", "Allume la chambre, à quatre-vingts pourcent."),
        ("sv", "en två tre", "En, två, 3"),
        ("zh", "这是 新篇章", "这是新篇章。"),
        ("hi", "कुछ अणुओं में", "कुछ अणुओं, में।"),
    ],
)
def test_writing_is_no_error(language: str, reference: str, hypothesis: str):
    assert count_word_errors(reference, hypothesis, language).errors == 0


def test_in_a_script_without_spaces_a_character_is_a_word():
    errors = count_word_errors("新篇章的开始", "新篇张开始", "zh")
    assert (errors.errors, errors.words) == (2, 6)


def test_a_vowel_sign_makes_another_word():
    assert count_word_errors("कुछ", "कछ", "hi").errors == 1
    assert normalized_words("अणुओं", "hi") == ["अणुओं"]


def test_numbers_of_a_language_without_names_for_them_stay_digits():
    assert normalized_words("巴士 403 路", "yue") == ["巴", "士", "403", "路"]
