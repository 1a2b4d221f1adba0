"""What a Whisper model hears of synthetic speech: which words, and when."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.audio.resample import StreamResampler
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.engines.asr.windows.incremental import Decode, IncrementalRecognizer
from streamsrv.engines.tts.base import SpokenWord
from streamsrv.inference.scheduler import Priority
from streamsrv.testing.word_errors import normalized_words, prefix_distances
from streamsrv.text.speakable import speakable

_CLOCK = re.compile(r"\b(\d{1,2})\.(\d\d)(?= ?[ap]\.?m)")
_SAME = {"metre": "meter", "metres": "meters", "kilometre": "kilometer", "kilometres": "kilometers", "am": "a m"}
_SAME |= {"pm": "p m", "centimetres": "centimeters", "litre": "liter", "litres": "liters", "okay": "ok"}


@dataclass(frozen=True)
class Heard:
    """One recording as Whisper heard it."""

    text: str
    words: tuple[SpokenWord, ...]


async def hear(recognizer: IncrementalRecognizer, pcm: NDArray[np.int16], sample_rate: int, language: str) -> Heard:
    """Recognise a whole recording of at most 30 s."""
    heard = StreamResampler(sample_rate, SPEECH_RATE_HZ).process(pcm, last=True)
    decode = Decode(heard, RecognitionOptions(language=language), Priority.FINAL, is_complete=True)
    found = await recognizer.decode(decode)
    return Heard(found.text, tuple(SpokenWord(word.text, word.start_ms, word.end_ms) for word in found.words))


def comparable(text: str) -> list[str]:
    """Return the words of English text as they are said, however numbers and units are written, without "and"."""
    text = _CLOCK.sub(r"\1:\2", re.sub(r"(?<=\d)-(?=[a-z])", " ", text))
    words = normalized_words(speakable(text))
    return " ".join(_SAME.get(word, word) for word in words if word != "and").split()


def errors(reading: str, heard: str) -> tuple[int, int]:
    """Return the word errors of what was heard against how the text is read out, and the number of words."""
    wanted = comparable(reading)
    return prefix_distances(wanted, comparable(heard))[-1], len(wanted)


def time_errors_ms(estimated: Sequence[SpokenWord], heard: Sequence[SpokenWord]) -> list[int]:
    """Return how far the starts of words are from where Whisper heard them, for words that both have; in ms.

    The first word is left out: the estimate has it from the start of the audio, which is where it is.
    """
    matcher = difflib.SequenceMatcher(None, _keys(estimated), _keys(heard), autojunk=False)
    return [
        estimated[block.a + place].start_ms - heard[block.b + place].start_ms
        for block in matcher.get_matching_blocks()
        for place in range(block.size)
        if block.a + place > 0
    ]


def _keys(words: Sequence[SpokenWord]) -> list[str]:
    return ["".join(filter(str.isalnum, word.text.lower())) for word in words]
