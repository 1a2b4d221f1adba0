"""Short recordings of the voices, so that users can choose one by ear."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

from babel import Locale, UnknownLocaleError

MAX_PREVIEWS = 200
"""Previews that are kept; the one that was not asked for the longest makes room."""

SENTENCES: Mapping[str, str] = {
    "ar": "مرحبا، هذا هو صوتي. كيف يمكنني مساعدتك؟",
    "ca": "Hola, aquesta és la meva veu. En què et puc ajudar?",
    "cs": "Dobrý den, takhle zní můj hlas. Jak vám mohu pomoci?",
    "da": "Hej, sådan lyder min stemme. Hvordan kan jeg hjælpe dig?",
    "de": "Hallo, so klingt meine Stimme. Was kann ich für Sie tun?",
    "el": "Γεια σας, αυτή είναι η φωνή μου. Πώς μπορώ να σας βοηθήσω;",
    "en": "Hello, this is how my voice sounds. How can I help you?",
    "es": "Hola, así suena mi voz. ¿En qué puedo ayudarle?",
    "fi": "Hei, tältä ääneni kuulostaa. Miten voin auttaa?",
    "fr": "Bonjour, voici ma voix. Comment puis-je vous aider ?",
    "hi": "नमस्ते, मेरी आवाज़ ऐसी है। मैं आपकी क्या मदद कर सकता हूँ?",
    "hu": "Üdvözlöm, ilyen a hangom. Miben segíthetek?",
    "id": "Halo, seperti inilah suara saya. Apa yang bisa saya bantu?",
    "it": "Buongiorno, questa è la mia voce. Come posso aiutarla?",
    "ja": "こんにちは、これが私の声です。何かお手伝いしましょうか。",
    "ko": "안녕하세요, 제 목소리입니다. 무엇을 도와드릴까요?",
    "nl": "Hallo, zo klinkt mijn stem. Waarmee kan ik u helpen?",
    "no": "Hei, slik høres stemmen min ut. Hva kan jeg hjelpe deg med?",
    "pl": "Dzień dobry, tak brzmi mój głos. W czym mogę pomóc?",
    "pt": "Olá, esta é a minha voz. Como posso ajudar?",
    "ro": "Bună ziua, așa sună vocea mea. Cu ce vă pot ajuta?",
    "ru": "Здравствуйте, так звучит мой голос. Чем я могу вам помочь?",
    "sv": "Hej, så här låter min röst. Vad kan jag hjälpa dig med?",
    "tr": "Merhaba, sesim böyle. Size nasıl yardımcı olabilirim?",
    "uk": "Вітаю, так звучить мій голос. Чим я можу вам допомогти?",
    "vi": "Xin chào, đây là giọng nói của tôi. Tôi có thể giúp gì cho bạn?",
    "zh": "你好，这就是我的声音。有什么可以帮你的吗？",
}
"""What a voice says in a preview, by ISO 639-1 code."""

Key = tuple[str, str, float]
"""The id of a voice, an ISO 639-1 code, and the factor on the voice's pace."""


def preview_text(language: str) -> str:
    """Return what a voice says in this language: a greeting, else the days of the week, else an English greeting."""
    if (sentence := SENTENCES.get(language)) is not None:
        return sentence
    try:
        days = Locale.parse(language).days["stand-alone"]["wide"]
    except (UnknownLocaleError, ValueError, KeyError):
        return SENTENCES["en"]
    return f"{', '.join(days.values())}."


class Previews:
    """Keeps previews in memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._making: dict[Key, asyncio.Lock] = {}

    async def get(self, key: Key, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return a preview, which is made if it is not kept. Others who want the same one wait meanwhile."""
        if key not in self._kept:
            lock = self._making.setdefault(key, asyncio.Lock())
            try:
                async with lock:
                    if key not in self._kept:
                        self._keep(key, await make())
            finally:
                if not lock.locked():
                    self._making.pop(key, None)
        self._kept.move_to_end(key)
        return self._kept[key]

    def forget(self, voice: str) -> None:
        """Drop the previews of a voice that was deleted."""
        for key in [key for key in self._kept if key[0] == voice]:
            del self._kept[key]

    def _keep(self, key: Key, preview: bytes) -> None:
        self._kept[key] = preview
        while len(self._kept) > MAX_PREVIEWS:
            self._kept.popitem(last=False)
