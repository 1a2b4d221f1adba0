"""What a Whisper model hears of synthetic speech: which words, and when."""

import difflib
import re
import statistics
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.audio.resample import StreamResampler
from streamsrv.engines.asr.base import RecognitionOptions
from streamsrv.engines.asr.windows.incremental import Decode, IncrementalRecognizer
from streamsrv.engines.tts.base import SpeechOptions, SpokenWord, Synthesizer
from streamsrv.inference.scheduler import Priority
from streamsrv.testing.word_errors import normalized_words, prefix_distances
from streamsrv.text.speakable import speakable

_CALIBRATION = (
    "the doctor walked across the bridge before breakfast",
    "seventeen people danced near the garden yesterday",
    "my brother wants another bottle of water tomorrow",
    "every summer the farmers carry apples to the market",
)
_QUIET = 600
_PAIRS = re.compile(r"(?<![\d.,$€£])(\d{1,2})(\d\d)\b(?![.,]?\d)")
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


async def earliness_ms(recognizer: IncrementalRecognizer, synthesizer: Synthesizer, language: str) -> float:
    """Return how much too early this recogniser places the starts of words: the median of words of known places.

    The words are spoken one by one, and put together without pauses.
    """
    found: list[int] = []
    per_ms = synthesizer.sample_rate / 1000
    for sentence in _CALIBRATION:
        parts: list[NDArray[np.int16]] = []
        known: list[SpokenWord] = []
        begins = 0
        for word in sentence.split():
            spoken = _without_silence(await _speak(synthesizer, word, language))
            ends = begins + spoken.size
            known.append(SpokenWord(word, round(begins / per_ms), round(ends / per_ms)))
            parts.append(spoken)
            begins = ends
        heard = await hear(recognizer, np.concatenate(parts), synthesizer.sample_rate, language)
        found += time_errors_ms(known, heard.words)
    return statistics.median(found) if found else 0.0


async def _speak(synthesizer: Synthesizer, text: str, language: str) -> NDArray[np.int16]:
    async with aclosing(synthesizer.stream(text, SpeechOptions(language=language))) as chunks:
        return np.concatenate([chunk.pcm async for chunk in chunks])


def _without_silence(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > _QUIET)
    return pcm[loud[0] : loud[-1] + 1]


def comparable(text: str) -> list[str]:
    """Return the words of English text as they are said, however numbers and units are written, without "and"."""
    text = _CLOCK.sub(r"\1:\2", re.sub(r"(?<=\d)-(?=[a-z])", " ", text))
    words = normalized_words(speakable(text))
    return " ".join(_SAME.get(word, word) for word in words if word != "and").split()


def errors(reading: str, heard: str) -> tuple[int, int]:
    """Return the word errors of what was heard against how the text is read out, and the number of words.

    Whisper writes "six thirty" as 630: the reading with fewer errors counts.
    """
    wanted = comparable(reading)
    in_pairs = _PAIRS.sub(r"\1 \2", heard)
    return min(prefix_distances(wanted, comparable(each))[-1] for each in (heard, in_pairs)), len(wanted)


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
