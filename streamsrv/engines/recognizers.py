"""The speech recognisers of a server: those that the operator chose, and those that a client may choose."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from streamsrv.engines.absent import ABSENT
from streamsrv.engines.asr.base import Recognizer, RecognizerFacts
from streamsrv.engines.asr.failover.recognizer import FallbackRecognizer
from streamsrv.engines.asr.on_demand import Hold
from streamsrv.engines.breaker import Breakers
from streamsrv.engines.model_entry import ModelEntry
from streamsrv.engines.observer import IGNORED, EngineObserver, Observable
from streamsrv.engines.recognizer_library import RecognizerLibrary


class Recognizers:
    """Finds the recogniser of a session or a request.

    `chain`: the loaded recognisers of the operator's choice, the first one in use and the others in its place when it
    fails; `by_language`: those of some languages, by ISO 639-1 code. `library`: those that a client may choose besides.
    `breakers`: those of the process.
    """

    def __init__(
        self,
        chain: Sequence[Recognizer],
        breakers: Breakers,
        by_language: Mapping[str, Sequence[Recognizer]] | None = None,
        library: RecognizerLibrary | None = None,
    ) -> None:
        self.library = library
        self._chains = {"": chain, **(by_language or {})}
        self._loaded = {each.name: each for each in (each for some in self._chains.values() for each in some)}
        self._breakers = breakers
        self._observer: EngineObserver = IGNORED
        self._found: dict[tuple[str, ...], FallbackRecognizer] = {}

    @property
    def is_absent(self) -> bool:
        """Whether the operator turned recognition off."""
        return self._chains[""][0].name == ABSENT

    @property
    def default(self) -> Recognizer:
        """The recogniser of sessions that name none."""
        return self.find()

    @property
    def loaded(self) -> Sequence[Recognizer]:
        """The recognisers of the operator's choice, each once."""
        return list(self._loaded.values())

    @property
    def chains(self) -> Mapping[str, Sequence[str]]:
        """The names of the operator's choice by language, the first one in use; "": of all other languages."""
        return {language: [each.name for each in chain] for language, chain in self._chains.items()}

    @property
    def facts(self) -> Mapping[str, RecognizerFacts]:
        """What is known of each recogniser at the time of a look: those of the operator's choice, then the others.

        Empty if recognition is turned off.
        """
        if self.is_absent:
            return {}
        others = self.library.names if self.library is not None else ()
        return _Facts(tuple(dict.fromkeys((*self._loaded, *others))), self._facts)

    def _facts(self, name: str) -> RecognizerFacts:
        known = self.library.facts(name) if self.library is not None and name in self.library else None
        if name not in self._loaded:
            assert known is not None
            return known
        return RecognizerFacts(self._loaded[name].abilities, is_local=known is None or known.is_local)

    def entries(self, name: str) -> Sequence[ModelEntry]:
        """Return what the catalogue states about a recogniser that a client may choose, and about its parts."""
        return self.library.entries(name) if self.library is not None and name in self.library else ()

    @property
    def substitutes(self) -> Mapping[str, tuple[str, ...]]:
        """By recogniser of the operator's choice, and by part of one, the names of what takes its place if it fails."""
        found: dict[str, dict[str, None]] = {}
        for chain in self._chains.values():
            for position, each in enumerate(chain):
                parts: dict[str, tuple[str, ...]] = dict(each.parts) if isinstance(each, Observable) else {}
                parts[each.name] = tuple(other.name for other in chain[position + 1 :])
                for name, to in parts.items():
                    found.setdefault(name, {}).update(dict.fromkeys(to))
        return {name: tuple(to) for name, to in found.items()}

    def find(self, model: str = "", language: str | None = None) -> Recognizer:
        """Return the recogniser called `model` (empty: the default one) for speech in `language` (None: any).

        Those of the operator's choice that know the language take its place when it fails. Does not block. The name
        was checked before (`core.capabilities`); the same choice gives the same object.
        """
        chain = self._chains.get(language or "", self._chains[""])
        if self.is_absent:
            return chain[0]
        able = [each.name for each in chain if language is None or RecognizerFacts(each.abilities).knows(language)]
        first = model if self._has(model) else chain[0].name
        names = tuple(dict.fromkeys((first, *able)))
        if names not in self._found:
            members = [self._recognizer(name) for name in names]
            self._found[names] = FallbackRecognizer(members, self._breakers, observer=self._observer)
        return self._found[names]

    def hold(self, model: str) -> Hold | None:
        """Have a recogniser loaded that is not, and keep it in memory until the hold is released.

        None: it was loaded at the start.
        """
        if model in self._loaded or self.library is None or model not in self.library:
            return None
        return self.library[model].hold()

    def take_over(self) -> None:
        """Be in use from now on: recognisers leave memory that the ones before had loaded and that these lack."""
        if self.library is not None:
            self.library.take_over(self._loaded)

    def observe(self, observer: EngineObserver) -> None:
        """Let all recognisers report to `observer` from now on."""
        self._observer = observer
        if self.library is not None:
            self.library.observe(observer)
        for each in self._loaded.values():
            if isinstance(each, Observable):
                each.observe(observer)
        for found in self._found.values():
            found.observer = observer

    async def aclose(self) -> None:
        """Free the recognisers. Call it when no session runs."""
        for each in self._loaded.values():
            await each.aclose()
        if self.library is not None:
            await self.library.pool.aclose()

    def _has(self, name: str) -> bool:
        return name in self._loaded or (self.library is not None and name in self.library)

    def _recognizer(self, name: str) -> Recognizer:
        if name in self._loaded or self.library is None:
            return self._loaded[name]
        return self.library[name]


class _Facts(Mapping[str, RecognizerFacts]):
    """Facts by name that are made when they are looked at."""

    def __init__(self, names: Sequence[str], facts: Callable[[str], RecognizerFacts]) -> None:
        self._names = names
        self._facts = facts

    def __getitem__(self, name: str) -> RecognizerFacts:
        if name not in self._names:
            raise KeyError(name)
        return self._facts(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
