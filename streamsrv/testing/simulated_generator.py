"""The simulated language model and synthesiser of a session. They take the place of `streamsrv.runtime.speaking`."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Literal

import numpy as np

from streamsrv.core.effects import Generate, PrepareModel, StopGeneration, Synthesize
from streamsrv.core.inputs import Failure, GenerationFailed, Input, ModelOutput, SegmentSpoken, SpeechOutput
from streamsrv.engines.llm.base import Delta, Finished, Text, ToolCallDelta, Usage
from streamsrv.engines.tts.base import SpokenWord
from streamsrv.errors import EngineError
from streamsrv.testing.faults import NO_FAULT, Fault, fault_of
from streamsrv.testing.scenario import ChatTraits, SynthesizerTraits
from streamsrv.testing.simulated_chain import SimulatedChain
from streamsrv.testing.simulated_recognizer import Give, UnexpectedEffect
from streamsrv.testing.virtual_time import Scheduled, VirtualTime

PCM_RATE = 1000
"""Hz of simulated speech: one sample is one ms."""
PLAIN_WORDS = (
    "river stone window garden yellow paper mountain kitchen seven silver morning letter apple winter bridge candle "
    "forest dinner music pocket summer shadow market pencil island thunder basket mirror valley carpet engine lemon"
).split()
"""Words that are the same in text and in speakable text."""

Steps = Iterator[tuple[int, Input]]
"""Results of a stage, each with its delay in ms after the one before."""


class Work:
    """Gives each result of a stage at its time, until it is cancelled."""

    def __init__(self, steps: Steps, time: VirtualTime, give: Give) -> None:
        self._steps = steps
        self._time = time
        self._give = give
        self._next: Scheduled | None = None
        self.over = False
        self._go_on()

    def cancel(self) -> None:
        self.over = True
        if self._next is not None:
            self._next.cancel()

    def _go_on(self) -> None:
        step = next(self._steps, None)
        if step is None:
            self.over = True
        elif not self.over:
            delay_ms, result = step
            self._next = self._time.after(delay_ms, lambda: self._deliver(result))

    def _deliver(self, result: Input) -> None:
        self._give(result)
        if not self.over:
            self._go_on()


def disturb(steps: Steps, fault: Fault, failed: Callable[[EngineError], Input]) -> Steps:
    """Add a fault to the steps; the steps of a stuck stage end without an error."""
    given = 0
    while not fault.strikes(given) and (step := next(steps, None)) is not None:
        delay_ms, result = step
        yield delay_ms + fault.delay_ms(given), result
        given += 1
    if fault.strikes(given) and fault.error is not None:
        yield fault.delay_ms(given), failed(fault.error)


def _to_inputs(generation: int, steps: Iterable[tuple[int, Delta | EngineError]]) -> Steps:
    for delay_ms, what in steps:
        if isinstance(what, EngineError):
            yield delay_ms, GenerationFailed(generation, Failure.of(what))
        else:
            yield delay_ms, ModelOutput(generation, what)


class SimulatedGenerator:
    """Runs the simulated language model and synthesiser of each generation.

    The audio encodes its words: all samples are 0 except the last one of each word, whose value is the number of the
    word in its generation (1-based). The samples alone tell which words were played, wherever the audio was cut.
    """

    def __init__(
        self,
        chat: ChatTraits,
        synthesizer: SynthesizerTraits,
        straggling_ms: int,
        time: VirtualTime,
        give: Give,
        random: Random,
    ) -> None:
        self._chat = chat
        self._synthesizer = synthesizer
        self._straggling_ms = straggling_ms
        self._time = time
        self._give = give
        self._random = random
        self._chain: SimulatedChain | None = None
        if chat.stand_ins:
            self._chain = SimulatedChain((chat.faults, *chat.stand_ins), chat.patience_ms, time)
        self._requests = 0
        self._segments = 0
        self._active: defaultdict[int, list[Work]] = defaultdict(list)
        self._stopped: set[int] = set()
        self._speaking: set[int] = set()
        self._words: defaultdict[int, int] = defaultdict(int)

    @property
    def working(self) -> bool:
        """Whether any generation was started and not stopped."""
        return len(self._stopped) < len(self._active)

    def prepare(self, effect: PrepareModel) -> None:
        """Do nothing: preparing has no effect in the simulation."""

    def generate(self, effect: Generate) -> None:
        generation = effect.generation
        if generation in self._active or generation in self._stopped:
            raise UnexpectedEffect(f"generation {generation} called the model twice")
        fault = NO_FAULT if self._chain else fault_of(self._chat.faults, self._requests)
        known = self._answer(effect)
        steps = self._chain.answer(effect.messages, list(known)) if self._chain else known
        self._requests += 1
        self._start(generation, _to_inputs(generation, steps), fault, "chat")

    def synthesize(self, effect: Synthesize) -> None:
        generation = effect.generation
        if generation in self._stopped:
            raise UnexpectedEffect(f"generation {generation} was stopped and cannot speak")
        if generation in self._speaking:
            raise UnexpectedEffect(f"generation {generation} cannot speak two segments at once")
        self._speaking.add(generation)
        fault = fault_of(self._synthesizer.faults, self._segments)
        self._segments += 1
        self._start(generation, self._speak(effect), fault, "synthesizer")

    def stop(self, effect: StopGeneration) -> None:
        """Stop a generation, also one that has not called the model yet."""
        self._stopped.add(effect.generation)
        for work in self._active[effect.generation]:
            self._time.after(self._straggling_ms, work.cancel)

    def _start(self, generation: int, steps: Steps, fault: Fault, stage: Literal["chat", "synthesizer"]) -> None:
        disturbed = disturb(steps, fault, lambda error: GenerationFailed(generation, Failure.of(error), stage))
        self._active[generation].append(Work(disturbed, self._time, self._deliver))

    def _deliver(self, result: Input) -> None:
        if isinstance(result, SegmentSpoken):
            self._speaking.discard(result.generation)
        self._give(result)

    def _answer(self, effect: Generate) -> Iterator[tuple[int, Delta]]:
        traits, generation = self._chat, effect.generation
        turn = sum(message.role in ("user", "tool") for message in effect.messages) - 1
        answer = traits.answers[turn] if 0 <= turn < len(traits.answers) else self._random_answer()
        if isinstance(answer, tuple):
            name, arguments = answer
            yield traits.first_ms, ToolCallDelta(0, call_id=f"call_{generation}", name=name)
            yield traits.token_ms, ToolCallDelta(0, arguments=arguments)
        else:
            for index, word in enumerate(answer.split()):
                yield traits.token_ms if index else traits.first_ms, Text(f"{word} ")
        yield traits.token_ms, Usage(10, 10)
        yield 0, Finished("tool_calls" if isinstance(answer, tuple) else "stop")

    def _random_answer(self) -> str:
        """Return random sentences of plain words; the first word differs from one answer to the next."""
        count = self._random.randint(1, self._chat.answer_words)
        said = [PLAIN_WORDS[self._requests % len(PLAIN_WORDS)], *self._random.choices(PLAIN_WORDS, k=count - 1)]
        for index in range(3, count - 1, self._chat.mark_words):
            said[index] += self._random.choice([".", ",", "?", ""])
        return " ".join(said) + "."

    def _speak(self, effect: Synthesize) -> Steps:
        traits, generation = self._synthesizer, effect.generation
        words: list[SpokenWord] = []
        character_ms = round(traits.character_ms / effect.options.speed)
        end_ms = 0
        for text in effect.text.split():
            start_ms, end_ms = end_ms, end_ms + (len(text) + 1) * character_ms
            words.append(SpokenWord(text, start_ms, end_ms))
        pcm = np.zeros(end_ms, np.int16)
        for word in words:
            self._words[generation] += 1
            pcm[word.end_ms - 1] = self._words[generation]
        for from_ms in range(0, end_ms, traits.piece_ms):
            piece = pcm[from_ms : from_ms + traits.piece_ms]
            placed = [word for word in words if from_ms <= word.start_ms < from_ms + len(piece)]
            delay_ms = round(len(piece) * traits.real_time_factor) if from_ms else traits.first_ms
            known = tuple(placed) if traits.times_words else ()
            yield delay_ms, SpeechOutput(generation, piece, PCM_RATE, known)
        yield 0, SegmentSpoken(generation)
