"""Writes text as the phonemes (IPA) that Piper voices were trained with: by espeak-ng, or in English by Hibari."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol

from streamsrv.engines.tts.espeak_ng.command import EspeakRun
from streamsrv.engines.tts.sentences import clauses

_LANGUAGE_FLAG = re.compile(r"\([a-z-]+\)")
"""espeak-ng marks foreign words: `(en)mˈiːɾɪŋ(de)`."""
_BYTES_PER_CHAR = 200
_VOICES = {"cmn": "cmn-latn-pinyin"}
"""Voices of espeak-ng that read Chinese characters only under another name (version 1.51)."""
_MARKS = {"。": ".", "！": "!", "？": "?", "，": ",", "、": ",", "；": ";", "：": ":", "…": "."}
_FROM_HIBARI = {
    "A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ", "T": "ɾ", "ʤ": "dʒ", "ʧ": "tʃ",
    "i": "iː", "u": "uː", "ɑ": "ɑː", "ɔ": "ɔː", "ᵊ": "ə",
}  # fmt: skip
_BEFORE_R = {"ɜ": "ɜː", "ə": "ɚ"}
"""Vowels that Hibari writes with an r behind them, in one symbol of espeak-ng."""


class Phonemizer(Protocol):
    """Writes one sentence as phonemes, with its punctuation. Blocks."""

    def phonemes(self, sentence: str) -> str: ...

    def kill(self) -> None:
        """End what `phonemes` does now, on any thread; it then returns what it has."""
        ...


class EspeakPhonemizer:
    """Phonemes by the command espeak-ng, of one segment. `voice` is its name of a language."""

    def __init__(self, voice: str) -> None:
        self._voice = _VOICES.get(voice, voice)
        self._run: EspeakRun | None = None
        self._is_killed = False

    def phonemes(self, sentence: str) -> str:
        """Run the command once. A blank line between clauses is a blank line between their phonemes, too."""
        said = [(words, mark) for words, mark in clauses(sentence) if any(map(str.isalnum, words))]
        lines = [line for words, _ in said for line in (words, "")][:-1]
        options = ["-q", "--ipa", "-b", "1", "-v", self._voice]
        self._run = EspeakRun(options, lines, max_bytes=_BYTES_PER_CHAR * (len(sentence) + 10))
        if self._is_killed:
            return ""
        written = self._run.run().decode(errors="replace")
        return joined(written, [_MARKS.get(mark, mark) for _, mark in said])

    def kill(self) -> None:
        """End the command."""
        self._is_killed = True
        if self._run is not None:
            self._run.kill()


def joined(written: str, marks: Sequence[str]) -> str:
    """Return the phonemes of clauses, which are separated by blank lines, with the marks that end them."""
    blocks = [" ".join(map(str.strip, block.splitlines())) for block in written.strip("\n").split("\n\n")]
    if len(blocks) != len(marks):  # a clause has no phonemes, so that it is not known which one
        blocks, marks = [" ".join(filter(None, blocks))], marks[-1:]
    clauses = [block + mark for block, mark in zip(blocks, marks, strict=True) if block]
    return unicodedata.normalize("NFD", _LANGUAGE_FLAG.sub("", " ".join(clauses)))


class HibariPhonemizer:
    """English phonemes by the text analysis of Hibari, which all threads may use at once."""

    def __init__(self) -> None:
        from hibari.g2p import G2P

        self._analyse = G2P(british=False)
        self._analyse.oov("hibari")  # loads the rest now, which would else load in several threads at once

    def phonemes(self, sentence: str) -> str:
        """Analyse the sentence, some ms."""
        return unicodedata.normalize("NFD", espeak_symbols(str(self._analyse(sentence))))

    def kill(self) -> None:
        """Do nothing: it takes some ms."""


class SpellingPhonemizer:
    """For voices that were trained with letters in place of phonemes."""

    def phonemes(self, sentence: str) -> str:
        """Return the letters."""
        return unicodedata.normalize("NFD", sentence.casefold())

    def kill(self) -> None:
        """Do nothing."""


def espeak_symbols(phonemes: str) -> str:
    """Return phonemes in Hibari's alphabet (that of misaki) in the symbols of espeak-ng."""
    return "".join(_translated(phonemes))


def _translated(phonemes: str) -> Iterable[str]:
    skips = False
    for symbol, following in pairwise([*phonemes, ""]):
        if skips:
            skips = False
        elif following == "ɹ" and symbol in _BEFORE_R:
            yield _BEFORE_R[symbol]
            skips = True
        else:
            yield _FROM_HIBARI.get(symbol, symbol)
