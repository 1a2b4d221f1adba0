"""Writes text as ChatTTS can read it: Latin letters, Chinese characters, commas, full stops, and its marks. Pure.

ChatTTS drops every other character, digits too.
"""

import re
import unicodedata
from collections.abc import Iterator

from streamsrv.text.cutting import cut_text
from streamsrv.text.numbers import digit_by_digit, number, whole_number
from streamsrv.text.voice_marks import MARKS

MAX_CHARACTERS = 200
"""Characters of Latin script that it speaks at once; it loses its way in texts of more than about 30 s."""
MAX_CHINESE_CHARACTERS = 80
"""The same for text in Chinese, whose characters are syllables."""

_MARK = re.compile("|".join(map(re.escape, MARKS)))
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_HYPHEN = re.compile(r"(?<=\w)[-‐‑](?=\w)|_")  # ChatTTS makes a pause of it
_BREAK = re.compile(r"[:;()（）：；\[\]{}<>【】「」『』《》…—–]+|(?<=\s)-+(?=\s)")
_END = re.compile(r"[!?！？。]")
_OTHER = re.compile(r"[^\u4e00-\u9fffA-Za-z，。、,. ]+")
_SPACES = re.compile(r"\s+")
_PUNCTUATION = re.compile(r"\s*([,.，。])(?:\s*[,.，。])*")
_SENTENCE = re.compile(r"(?<=[.。])\s*")


def pieces(text: str) -> Iterator[str]:
    """Yield what ChatTTS is given at once, sentence by sentence, short ones together; nothing if there are no words."""
    text = readable(text)
    limit = MAX_CHINESE_CHARACTERS if _is_chinese(text) else MAX_CHARACTERS
    waiting = ""
    for sentence in _SENTENCE.split(text):
        for piece in cut_text(sentence, limit):
            if waiting and len(waiting) + len(piece) >= limit:
                yield from _if_spoken(waiting)
                waiting = ""
            waiting = f"{waiting} {piece}".strip()
    yield from _if_spoken(waiting)


def readable(text: str) -> str:
    """Return the text with numbers in words, accents removed, and only marks that ChatTTS knows; marks stay."""
    parts: list[str] = []
    end = 0
    chinese = _is_chinese(text)
    for mark in _MARK.finditer(text):
        parts += [_plain(text[end : mark.start()], chinese), f" {mark[0]} "]
        end = mark.end()
    parts.append(_plain(text[end:], chinese))
    return _SPACES.sub(" ", "".join(parts)).lstrip(" ,，").rstrip()


def _plain(text: str, chinese: bool) -> str:
    text = _NUMBER.sub(lambda digits: f" {_number(digits[0], chinese)} ", text)
    text = _END.sub("。" if chinese else ".", _BREAK.sub(", ", _HYPHEN.sub(" ", text)))
    text = "".join(
        character for character in unicodedata.normalize("NFKD", text) if not unicodedata.combining(character)
    )
    if chinese:
        text = text.replace(",", "，")
    text = _OTHER.sub("", _SPACES.sub(" ", text))
    return _PUNCTUATION.sub(lambda marks: marks[1] + (" " if marks[1] in ",." else ""), text)


def _number(text: str, chinese: bool) -> str:
    text = "".join(str(unicodedata.decimal(character, character)) for character in text)
    if not chinese:
        return number(text)
    whole, _, fraction = text.partition(".")
    spoken = [whole_number(whole, "zh"), *([digit_by_digit(fraction, "zh")] if fraction else [])]
    return "点".join(spoken).replace(", ", "").replace(" ", "")


def _is_chinese(text: str) -> bool:
    return len(_CHINESE.findall(text)) > len(text.split())


def _if_spoken(text: str) -> Iterator[str]:
    if any(character.isalpha() for character in _MARK.sub("", text)):
        yield text
