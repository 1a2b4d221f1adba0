"""An answer that is begun before the turn has ended, in case it ends with the same words. Pure.

Nothing of it is visible: no event is sent, no item exists, no tool runs. What the model and the synthesiser give is
kept until the turn ends. Then a response adopts it, as if it had all arrived at that moment, or it is thrown away.
"""

import re
from dataclasses import dataclass, field

from streamsrv.core.answers.segmenter import Segmenter
from streamsrv.core.effects import Generate, Synthesize
from streamsrv.core.inputs import SpeechOutput
from streamsrv.core.latency import Timeline
from streamsrv.core.outbox import Outbox
from streamsrv.engines.llm.base import Delta, Finished, Message, Text, Usage
from streamsrv.engines.tts.base import SpeechOptions
from streamsrv.text.speakable import speakable

_NOT_WORDS = re.compile(r"[^\w\s]")


@dataclass(slots=True)
class Speculation:
    """`asked` is what the model was asked, with the words that were guessed as its last message."""

    asked: Generate
    speech: SpeechOptions | None
    """How the answer is to be spoken; None for a written one."""
    timeline: Timeline = field(default_factory=Timeline)
    deltas: list[Delta] = field(default_factory=list[Delta])
    synthesis: Synthesize | None = None
    """The first segment, once it is known."""
    audio: list[SpeechOutput] = field(default_factory=list[SpeechOutput])
    spoken: bool = False
    """Whether all audio of the first segment is here."""
    _segmenter: Segmenter = field(default_factory=Segmenter)

    @property
    def generation(self) -> int:
        return self.asked.generation

    @property
    def tokens(self) -> int:
        """What it cost so far: tokens as the model counts them, else the number of its deltas."""
        used = [delta.input_tokens + delta.output_tokens for delta in self.deltas if isinstance(delta, Usage)]
        return used[-1] if used else len(self.deltas)

    def take(self, delta: Delta, outbox: Outbox, now_ms: int) -> None:
        """Keep a delta of the model; as soon as the first segment is known, have it spoken."""
        self.deltas.append(delta)
        match delta:
            case Text():
                self.timeline.mark("first_token", now_ms)
                first = next(each for each in self.deltas if isinstance(each, Text))
                segments = self._segmenter.feed(delta.text.lstrip() if delta is first else delta.text)
            case Finished():
                segments = self._segmenter.finish()
            case _:
                return
        if self.speech is None or self.synthesis is not None:
            return
        language = self.speech.language
        text = next((text for segment in segments if (text := speakable(segment.text, language))), None)
        if text is not None:
            self.timeline.mark("first_segment", now_ms)
            self.synthesis = Synthesize(self.generation, text, self.speech)
            outbox.emit(self.synthesis)

    def answers(self, question: Generate, speech: SpeechOptions | None) -> bool:
        """Whether this answers the question: the same, but for case and punctuation of the last words."""
        if (question.tools, question.options, speech) != (self.asked.tools, self.asked.options, self.speech):
            return False
        return _same_messages(question.messages, self.asked.messages)


def _same_messages(some: tuple[Message, ...], others: tuple[Message, ...]) -> bool:
    if len(some) != len(others) or some[:-1] != others[:-1]:
        return False
    return some == others or (some[-1].role == others[-1].role and same_words(some[-1].content, others[-1].content))


def same_words(one: str, other: str) -> bool:
    """Whether two transcripts differ in case, punctuation and spacing at most."""
    return _words(one) == _words(other)


def _words(text: str) -> list[str]:
    return _NOT_WORDS.sub(" ", text.casefold()).split()
