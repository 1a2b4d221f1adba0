"""How much audio a Whisper model is given, and how much text it may write. Pure."""

from streamsrv.engines.asr.base import Task

MAX_S = 30
_PADDING_S = 3
"""Silence after the speech. With less, the decoder repeats itself."""
_MIN_S = 10
"""Shortest audio given to the encoder. With less, the decoder repeats itself; Whisper's own window costs much more."""
TESTED_WIDTHS = frozenset({384, 512})
"""Width of the models for which less than 30 s of audio was found to be enough: Whisper tiny and base."""
_MAX_TOKENS = 220
_TOKENS_PER_SECOND = 20
"""Most tokens per second of speech; more are a loop."""
_ENGLISH_TOKENS_PER_SECOND = 10
"""Most tokens per second of English speech; more are a loop."""


def padded_s(seconds: float) -> float:
    """Return the length, in seconds, that a window of speech is padded to."""
    return min(max(seconds + _PADDING_S, _MIN_S), MAX_S)


def max_tokens(seconds: float, language: str, task: Task) -> int:
    """Return how many tokens a window of speech can have."""
    rate = _ENGLISH_TOKENS_PER_SECOND if language == "en" or task == "translate" else _TOKENS_PER_SECOND
    return min(int(seconds * rate) + 8, _MAX_TOKENS)
