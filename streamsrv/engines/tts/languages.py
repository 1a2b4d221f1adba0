"""Loads what the text of a synthesiser's languages needs, so that no session waits for it."""

import asyncio

from streamsrv.engines.tts.base import Synthesizer
from streamsrv.text.language_detection import load_detector
from streamsrv.text.reading.phrases import PHRASES
from streamsrv.text.speakable import prepare


async def load_languages(synthesizer: Synthesizer) -> None:
    """Return when the languages of its voices can be told apart and read out."""
    languages = frozenset[str]().union(*(voice.languages for voice in synthesizer.voices))
    await asyncio.to_thread(_load, languages)


def _load(languages: frozenset[str]) -> None:
    load_detector(languages)
    prepare(languages & PHRASES.keys())
