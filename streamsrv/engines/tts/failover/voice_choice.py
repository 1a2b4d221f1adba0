"""Decides which voices can speak a segment, in which order, and by which names clients know them. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from streamsrv.engines.tts.base import SpeechOptions, Synthesizer, Voice
from streamsrv.protocol.openai_voices import OPENAI_VOICES


@dataclass(frozen=True, slots=True)
class Candidate:
    """A synthesiser that can speak a segment, and the voice that it speaks with."""

    synthesizer: Synthesizer
    voice: Voice


class VoiceChoice:
    """The voices of several synthesisers.

    `chains`: by ISO 639-1 code the synthesisers that take each other's place in this order; "": of all other languages.
    `spare`: speak where none of those can.
    """

    def __init__(self, chains: Mapping[str, Sequence[Synthesizer]], spare: Sequence[Synthesizer] = ()) -> None:
        self._chains = chains
        self.chosen: Sequence[Synthesizer] = _unique(
            [each for chain in (chains[""], *chains.values()) for each in chain]
        )
        """Those that do not only stand in."""
        self.synthesizers: Sequence[Synthesizer] = _unique([*self.chosen, *spare])
        """All of them, each once, the preferred one first."""

    @property
    def voices(self) -> tuple[Voice, ...]:
        """All voices, the default one first. One that shares its name with another is `<synthesiser>/<voice>`."""
        count = Counter(voice.name for _, voice in self._named())
        return tuple(
            replace(voice, name=f"{synthesizer.name}/{voice.name}") if count[voice.name] > 1 else voice
            for synthesizer, voice in self._named()
        )

    @property
    def aliases(self) -> Mapping[str, str]:
        """Other names by which clients may ask for a voice, with the name that `voices` has.

        A voice with the name of one of OpenAI's is meant by that itself.
        """
        listed = {
            (synthesizer.name, own.name): voice.name
            for (synthesizer, own), voice in zip(self._named(), self.voices, strict=True)
        }
        found = {f"{synthesizer}/{voice}": name for (synthesizer, voice), name in listed.items()}
        for (_, voice), name in listed.items():
            found.setdefault(voice, name)
        meant = [voice for (each, _), voice in zip(self._named(), self.voices, strict=True) if each in self._meant]
        return {alias: name for alias, name in (openai_aliases(meant) | found).items() if alias != name}

    @property
    def _meant(self) -> Sequence[Synthesizer]:
        """Those that OpenAI's names mean: of the default voice's languages, and none that only stands in."""
        default = next((voice for _, voice in self._named()), None)
        languages = default.languages if default is not None else ()
        return [*self._chains[""], *(each for code in languages for each in self._chains.get(code, ()))]

    def candidates(self, options: SpeechOptions) -> list[Candidate]:
        """Return who can speak a segment with these options, the preferred one first.

        That is the voice of the options, if it speaks the language; else one of its gender. Where no voice speaks the
        language, all that there are.
        """
        wanted = self._find(options.voice)
        order = self._order(options.language)
        able = [each for each in order if any(voice.speaks(options.language) for voice in each.voices)]
        if options.reference is not None:
            able.sort(key=lambda each: not each.clones_voices)
        elif wanted is not None and self._is_meant(wanted, options.language):
            able.sort(key=lambda each: each is not wanted.synthesizer)
        return [Candidate(each, self._voice(each, options.language, wanted)) for each in able or order if each.voices]

    def _order(self, language: str) -> list[Synthesizer]:
        return _unique([*self._chains.get(language, ()), *self.synthesizers])

    def _is_meant(self, wanted: Candidate, language: str) -> bool:
        """Whether the wanted voice goes before the chain of the language, which goes before the default voice."""
        own = self._chains.get(language)
        is_default = wanted.synthesizer is self.synthesizers[0] and wanted.voice == wanted.synthesizer.voices[0]
        return wanted.voice.speaks(language) and not (own and is_default and wanted.synthesizer not in own)

    def _voice(self, synthesizer: Synthesizer, language: str, wanted: Candidate | None) -> Voice:
        """Return the voice with which a synthesiser speaks in place of the wanted one, or that one itself."""
        voices = [voice for voice in synthesizer.voices if voice.speaks(language)] or list(synthesizer.voices)
        if wanted is None:
            return voices[0]
        if wanted.synthesizer is synthesizer and wanted.voice in voices:
            return wanted.voice
        return next((voice for voice in voices if voice.gender == wanted.voice.gender), voices[0])

    def _find(self, name: str) -> Candidate | None:
        """Return the voice of a name, which may have its synthesiser before it; None: there is no such voice."""
        for synthesizer, voice in self._named():
            if name in (voice.name, f"{synthesizer.name}/{voice.name}"):
                return Candidate(synthesizer, voice)
        return None

    def _named(self) -> Iterator[tuple[Synthesizer, Voice]]:
        return ((synthesizer, voice) for synthesizer in self.synthesizers for voice in synthesizer.voices)


def openai_aliases(voices: Sequence[Voice]) -> dict[str, str]:
    """Return the voice that each name of OpenAI's voices means, without those that are names of `voices`.

    That is the first voice of the same gender which speaks a language of the default voice, else the default voice.
    """
    if not voices:
        return {}
    default = voices[0]
    able = [voice for voice in voices if not default.languages or any(map(voice.speaks, default.languages))]
    own = {voice.name for voice in voices}
    return {
        name: next((voice.name for voice in able if voice.gender == gender), default.name)
        for name, gender in OPENAI_VOICES.items()
        if name not in own
    }


def _unique(synthesizers: Sequence[Synthesizer]) -> list[Synthesizer]:
    return list({id(each): each for each in synthesizers}.values())
