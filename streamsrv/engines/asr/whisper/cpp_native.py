"""One whisper.cpp context, by the low-level module of pywhispercpp, whose own class keeps parameters between calls."""

import atexit
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _pywhispercpp  # type: ignore[import-not-found]  # it has no types
import numpy as np
from numpy.typing import NDArray

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.whisper.languages import to_whisper
from streamsrv.errors import Unavailable

logger = logging.getLogger(__name__)

_native: Any = _pywhispercpp
_MIN_SAMPLES = SPEECH_RATE_HZ * 11 // 10
"""Shorter audio is padded: whisper.cpp writes nothing for less than a second."""
_STEPS_PER_SECOND = 50
"""Steps of the encoder."""
_AUTO = "auto"


def _log(level: Any, text: str) -> None:
    del level
    if text.strip():
        logger.debug("whisper.cpp: %s", text.strip())


def _end_the_call(*_: Any) -> bool:
    return False


def _silence_log() -> None:
    """Send the library's log to ours, until the interpreter ends: a call from the library after that would abort."""
    _native.whisper_log_set(_log)
    atexit.register(_native.whisper_log_set, None)


_silence_log()


@dataclass(frozen=True, slots=True)
class Request:
    """What a context is to do with a window."""

    language: str
    """Our code of it; empty: detect it."""
    padded_s: float
    translate: bool = False
    context: str = ""
    """Text that might have been said before."""
    max_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """The tokens that a context wrote, with their log-probabilities; the last is the end of the text, if it ended."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    language: str
    """Whisper's code of the language that was given or detected."""


def languages() -> tuple[str, ...]:
    """Return Whisper's codes of all languages that the library knows."""
    return tuple(_native.whisper_lang_str(number) for number in range(_native.whisper_lang_max_id() + 1))


class Context:
    """A model with its state. Used by one thread at a time; the native calls that take long release Python's lock."""

    def __init__(self, path: Path) -> None:
        parameters = _native.whisper_context_default_params()
        parameters.use_gpu = False
        self._handle = _native.whisper_init_from_file_with_params(str(path), parameters)
        self.end = int(_native.whisper_token_eot(self._handle))
        """The token for the end of the text; those below it are text."""
        self._steps = 0  # of the encoder in the call before

    def __del__(self) -> None:
        if handle := getattr(self, "_handle", None):
            _native.whisper_free(handle)

    def text(self, token: int) -> bytes:
        """Return the text of a token, which may end within a character."""
        return _native.whisper_token_to_bytes(self._handle, token)

    def write(self, samples: NDArray[np.float32], request: Request, is_abandoned: Callable[[], bool]) -> Written:
        """Recognise mono audio at 16 kHz in -1..1. Ends early, with any text, once `is_abandoned`. Blocks."""
        padded = np.pad(samples, (0, max(_MIN_SAMPLES - len(samples), 0)))
        parameters = self._parameters(request)
        if not request.language:
            self._set_steps(parameters.audio_ctx)
        _native.assign_abort_callback(parameters, is_abandoned)
        code = _native.whisper_full(self._handle, parameters, padded, len(padded))
        self._steps = parameters.audio_ctx
        if code and not is_abandoned():
            raise Unavailable(f"whisper.cpp failed with code {code}")
        places = [
            (segment, place)
            for segment in range(_native.whisper_full_n_segments(self._handle))
            for place in range(_native.whisper_full_n_tokens(self._handle, segment))
        ]
        found = [_native.whisper_full_get_token_data(self._handle, *place) for place in places]
        return Written(
            tuple(int(token.id) for token in found),
            tuple(float(token.plog) for token in found),
            str(_native.whisper_lang_str(_native.whisper_full_lang_id(self._handle))),
        )

    def _set_steps(self, steps: int) -> None:
        """Make the detection of the language, which goes by the call before, hear as much as the decoder."""
        if self._steps == steps:
            return
        parameters = self._parameters(Request("en", 0))
        parameters.audio_ctx = steps
        _native.assign_encoder_begin_callback(parameters, _end_the_call)
        _native.whisper_full(self._handle, parameters, np.zeros(_MIN_SAMPLES, np.float32), _MIN_SAMPLES)

    def _parameters(self, request: Request) -> Any:
        parameters = _native.whisper_full_default_params(_native.whisper_sampling_strategy.WHISPER_SAMPLING_GREEDY)
        wanted = {
            "n_threads": 1,
            "audio_ctx": int(request.padded_s * _STEPS_PER_SECOND),
            "language": to_whisper(request.language) if request.language else _AUTO,
            "translate": request.translate,
            "max_tokens": request.max_tokens,
            "no_context": True,
            "single_segment": True,
            "no_timestamps": True,
            "suppress_nst": True,
            "temperature_inc": 0.0,  # else a doubtful text is decoded again and again, with random results
            "print_progress": False,
            "print_realtime": False,
            "print_timestamps": False,
        }
        if request.context:
            wanted["initial_prompt"] = request.context
        for name, value in wanted.items():
            setattr(parameters, name, value)
        return parameters
