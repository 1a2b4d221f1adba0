"""Decides whether the user goes on with a turn whose end was found too early. Pure: time is the audio's own, in ms."""

from dataclasses import dataclass

from streamsrv.core.turns.barge_in import ECHO_QUIETER_DB, ECHO_SHARE
from streamsrv.core.turns.echo import echo_share, words_of
from streamsrv.core.turns.input_buffer import CommittedAudio, InputBuffer
from streamsrv.engines.asr.base import Transcript

RESUMES_WITHIN_MS = 1000
"""Speech that begins so long after a turn's end goes on with that turn: nobody replies to a reply so soon."""
MAX_WALL_MS = 2000
"""The same in wall time, with what a slow network adds: some clients send no audio while the reply plays."""
MIN_RESUMED_MS = 96
"""Speech that interrupts a reply before its words are known: clicks are shorter, and the user is heard at once."""
MIN_ECHO_WORDS = 2
"""Words that show that what interrupted a reply was its echo: the user may say one of them, too."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """The user goes on with an earlier turn."""

    item_id: str
    """The item that the audio so far became."""
    pause_ms: int
    """The silence between the speech before and the speech after: a pause inside the turn."""


class Resuming:
    """Remembers the end of the last turn, and whether what seemed to resume one was the echo of a reply."""

    def __init__(self) -> None:
        self._ended: CommittedAudio | None = None
        self._last_speech_ms = 0
        self._ended_at_ms = 0  # wall time
        self._interruption: tuple[str, str] | None = None  # item id, and the words of the reply that played
        self._echoes_loudly = False  # an echo was as loud as the user, so that loudness does not tell them apart

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

    def interrupts(self, audio: InputBuffer, began_at_ms: int, playing: str | None, quieter_db: float | None) -> bool:
        """Whether speech that goes on with the last turn interrupts a reply before its words are known.

        `playing`: the words of the reply that it may echo; None: none was played. `quieter_db`: how much quieter it is
        than the user; None: that is not known, or it is no louder than an echo.
        """
        if audio.speech_ms < MIN_RESUMED_MS or self.resumption(audio.speech_began_ms, began_at_ms) is None:
            return False
        is_loud = quieter_db is not None and quieter_db < ECHO_QUIETER_DB
        if playing is not None and (self._echoes_loudly or not is_loud):
            return False
        self._interruption = (audio.assign_item_id(), playing or "")
        return True

    def take_words(self, item_id: str | None, transcript: Transcript) -> None:
        """Take the words of the audio in the buffer."""
        if self._interruption is None or self._interruption[0] != item_id or self._echoes_loudly:
            return
        is_enough = len(words_of(transcript.text)) >= MIN_ECHO_WORDS
        self._echoes_loudly = is_enough and echo_share(transcript.text, self._interruption[1]) >= ECHO_SHARE
