"""What this server's models and codecs can do, and so what a client may ask for. Pure: the facts are passed in.

Sessions and HTTP requests are checked by the same functions. Each raises `ProtocolError` with the field at fault.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from streamsrv.engines.asr.base import RecognizerFacts
from streamsrv.protocol.errors import ProtocolError
from streamsrv.protocol.session_object import AudioFormat, AudioOutput, Session, Tracing, Transcription, VoiceId
from streamsrv.text.languages import normalize_language

OPENAI_VOICES = frozenset(
    {
        "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "juniper", "marin", "nova", "onyx", "sage",
        "shimmer", "verse",
    }
)  # fmt: skip
"""Clients name one of these because they must name a voice: they mean the default one."""
_OPENAI_TRANSCRIBERS = re.compile(
    r"(?:gpt-realtime-)?whisper(?:-1)?|gpt-4o-(?:mini-)?transcribe(?:-latest|-[0-9-]{10})?"
)
"""Models that clients name by habit: they mean the default recogniser."""
_DEFAULT_VOICES = frozenset({"", "default"})


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Without arguments: everything is possible, and names stay as they were given."""

    formats: frozenset[str] = frozenset({"audio/pcm", "audio/pcmu", "audio/pcma", "audio/opus"})
    """Audio formats of sessions."""
    voices: tuple[str, ...] = ()
    """The default one first; empty: no voice is loaded, and none is checked."""
    min_speed: float = 0.0
    max_speed: float = float("inf")
    recognizers: Mapping[str, RecognizerFacts] = field(default_factory=dict[str, RecognizerFacts])
    """The recognisers that a client may name; empty: names are not checked."""
    chains: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """By ISO 639-1 code the recognisers that the operator chose, the first one in use; "": of all other languages."""
    retired: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names of recognisers that their providers have retired, with those of their successors."""
    other_models: Mapping[str, str] = field(default_factory=dict[str, str])
    """The kinds of the models that are no recognisers, by name."""
    has_tracing: bool = True
    """Whether sessions are traced."""

    def fit(self, session: Session) -> Session:
        """The session with names resolved to what is in force: voice, recogniser, language."""
        if isinstance(session.tracing, Tracing) and not self.has_tracing:
            message = (
                "This server does not trace sessions (its setting 'tracing' is off), so a trace cannot be described: "
                "accepted are null, and 'auto' for what the server does."
            )
            raise ProtocolError("invalid_value", message, "session.tracing")
        if not self.has_tracing:
            session = structs.replace(session, tracing=None)  # stock clients always send `auto`, and end at an error
        hears, speaks = session.audio.input, session.audio.output
        self._check_format(hears.format, "session.audio.input.format")
        if hears.transcription is not None:
            asked, param = hears.transcription, "session.audio.input.transcription."
            hears = structs.replace(hears, transcription=self.transcription(asked, param))
        audio = structs.replace(session.audio, input=hears, output=self.output(speaks, "session.audio.output"))
        return structs.replace(session, audio=audio)

    def output(self, output: AudioOutput, param: str) -> AudioOutput:
        """Audio output with the voice that is in force; `param` is the path of its object."""
        self._check_format(output.format, f"{param}.format")
        self.check_speed(output.speed, f"{param}.speed")
        voice = output.voice.id if isinstance(output.voice, VoiceId) else output.voice
        return structs.replace(output, voice=self.voice(voice, f"{param}.voice"))

    def voice(self, name: str, param: str) -> str:
        """The loaded voice that a client means."""
        if not self.voices or name in self.voices:
            return name
        if name.lower() in _DEFAULT_VOICES | OPENAI_VOICES:
            return self.voices[0]
        voices = ", ".join(f"'{voice}'" for voice in self.voices)
        message = f"accepted are {voices}, and the names of OpenAI's voices for '{self.voices[0]}'"
        raise _refused(name, param, message)

    def check_speed(self, speed: float, param: str) -> None:
        if not self.min_speed <= speed <= self.max_speed:
            raise _refused(speed, param, f"this voice speaks at {self.min_speed:g} to {self.max_speed:g} of its pace")

    def transcription(self, asked: Transcription, path: str) -> Transcription:
        """The options with the recogniser and the language that are in force; `path` is put before their names."""
        language = None if asked.language is None else _code(asked.language, f"{path}language")
        model = self._recognizer(asked.model or "", language, path)
        if model in self.recognizers:
            self._check_abilities(model, asked, language, path)
        return structs.replace(asked, model=model or None, language=language)

    def _recognizer(self, name: str, language: str | None, path: str) -> str:
        """The recogniser that a client means: one that it names, else the first one for the language."""
        if not self.recognizers:
            return name
        if name not in ("", "default") and not _OPENAI_TRANSCRIBERS.fullmatch(name):
            name = self.retired.get(name, name)
            self._check_usable(name, f"{path}model")
            return name
        choice = self._choice(language)
        if choice is None:
            assert language is not None  # the default recogniser is for all sessions without a language
            raise self._unknown_language(language, self._default, f"{path}language")
        return choice

    @property
    def _default(self) -> str:
        return next(iter(self.chains.get("", ())), "")

    def _choice(self, language: str | None) -> str | None:
        """The recogniser for sessions that name none: the operator's first that knows the language, else any local one.

        None: none knows it.
        """
        if language is None:
            return self._default
        chosen = (*self.chains.get(language, ()), *self.chains.get("", ()))
        usable = (name for name, facts in self.recognizers.items() if facts.is_local and not facts.lacks)
        return next((name for name in (*chosen, *usable) if self.recognizers[name].knows(language)), None)

    def _check_usable(self, name: str, param: str) -> None:
        facts = self.recognizers.get(name)
        if facts is not None and not facts.lacks:
            return
        if facts is not None:
            reason = f"this server cannot use it yet ({facts.lacks})"
        elif name in self.other_models:
            reason = f"it is a {self.other_models[name]}, not a recogniser"
        else:
            reason = "there is no such recogniser"
        usable = _quoted(other for other, known in self.recognizers.items() if not known.lacks)
        accepted = f"{usable}, and the names of OpenAI's models (such as 'whisper-1') for '{self._default}'"
        raise _refused(name, param, f"{reason}; accepted are {accepted}")

    def _check_abilities(self, model: str, asked: Transcription, language: str | None, path: str) -> None:
        facts = self.recognizers[model]
        if language is not None and not facts.knows(language):
            raise self._unknown_language(language, model, f"{path}language")
        if asked.prompt and not facts.abilities.prompt:
            reason = f"the recogniser '{model}' takes no prompt; accepted is ''"
            raise _refused(asked.prompt, f"{path}prompt", reason)

    def _unknown_language(self, language: str, model: str, param: str) -> ProtocolError:
        """Says what the recogniser knows instead, and which others know the language."""
        known = _quoted(sorted(self.recognizers[model].abilities.languages))
        able = {name: facts for name, facts in self.recognizers.items() if facts.knows(language)}
        reason = f"the recogniser '{model}' knows {known}"
        if usable := _quoted(name for name, facts in able.items() if not facts.lacks):
            reason += f"; these know '{language}': {usable}"
        elif able:
            remedies = ", ".join(f"'{name}' ({facts.lacks})" for name, facts in able.items())
            reason += f"; these would know '{language}' on this server: {remedies}"
        return _refused(language, param, reason)

    def _check_format(self, audio_format: AudioFormat, param: str) -> None:
        name = str(audio_format.__struct_config__.tag)
        if name not in self.formats:
            accepted = ", ".join(f"'{known}'" for known in sorted(self.formats))
            raise _refused(name, param, f"this server lacks its codec; accepted are {accepted}")


def _refused(value: object, param: str, reason: str) -> ProtocolError:
    text = str(value)
    quoted = text if len(text) <= 60 else f"{text[:57]}..."
    return ProtocolError("invalid_value", f"Invalid value '{quoted}' for '{param}': {reason}.", param)


def _code(given: str, param: str) -> str:
    code = normalize_language(given)
    if code is None:
        reason = "it names no language; accepted is an ISO 639-1 code, a tag such as 'en-US', or a name"
        raise _refused(given, param, reason)
    return code


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
