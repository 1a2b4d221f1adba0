"""Piper voices: VITS models on onnxruntime, at 16 or 22.05 kHz, in this process.

Their phonemes come from the program espeak-ng (GPL-3.0-or-later, run as a command); without it, English ones come from
the text analysis of Hibari (Apache-2.0). Nothing of the package `piper-tts` (GPL) is used. A voice of one's own:

    [[model]]
    name = "piper-mine"
    kind = "synthesizer"
    engine = "piper"
    languages = ["de"]
    requires = ["onnxruntime"]
    commands = ["espeak-ng"]
    weights = [
      { name = "mine.onnx", size = 63201294, sha256 = "..." },
      { name = "mine.onnx.json", size = 4794, sha256 = "..." },
    ]
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from streamsrv.audio.pcm import from_float
from streamsrv.audio.stretch import stretch
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Voice
from streamsrv.engines.tts.espeak_ng.command import COMMAND
from streamsrv.engines.tts.piper_voice.config import PiperConfig, read_config
from streamsrv.engines.tts.piper_voice.phonemes import (
    EspeakPhonemizer,
    HibariPhonemizer,
    Phonemizer,
    SpellingPhonemizer,
)
from streamsrv.engines.tts.sentences import speech_pieces
from streamsrv.errors import Unavailable
from streamsrv.inference.onnx import open_session
from streamsrv.inference.scheduler import Priority, Scheduler
from streamsrv.text.cutting import cut_text

_MIN_OWN_SPEED, _MAX_OWN_SPEED = 0.5, 2.0
"""Speeds at which the models speak well. Others are made by stretching the audio."""
_MAX_CHARS = 120
"""Characters given to the model at once, which takes about a tenth of the time that they are heard."""
_MAX_PHONEMES = 300
"""Phonemes given to the model at once: numbers and symbols have more phonemes than characters."""
_MAX_SPEAKERS = 20
"""Models with more speakers were trained to imitate many, not to offer a choice."""


@dataclass(frozen=True, slots=True)
class PiperOptions:
    """Options of a catalogue entry with this engine."""

    voice: str = ""
    """Name of the voice; empty: that of the entry without `piper-`. Several speakers have their own names."""
    gender: Literal["female", "male", ""] = ""
    """As listeners would say; empty: not known."""
    phonemes: Literal["auto", "espeak", "hibari"] = "auto"
    """What writes the phonemes; `auto`: espeak-ng where it is installed."""


OPTIONS = PiperOptions


def load(entry: ModelEntry, context: LoadContext) -> "PiperSynthesizer":
    """Load the model and its configuration, the files `*.onnx` and `*.onnx.json`. Options: `PiperOptions`."""
    options = read_options(PiperOptions, entry)
    model = next(path for name, path in context.files.items() if name.endswith(".onnx"))
    config = read_config(entry.name, next(path for name, path in context.files.items() if name.endswith(".json")))
    phonemizers = _phonemizers(entry, options, config)
    return PiperSynthesizer(entry, options, config, phonemizers, model, context.scheduler)


def _phonemizers(entry: ModelEntry, options: PiperOptions, config: PiperConfig) -> Callable[[], Phonemizer]:
    """Return what makes the phonemiser of a segment."""
    if config.phoneme_type == "text":
        return SpellingPhonemizer
    if options.phonemes != "hibari" and which(COMMAND) is not None:
        return lambda: EspeakPhonemizer(config.espeak.voice)
    if options.phonemes == "espeak" or "en" not in entry.languages:
        raise Unavailable(f"{entry.name} cannot be loaded, because the program {COMMAND} is not installed")
    hibari = HibariPhonemizer()
    return lambda: hibari


class PiperSynthesizer:
    """A `tts.base.Synthesizer` with one onnxruntime session, which all worker threads use at once.

    A text does not give the same audio twice, because the model draws the lengths and the sound of its phonemes.
    """

    clones_voices = False
    min_speed, max_speed = 0.25, 4.0

    def __init__(
        self,
        entry: ModelEntry,
        options: PiperOptions,
        config: PiperConfig,
        phonemizers: Callable[[], Phonemizer],
        model: Path,
        scheduler: Scheduler,
    ) -> None:
        self.name = entry.name
        self.sample_rate = config.audio.sample_rate
        own = options.voice or entry.name.removeprefix("piper-")
        is_choice = 1 < len(config.speaker_id_map) <= _MAX_SPEAKERS
        self._speakers = dict(config.speaker_id_map) if is_choice else {own: 0}
        languages = frozenset(entry.languages)
        self.voices = tuple(Voice(name, languages, "", options.gender) for name in self._speakers)
        self._config = config
        self._phonemizers = phonemizers
        self._scheduler = scheduler
        try:
            self._session: Any = open_session(model)
        except Exception as error:
            raise Unavailable(f"{self.name} could not be loaded: {error}") from error
        inputs = {each.name for each in self._session.get_inputs()}
        if inputs not in ({"input", "input_lengths", "scales"}, {"input", "input_lengths", "scales", "sid"}):
            named = ", ".join(sorted(inputs))
            raise Unavailable(f"{self.name} could not be loaded: {model.name} has inputs {named}: it is no Piper voice")
        self._has_speakers = "sid" in inputs

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        """Speak `text` sentence by sentence, in chunks of a second at most. Closing it stops the model."""
        speech = _Speech(self._phonemizers())
        pieces = self._speak(text, options, speech)
        spoken = self._scheduler.iterate(Priority.FIRST_AUDIO, Priority.SPEECH, pieces)
        try:
            async with aclosing(spoken) as sentences:
                async for pcm in sentences:
                    for start in range(0, len(pcm), self.sample_rate):
                        if start:
                            await asyncio.sleep(0)  # let other tasks run
                        yield SpeechChunk(pcm[start : start + self.sample_rate])
        finally:
            speech.cancel()

    async def warm_up(self) -> None:
        """Speak a word and discard it."""
        async for _ in self.stream("One", SpeechOptions()):
            pass

    async def aclose(self) -> None:
        """Do nothing: there is nothing to release."""

    def _speak(self, text: str, options: SpeechOptions, speech: "_Speech") -> Iterator[NDArray[np.int16]]:
        own_speed = min(max(options.speed, _MIN_OWN_SPEED), _MAX_OWN_SPEED)
        speaker = self._speakers.get(options.voice, next(iter(self._speakers.values())))
        for phonemes in self._phonemes(text, speech):
            ids = self._config.ids(phonemes)
            if speech.is_cancelled:
                return
            if not ids:
                continue
            pcm = from_float(self._synthesize(ids, own_speed, speaker, speech))
            if pcm.size and options.speed != own_speed:
                pcm = stretch(pcm, self.sample_rate, options.speed / own_speed)
            if pcm.size:
                yield pcm

    def _phonemes(self, text: str, speech: "_Speech") -> Iterator[str]:
        for piece in speech_pieces(text, _MAX_CHARS):
            yield from cut_text(speech.phonemizer.phonemes(piece), _MAX_PHONEMES)

    def _synthesize(self, ids: list[int], speed: float, speaker: int, speech: "_Speech") -> NDArray[np.float32]:
        inference = self._config.inference
        inputs = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([inference.noise_scale, inference.length_scale / speed, inference.noise_w], np.float32),
        }
        if self._has_speakers:
            inputs["sid"] = np.array([speaker], np.int64)
        try:
            [audio] = self._session.run(None, inputs, speech.run_options)
        except Exception as error:
            if speech.is_cancelled:
                return np.empty(0, np.float32)
            raise Unavailable(f"{self.name} could not speak: {error}") from error
        return np.asarray(audio, np.float32).ravel()


class _Speech:
    """What a segment in progress can be stopped by, on any thread."""

    def __init__(self, phonemizer: Phonemizer) -> None:
        self.phonemizer = phonemizer
        runtime: Any = onnxruntime  # its types are incomplete
        self.run_options = runtime.RunOptions()
        self._cancelled = threading.Event()

    @property
    def is_cancelled(self) -> bool:
        """Whether nobody wants the rest of the segment."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Stop the program that writes phonemes, and the model between two of its operations."""
        self._cancelled.set()
        self.phonemizer.kill()
        self.run_options.terminate = True
