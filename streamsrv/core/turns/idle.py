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
        if self._timeout_ms is None:
            return
        is_due = self._responses.take_ended() or self._was_noise
        self._was_noise = False
        if is_due and not self._is_busy:
            playing_ms = max(0, self._output_audio.play_until_ms - now_ms)
            self._outbox.emit(SetTimer(IdleTimeout(), self._timeout_ms + playing_ms))

    def is_user_silent(self) -> bool:
        """The timer fired: whether the user is to be asked; if perhaps they are about to speak, it fires again."""
        if not self._is_busy and self._listener.speech:
            self._outbox.emit(SetTimer(IdleTimeout(), SPEECH_OR_NOISE_MS))
            return False
        return not self._is_busy

    @property
    def _is_busy(self) -> bool:
        return self._listener.speaking or self._responses.active is not None
