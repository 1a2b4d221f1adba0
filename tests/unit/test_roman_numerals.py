"""Roman numerals in English text."""

import pytest

from streamsrv.text.speakable import speakable, spoken_text


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("King Henry VIII had six wives.", "King Henry the eighth had six wives."),
        ("Louis XIV built it.", "Louis the fourteenth built it."),
        ("Queen Elizabeth II's reign", "Queen Elizabeth the second's reign"),
        ("King Charles I was", "King Charles the first was"),
        ("Pope John Paul II.", "Pope John Paul the second."),
        ("World War II ended in 1945.", "World War two ended in nineteen forty-five."),
        ("World War I was long.", "World War one was long."),
        ("See Chapter IX, Part I.", "See Chapter nine, Part one."),
        ("Super Bowl LVIII", "Super Bowl fifty-eight"),
        ("Part I like", "Part I like"),
        ("I told Charles I was ill.", "I told Charles I was ill."),
        ("Malcolm X and Henry V", "Malcolm X and Henry V"),
        ("vitamin C, plan IV, an IV drip, CD, MIX", "vitamin C, plan IV, an IV drip, CD, MIX"),
    ],
)
def test_numerals_are_read_where_they_cannot_be_anything_else(text: str, spoken: str):
    assert speakable(text) == spoken


def test_the_words_stand_for_the_numeral():
    found = spoken_text("King Henry VIII wed.")
    assert found.written_end(found.spoken.index(" wed")) == len("King Henry VIII")
