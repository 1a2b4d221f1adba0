"""The writing systems of letters, and of languages. Pure."""

import unicodedata
from collections import Counter

_LANGUAGES = {
    "ARABIC": "ar fa ku ps sd ug ur",
    "ARMENIAN": "hy",
    "BENGALI": "as bn",
    "CJK": "ja ko yue zh",
    "CYRILLIC": "ab av ba be bg ce cv kk ky mk mn os ru sr tg tt uk",
    "DEVANAGARI": "hi ks mr ne sa",
    "ETHIOPIC": "am ti",
    "GEORGIAN": "ka",
    "GREEK": "el",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "HANGUL": "ko",
    "HEBREW": "he yi",
    "HIRAGANA": "ja",
    "KANNADA": "kn",
    "KHMER": "km",
    "LAO": "lo",
    "MALAYALAM": "ml",
    "MYANMAR": "my",
    "ORIYA": "or",
    "SINHALA": "si",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
    "THAANA": "dv",
    "TIBETAN": "bo dz",
}
"""Languages by script. All others are written in Latin letters, and Serbian and Kurdish too."""
_LATIN_TOO = frozenset({"sr", "ku"})
_SAME = {"KATAKANA": "HIRAGANA", "HALFWIDTH": "HIRAGANA", "FULLWIDTH": "LATIN", "KATAKANA-HIRAGANA": "HIRAGANA"}
_SCRIPTS: dict[str, set[str]] = {}
for _script, _codes in _LANGUAGES.items():
    for _code in _codes.split():
        _SCRIPTS.setdefault(_code, {"LATIN"} if _code in _LATIN_TOO else set()).add(_script)


def scripts_of(language: str) -> frozenset[str]:
    """Return the scripts that a language (ISO 639-1 code) is written in."""
    return frozenset(_SCRIPTS.get(language, {"LATIN"}))


def count_scripts(text: str) -> Counter[str]:
    """Return how many letters of each script a text has; kana are `HIRAGANA`, Chinese characters `CJK`."""
    counted = Counter(unicodedata.name(letter, "").partition(" ")[0] for letter in text if letter.isalpha())
    for other, script in _SAME.items():
        if other in counted:
            counted[script] += counted.pop(other)
    del counted[""]
    return counted
