"""What people say over a reply, by language: words that mean "go on", and words that tell it to stop. Data only.

No native speaker has reviewed the languages other than English and German. A language that is not here has no such
words: whatever is said in it interrupts, but for hums, which are words of no language.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OverlapWords:
    """The words of one language in lower case."""

    backchannels: frozenset[str] = frozenset()
    """They mean "go on" if nothing else is said."""
    phrases: frozenset[str] = frozenset()
    """Backchannels of several words, alone or among `backchannels`."""
    stops: frozenset[str] = frozenset()
    """They tell the assistant to stop."""
    misheard_hum: re.Pattern[str] | None = None
    """Matches the words that a recogniser of this language makes of "mm-hmm"."""


HUM = re.compile("[mh]*m[mh]*")
"""Matches a hum as it is written in any language of the Latin script."""


def _words(backchannels: str, stops: str, phrases: str = "", misheard_hum: str | None = None) -> OverlapWords:
    pattern = None if misheard_hum is None else re.compile(misheard_hum)
    lists = (frozenset(backchannels.split()), frozenset(filter(None, phrases.split("|"))), frozenset(stops.split()))
    return OverlapWords(*lists, pattern)


OVERLAP_WORDS = {
    "en": _words(
        """ah aha alright cool exactly gotcha hm hmm huh indeed kay m mhm mm mmhm mmm mhmm nice oh ok okay ooh right
        sure true uh uhhuh um well wow yea yeah yep yes yup""",
        "cancel enough hey hold no pause quiet silence stop wait",
        "i see|got it|go on",
        "(?=.*[mhu])[aehimouy']{1,5}|her",  # "Mum", "Mom", "Ma'am", "You", "Him"
    ),
    "de": _words(
        "ach ah aha äh ähm alles doch echt eben genau gut ja jaja jawohl klar oh ok okay richtig schön so stimmt wow",
        "abbrechen aufhören halt he moment nein ruhe schluss stop stopp warte warten",
        "alles klar|ach so|ich verstehe|na gut",
    ),
    "fr": _words(
        "ah bien bon euh exact hein oh ok okay oui ouais parfait voilà vrai",
        "arrête arrêtez assez attends attendez halte non pause silence stop",
        "d'accord|je vois|bien sûr|ah bon|c'est ça",
    ),
    "es": _words(
        "ah ajá bien bueno claro eh entiendo exacto oh ok okay sí vale ya",
        "alto basta calla cancela espera espere no para pare pausa silencio stop",
        "de acuerdo|ya veo|por supuesto|muy bien",
    ),
    "it": _words(
        "ah bene certo eh esatto giusto già oh ok okay sì va capisco",
        "alt aspetta aspetti basta ferma fermati fermo no pausa silenzio stop zitto",
        "va bene|ho capito|d'accordo|ah ecco",
    ),
    "pt": _words(
        "ah aham bem bom certo claro é entendi exato isso oh ok okay pois sei sim tá uhum",
        "alto basta cancela chega espera espere não para pare pausa silêncio",
        "está bem|tá bom|pois é|com certeza",
    ),
    "nl": _words(
        "ah aha goed inderdaad ja jaja juist klopt oh oké ok okay precies prima zeker",
        "genoeg ho nee ophouden pauze stil stop wacht",
        "ik snap het|is goed|ga door",
    ),
    "pl": _words(
        "aha dobra dobrze jasne no ok okay oczywiście racja tak właśnie",
        "cicho czekaj dość nie pauza poczekaj przestań stop zaczekaj",
        "no tak|rozumiem",
    ),
    "ru": _words(
        "ага да ладно мгм ну ок окей понятно понял поняла правильно так точно угу хорошо ясно",
        "довольно нет пауза подожди подождите постой стой стоп тихо хватит",
        "ну да|я понимаю|всё ясно",
    ),
    "tr": _words(
        "aha doğru evet güzel hıhı ok peki tabii tamam",
        "bekle bekleyin dur durun hayır iptal sus yeter",
        "anladım|tabii ki",
    ),
    "sv": _words(
        "aha bra ja jaha jo just mm okej ok precis visst",
        "nej paus sluta stopp stanna tyst vänta",
        "just det|jag förstår",
    ),
    "ja": _words(
        "あー うん うんうん ええ はい はいはい へえ なるほど そう そうそう そうですか そうですね わかりました",
        "いいえ いや ストップ 待って ちょっと待って 待ってください やめて もういい 止めて 違う",
    ),
    "zh": _words(
        "嗯 嗯嗯 哦 噢 啊 对 对对 对对对 好 好的 好吧 是 是的 是吗 没错 行 明白 知道了 原来如此",
        "不 不对 不是 停 停停 停下 停一下 等等 等一下 等一等 够了 别说了 安静 暂停",
    ),
    "ko": _words(
        "네 네네 예 응 아 아하 그래 그래요 그렇군요 맞아 맞아요 알겠어요 알겠습니다 음",
        "그만 멈춰 멈추세요 아니 아니요 잠깐 잠깐만 잠깐만요 기다려 조용히 중지",
    ),
    "hi": _words(
        "अच्छा जी हाँ हां ठीक सही हम्म बिल्कुल",
        "नहीं बस रुको रुकिए रुक बंद चुप ठहरो",
        "ठीक है|जी हाँ|हाँ जी",
    ),
}
"""By ISO 639-1 code."""
NO_WORDS = OverlapWords()


def overlap_words(language: str | None) -> OverlapWords:
    """Return the words of a language; None: it is not known, and is not taken for English."""
    return OVERLAP_WORDS.get(language or "", NO_WORDS)
