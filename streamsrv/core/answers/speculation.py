"""Holds a speculative answer, begun in a pause and used if the turn ends with the words heard so far. Pure.

It is not visible: no event is sent, no item is added, no tool runs. The output of the model and the synthesiser is kept
until the turn ends. Then a response continues it, as if it had all arrived at that moment, or it is discarded.
"""

import re
from dataclasses import dataclass, field

from streamsrv.core.answers.reply_language import ENGLISH, ExpectedLanguage, ReplyLanguage
from streamsrv.core.answers.response import Response
from streamsrv.core.answers.spoken_segments import SpokenSegmenter, pieces
from streamsrv.core.effects import Effect, Generate, RecordSpeculation, StopGeneration, Synthesize
from streamsrv.core.inputs import GenerationFailed, SpeechOutput
from streamsrv.core.latency import TurnLatency
from streamsrv.engines.llm.base import Delta, Finished, Message, Text, Usage
from streamsrv.engines.tts.base import SpeechOptions

_NOT_WORDS = re.compile(r"[^\w\s]")


@dataclass(slots=True)
class Speculation:
    """A speculative answer. `asked` is its request to the model, whose last message has the words heard so far."""

    asked: Generate
    speech: SpeechOptions | None
    """How to speak the answer; None for a written one."""
    language: ExpectedLanguage = ENGLISH
    latency: TurnLatency = field(default_factory=TurnLatency)
    deltas: list[Delta] = field(default_factory=list[Delta])
    is_speech_requested: bool = False
    """Whether the synthesis of the first segment has been requested."""
    audio: list[SpeechOutput] = field(default_factory=list[SpeechOutput])
    spoken: bool = False
    """Whether all audio of the first segment has come."""
    voice_failure: GenerationFailed | None = None
    """Why the first segment cannot be spoken."""
    _segmenter: SpokenSegmenter = field(init=False)
    _has_text: bool = False

    def __post_init__(self) -> None:
        self._segmenter = SpokenSegmenter(ReplyLanguage(self.language), self.speech.speed if self.speech else 1.0)

    @property
    def generation(self) -> int:
        return self.asked.generation

    @property
    def tokens(self) -> int:
        """The tokens used so far, as counted by the model, or else the number of deltas."""
        used = [delta.input_tokens + delta.output_tokens for delta in self.deltas if isinstance(delta, Usage)]
        return used[-1] if used else len(self.deltas)

    def take(self, delta: Delta, now_ms: int) -> list[Effect]:
        """Keep a delta of the model, and have the first segment synthesised as soon as it is known."""
        self.deltas.append(delta)
        match delta:
            case Text():
                self.latency.mark("first_token", now_ms)
                text = delta.text if self._has_text else delta.text.lstrip()  # as a response begins its message
                self._has_text = self._has_text or bool(text)
                segments = (segment for piece in pieces(text) for segment in self._segmenter.feed(piece))
            case Finished():
                segments = iter(self._segmenter.finish())
            case _:
                return []
        if self.speech is None or self.is_speech_requested:
            return []
        first = next((segment for segment in segments if segment.spoken), None)
        if first is None:
            return []
        self.latency.mark("first_segment", now_ms)
        self.is_speech_requested = True
        return [Synthesize(self.generation, first.spoken, first.options(self.speech))]

    def discarded(self) -> list[Effect]:
        """Return the effects of giving it up."""
        return [StopGeneration(self.generation), RecordSpeculation(self.tokens, used=False)]

    def outlives(self, failed: GenerationFailed) -> bool:
        """Keep the failure of a stage for the response; return whether that can go on with this speculation."""
        if failed.stage == "synthesizer":
            self.voice_failure = failed
        return failed.stage == "synthesizer"

    def give_speech(self, response: Response, now_ms: int) -> None:
        """Give a response what has come of its first segment; it has the deltas of the model already."""
        for speech in self.audio:
            response.take_speech(speech, now_ms)
        if self.spoken:
            response.end_segment(now_ms)
        if self.voice_failure is not None:
            response.take_failure(self.voice_failure, now_ms)

    def answers(self, question: Generate, speech: SpeechOptions | None) -> bool:
        """Whether this answers the question: the messages are the same but for case and punctuation of the last one."""
        if (question.tools, question.options, speech) != (self.asked.tools, self.asked.options, self.speech):
            return False
        return _same_messages(question.messages, self.asked.messages)


def _same_messages(some: tuple[Message, ...], others: tuple[Message, ...]) -> bool:
    if len(some) != len(others) or some[:-1] != others[:-1]:
        return False
    last, other = some[-1], others[-1]
    return last == other or (
        (last.role, last.images) == (other.role, other.images) and same_words(last.content, other.content)
    )


def same_words(one: str, other: str) -> bool:
    """Whether two transcripts are the same but for case, punctuation and spacing."""
    return _words(one) == _words(other)


def _words(text: str) -> list[str]:
    return _NOT_WORDS.sub(" ", text.casefold()).split()
