"""How number words change with the noun they count, and ordinals with the words around them, by language. Pure."""

from streamsrv.text.numbers import ordinal, whole_number, year

YEARS_BY_HUNDREDS = frozenset({"da", "de", "nl", "no", "sv"})
"""Languages that say 1999 by hundreds."""
_GERMAN_WEAK = frozenset("am im vom zum beim dem den des ab bis seit ersten".split())
_KOREAN_ONES = ("", *"한 두 세 네 다섯 여섯 일곱 여덟 아홉".split())
_KOREAN_TENS = ("", *"열 스물 서른 마흔 쉰 예순 일흔 여든 아흔".split())
_FRACTIONS = {
    "de": {}, "fr": {"2": "demi", "3": "tiers", "4": "quart"}, "es": {"2": "medio", "3": "tercio"},
    "it": {"2": "mezzo"}, "pt": {"2": "meio", "3": "terço"}, "nl": {"2": "half", "4": "kwart"},
}  # fmt: skip
"""Names of fractions by language and denominator, where they are not ordinals."""
_FRACTIONS_FROM_BELOW = {"ja": "分の", "zh": "分之", "ko": "분의 "}
"""What is said between the denominator and the numerator, where that comes last."""
_RUSSIAN_ENDINGS = {
    "го": {"case": "g"}, "ого": {"case": "g"}, "му": {"case": "d"}, "ом": {"case": "p"}, "м": {"case": "p"},
    "я": {"gender": "f"}, "ая": {"gender": "f"}, "ой": {"case": "g", "gender": "f"},
    "ую": {"case": "a", "gender": "f"}, "е": {"gender": "n"}, "ое": {"gender": "n"},
}  # fmt: skip


def counting(words: str, noun: str, feminine: tuple[str, ...], language: str) -> str:
    """Return number words as they are said before a noun: "eins" is "eine" before "Stunde"; unchanged without one."""
    if not noun:
        return words
    is_feminine = bool(feminine) and noun.split(" ")[0].removesuffix("s").endswith(feminine)
    match language:
        case "de":
            return words.removesuffix("s") + "e" * is_feminine if words.endswith("eins") else words
        case "nl":
            return "een" if words == "één" else words
        case "fr":
            return f"{words}e" if is_feminine and words.endswith("un") else words
        case "es":
            if is_feminine:
                return words.removesuffix("o") + "a" if words.endswith("uno") else words.replace("cientos", "cientas")
            return _replace_end(words, ("veintiuno", "veintiún"), ("uno", "un"))
        case "it":
            return ("una" if is_feminine else "un") if words == "uno" else words
        case "pt" if is_feminine:
            words = words.replace("entos", "entas")
            return _replace_end(words, ("um", "uma"), ("dois", "duas"))
        case "pl":
            one = "jedna" if is_feminine else "jedno" if noun.endswith("o") else "jeden"
            words = one if words == "jeden" else words
            return _replace_end(words, ("dwa", "dwie")) if is_feminine else words
        case "ru" if is_feminine or (noun.endswith(("ы", "и")) and words.endswith("два")):
            return _replace_end(words, ("один", "одна"), ("два", "две"))
        case "ru" if noun.endswith(("о", "е")):
            return _replace_end(words, ("один", "одно"))
        case _:
            return words


def day_of_month(day: str, language: str, before: str) -> str:
    """Return the day in a date. `before` is the word before it, in lower case."""
    day = str(int(day))
    match language:
        case "de":
            return german_ordinal(day, before)
        case "fr" | "it" | "pt" if day == "1":
            return ordinal(day, language)
        case "pl":
            return _polish_genitive(ordinal(day, language))
        case "ru":
            return ordinal(day, language, case="g")
        case "da" | "no" | "sv" | "fi":
            return ordinal(day, language)
        case _:
            return whole_number(day, language)


def year_of_date(digits: str, language: str) -> str:
    """Return the year in a date."""
    match language:
        case "pl":
            return _polish_genitive(ordinal(digits, language))
        case "ru":
            return ordinal(digits, language, case="g")
        case "zh":
            return "".join(whole_number(digit, language) for digit in digits)
        case _:
            return year(digits, language)


def german_ordinal(digits: str, before: str) -> str:
    """Return an ordinal with the ending that it has after the word before it."""
    spoken = ordinal(digits, "de")
    if before in _GERMAN_WEAK:
        return f"{spoken}n"
    return spoken if before in ("der", "die", "das", "jeder", "jede", "jedes") else f"{spoken}r"


def written_ordinal(digits: str, ending: str, language: str, before: str) -> str:
    """Return the ordinal of digits with an ending (`1re`, `2.ª`, `5-го`)."""
    match language:
        case "de":
            return german_ordinal(digits, before)
        case "fr" if digits == "1" and ending.startswith("r"):
            return "première"
        case "es" | "it" | "pt" if ending.endswith(("ª", "a")):
            return ordinal(digits, language).replace("o ", "a ").removesuffix("o") + "a"
        case "es" if digits in ("1", "3") and ending.endswith("er"):
            return ordinal(digits, language).removesuffix("o")
        case "ru":
            return ordinal(digits, language, **_RUSSIAN_ENDINGS.get(ending.lstrip("-"), {}))
        case _:
            return ordinal(digits, language)


def hour_of_day(hour: int, language: str, before: str) -> str:
    """Return the hour in a time."""
    match language:
        case "ko" if 0 < hour <= 12:
            return native_korean(hour)
        case "zh" if hour == 2:
            return "两"
        case "pl" if hour:
            is_locative = before in ("o", "po", "od", "do", "przed", "około")
            return " ".join(_polish_feminine(word, is_locative) for word in ordinal(str(hour), language).split())
        case "es" | "it" | "pt":
            return counting(whole_number(str(hour), language), "a", ("a",), language)
        case "de" if hour == 1:
            return "ein"
        case _:
            return whole_number(str(hour), language)


def fraction(above: str, below: str, language: str) -> str:
    """Return a fraction whose denominator is from 2 to 10; empty if the language has no rule here."""
    count = whole_number(above, language)
    if language in _FRACTIONS_FROM_BELOW:
        return f"{whole_number(below, language)}{_FRACTIONS_FROM_BELOW[language]}{count}"
    if language not in _FRACTIONS:
        return ""
    name = _FRACTIONS[language].get(below) or ordinal(below, language)
    match language:
        case "de":
            name = "halb" if below == "2" else ordinal(below, "de").capitalize() + "l"
        case "it" if above != "1":
            name = name.removesuffix("o") + "i"
        case "es" | "fr" | "pt" if above != "1" and not name.endswith("s"):
            name += "s"
        case _:
            pass
    return f"{counting(count, name, (), language)} {name}"


def native_korean(value: int) -> str:
    """Return a number from 1 to 99 as Korean counts things and hours."""
    tens, ones = divmod(value, 10)
    return "스무" if value == 20 else _KOREAN_TENS[tens] + _KOREAN_ONES[ones]


def polish_year(digits: str, is_genitive: bool) -> str:
    """Return a year before "roku" (genitive) or "rok"."""
    spoken = ordinal(digits, "pl")
    return _polish_genitive(spoken) if is_genitive else spoken


def _polish_genitive(spoken: str) -> str:
    """Return an ordinal in the genitive: its adjectives end in -y or -i."""
    return " ".join(
        f"{word}ego" if word.endswith("i") else word.removesuffix("y") + "ego" if word.endswith("y") else word
        for word in spoken.split()
    )


def _polish_feminine(word: str, is_locative: bool) -> str:
    stem = word.removesuffix("y") if word.endswith("y") else word
    if is_locative:
        return f"{stem}ej" if not stem.endswith("i") or stem == "trzeci" else f"{stem.removesuffix('i')}iej"
    return f"{stem.removesuffix('i')}a" if stem == "drugi" else f"{stem}a"


def _replace_end(words: str, *ends: tuple[str, str]) -> str:
    for end, other in ends:
        if words.endswith(end):
            return words.removesuffix(end) + other
    return words
