"""The voices of XTTS: the model's own, and those of recordings. Imported only in the engine's process."""

import wave
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from streamsrv.audio.pcm import to_float
from streamsrv.engines.tts.process.messages import LoadedVoice, Speak
from streamsrv.engines.tts.xtts_model.known_speakers import FEMALE, MALE
from streamsrv.errors import Rejected

torch: Any = import_module("torch")

MAX_KEPT = 256
"""Voices of recordings whose conditioning is kept; each is some hundred KB."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """What the model needs of a voice: `conditioning` (1, rows, width) for the GPT, `embedding` (channels, 1)."""

    conditioning: Any
    embedding: Any


class Speakers:
    """Finds the voice of a request. Computing that of a recording takes some ms on a GPU, seconds on a CPU."""

    def __init__(self, model: Any, languages: Sequence[str]) -> None:
        self._model = model
        known: Mapping[str, Any] = model.speaker_manager.speakers if model.speaker_manager is not None else {}
        self._known = {
            name: _speaker(found["gpt_cond_latent"], found["speaker_embedding"], model.device)
            for name, found in known.items()
        }
        self._cloned: OrderedDict[str, Speaker] = OrderedDict()
        self.voices = [LoadedVoice(name, list(languages), "", _gender(name)) for name in self._known]

    def find(self, request: Speak) -> Speaker:
        """Return the voice of a request, the first one if it names none; raises `Rejected`."""
        if request.reference:
            return self._of_recording(request.reference_id, Path(request.reference))
        name = request.voice or next(iter(self._known), "")
        if name not in self._known:
            said = ", ".join(self._known) or "none: it speaks only with the voices of recordings"
            raise Rejected(f"voice: {name!r}; accepted: {said}")
        return self._known[name]

    def _of_recording(self, number: str, path: Path) -> Speaker:
        kept = self._cloned.pop(number, None) if number else None
        speaker = kept or self._compute(path)
        if number:
            self._cloned[number] = speaker
            if len(self._cloned) > MAX_KEPT:
                self._cloned.popitem(last=False)
        return speaker

    def _compute(self, path: Path) -> Speaker:
        """Do what the model's own `get_conditioning_latents` does, without its reading of the file."""
        config, audio_rate = self._model.config, self._model.config.audio.sample_rate
        audio, rate = _read(path)
        if rate != audio_rate:
            resample: Callable[..., Any] = import_module("torchaudio").functional.resample
            audio = resample(audio, rate, audio_rate)
        audio = audio[:, : audio_rate * config.max_ref_len].to(self._model.device)
        if config.sound_norm_refs:
            audio = audio / audio.abs().max().clamp(min=1e-6) * 0.75
        embedding = self._model.get_speaker_embedding(audio, audio_rate)
        conditioning = self._model.get_gpt_cond_latents(
            audio, audio_rate, length=config.gpt_cond_len, chunk_length=config.gpt_cond_chunk_len
        )
        return _speaker(conditioning, embedding, self._model.device)


def _speaker(conditioning: Any, embedding: Any, device: Any) -> Speaker:
    return Speaker(conditioning.to(device).float(), embedding.to(device).float()[0])


def _gender(name: str) -> str:
    return "female" if name in FEMALE else "male" if name in MALE else ""


def _read(path: Path) -> tuple[Any, int]:
    """Return the audio (1, samples) of a mono WAV file of int16, and its rate; raises `Rejected`."""
    try:
        with wave.open(str(path), "rb") as file:
            rate, kind = file.getframerate(), (file.getnchannels(), file.getsampwidth())
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise Rejected(f"the recording of the voice cannot be read: {error}") from error
    if kind != (1, 2):
        raise Rejected(f"the recording of the voice has {kind[0]} channels of {8 * kind[1]} bits, not one of 16")
    return torch.from_numpy(to_float(np.frombuffer(data, np.int16)))[None], rate
