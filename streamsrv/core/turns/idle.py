"""Decides when the user has said nothing for too long (`idle_timeout_ms` of `server_vad`). Pure."""

from streamsrv.core.answers.responses import Responses
from streamsrv.core.effects import ClearTimer, Effect, SetTimer
from streamsrv.core.playback.output_buffer import OutputBuffer
from streamsrv.core.timers import IdleTimeout
from streamsrv.core.turns.input_buffer import InputBuffer
from streamsrv.protocol.session_object import AudioInput, ServerVad

STILL_THERE = "The user has said nothing for a while. Ask in one short sentence whether they are still there."
SPEECH_OR_NOISE_MS = 500
"""Time after which a sound is known to begin a turn or not."""


class IdleTimer:
    """Counts from the end of the last response's playback, or from a noise that stopped it."""

    def __init__(self, input_buffer: InputBuffer, responses: Responses, output_buffer: OutputBuffer) -> None:
        self._input = input_buffer
        self._responses = responses
        self._output = output_buffer
        self._timeout_ms: int | None = None
        self._ended_responses = 0  # how many had ended when `watch` was last called
        self._was_noise = False  # a noise stopped the timer, and no response will restart it
        self._expected_ms = 0  # expected end of the last reply (wall time), when the timer was set
        self._response_ended_ms = 0  # wall time
        self._reply_over_ms = 0  # in the session's audio
        self._is_reply_over = True

    @property
    def reply_over_ms(self) -> int:
        """The end of the last reply's playback, in ms of the session's audio."""
        return self._reply_over_ms

    def configure(self, options: AudioInput) -> list[Effect]:
        detection = options.turn_detection
        self._timeout_ms = detection.idle_timeout_ms if isinstance(detection, ServerVad) else None
        return self.stop() if self._timeout_ms is None else []

    def stop(self) -> list[Effect]:
        """Clear the timer, because the user speaks or is answered."""
        return [ClearTimer(IdleTimeout())]

    def take_noise(self) -> None:
        """Record that a supposed turn was a noise."""
        self._was_noise = True

    def watch(self, now_ms: int) -> list[Effect]:
        """Start the timer if a response has ended, or a noise was heard, since the last call."""
        has_ended = self._responses.ended_count > self._ended_responses
        self._ended_responses = self._responses.ended_count
        if has_ended:
            self._response_ended_ms = now_ms
            self._is_reply_over = False
        self._follow_playback(now_ms)
        if self._timeout_ms is None:
            return []
        is_due, self._was_noise = has_ended or self._was_noise, False
        if not is_due or self._is_busy:
            return []
        self._expected_ms = self._output.play_until_ms
        playing_ms = max(0, self._expected_ms - now_ms)
        return [SetTimer(IdleTimeout(), self._timeout_ms + playing_ms)]

    def is_user_silent(self, now_ms: int) -> bool:
        """Whether the user has said nothing since the last reply was over, now that the timer has fired."""
        return self._timeout_ms is not None and not self._is_busy and not self._early_ms(self._timeout_ms, now_ms)

    def postpone(self, now_ms: int) -> list[Effect]:
        """Set the timer again if it fired too early, unless the user speaks or is answered."""
        if self._timeout_ms is None or self._is_busy:
            return []
        early_ms = self._early_ms(self._timeout_ms, now_ms)
        self._expected_ms = max(self._expected_ms, self._output.play_until_ms)
        return [SetTimer(IdleTimeout(), early_ms)]

    def _early_ms(self, timeout_ms: int, now_ms: int) -> int:
        """Return how much too early the timer fired, because of a new sound or a reply that was played later."""
        early_ms = SPEECH_OR_NOISE_MS if self._input.speech else 0
        if self._output.play_until_ms > self._expected_ms:
            early_ms = max(early_ms, self._output.play_until_ms + timeout_ms - now_ms)
        return early_ms

    def _follow_playback(self, now_ms: int) -> None:
        """Record the position in the session's audio at which the last reply's playback ends.

        Audio comes in pieces of any length, each recorded until it arrives, so the position is within the first piece
        that arrives after the end.
        """
        received_ms = self._input.received_ms
        over_ms = max(self._response_ended_ms, self._output.play_until_ms)
        if now_ms <= over_ms:
            self._is_reply_over, self._reply_over_ms = False, received_ms
        elif not self._is_reply_over and received_ms > self._reply_over_ms:
            self._is_reply_over = True
            self._reply_over_ms = max(self._reply_over_ms, received_ms - (now_ms - over_ms))

    @property
    def _is_busy(self) -> bool:
        return self._input.speaking or self._responses.active is not None
