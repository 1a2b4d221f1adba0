"""Decides when a caller has been silent for too long, and what is said then. Pure."""

from streamsrv.core.call_rules import CallRules
from streamsrv.core.effects import ClearTimer, Effect, SetTimer
from streamsrv.core.playback.output_buffer import OutputBuffer
from streamsrv.core.timers import CallerSilent
from streamsrv.core.turns.idle import SPEECH_OR_NOISE_MS
from streamsrv.core.turns.input_buffer import InputBuffer


class CallerSilence:
    """Counts from the end of what was said to the caller, while nothing is due from the server.

    The prompts begin anew when the caller has said words or pressed a key; noises do not count as that.
    """

    def __init__(self, rules: CallRules, input_buffer: InputBuffer, output_buffer: OutputBuffer) -> None:
        self._rules = rules
        self._input = input_buffer
        self._output = output_buffer
        self._prompts = 0  # said so far
        self._is_timed = False

    def end(self) -> None:
        """The caller has said something, or pressed a key."""
        self._prompts = 0

    def watch(self, now_ms: int, *, is_busy: bool) -> list[Effect]:
        """Start or stop the timer; `is_busy`: the caller is not the one who has to say something."""
        if is_busy or self._input.speaking:
            return self._stop()
        if self._is_timed or not self._rules.silence_ms:
            return []
        return self._set_timer(self._rules.silence_ms + max(0, self._output.play_until_ms - now_ms))

    def fire(self, now_ms: int) -> list[Effect] | str | None:
        """The timer fired: return the prompt to say, None if it is time to say goodbye, or effects that wait on."""
        self._is_timed = False
        early_ms = self._output.play_until_ms + self._rules.silence_ms - now_ms
        if self._output.is_held or (self._input.speech and early_ms < SPEECH_OR_NOISE_MS):
            early_ms = SPEECH_OR_NOISE_MS  # it is not yet known whether the caller speaks
        if early_ms > 0:
            return self._set_timer(early_ms)
        prompts = [prompt for prompt in self._rules.silence_prompts if prompt.strip()]
        if self._prompts >= len(prompts):
            return None
        self._prompts += 1
        return prompts[self._prompts - 1]

    def _set_timer(self, delay_ms: int) -> list[Effect]:
        self._is_timed = True
        return [SetTimer(CallerSilent(), delay_ms)]

    def _stop(self) -> list[Effect]:
        was_timed, self._is_timed = self._is_timed, False
        return [ClearTimer(CallerSilent())] if was_timed else []
