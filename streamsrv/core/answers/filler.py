"""Says a few words while the user waits for the result of a tool. Pure.

Nothing is visible while they are synthesised. Then all of their events are sent in one step. While a client runs the
tool, they are a response, which is never in progress when the client asks for one of its own, so that is never refused
for their sake. While this server runs it, they are an item of the response that waits for it, which they never delay.
"""

from dataclasses import dataclass, field

from streamsrv.core.answers.reply_language import ReplyLanguage
from streamsrv.core.answers.responses import Responses
from streamsrv.core.answers.spoken_segments import SpokenSegment
from streamsrv.core.answers.tool_wait import ToolWait
from streamsrv.core.conversation import Conversation
from streamsrv.core.effects import ClearTimer, Effect, SetTimer, StopGeneration, Synthesize
from streamsrv.core.inputs import GenerationFailed, Input, SegmentSpoken, SpeechOutput
from streamsrv.core.playback.output_buffer import OutputBuffer
from streamsrv.core.timers import FillerDue
from streamsrv.core.turns.input_buffer import InputBuffer
from streamsrv.text.speakable import spoken_text
from streamsrv.text.voice_manners import VoiceManners


@dataclass(slots=True)
class _Synthesis:
    """Words that are being synthesised."""

    generation: int
    segment: SpokenSegment
    audio: list[SpeechOutput] = field(default_factory=list[SpeechOutput])


class Filler:
    """Follows one wait for the results of tools at a time.

    Words are due when nothing has been heard of the server for `filler_after_ms`, the next ones after twice as long,
    and so on. They are not spoken when the wait is over, the user speaks or an answer has begun.
    """

    def __init__(
        self,
        conversation: Conversation,
        input_buffer: InputBuffer,
        responses: Responses,
        output_buffer: OutputBuffer,
        manners: VoiceManners,
    ) -> None:
        self._conversation = conversation
        self._input = input_buffer
        self._responses = responses
        self._output = output_buffer
        self._manners = manners
        self._wait: ToolWait | None = None
        self._left: list[str] = []  # what is still to be said in this wait
        self._after_ms = 0  # the silence before that
        self._is_timed = False
        self._synthesis: _Synthesis | None = None

    def owns(self, happened: Input) -> bool:
        """Whether this is a result of the synthesis of a filler."""
        match happened:
            case SpeechOutput() | SegmentSpoken() | GenerationFailed():
                return self._synthesis is not None and happened.generation == self._synthesis.generation
            case _:
                return False

    def watch(self, now_ms: int) -> list[Effect]:
        """Follow the wait; to be called after every input."""
        wait = self._responses.tool_wait
        if wait != self._wait:
            effects = self._stop()
            self._wait, self._left = wait, list(self._manners.fillers)
            self._after_ms = self._manners.filler_after_ms
            return [*effects, *self.watch(now_ms)]
        if wait is None or wait.is_over(self._conversation) or self._is_busy:
            return self._stop()
        if self._is_timed or self._synthesis is not None or not self._left:
            return []
        return self._set_timer(now_ms)

    def fire(self, now_ms: int) -> list[Effect]:
        """Have the next words synthesised, if it is still quiet."""
        if not self._is_timed or self._wait is None:
            return []
        self._is_timed = False
        if self._output.is_playing(now_ms):
            return self._set_timer(now_ms)
        text = self._left.pop(0)
        plan = self._wait.response.plan
        language = ReplyLanguage(plan.language).of(text)
        segment = SpokenSegment(spoken_text(text, language), True, language)
        if not segment.spoken:
            return []
        self._synthesis = _Synthesis(self._responses.next_generation(), segment)
        return [Synthesize(self._synthesis.generation, segment.spoken, segment.options(plan.speech))]

    def take(self, happened: Input, now_ms: int) -> list[Effect]:
        """Take a result of the synthesis; when it is complete, say the words."""
        synthesis, wait = self._synthesis, self._wait
        if synthesis is None or wait is None:
            return []
        if isinstance(happened, SpeechOutput):
            synthesis.audio.append(happened)
            return []
        self._synthesis = None
        if not isinstance(happened, SegmentSpoken):
            self._left.clear()  # the answer will tell what is wrong with the synthesiser
            return [StopGeneration(synthesis.generation)]
        self._after_ms *= 2
        plan = wait.response.plan
        return self._responses.say(synthesis.segment, synthesis.audio, plan, synthesis.generation, now_ms)

    @property
    def _is_busy(self) -> bool:
        active = self._responses.active
        return self._input.speaking or (active is not None and not active.awaits_only_tools)

    def _set_timer(self, now_ms: int) -> list[Effect]:
        self._is_timed = True
        return [SetTimer(FillerDue(), self._after_ms + max(0, self._output.play_until_ms - now_ms))]

    def _stop(self) -> list[Effect]:
        effects: list[Effect] = []
        if self._is_timed:
            effects.append(ClearTimer(FillerDue()))
        if self._synthesis is not None:
            effects.append(StopGeneration(self._synthesis.generation))
            self._left.insert(0, self._synthesis.segment.text)  # the user has not heard it
        self._is_timed, self._synthesis = False, None
        return effects
