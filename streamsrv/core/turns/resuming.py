"""Decides whether the user goes on with a turn whose end was found too early. Pure: time is the audio's own, in ms."""

from dataclasses import dataclass

from streamsrv.core.turns.input_buffer import CommittedAudio, InputBuffer

RESUMES_WITHIN_MS = 1000
"""Speech that begins so long after a turn's end goes on with that turn: nobody replies to a reply so soon."""
MAX_WALL_MS = 2000
"""The same in wall time, with what a slow network adds: some clients send no audio while the reply plays."""
MIN_RESUMED_MS = 96
"""Speech that interrupts a reply without words before that is heard: clicks are shorter."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """The user goes on with an earlier turn."""

    item_id: str
    """The item that the audio so far became."""
    pause_ms: int
    """The silence between the speech before and the speech after: a pause inside the turn."""


class Resuming:
    """Remembers the end of the last turn."""

    def __init__(self) -> None:
        self._ended: CommittedAudio | None = None
        self._last_speech_ms = 0
        self._ended_at_ms = 0  # wall time

    def end_turn(self, audio: CommittedAudio, last_speech_ms: int, now_ms: int) -> None:
        """The user's turn was found to end now (wall time), after speech until `last_speech_ms`."""
        self._ended, self._last_speech_ms, self._ended_at_ms = audio, last_speech_ms, now_ms

    def forget(self) -> None:
        """What follows does not go on with the last turn: the client took the audio, or turn detection is off."""
        self._ended = None

    def resumption(self, began_ms: int, began_at_ms: int) -> Resumption | None:
        """Return which turn speech that begins then (also in wall time) goes on with; None: a new one."""
        if self._ended is None:
            return None
        ended_ms = self._ended.start_ms + self._ended.duration_ms
        if began_ms - ended_ms > RESUMES_WITHIN_MS or began_at_ms - self._ended_at_ms > MAX_WALL_MS:
            return None
        return Resumption(self._ended.item_id, max(0, began_ms - self._last_speech_ms))

    def interrupts(self, audio: InputBuffer, began_at_ms: int) -> bool:
        """Whether speech goes on with the last turn, and is long enough to interrupt a reply that nobody has heard."""
        return audio.speech_ms >= MIN_RESUMED_MS and self.resumption(audio.speech_began_ms, began_at_ms) is not None
