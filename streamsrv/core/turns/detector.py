"""Turn detection by voice activity. Pure: time is the audio's own, in ms."""

from dataclasses import dataclass

ONSET_MARGIN = 0.15
"""How far below the threshold a sound before a turn may continue. A turn has no such margin, because a detector's
probability sinks slowly after the last word, and each such frame would delay the end of the turn."""


@dataclass(frozen=True, slots=True)
class TurnOptions:
    threshold: float = 0.5
    """Probability (0..1) from which a frame counts as speech."""
    prefix_padding_ms: int = 300
    """Audio kept from before the first frame of speech, so that first sounds are not clipped."""
    silence_ms: int = 500
    """A turn ends after this much audio without speech."""
    onset_ms: int = 64
    """A turn starts after this much speech: clicks are shorter, the shortest words are not."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """A turn began; `at_ms` includes the prefix padding."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The turn ended; `at_ms` is the end of the silence that ended it."""

    at_ms: int


class TurnDetector:
    """Finds turns in one stream of speech probabilities."""

    def __init__(self, options: TurnOptions) -> None:
        self._options = options
        self._limit_ms = options.silence_ms  # limit of the current pause
        self._heard_ms = 0
        self._earliest_ms = 0
        self._onset_ms = 0
        self.first_speech_ms = 0
        """Where the first speech of the turn, or of what may begin one, begins."""
        self.last_speech_ms = 0
        """Where the last speech ends."""
        self._resumed_ms = 0
        self.speaking = False
        """Whether the user is in a turn."""
        self.speech = False
        """Whether the last frame counts as speech."""

    def hear(self, probability: float, until_ms: int) -> SpeechStarted | SpeechStopped | None:
        """Take the probability of speech in the frame that ends at `until_ms`; return the turn event, if any."""
        began_ms, self._heard_ms = self._heard_ms, until_ms
        margin = ONSET_MARGIN if self.speech and not self.speaking else 0.0
        self.speech = probability >= self._options.threshold - margin
        if self.speech:
            self.last_speech_ms = until_ms
            self._limit_ms = self._options.silence_ms
            self._resumed_ms += until_ms - began_ms
        else:
            self._resumed_ms = 0
        return self._in_turn() if self.speaking else self._between_turns(began_ms)

    @property
    def speech_ms(self) -> int:
        """The time from the first to the last speech of the turn."""
        return self.last_speech_ms - self.first_speech_ms

    @property
    def pause_ms(self) -> int:
        """The silence since the last speech."""
        return self._heard_ms - self.last_speech_ms

    @property
    def beginning(self) -> bool:
        """Whether the last frame may be the first of a turn, or a click."""
        return self.speech and not self.speaking

    @property
    def pausing(self) -> bool:
        """Whether the speaker is silent in the middle of a turn; a click does not end a pause."""
        return self.speaking and self._resumed_ms < self._options.onset_ms

    def configure(self, options: TurnOptions) -> None:
        """Change the options; a current turn goes on."""
        self._options = options
        self._limit_ms = options.silence_ms

    def wait(self, limit_ms: int) -> None:
        """End the turn when the current pause has lasted this long; speech resets the limit."""
        self._limit_ms = limit_ms

    def end_turn(self) -> None:
        """End the turn, because the buffer was committed or cleared; audio so far does not belong to a later turn."""
        self.speaking = False
        self._onset_ms = 0
        self._earliest_ms = self._heard_ms

    def begin_anew(self) -> None:
        """End the turn as if it had not been one: a turn that now begins is padded with audio of it."""
        earliest_ms = self._earliest_ms
        self.end_turn()
        self._earliest_ms = earliest_ms
        self.speech = False

    @property
    def threshold(self) -> float:
        return self._options.threshold

    def _between_turns(self, began_ms: int) -> SpeechStarted | None:
        if not self.speech:
            self._onset_ms = 0
            return None
        if not self._onset_ms:
            self.first_speech_ms = began_ms
        self._onset_ms += self._heard_ms - began_ms
        if self._onset_ms < self._options.onset_ms:
            return None
        self.speaking = True
        start_ms = max(self.first_speech_ms - self._options.prefix_padding_ms, self._earliest_ms)
        return SpeechStarted(start_ms)

    def _in_turn(self) -> SpeechStopped | None:
        if self._heard_ms - self.last_speech_ms < max(self._limit_ms, 1):
            return None
        self.end_turn()
        return SpeechStopped(self._heard_ms)
