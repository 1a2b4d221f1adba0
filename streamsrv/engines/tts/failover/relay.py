"""One segment, spoken by one voice after the other until all of its words are said."""

import logging
from collections.abc import AsyncGenerator, Mapping, MutableMapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from streamsrv.engines.boundary import engine_call
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.observer import EngineObserver, ObservedSynthesizer, failure_reason
from streamsrv.engines.tts.base import ReferenceVoice, SpeechChunk, SpeechOptions, SpokenBy, SpokenWord
from streamsrv.engines.tts.failover.patience import Late, with_patience
from streamsrv.engines.tts.failover.spoken_part import LETTER_MS, SpokenPart
from streamsrv.engines.tts.failover.voice_choice import Candidate
from streamsrv.engines.tts.shaping.guards import NothingSpoken
from streamsrv.errors import EngineError, Overloaded, QuotaSpent, Rejected, Unavailable
from streamsrv.text.word_timing import estimate_words

logger = logging.getLogger(__name__)

STAGE = "synthesizer"
_MAX_PACES = 1000
"""Voices whose pace is remembered."""


@dataclass(frozen=True, slots=True)
class Common:
    """What all segments share."""

    breakers: Breakers
    observer: EngineObserver
    sample_rate: int
    patience_s: Mapping[str, float]
    """By synthesiser the longest wait for audio; "": of all others. 0: no limit."""
    letter_ms: MutableMapping[tuple[str, str], float]
    """How long a letter is at speed 1, by synthesiser and voice."""


class SpeechRelay:
    """Speaks `text` with the first of `candidates` that can; where one breaks off, the next one says the rest."""

    def __init__(self, candidates: Sequence[Candidate], common: Common, text: str, options: SpeechOptions) -> None:
        self._common = common
        self._preferred = candidates[0] if candidates else None
        self._untried = list(candidates)
        self._left = text
        self._options = options
        self._errors: list[EngineError] = []
        self._broke_off: Candidate | None = None  # the first that failed in the middle
        self._is_repeated = False
        self._began_s: float | None = None  # when the first audio was released
        self._before_ms = 0.0  # audio of earlier voices
        self._times_words: bool | None = None  # whether the words of the segment have times; None: not known yet

    async def chunks(self) -> AsyncGenerator[SpeechChunk, None]:
        """Yield the speech. Raises `Rejected` if the first voice refuses, else the errors of all if none can."""
        while any(map(str.isalnum, self._left)):
            if (candidate := self._next()) is None:
                if self._errors and all(isinstance(error, NothingSpoken) for error in self._errors):
                    return  # no voice can read such a text
                raise summary(self._errors)
            part, before = self._part(candidate), self._left
            async with aclosing(self._spoken_by(candidate, part)) as chunks:
                async for chunk in chunks:
                    yield self._placed(chunk, candidate)
            self._before_ms += part.released_ms
            if self._times_words is None and self._left != before:
                self._times_words = part.times_words

    def _next(self) -> Candidate | None:
        """Return the most preferred candidate that its breaker admits, else the most preferred; None: all have failed.

        One that broke off in the middle of the words is asked once more before that.
        """
        if not self._untried:
            again = None if self._is_repeated else self._broke_off
            self._is_repeated = True
            return again
        breakers = self._common.breakers
        now_s = breakers.clock()
        admitted = (each for each in self._untried if breakers.of(STAGE, each.synthesizer.name).admits(now_s))
        candidate = next(admitted, self._untried[0])
        self._untried.remove(candidate)
        if replaced := self._replaced_by(candidate):
            self._common.observer.fell_back(STAGE, replaced, candidate.synthesizer.name)
        return candidate

    def _replaced_by(self, candidate: Candidate) -> str:
        """Return the name of the synthesiser that should have spoken; empty: it is this one."""
        if self._preferred is None or candidate.synthesizer is self._preferred.synthesizer:
            return ""
        return self._preferred.synthesizer.name

    def _part(self, candidate: Candidate) -> SpokenPart:
        letter_ms = self._common.letter_ms.get(self._key(candidate), LETTER_MS) / self._options.speed
        return SpokenPart(self._left, self._options.language, self._common.sample_rate, letter_ms)

    async def _spoken_by(self, candidate: Candidate, part: SpokenPart) -> AsyncGenerator[SpeechChunk, None]:
        """Yield what one voice says of what is left; afterwards `_left` is what it has not said."""
        breakers = self._common.breakers
        trial = breakers.of(STAGE, candidate.synthesizer.name).begin(breakers.clock())
        said = self._left
        try:
            with engine_call(f"speech synthesiser {candidate.synthesizer.name}"):
                async with aclosing(self._asked(candidate)) as chunks:
                    async for chunk in chunks:
                        if (ready := part.feed(chunk, self._ahead_ms(part))) is not None:
                            self._began_s = breakers.clock() if self._began_s is None else self._began_s
                            yield ready
            trial.succeeded()
            ending, self._left = part.finish(), ""
            self._learn(candidate, part)
        except GeneratorExit:
            if part.has_begun:
                trial.succeeded()
            raise
        except EngineError as error:
            if not isinstance(error, NothingSpoken):
                trial.failed(error, breakers.clock())
            self._note(candidate, error, has_spoken=part.has_begun)
            ending, self._left = part.break_off()
            said = said[: len(said) - len(self._left)]
        finally:
            trial.end()
        if ending is not None:
            yield self._with_estimates(ending, part, said)

    def _asked(self, candidate: Candidate) -> AsyncGenerator[SpeechChunk, None]:
        name, patience_s = candidate.synthesizer.name, self._common.patience_s
        observed = ObservedSynthesizer(candidate.synthesizer, self._common.observer)
        chunks = observed.stream(self._left, replace(self._options, voice=candidate.voice.name))
        return with_patience(chunks, name, patience_s.get(name, patience_s.get("", 0.0)))

    def _ahead_ms(self, part: SpokenPart) -> float:
        """Return how much audio a listener still has who plays what comes at once."""
        if self._began_s is None:
            return 0.0
        return self._before_ms + part.released_ms - (self._common.breakers.clock() - self._began_s) * 1000

    def _note(self, candidate: Candidate, error: EngineError, *, has_spoken: bool) -> None:
        """Log and report a failure; raises it if the caller has to mend the request."""
        name = candidate.synthesizer.name
        if isinstance(error, Late):  # which the synthesiser itself does not know
            self._common.observer.failed(STAGE, name, failure_reason(error))
        logger.warning("%s failed (%s): %s", name, type(error).__name__, error)
        is_first = not self._errors
        self._errors.append(error)
        if has_spoken:
            self._broke_off = self._broke_off or candidate
        elif is_first and isinstance(error, Rejected) and not self._is_excused(error):
            raise error

    def _is_excused(self, error: Rejected) -> bool:
        """Whether a refusal is not the caller's fault."""
        return isinstance(error, QuotaSpent) or is_lost(self._options.reference)

    def _learn(self, candidate: Candidate, part: SpokenPart) -> None:
        """Remember the pace of a voice that has said everything."""
        if (letter_ms := part.mean_letter_ms()) is None:
            return
        known, key = self._common.letter_ms, self._key(candidate)
        own_ms = letter_ms * self._options.speed
        if key not in known and len(known) >= _MAX_PACES:
            known.clear()
        known[key] = 0.7 * known[key] + 0.3 * own_ms if key in known else own_ms

    def _with_estimates(self, ending: SpeechChunk, part: SpokenPart, said: str) -> SpeechChunk:
        """Return the end of a part, with estimated times where the voice before told those of its words."""
        if not self._times_words or part.times_words:
            return ending
        words = estimate_words(said, round(part.released_ms), language=self._options.language)
        return replace(ending, words=tuple(words))

    def _placed(self, chunk: SpeechChunk, candidate: Candidate) -> SpeechChunk:
        """Return a chunk with times from the begin of the segment, or without times if not all words have them."""
        before_ms = round(self._before_ms)
        words = () if self._times_words is False else chunk.words
        return SpeechChunk(
            chunk.pcm,
            tuple(SpokenWord(word.text, word.start_ms + before_ms, word.end_ms + before_ms) for word in words),
            SpokenBy(candidate.synthesizer.name, self._voice_of(candidate), self._replaced_by(candidate)),
        )

    def _key(self, candidate: Candidate) -> tuple[str, str]:
        return candidate.synthesizer.name, self._voice_of(candidate)

    def _voice_of(self, candidate: Candidate) -> str:
        is_cloned = self._options.reference is not None and candidate.synthesizer.clones_voices
        return self._options.voice if is_cloned else candidate.voice.name


def is_lost(reference: ReferenceVoice | None) -> bool:
    """Whether the recording of a cloned voice is gone, because its owner has deleted it."""
    return reference is not None and not reference.recording.is_file()


def summary(errors: Sequence[EngineError]) -> EngineError:
    """Combine the errors of all synthesisers, in the order of preference, into one."""
    if not errors:
        return Unavailable("No synthesiser has a voice.")
    if len(errors) == 1 or isinstance(errors[0], Rejected):
        return errors[0]
    kind = Overloaded if isinstance(errors[0], Overloaded) else Unavailable
    return kind(f"No voice can speak. {' '.join(dict.fromkeys(str(error) for error in errors))}")
