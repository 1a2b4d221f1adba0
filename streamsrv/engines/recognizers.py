"""The speech recognisers of a server: the default one, and those that a client may choose."""

from collections.abc import Mapping, Sequence

from streamsrv.engines.absent import ABSENT
from streamsrv.engines.asr.base import Recognizer, RecognizerFacts
from streamsrv.engines.asr.fallback import FallbackRecognizer
from streamsrv.engines.breaker import Breakers


class Recognizers:
    """Finds the recogniser of a session or a request."""

    def __init__(self, default: Recognizer, breakers: Breakers | None = None) -> None:
        self.default: Recognizer = default if default.name == ABSENT else FallbackRecognizer([default], breakers)
        """The recogniser of sessions that name none."""

    @property
    def facts(self) -> Mapping[str, RecognizerFacts]:
        """What is known of the recognisers that a client may name; empty: the server recognises no speech."""
        return {} if self.default.name == ABSENT else {self.default.name: RecognizerFacts(self.default.abilities)}

    @property
    def chains(self) -> Mapping[str, Sequence[str]]:
        """By language the recognisers of the settings, the first one in use; "": of all other languages."""
        return {"": [self.default.name]}

    def find(self, model: str = "", language: str | None = None) -> Recognizer:
        """Return the recogniser called `model` (empty: the default one) for speech in `language` (None: any).

        Does not block. The name was checked before (`core.capabilities`); the same choice gives the same object.
        """
        return self.default

    async def aclose(self) -> None:
        """Free the recognisers. Call it when no session runs."""
        await self.default.aclose()
