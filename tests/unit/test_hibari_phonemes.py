"""The words of Hibari's voice: their phonemes, cuts and times."""

from streamsrv.engines.tts.base import SpokenWord
from streamsrv.engines.tts.hibari_voice.phonemes import PhonemeWord, cut_words, joined, phoneme_words, word_times

KNOWN = set("abcdefgh .,")


def word(phonemes: str) -> PhonemeWord:
    return PhonemeWord(phonemes.upper(), phonemes)


def test_tokens_are_joined_to_words_and_those_without_a_sound_are_left_out():
    tokens = [("it", "ab", False), ("'s", "c", True), ("(", "", True), ("so", "de", False), (".", ".", False)]
    assert phoneme_words(tokens) == [PhonemeWord("it's", "abc"), PhonemeWord("so.", "de.")]


def test_words_are_cut_after_the_last_clause_that_fits():
    words = [word("ab,"), word("cd"), word("ef"), word("gh")]
    assert [joined(group) for group in cut_words(words, 10)] == ["ab,", "cd ef gh"]


def test_words_without_clauses_are_cut_between_two_of_them():
    assert [joined(group) for group in cut_words([word("abcd")] * 5, 10)] == ["abcd abcd", "abcd abcd", "abcd"]


def test_a_word_that_is_too_long_is_cut_in_the_middle():
    groups = list(cut_words([word("a" * 25)], 10))
    assert all(len(joined(group)) <= 10 for group in groups)
    assert "".join(map(joined, groups)) == "a" * 25


def test_a_word_begins_and_ends_with_its_sounds_and_not_with_the_pause_at_its_mark():
    frames = [3, 1, 2, 4, 1, 5, 6, 2]  # a pause, "ab,", a space, "cd.": the last pause has no phoneme
    times = word_times([word("ab,"), word("cd.")], frames, 10, KNOWN)
    assert times == [SpokenWord("AB,", 30, 60), SpokenWord("CD.", 110, 220)]


def test_phonemes_that_the_model_does_not_know_take_no_time():
    assert word_times([word("axb")], [1, 2, 3], 10, KNOWN) == [SpokenWord("AXB", 10, 60)]


def test_a_word_of_marks_alone_has_no_time():
    assert word_times([word("a"), word("."), word("b")], [0, 1, 1, 5, 1, 2], 10, KNOWN) == [
        SpokenWord("A", 0, 10),
        SpokenWord("B", 80, 100),
    ]
