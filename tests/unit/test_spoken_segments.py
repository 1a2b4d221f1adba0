"""What a voice is given at once is bounded after numbers and symbols were turned into words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamsrv.core.answers.spoken_segments import MAX_SPOKEN, SpokenSegment, SpokenSegmenter

LONGEST = 4096
HOSTILE = {
    "one digit": "7" * LONGEST,
    "digits": ("3141592653589793" * 256)[:LONGEST],
    "thousands": ("1,234," * 700)[:LONGEST],
    "decimals": ("3.14159." * 600)[:LONGEST],
    "numbers": " ".join(map(str, range(1, 1000)))[:LONGEST],
    "numbers with commas": ", ".join(map(str, range(1, 1000)))[:LONGEST],
    "prices": ("$3.50 " * 700)[:LONGEST],
    "large prices": ("$1,234,567.89 " * 300)[:LONGEST],
    "percentages": ("12.5% " * 700)[:LONGEST],
    "dates": ("2026-11-26 " * 400)[:LONGEST],
    "times": ("11:45 PM " * 500)[:LONGEST],
    "phone numbers": ("+1 (555) 123-4567 " * 250)[:LONGEST],
    "units": ("5km/h " * 700)[:LONGEST],
    "one word": "a" * LONGEST,
    "emoji": "😀" * LONGEST,
    "ideographs": "日本語" * (LONGEST // 3),
    "marks": "!?." * (LONGEST // 3),
    "percent signs": "%" * LONGEST,
    "ampersands": "& " * (LONGEST // 2),
    "dollars": "$" * LONGEST,
    "markdown": ("**[*_`" * 700)[:LONGEST],
    "brackets": "[" * LONGEST,
    "fences": ("```\n" * 1024)[:LONGEST],
    "URL": ("https://example.com/" + "a1" * LONGEST)[:LONGEST],
    "URLs": ("https://example.com/a?b=1 " * 200)[:LONGEST],
    "e-mail": ("a.b-c@example.com " * 300)[:LONGEST],
    "fractions": ("3 1/2 " * 700)[:LONGEST],
    "no-break spaces": ("1\u00a0" * LONGEST)[:LONGEST],
}


def segments_of(text: str, step: int = 100) -> list[SpokenSegment]:
    segmenter = SpokenSegmenter("en")
    fed = [segment for start in range(0, len(text), step) for segment in segmenter.feed(text[start : start + step])]
    return fed + segmenter.finish()


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_gives_a_voice_too_much_at_once(text: str):
    segments = segments_of(text)
    assert max(len(segment.spoken) for segment in segments) <= MAX_SPOKEN
    assert "".join(segment.text for segment in segments) == text


@pytest.mark.parametrize("name", ["one digit", "numbers", "prices", "dates", "one word", "ideographs", "large prices"])
def test_the_first_segment_is_known_soon(name: str):
    segmenter = SpokenSegmenter("en")
    assert next(index for index in range(LONGEST) if segmenter.feed(HOSTILE[name][index])) < 120


def test_a_number_that_is_cut_is_read_digit_by_digit_throughout():
    for text in ("7" * 605, "12,345," * 99 + "678"):
        digits = [character for character in text if character.isdigit()]
        names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
        spoken = " ".join(segment.spoken for segment in segments_of(text)).replace(",", "")
        assert spoken.split() == [names[int(digit)] for digit in digits]


def test_numbers_in_a_row_are_all_read_whole():
    spoken = " ".join(segment.spoken for segment in segments_of(HOSTILE["numbers"]))
    assert "one hundred and twenty-three one hundred and twenty-four" in spoken
    assert "nine hundred and ninety-eight" in spoken or "nine hundred" in spoken


def test_an_address_is_not_cut():
    text = "See https://example.com/" + "a" * 300 + " for more."
    assert "".join(segment.spoken for segment in segments_of(text)).count("example") == 1


def test_ordinary_sentences_stay_whole():
    text = "It was 1,234 dollars in 2026, and nobody said a word about it. Then 3 more came."
    spoken = [segment.spoken for segment in segments_of(text)]
    assert spoken[-1] == "Then three more came."


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="0123456789.,$% aA-\n:/", max_size=1500), st.integers(1, 60))
def test_any_text_is_kept_and_bounded_however_it_comes(text: str, step: int):
    segments = segments_of(text, step)
    assert "".join(segment.text for segment in segments) == text
    assert all(len(segment.spoken) <= MAX_SPOKEN for segment in segments)
    assert segments == segments_of(text, len(text) or 1)


@pytest.mark.parametrize(("speed", "longest"), [(0.25, 100), (0.5, 200), (1.0, 400), (1.5, 400)])
def test_a_segment_is_no_longer_to_hear_because_it_is_spoken_slowly(speed: float, longest: int):
    segmenter = SpokenSegmenter("en", speed)
    segments = [*segmenter.feed("word " * 600), *segmenter.finish()]
    assert longest - 10 < max(len(segment.spoken) for segment in segments) <= longest
    assert "".join(segment.text for segment in segments) == "word " * 600


@pytest.mark.parametrize(
    ("language", "segments"),
    [
        ("de", ["Das Treffen ist am 23. November 2026 um 14:30 Uhr ", "im 2. Stock. ",
                "Danach gehen wir z. B. ins Kino. ", "Er ist 21. ", "Sie ist 20. ", "Die 3. Auflage kostet 12,50 €."]),
        ("pl", ["Spotkanie jest 3. dnia o 14:30, ", "tj. po południu. ", "Do zobaczenia."]),
        ("es", ["El Sr. López vive en EE. UU. desde 1999. ", "Gasta 3,50 € al día."]),
        ("fr", ["M. Dupont habite au n° 5, ", "p. ex. près de la gare. ", "C'est le 1er mai."]),
        ("en", ["She turned 21. ", "Then she left on May 5. ", "It rained."]),
    ],
)  # fmt: skip
def test_ordinals_and_abbreviations_of_other_languages_end_no_segment(language: str, segments: list[str]) -> None:
    segmenter = SpokenSegmenter(language)
    found = [*segmenter.feed("".join(segments)), *segmenter.finish()]
    assert [segment.text for segment in found] == segments
