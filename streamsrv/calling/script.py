"""Decides what a simulated caller does: when he speaks, presses keys and hangs up. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SPEECH_DBFS = -28.0
"""Level of 20 ms from which what is heard is somebody who speaks; sounds that tell the caller to wait are softer."""
SOUND_DBFS = -50.0
"""Level from which anything at all is heard."""


SILENCED_MS = 400
"""Silence after which an agent who was interrupted counts as silent: within what he says there are pauses, too."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What the caller says and then presses. `pcm`: mono at the rate of the line."""

    pcm: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    text: str = ""
    digits: str = ""
    barge_in_after_ms: int | None = None
    """Time after the beginning of the agent's speech at which the caller speaks; None: he lets the agent finish."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How a caller behaves, in ms."""

    pause_ms: int = 700
    """Silence after the agent's speech after which it is the caller's turn."""
    greeting_ms: int = 2_000
    """How long the caller waits for the agent to speak first."""
    patience_ms: int = 15_000
    """How long the caller waits for an answer before he goes on."""
    key_ms: int = 200
    """From one key to the next."""


@dataclass(slots=True)
class Spoken:
    """What became of a turn; positions are in ms since the start of the call, None: it did not happen."""

    text: str
    digits: str
    started_ms: int
    ended_ms: int | None = None
    """The end of the last thing that was said or pressed."""
    first_sound_ms: int | None = None
    """The first sound that was heard after the end, also one that only tells the caller to wait."""
    first_speech_ms: int | None = None
    """The beginning of the agent's answer."""
    longest_silence_ms: int = 0
    """The longest silence between the end and the answer."""
    silenced_ms: int | None = None
    """When the agent that was interrupted fell silent."""
    interrupts: bool = False


class Script:
    """Takes one step for every 20 ms of a call."""

    def __init__(self, turns: Sequence[Turn], sample_rate: int, step_ms: int, manners: Manners) -> None:
        self._turns = list(turns)
        self._step_ms, self._step = step_ms, step_ms * sample_rate // 1000
        self._manners = manners
        self._said = 0  # samples of the current turn
        self._keys = ""
        self._next_key_ms = 0
        self._speaking: Turn | None = None
        self._speech_since_ms: int | None = None  # of the agent, since the last turn of the caller ended
        self._speech_until_ms = 0
        self._sound_until_ms = 0
        self._waits_since_ms = 0
        self._silent_since_ms = 0
        self.spoken: list[Spoken] = []
        self.is_over = False
        """Whether the caller has said everything and has heard the answer to it."""

    def step(self, now_ms: int, level_dbfs: float, audio_waits: bool) -> tuple[NDArray[np.int16], str]:
        """Return the next `step_ms` of the caller's audio, and a key that is pressed or "".

        `level_dbfs`: of what was heard in the last step; `audio_waits`: whether more of the agent is still to be heard.
        """
        self._listen(now_ms, level_dbfs)
        if self._speaking is None:
            if self._is_due(now_ms, audio_waits):
                self._begin(now_ms, audio_waits)
            elif not self._turns:
                self.is_over = self._is_answered(now_ms, audio_waits)
        return self._speak(now_ms)

    def _listen(self, now_ms: int, level_dbfs: float) -> None:
        heard_ms = now_ms - self._step_ms
        speaks, sounds = level_dbfs >= SPEECH_DBFS, level_dbfs >= SOUND_DBFS
        if speaks:
            self._speech_until_ms = now_ms
        if sounds:
            self._sound_until_ms = now_ms
        spoken = self.spoken[-1] if self.spoken else None
        if spoken is not None and spoken.interrupts and spoken.silenced_ms is None:
            silent_from_ms = max(self._sound_until_ms, spoken.started_ms)
            if now_ms >= silent_from_ms + SILENCED_MS:
                spoken.silenced_ms = silent_from_ms
        if self._speaking is not None:
            return
        if spoken is not None and spoken.first_speech_ms is None and spoken.ended_ms is not None:
            if sounds:
                self._silent_since_ms = now_ms
                if spoken.first_sound_ms is None:
                    spoken.first_sound_ms = heard_ms
            else:
                silence_ms = now_ms - self._silent_since_ms
                spoken.longest_silence_ms = max(spoken.longest_silence_ms, silence_ms)
            if speaks:
                spoken.first_speech_ms = heard_ms
        if speaks and self._speech_since_ms is None:
            self._speech_since_ms = heard_ms

    def _is_due(self, now_ms: int, audio_waits: bool) -> bool:
        if not self._turns:
            return False
        barge_in_after_ms = self._turns[0].barge_in_after_ms
        if barge_in_after_ms is not None and self._speech_since_ms is not None:
            return now_ms >= self._speech_since_ms + barge_in_after_ms
        if self._speech_since_ms is None and not self.spoken:
            return now_ms >= self._manners.greeting_ms
        return self._is_answered(now_ms, audio_waits)

    def _is_answered(self, now_ms: int, audio_waits: bool) -> bool:
        """Whether the agent has answered and is silent, or the caller does not wait any longer."""
        if self._speech_since_ms is None:
            return now_ms >= self._waits_since_ms + self._manners.patience_ms
        return not audio_waits and now_ms >= self._speech_until_ms + self._manners.pause_ms

    def _begin(self, now_ms: int, audio_waits: bool) -> None:
        turn = self._turns.pop(0)
        self._speaking, self._said, self._keys, self._next_key_ms = turn, 0, turn.digits, now_ms
        is_heard = audio_waits or now_ms - self._step_ms < self._speech_until_ms
        interrupts = turn.barge_in_after_ms is not None and is_heard
        self.spoken.append(Spoken(turn.text, turn.digits, now_ms, interrupts=interrupts))

    def _speak(self, now_ms: int) -> tuple[NDArray[np.int16], str]:
        silence = np.zeros(self._step, np.int16)
        turn = self._speaking
        if turn is None:
            return silence, ""
        if self._said < len(turn.pcm):
            piece = turn.pcm[self._said : self._said + self._step]
            self._said += len(piece)
            silence[: len(piece)] = piece
            self._next_key_ms = now_ms + self._manners.key_ms
            if self._said >= len(turn.pcm) and not self._keys:
                self._end(now_ms + self._step_ms - self._unvoiced_ms(turn))
            return silence, ""
        key = ""
        if self._keys and now_ms >= self._next_key_ms:
            key, self._keys = self._keys[0], self._keys[1:]
            self._next_key_ms = now_ms + self._manners.key_ms
        if not self._keys:
            self._end(now_ms)
        return silence, key

    def _unvoiced_ms(self, turn: Turn) -> int:
        """Return how long the end of a recording is silent."""
        loud = np.flatnonzero(np.abs(turn.pcm.astype(np.int32)) > np.abs(turn.pcm.astype(np.int32)).max() // 20)
        unvoiced = len(turn.pcm) - int(loud[-1]) - 1 if len(loud) else 0
        return unvoiced * self._step_ms // self._step

    def _end(self, now_ms: int) -> None:
        self._speaking = None
        self.spoken[-1].ended_ms = now_ms
        self._speech_since_ms = None
        self._waits_since_ms = self._silent_since_ms = now_ms
