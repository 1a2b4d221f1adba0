"""Combines synthesisers into one: it chooses who speaks, and if one fails the next one goes on."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from copy import copy
from dataclasses import replace

from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.observer import IGNORED, EngineObserver
from streamsrv.engines.tts.base import SpeechChunk, SpeechOptions, Synthesizer, Voice
from streamsrv.engines.tts.failover.relay import Common, SpeechRelay, is_lost
from streamsrv.engines.tts.failover.voice_choice import VoiceChoice
from streamsrv.errors import EngineError

logger = logging.getLogger(__name__)


class FallbackSynthesizer:
    """A `Synthesizer` at 24 kHz over several ones at 24 kHz, which it asks by voice and language (`VoiceChoice`).

    `chains`: by ISO 639-1 code the synthesisers that take each other's place in this order; "": of all other languages.
    `spare`: speak where none of those can. `breakers` are those of the process; None: its own. `patience_s`: by
    synthesiser the longest wait for the first or the next piece of audio; "": of all others; 0 or None: no limit.

    - A voice that fails before its first word is replaced by the next one, unless it was `Rejected`: that is the
      caller's fault.
    - One that fails or stalls in the middle is replaced at the next word (`SpokenPart`): no word is lost.
    - One that broke off is asked again if no other is left.
    - A synthesiser whose breaker is open is tried last.
    """

    sample_rate = PCM_RATE_HZ

    def __init__(
        self,
        chains: Mapping[str, Sequence[Synthesizer]],
        breakers: Breakers | None = None,
        spare: Sequence[Synthesizer] = (),
        patience_s: Mapping[str, float] | None = None,
    ) -> None:
        self._choice = VoiceChoice(chains, spare)
        self._breakers = breakers or Breakers(time.monotonic)
        self._patience_s = patience_s or {}
        self._letter_ms: dict[tuple[str, str], float] = {}
        self._observer: EngineObserver = IGNORED
        self.name = self.synthesizers[0].name

    @property
    def synthesizers(self) -> Sequence[Synthesizer]:
        """All of them, each once, the preferred one first."""
        return self._choice.synthesizers

    @property
    def clones_voices(self) -> bool:
        """Whether one of them speaks with the voices of recordings."""
        return any(each.clones_voices for each in self.synthesizers)

    @property
    def min_speed(self) -> float:
        """The lowest speed at which all of them speak that do not only stand in."""
        return max(each.min_speed for each in self._choice.chosen)

    @property
    def max_speed(self) -> float:
        """The highest such speed."""
        return min(each.max_speed for each in self._choice.chosen)

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
        """Speak with the first synthesiser that can. Raises the errors of all if none can, see `SpeechRelay`."""
        if is_lost(options.reference):
            options = replace(options, reference=None)
        common = Common(self._breakers, self._observer, self.sample_rate, self._patience_s, self._letter_ms)
        relay = SpeechRelay(self._choice.candidates(options), common, text, options)
        async with aclosing(relay.chunks()) as chunks:
            async for chunk in chunks:
                yield chunk

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
