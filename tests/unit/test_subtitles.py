from hypothesis import given
from hypothesis import strategies as st

from streamsrv.engines.asr.base import RecognizedUtterance, Word
from streamsrv.text.subtitles import MAX_CHARACTERS, MAX_MS, Cue, cues_of, srt, vtt
from streamsrv.text.words import join_words


def spoken(text: str, start_ms: int = 0, word_ms: int = 250) -> RecognizedUtterance:
    """An utterance whose words follow one another without gaps."""
    words = [
        Word(word, start_ms + number * word_ms, start_ms + (number + 1) * word_ms)
        for number, word in enumerate(text.split())
    ]
    return RecognizedUtterance(text, start_ms, start_ms + len(words) * word_ms, tuple(words))


def test_names_and_texts_cannot_break_a_file():
    cues = [Cue(0, 1000, "a --> b\n\n2\n<i>loud</i> {\\an8}R&D", speaker="<b>Ann</b>\n\n--> x")]
    assert srt(cues) == (
        "1\n00:00:00,000 --> 00:00:01,000\n"
        "&lt;b&gt;Ann&lt;/b&gt; --&gt; x: a --&gt; b 2 &lt;i&gt;loud&lt;/i&gt; (\\an8)R&D\n\n"
    )
    assert vtt(cues) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n"
        "<v &lt;b&gt;Ann&lt;/b&gt; --&gt; x>a --&gt; b 2 &lt;i&gt;loud&lt;/i&gt; {\\an8}R&amp;D\n\n"
    )


def test_an_utterance_that_fits_is_one_cue():
    assert cues_of([spoken("Hello there. How are you?", 1000)]) == [Cue(1000, 2250, "Hello there. How are you?")]


def test_an_utterance_without_word_times_is_one_cue():
    assert cues_of([RecognizedUtterance("Hello.", 320, 1500)]) == [Cue(320, 1500, "Hello.")]


def test_a_long_utterance_is_cut_after_its_last_sentence_that_fits():
    first, second = "Dr. Who came in. He sat down, and he said", "nothing at all for a very long time after that."
    assert [cue.text for cue in cues_of([spoken(f"{first} {second}")])] == [
        "Dr. Who came in.",
        f"He sat down, and he said {second}",
    ]


def test_without_a_sentence_it_is_cut_after_a_clause():
    clause = "when all of the people had gone home again to their houses,"
    assert [cue.text for cue in cues_of([spoken(f"{clause} it was quiet in the little street")])] == [
        clause,
        "it was quiet in the little street",
    ]


def test_without_any_mark_it_is_cut_where_it_is_full():
    cues = cues_of([spoken("word " * 30)])
    assert [len(cue.text) for cue in cues] == [84, 64]


def test_slow_speech_is_cut_by_time():
    cues = cues_of([spoken("one two three four five six", word_ms=2000)])
    assert [cue.text for cue in cues] == ["one two three", "four five six"]
    assert cues[1] == Cue(6000, 12000, "four five six")


def test_scripts_without_spaces_are_cut_too():
    utterance = RecognizedUtterance("你" * 100, 0, 5000, tuple(Word("你", n * 50, (n + 1) * 50) for n in range(100)))
    assert [len(cue.text) for cue in cues_of([utterance])] == [84, 16]


@given(
    st.lists(st.lists(st.sampled_from(["a", "word,", "end.", "x" * 90]), min_size=1), max_size=4), st.integers(1, 3000)
)
def test_every_word_is_shown_once_and_no_cue_is_too_much(texts: list[list[str]], word_ms: int):
    utterances = [spoken(" ".join(text), 100_000 * number, word_ms) for number, text in enumerate(texts)]
    cues = cues_of(utterances)
    assert join_words([cue.text for cue in cues]) == join_words([utterance.text for utterance in utterances])
    for cue in cues:
        one_word = " " not in cue.text
        assert len(cue.text) <= MAX_CHARACTERS or one_word
        assert cue.end_ms - cue.start_ms <= MAX_MS or one_word


def test_srt():
    cues = [Cue(0, 1500, "Hello."), Cue(3_725_004, 3_726_000, "<i>Bye</i> & so on.")]
    assert srt(cues) == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello.\n\n2\n"
        "01:02:05,004 --> 01:02:06,000\n&lt;i&gt;Bye&lt;/i&gt; & so on.\n\n"
    )


def test_vtt_escapes_what_would_be_markup():
    assert vtt([Cue(3_725_004, 3_726_000, "a --> b & <c>")]) == (
        "WEBVTT\n\n01:02:05.004 --> 01:02:06.000\na --&gt; b &amp; &lt;c&gt;\n\n"
    )


def test_nothing_said_is_an_empty_file():
    assert srt([]) == ""
    assert vtt([]) == "WEBVTT\n\n"
