"""When the user has said nothing for too long (`idle_timeout_ms` of `server_vad`). Pure."""

from streamsrv.core.answers.responses import Responses
from streamsrv.core.effects import ClearTimer, SetTimer
from streamsrv.core.outbox import Outbox
from streamsrv.core.playback.output_buffer import OutputAudio
from streamsrv.core.timers import IdleTimeout
from streamsrv.core.turns.input_buffer import Listener
from streamsrv.protocol.session_object import AudioInput, ServerVad

STILL_THERE = "The user has said nothing for a while. Ask in one short sentence whether they are still there."
SPEECH_OR_NOISE_MS = 500
"""After this it is clear whether a sound began a turn."""


class IdleTimer:
    """Counts from the end of the last response's playback, or from a noise that stopped it."""

    def __init__(self, listener: Listener, responses: Responses, output_audio: OutputAudio, outbox: Outbox) -> None:
        self._listener = listener
        self._responses = responses
        self._output_audio = output_audio
        self._outbox = outbox
        self._timeout_ms: int | None = None
        self._was_noise = False  # it stopped the timer, and no response will start it again
        self._expected_ms = 0  # wall time at which the last reply would be over, when the timer was set
        self._response_ended_ms = 0  # wall time
        self._reply_over_ms = 0  # in the session's audio
        self._is_reply_over = True

    @property
    def reply_over_ms(self) -> int:
        """Where the last reply's playback ended, in ms of the session's audio."""
        return self._reply_over_ms

    def configure(self, options: AudioInput) -> None:
        detection = options.turn_detection
        self._timeout_ms = detection.idle_timeout_ms if isinstance(detection, ServerVad) else None
        if self._timeout_ms is None:
            self.stop()

    def stop(self) -> None:
        """The user speaks, or is answered."""
        self._outbox.emit(ClearTimer(IdleTimeout()))

    def take_noise(self) -> None:
        """What the user seemed to say was nothing."""
        self._was_noise = True

    def watch(self, now_ms: int) -> None:
        """Start to count if it is time to."""
        has_ended = self._responses.take_ended()
        if has_ended:
            self._response_ended_ms = now_ms
            self._is_reply_over = False
        self._follow_playback(now_ms)
        if self._timeout_ms is None:
            return
        is_due = has_ended or self._was_noise
        self._was_noise = False
        if is_due and not self._is_busy:
            self._expected_ms = self._output_audio.play_until_ms
            playing_ms = max(0, self._expected_ms - now_ms)
            self._outbox.emit(SetTimer(IdleTimeout(), self._timeout_ms + playing_ms))

    def is_user_silent(self, now_ms: int) -> bool:
        """The timer fired: whether the user is to be asked; if it is too early to tell, it fires again."""
        if self._is_busy or self._timeout_ms is None:
            return False
        again_ms = SPEECH_OR_NOISE_MS if self._listener.speech else 0
        if self._output_audio.play_until_ms > self._expected_ms:
            self._expected_ms = self._output_audio.play_until_ms
            again_ms = max(again_ms, self._expected_ms + self._timeout_ms - now_ms)
        if again_ms:
            self._outbox.emit(SetTimer(IdleTimeout(), again_ms))
        return not again_ms

    def _follow_playback(self, now_ms: int) -> None:
        """Notice where in the session's audio the last reply's playback ends.

        Audio comes in pieces of any length, recorded until they came: the end is within the first piece that comes
        after it.
        """
        received_ms = self._listener.received_ms
        over_ms = max(self._response_ended_ms, self._output_audio.play_until_ms)
        if now_ms <= over_ms:
            self._is_reply_over, self._reply_over_ms = False, received_ms
        elif not self._is_reply_over and received_ms > self._reply_over_ms:
            self._is_reply_over = True
            self._reply_over_ms = max(self._reply_over_ms, received_ms - (now_ms - over_ms))

    @property
    def _is_busy(self) -> bool:
        return self._listener.speaking or self._responses.active is not None
