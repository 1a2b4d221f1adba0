"""Combines synthesisers into one: it chooses who speaks, and if one fails the next one goes on."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from copy import copy
from dataclasses import replace

from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.engines.boundary import engine_call
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.observer import IGNORED, EngineObserver, ObservedSynthesizer
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Synthesizer, Voice
from streamsrv.engines.tts.failover.voice_choice import Candidate, VoiceChoice
from streamsrv.errors import EngineError, Overloaded, Rejected, Unavailable

logger = logging.getLogger(__name__)

STAGE = "synthesizer"


class FallbackSynthesizer:
    """A `Synthesizer` at 24 kHz over several ones at 24 kHz, which it asks by voice and language (`VoiceChoice`).

    `chains`: by ISO 639-1 code the synthesisers that take each other's place in this order; "": of all other languages.
    `spare`: speak where none of those can. `breakers` are those of the process; None: its own.
    """

    sample_rate = PCM_RATE_HZ

    def __init__(
        self,
        chains: Mapping[str, Sequence[Synthesizer]],
        breakers: Breakers | None = None,
        spare: Sequence[Synthesizer] = (),
    ) -> None:
        self._choice = VoiceChoice(chains, spare)
        self._breakers = breakers or Breakers(time.monotonic)
        self._observer: EngineObserver = IGNORED
        self.name = self.synthesizers[0].name
        self.clones_voices = any(each.clones_voices for each in self.synthesizers)
        self.min_speed = self.synthesizers[0].min_speed
        self.max_speed = self.synthesizers[0].max_speed

    @property
    def synthesizers(self) -> Sequence[Synthesizer]:
        """All of them, each once, the preferred one first."""
        return self._choice.synthesizers

    @property
    def voices(self) -> tuple[Voice, ...]:
        """The voices of all synthesisers, see `VoiceChoice`."""
        return self._choice.voices

    @property
    def aliases(self) -> Mapping[str, str]:
        """Other names of the voices, see `VoiceChoice`."""
        return self._choice.aliases

    def observed(self, observer: EngineObserver) -> "FallbackSynthesizer":
        """Return the same synthesisers, which report to `observer`."""
        observed = copy(self)
        observed._observer = observer
        return observed

    async def stream(self, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        """Speak with the first synthesiser that can. Raises the error of the first one if none can."""
        errors: list[EngineError] = []
        for candidate in self._choice.candidates(options):
            name = candidate.synthesizer.name
            has_spoken = False
            try:
                with engine_call(f"speech synthesiser {name}"):
                    async with aclosing(self._begin(candidate, text, options)) as chunks:
                        async for chunk in chunks:
                            has_spoken = True
                            yield chunk
                return
            except EngineError as error:
                if has_spoken or isinstance(error, Rejected):
                    raise
                errors.append(error)
        raise summary(errors)

    def _begin(self, candidate: Candidate, text: str, options: SpeechOptions) -> AsyncGenerator[SpeechChunk, None]:
        observed = ObservedSynthesizer(candidate.synthesizer, self._observer)
        return observed.stream(text, replace(options, voice=candidate.voice.name))

    async def warm_up(self) -> None:
        """Warm up all synthesisers at the same time; raises only if all of them fail."""
        results = await asyncio.gather(*(each.warm_up() for each in self.synthesizers), return_exceptions=True)
        errors = [error for error in results if isinstance(error, BaseException)]
        for error in errors:
            if not isinstance(error, EngineError) or len(errors) == len(results):
                raise error
            logger.warning("a speech synthesiser could not be warmed up: %s", error)

    async def aclose(self) -> None:
        """Close all synthesisers."""
        for synthesizer in self.synthesizers:
            await synthesizer.aclose()


def summary(errors: Sequence[EngineError]) -> EngineError:
    """Combine the errors of all synthesisers, in the order of preference, into one."""
    if len(errors) == 1:
        return errors[0]
    if not errors:
        return Unavailable("No synthesiser has a voice.")
    kind = Overloaded if isinstance(errors[0], Overloaded) else Unavailable
    return kind(f"No synthesiser can speak. {' '.join(str(error) for error in errors)}")
