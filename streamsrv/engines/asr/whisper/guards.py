"""Decides whether a text is speech, or was made up by the decoder from noise, music or silence. Pure.

Whisper turns noise into "Thank you.", "1.5 kg" or whole sentences. Three signs of it are known: the model's own
probability that nobody speaks, a low probability of the words, and a loop. None is reliable alone: soft speech is
improbable, too, and a model is as sure of "Thank you." after music as of any speech. So they are weighed together.
The limits were fitted to recordings of noise, and of speech with and without noise: docs/measurements.md.
"""

from dataclasses import dataclass

# OpenAI's own rule.
_MAX_NO_SPEECH = 0.6
_MIN_SCORE = -1.0

_MAX_DOUBT = 1.0
"""Most doubt, see `Evidence.doubt`, of a text that is speech."""
_LOGPROB_WEIGHT = 0.4
_MAX_LOOP_NO_SPEECH = 0.2
"""Probability of no speech above which a text that is mostly a loop is noise. A speaker may repeat words, too."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the decoder says about its text."""

    no_speech: float
    """Probability that nobody speaks."""
    score: float
    """Sum of the log-probabilities of all tokens with the end of the text, by the number of tokens without it."""
    tokens: int
    kept: int
    """Tokens of the text that are left after a loop was cut from it."""

    @property
    def mean_logprob(self) -> float:
        """The mean log-probability of the tokens and of the end of the text."""
        return self.score * self.tokens / (self.tokens + 1)

    @property
    def doubt(self) -> float:
        """How likely it is that the text is made up: grows with the probability of no speech and with rare words."""
        return self.no_speech - _LOGPROB_WEIGHT * self.mean_logprob

    @property
    def is_speech(self) -> bool:
        """Whether the text was said."""
        is_loop = self.kept <= self.tokens // 2
        return not (
            (self.no_speech > _MAX_NO_SPEECH and self.score < _MIN_SCORE)
            or self.doubt > _MAX_DOUBT
            or (is_loop and self.no_speech > _MAX_LOOP_NO_SPEECH)
        )
