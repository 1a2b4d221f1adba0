"""Turning written text into what a voice can say."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streamsrv.text.numbers import NUMBER_LANGUAGES, whole_number
from streamsrv.text.speakable import speakable


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**Bold**, *italic*, ***both***, _under_ and ~~gone~~.", "Bold, italic, both, under and gone."),
        ("**cut in the", "cut in the"),
        ("middle** of it", "middle of it"),
        ("# A title\nAnd text", "A title. And text"),
        ("- one\n* two!\n+ [x] three", "one. two! three"),
        ("1. Sleep\n2. Eat", "one. Sleep. two. Eat"),
        ("> A quote\n\n---\nThe end.\n", "A quote. The end."),
        ("Read [the manual](https://a.b/c_(d)), ![a cat](cat.png)", "Read the manual, a cat"),
        ("As said[^1] by [them][2]\n[2]: https://a.b", "As said by them."),
        ("Run `pip install it` now.", "Run pip install it now."),
        ("Look:\n```python\nx = 1\n```\nDone.", "Look: Code omitted. Done."),
        ("```\nnever closed", "Code omitted."),
        ("| Name | Age |\n|------|:---:|\n| Ann | 5 |", "Name, Age. Ann, five"),
        ("Name | Age\n:-- | --:\nAnn | 5", "Name, Age. Ann, five"),
        ("seven words | of a row that was cut | | 5 |", "seven words, of a row that was cut, five"),
        ("| a | | c |", "a, c"),
        ("<b>Bold</b> &amp; new<br/>line", "Bold and new. line"),
        (r"Not \*bold\* at all", "Not bold at all"),
    ],
)
def test_markdown(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ('<speak>Hello <break time="1s"/> world, <emphasis level="strong">now</emphasis>.</speak>',
         "Hello. world, now."),
        ('<?xml version="1.0"?><speak xmlns="http://www.w3.org/2001/10/synthesis"><voice name="x"><prosody rate="slow">'
         "Good day</prosody></voice></speak>", "Good day"),
        ('<p><s>One.</s><s>Two.</s></p>', "One. Two."),
        ('<say-as interpret-as="characters">ABC</say-as> <sub alias="x">WWW</sub>', "ABC WWW"),
        ('<mstts:express-as style="glad">Hi</mstts:express-as> <amazon:effect name="whispered">there</amazon:effect>',
         "Hi there"),
        ('<phoneme alphabet="ipa" ph="x">tomato</phoneme><break></break>soup', "tomato. soup"),
        ("<lang xml:lang='fr-FR'>Paris</lang><mark name='here'/>", "Paris"),
        ("<!DOCTYPE speak><speak><![CDATA[Hello <b>you</b>]]></speak>", "Hello you"),
        ("<s>a[b[1]]>2</s> <!-- not said -->", "a b one greater than two"),
        ("if x < 3 and y > 4", "if x less than three and y greater than four"),
        ("Read <stdin>.", "Read less than stdin greater than."),
    ],
)  # fmt: skip
def test_tags_of_ssml_are_not_read_aloud(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Hi 😀👍🏽 there 👨‍👩‍👧 ❤️!", "Hi there!"),
        ("Great :) thanks <3", "Great thanks"),
        ("From 🇫🇷 to here → now", "From to here to now"),
        ("zero\u200bwidth \x07bell", "zerowidth bell"),
    ],
)
def test_emoji_and_invisible_characters_are_dropped(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


@pytest.mark.parametrize("text", ["", " \n", "😀", "...", "**", "---\n", "|---|---|", "!?", "👍🏽\n"])
def test_nothing_is_left_to_say(text: str) -> None:
    assert speakable(text) == ""


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("See https://www.example.com/path?q=1.", "See example dot com."),
        ("Go to example.org/docs, please.", "Go to example dot org, please."),
        ("Ask ann.lee@example.co.uk!", "Ask ann dot lee at example dot co dot uk!"),
        ("It runs at http://localhost:8000/x", "It runs at localhost"),
        ("Edit main.py in node.js", "Edit main dot py in node dot js"),
    ],
)
def test_addresses(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("1,234 things", "one thousand two hundred and thirty-four things"),
        ("3.14 or 3.50", "three point one four or three point five zero"),
        ("-5 or −5", "minus five or minus five"),
        ("1st, 2nd, 23rd", "first, second, twenty-third"),
        ("50%, 3.5 %", "fifty percent, three point five percent"),
        ("pages 3-5 or 10–12", "pages three to five or ten to twelve"),
        ("3-5% of 1990-1995", "three to five percent of nineteen ninety to nineteen ninety-five"),
        ("1/2 or 3/4 of 2 1/2, ½", "one half or three quarters of two and a half, one half"),
        ("on 11/23 or 11/23/2026", "on 11/23 or 11/23/2026"),
        ("version 3.11.7", "version three point eleven point seven"),
        ("CO₂ and H₂O", "CO two and H two O"),
        ("MP3, H2O, GPT-4, COVID-19", "MP three, H two O, GPT four, COVID nineteen"),
        ("a 2-year-old", "a two-year-old"),
        ("1000000 or 007", "one million or zero zero seven"),
        ("9" * 40, " ".join(["nine"] * 40)),
    ],
)
def test_numbers(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("$3.50", "three dollars and fifty cents"),
        ("$1, $1.01, $0.99", "one dollar, one dollar and one cent, ninety-nine cents"),
        ("€20 or 20 €", "twenty euros or twenty euros"),
        ("$5 million, £2.5bn", "five million dollars, two point five billion pounds"),
        ("$5-10 or $5–$10", "five to ten dollars or five to ten dollars"),
        ("-$3", "minus three dollars"),
        ("$1,000/month", "one thousand dollars per month"),
    ],
)
def test_money(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("9:30 am or 9:30 a.m. today", "nine thirty AM or nine thirty AM today"),
        ("at 5pm", "at five PM"),
        ("at 9:30 p.m.", "at nine thirty PM."),
        ("14:05, 9:00, 14:00", "fourteen oh five, nine o'clock, fourteen hundred"),
        ("2026-11-23", "November twenty-third, twenty twenty-six"),
        ("2026-11-23T10:30:00Z", "November twenty-third, twenty twenty-six, ten thirty"),
        ("Nov. 5, 2026", "November fifth, twenty twenty-six"),
        ("23 November", "the twenty-third of November"),
        ("In 1812, in 1999, 2024", "In eighteen twelve, in nineteen ninety-nine, twenty twenty-four"),
        ("1500 people", "one thousand five hundred people"),
        ("the 1990s, the '80s", "the nineteen nineties, the eighties"),
    ],
)
def test_times_and_dates(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("5 km, 1 km, 5kg", "five kilometers, one kilometer, five kilograms"),
        ("20°C, -5 °C", "twenty degrees Celsius, minus five degrees Celsius"),
        ("100 km/h", "one hundred kilometers per hour"),
        ("3 GB at 16 kHz", "three gigabytes at sixteen kilohertz"),
        ("3-5 m²", "three to five square meters"),
        ("5x faster, 640x480", "five times faster, six hundred and forty by four hundred and eighty"),
    ],
)
def test_units(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Call 555-123-4567.", "Call five five five, one two three, four five six seven."),
        ("+1 (555) 123-4567", "plus one, five five five, one two three, four five six seven"),
        ("number 12345678", "number one two three four five six seven eight"),
    ],
)
def test_phone_numbers(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Dr. Lee vs. Mr. Ray", "Doctor Lee versus Mister Ray"),
        ("fruit, e.g. pears, etc.", "fruit, for example pears, et cetera."),
        ("St. Louis, Main St.", "Saint Louis, Main Street."),
        ("the U.S. Army", "the US Army"),
        ("in the U.S.", "in the US."),
        ("No. 5? No. Never.", "number five? No. Never."),
        ("Q&A", "Q and A"),
        ("1 + 1 = 2", "one plus one equals two"),
        ("5 - 3 = 2", "five minus three equals two"),
        ("me @ home, #1, #music", "me at home, number one, hashtag music"),
        ("C++, C#, 2*3, x^2", "C plus plus, C sharp, two times three, x to the power of two"),
        ("and/or", "and or"),
        ("snake_case", "snake case"),
    ],
)
def test_abbreviations_and_symbols(written: str, spoken: str) -> None:
    assert speakable(written) == spoken


@pytest.mark.parametrize("sentence", ["Don't stop, it’s “fine” — really…", "(It rained.)", "What? No!"])
def test_plain_english_stays_as_it_is(sentence: str) -> None:
    assert speakable(sentence) == sentence


CHARACTERS = [*"50.-–/:$€% °*_`[)|#~@\nxa²½٣😀\ud800"]
FRAGMENTS = st.sampled_from([*CHARACTERS, "1,000", "](", "<b>", "&amp;", "http://", ".com", "km", "am", "Nov", "e.g."])
TEXTS = st.one_of(st.text(), st.lists(FRAGMENTS, max_size=30).map("".join))


@given(TEXTS, st.sampled_from(["en", "de", "fr", "am", "ja", "", "-", "EN_us", "klingon"]))
@example("²" * 3 + "5²:30", "en")
@example("0" * 400 + ".5", "en")
def test_it_takes_any_text(text: str, language: str) -> None:
    spoken = speakable(text, language)
    assert not spoken or any(character.isalnum() for character in spoken)
    assert "\n" not in spoken


@given(st.sampled_from(sorted(NUMBER_LANGUAGES)), st.integers(0, 999_999_999))
def test_every_language_has_words_for_every_number(language: str, value: int) -> None:
    assert not any(character.isdigit() for character in whole_number(str(value), language))


@pytest.mark.parametrize("written", ["{} km/h", "{} %", "€{}", "{} €", "{} Mio. €", "{} h"])
@pytest.mark.parametrize("number", ["9" * 30 + ".5", "9" * 30 + ",5", "2," + "5" * 40, "0." + "1" * 40, "9" * 60])
@pytest.mark.parametrize("language", ["de", "en", "fr", "pl", "ru", "ar", "ja", "pt"])
def test_numbers_of_more_digits_than_babel_computes_with_are_spoken(language: str, number: str, written: str):
    assert speakable(written.format(number), language)
