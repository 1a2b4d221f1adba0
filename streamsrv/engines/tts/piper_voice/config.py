"""The configuration that lies beside the model of a Piper voice (`*.onnx.json`). Source: Piper, TRAINING.md."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from streamsrv.errors import Unavailable

_BEGIN, _END, _PAD = "^", "$", "_"


class Audio(msgspec.Struct, frozen=True):
    """The sound of a voice."""

    sample_rate: Annotated[int, msgspec.Meta(ge=8_000, le=48_000)]


class Espeak(msgspec.Struct, frozen=True):
    """How espeak-ng made the phonemes that the model was trained with."""

    voice: str = ""


class Inference(msgspec.Struct, frozen=True):
    """How much a voice varies, and how long its phonemes are."""

    noise_scale: float = 0.667
    length_scale: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    noise_w: float = 0.8


class PiperConfig(msgspec.Struct, frozen=True):
    """What is needed of the file. Other fields are ignored."""

    audio: Audio
    phoneme_id_map: Mapping[str, Sequence[int]]
    espeak: Espeak = Espeak()
    inference: Inference = Inference()
    phoneme_type: Literal["espeak", "text"] = "espeak"
    num_speakers: int = 1
    speaker_id_map: Mapping[str, int] = {}

    def ids(self, phonemes: Iterable[str]) -> list[int]:
        """Return the numbers of a sentence's phonemes for the model, padded; what it does not know is left out.

        Returns none if only punctuation is left, which would be spoken as noise.
        """
        known = [phoneme for phoneme in phonemes if phoneme in self.phoneme_id_map]
        if not any(phoneme.isalnum() for phoneme in known):
            return []
        padded = [number for phoneme in (_BEGIN, *known) for number in self._padded(phoneme)]
        return [*padded, *self.phoneme_id_map[_END]]

    def _padded(self, phoneme: str) -> Sequence[int]:
        return [*self.phoneme_id_map[phoneme], *self.phoneme_id_map[_PAD]]


def read_config(name: str, path: Path) -> PiperConfig:
    """Read the file of the voice `name`; raises `Unavailable`, which says what is wrong with it."""
    try:
        config = msgspec.json.decode(path.read_bytes(), type=PiperConfig)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unavailable(
            f"{name} could not be loaded: {path.name} is no configuration of a Piper voice: {error}"
        ) from error
    lacking = [symbol for symbol in (_BEGIN, _END, _PAD) if not config.phoneme_id_map.get(symbol)]
    if lacking:
        raise Unavailable(f"{name} could not be loaded: phoneme_id_map of {path.name} lacks {' '.join(lacking)}")
    return config
