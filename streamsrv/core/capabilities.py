"""What this server's models and codecs can do, and so what a client may ask for. Pure: the facts are passed in.

Sessions and HTTP requests are checked by the same functions. Each raises `ProtocolError` with the field at fault.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from msgspec import structs

from streamsrv.core.calls.tools import HANG_UP, TRANSFER
from streamsrv.core.caption_list import check_replacements
from streamsrv.core.recognition import (
    Path,
    check_abilities,
    session_path,
    task_of,
    wants_logprobs,
    well_formed,
)
from streamsrv.core.toolbox import OperatorServer, check_tool_choice, check_tools
from streamsrv.engines.asr.base import TRANSLATED_TO, RecognizerFacts, Task
from streamsrv.engines.tts.base import ReferenceVoice, SpeechOptions
from streamsrv.protocol.errors import ProtocolError, invalid
from streamsrv.protocol.items import InputImage, Item, MessageItem
from streamsrv.protocol.openai_voices import OPENAI_VOICES
from streamsrv.protocol.session_object import (
    AudioFormat,
    AudioOutput,
    RoutingOptions,
    Session,
    Tracing,
    Transcription,
    VoiceId,
)
from streamsrv.protocol.tools import ToolChoice, ToolDefinition
from streamsrv.text.languages import LANGUAGE_NAMES, normalize_language

_CALL_FUNCTIONS = frozenset({HANG_UP, TRANSFER})
"""The functions of telephone calls: sessions are checked before it is known which of them a call has."""
_OPENAI_TRANSCRIBERS = re.compile(
    r"(?:gpt-realtime-)?whisper(?:-1)?|gpt-4o-(?:mini-)?transcribe(?:-latest|-[0-9-]{10})?|gpt-(?:live-)?transcribe"
)
"""Models that clients name by habit: they mean the default recogniser."""
_DEFAULT_VOICES = frozenset({"", "default"})


@dataclass(frozen=True, slots=True)
class ChatFacts:
    """What is known of a language model that a client may name."""

    is_local: bool
    """Whether a model on this machine answers for it, if the words must not leave the machine."""
    is_pinned: bool
    """Whether the name leaves nothing to choose."""


@dataclass(frozen=True, slots=True)
class ClonedVoice:
    """A voice that a client has cloned from a recording."""

    id: str
    name: str
    reference: ReferenceVoice


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Without arguments: everything is possible, and names stay as they were given."""

    formats: frozenset[str] = frozenset({"audio/pcm", "audio/pcmu", "audio/pcma", "audio/opus"})
    """Audio formats of sessions."""
    voices: tuple[str, ...] = ()
    """The default one first; empty: no voice is loaded, and none is checked."""
    voice_aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    """Other names by which clients may ask for one of `voices`, with its name; OpenAI's in small letters."""
    voice_languages: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    """By voice the ISO 639-1 codes of what it speaks, with none for any language."""
    min_speed: float = 0.0
    max_speed: float = float("inf")
    clones: Mapping[str, ClonedVoice] = field(default_factory=dict[str, ClonedVoice])
    """The client's own cloned voices by id; they come and go while a session runs."""
    clones_voices: bool = False
    """Whether a synthesiser is loaded that speaks with cloned voices."""
    recognizers: Mapping[str, RecognizerFacts] = field(default_factory=dict[str, RecognizerFacts])
    """The recognisers that a client may name; empty: names are not checked."""
    chains: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """By ISO 639-1 code the recognisers that the operator chose, the first one in use; "": of all other languages."""
    retired: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names of recognisers that their providers have retired, with those of their successors."""
    other_models: Mapping[str, str] = field(default_factory=dict[str, str])
    """The kinds of the models that are no recognisers, by name."""
    chats: Mapping[str, ChatFacts] = field(default_factory=dict[str, ChatFacts])
    """The language models that a client may name; empty: nothing is checked."""
    default_chat: str = ""
    """That of clients which name none of them."""
    has_tracing: bool = True
    """Whether sessions are traced."""
    suppresses_noise: bool = True
    """Whether the noise suppressor is installed."""
    seeing_models: tuple[str, ...] | None = None
    """The language models that see pictures; None: not known, and pictures are left to the model."""

    synthesizers: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """The voices of each loaded synthesiser."""
    tool_servers: tuple[OperatorServer, ...] = ()
    """The operator's tool servers."""
    tool_urls: tuple[str, ...] = ("*",)
    """The addresses of MCP servers that clients may name."""

    def fit(self, session: Session) -> Session:
        """The session with names resolved to what is in force: voice, recogniser, language."""
        self.check_tools(session.tools, "session.tools")
        self.check_tool_choice(session.tool_choice, session.tools, "session.tool_choice")
        if isinstance(session.tracing, Tracing) and not self.has_tracing:
            message = (
                "This server does not trace sessions (its setting 'tracing' is off), so a trace cannot be described: "
                "accepted are null, and 'auto' for what the server does."
            )
            raise ProtocolError("invalid_value", message, "session.tracing")
        if not self.has_tracing:
            session = structs.replace(session, tracing=None)  # stock clients always send `auto`, and end at an error
        check_replacements(session.captions)
        self.check_routing(session.routing, session.model, "session.streamsrv.routing")
        session = session.speaking(self.language(session.spoken_language, "session.streamsrv.language"))
        hears, speaks = session.audio.input, session.audio.output
        self._check_format(hears.format, "session.audio.input.format")
        if hears.noise_reduction is not None and not self.suppresses_noise:
            reason = "webrtc-noise-gain is not installed (pip install 'streamsrv[speech]'); accepted is null"
            raise invalid(hears.noise_reduction.type, "session.audio.input.noise_reduction", reason)
        if hears.transcription is not None:
            task, logprobs = task_of(session), wants_logprobs(session)
            asked = self.transcription(hears.transcription, session_path, task, logprobs=logprobs)
            hears = structs.replace(hears, transcription=asked)
        elif session.translates_to is not None:
            reason = "a session without 'session.audio.input.transcription' has no captions; accepted is null"
            raise invalid(session.translates_to, session_path("task"), reason)
        audio = structs.replace(session.audio, input=hears, output=self.output(speaks, "session.audio.output"))
        return structs.replace(session, audio=audio)

    def check_routing(self, asked: RoutingOptions, model: str, param: str) -> None:
        """Refuse a choice of language models that this server cannot make for clients of this model."""
        if asked.language is not None and normalize_language(asked.language) is None:
            reason = "accepted are ISO 639-1 codes, tags such as en-US, and English names of languages"
            raise invalid(asked.language, f"{param}.language", reason)
        facts = self.chats.get(model) or self.chats.get(self.default_chat)
        if facts is None:
            return
        if asked.policy is not None and facts.is_pinned:
            reason = f"the client named the model '{model}', which leaves nothing to choose; accepted is null"
            raise invalid(asked.policy, f"{param}.policy", reason)
        if facts.is_local:
            return
        local = _quoted(name for name, known in self.chats.items() if known.is_local)
        reason = "no language model on the server's machine may answer for this one"
        reason += f"; name one of these: {local}" if local else " (its settings chat and chat_fallback name none)"
        if asked.local_only:
            raise invalid("true", f"{param}.local_only", reason)
        if asked.policy == "local":
            raise invalid("local", f"{param}.policy", reason)

    def check_model(self, named: object, held: str, param: str) -> None:
        """Refuse another language model for a session than it began with; a name of none here has no effect.

        `held`: the model of the session, as it was named.
        """
        in_use = held if held in self.chats else self.default_chat
        if isinstance(named, str) and named in self.chats and named != in_use:
            reason = f"the model of a session stays the same; this one has '{in_use}'. Name another in '?model='"
            raise invalid(named, param, reason)

    def check_tools(self, tools: Sequence[ToolDefinition], param: str) -> None:
        """Refuse MCP servers that clients may not use; `param` is the path of the tools."""
        check_tools(tools, param, {server.label for server in self.tool_servers}, self.tool_urls)

    def check_tool_choice(self, choice: ToolChoice, tools: Sequence[ToolDefinition], param: str) -> None:
        """Refuse the choice of a tool that there is not; `param` is the path of the choice."""
        check_tool_choice(choice, tools, param, {server.label for server in self.tool_servers}, _CALL_FUNCTIONS)

    def output(self, output: AudioOutput, param: str) -> AudioOutput:
        """Audio output with the voice that is in force; `param` is the path of its object."""
        self._check_format(output.format, f"{param}.format")
        self.check_speed(output.speed, f"{param}.speed")
        voice = output.voice.id if isinstance(output.voice, VoiceId) else output.voice
        return structs.replace(output, voice=self.voice(voice, f"{param}.voice"))

    def voice(self, name: str, param: str) -> str:
        """The voice that a client means: the name of a loaded one, or the id of a cloned one."""
        if not self.voices or name in self.voices:
            return name
        if meant := self.voice_aliases.get(name) or self.voice_aliases.get(name.lower()):
            return meant
        if (clone := self.clone(name)) is not None:
            if self.clones_voices:
                return clone.id
            raise invalid(name, param, "it is a cloned voice, and no synthesiser of this server speaks with one")
        if name.lower() in _DEFAULT_VOICES | OPENAI_VOICES.keys():
            return name.lower() if name.lower() in self.voices else self.voices[0]
        meant = dict.fromkeys(self.voice_aliases.get(voice, self.voices[0]) for voice in OPENAI_VOICES)
        known = [*self.voices, *(clone.id for clone in self.clones.values() if self.clones_voices)]
        accepted = f"{_quoted(known)}, and the names of OpenAI's voices for {_quoted(meant)}"
        raise invalid(name, param, f"accepted are {accepted}")

    def voice_of_model(self, model: str, voice: str) -> str:
        """The voice that a client means which names a model, too: a synthesiser, or all of them by any other name."""
        meant = self.voice(voice, "voice")
        if (own := self.synthesizers.get(model)) is None:
            kind = "recognizer" if model in self.recognizers else self.other_models.get(model)
            if kind is not None:
                reason = "no synthesiser" if kind != "synthesizer" else "a synthesiser that this server has not loaded"
                raise invalid(model, "model", f"it is {reason}; accepted are {_quoted(self.synthesizers)}, and 'tts-1'")
            return meant
        if not own or meant in own or meant in self.clones:
            return meant
        if voice.lower() in _DEFAULT_VOICES | OPENAI_VOICES.keys():
            return own[0]
        raise invalid(voice, "voice", f"the synthesiser '{model}' does not have it; it has {_quoted(own)}")

    @property
    def spoken_languages(self) -> frozenset[str]:
        """The ISO 639-1 codes of the languages that there are voices for."""
        if not all(self.voice_languages.values()):
            return frozenset(LANGUAGE_NAMES)
        return frozenset[str]().union(*self.voice_languages.values())

    def language_of(self, voice: str) -> str:
        """The language that a voice speaks where nothing tells which one: English if it can."""
        spoken = self.voice_languages.get(voice, frozenset[str]())
        return "en" if "en" in spoken else min(spoken, default="en")

    def language(self, given: str | None, param: str) -> str | None:
        """The ISO 639-1 code of the language in which a client wants to be spoken to; None: it did not say."""
        if given is None:
            return None
        language = normalize_language(given)
        if language is None:
            reason = "accepted are ISO 639-1 codes, tags such as en-US, and English names of languages"
            raise invalid(given, param, reason)
        if self.voice_languages and language not in self.spoken_languages:
            raise invalid(given, param, f"the voices of this server speak {_quoted(sorted(self.spoken_languages))}")
        return language

    def clone(self, name: str) -> ClonedVoice | None:
        """The client's cloned voice of this id or name."""
        named = (clone for clone in self.clones.values() if clone.name == name)
        return self.clones.get(name) or next(named, None)

    def speech(self, voice: str, speed: float) -> SpeechOptions:
        """The options of speech with the voice that is in force; with the default one if that was deleted meanwhile."""
        if voice in self.clones:
            return SpeechOptions(voice=voice, reference=self.clones[voice].reference, speed=speed)
        if self.voices and voice not in self.voices:
            voice = self.voices[0]
        return SpeechOptions(voice=voice, speed=speed)

    def check_speed(self, speed: float, param: str) -> None:
        if not self.min_speed <= speed <= self.max_speed:
            raise invalid(speed, param, f"this voice speaks at {self.min_speed:g} to {self.max_speed:g} of its pace")

    def transcription(
        self, asked: Transcription, path: Path, task: Task = "transcribe", *, logprobs: bool = False
    ) -> Transcription:
        """The options with the recogniser and the languages that are in force, for a recogniser that can use them."""
        asked = well_formed(asked, path)
        model = self._recognizer(asked, task, path)
        if (facts := self.recognizers.get(model)) is not None:
            for language in _spoken(asked):
                if not facts.knows(language):
                    raise self._unknown_language(language, model, path("language" if asked.language else "languages"))
            if task == "translate" and not facts.abilities.translates:
                raise self._no_translator(model, asked, path)
            check_abilities(model, facts.abilities, asked, path, partial(self._able, asked), logprobs=logprobs)
        return structs.replace(asked, model=model or None)

    def _recognizer(self, asked: Transcription, task: Task, path: Path) -> str:
        """The recogniser that a client means: one that it names, else the first one for the languages and the task."""
        name = asked.model or ""
        if not self.recognizers:
            return name
        if name not in ("", "default") and not _OPENAI_TRANSCRIBERS.fullmatch(name):
            name = self.retired.get(name, name)
            self._check_usable(name, path("model"))
            return name
        if (choice := self._choice(asked, task)) is not None:
            return choice
        if task == "translate":
            raise self._no_translator("", asked, path)
        return self._choice(structs.replace(asked, language=None, languages=[]), task) or ""

    def check_images(self, item: Item, param: str) -> None:
        """Refuse a picture where no language model sees one."""
        if self.seeing_models is None or self.seeing_models:
            return
        for index, part in enumerate(item.content if isinstance(item, MessageItem) else ()):
            if isinstance(part, InputImage):
                reason = "no language model of this server sees pictures; accepted are 'input_text' and 'input_audio'"
                raise invalid("input_image", f"{param}.content[{index}].type", reason)

    def lists_recognizer(self, name: str) -> bool:
        """Whether a client may mean one certain recogniser by this name, even if it cannot be used yet."""
        return name in self.recognizers or name in self.retired

    @property
    def _default(self) -> str:
        return next(iter(self.chains.get("", ())), "")

    @property
    def translator(self) -> str | None:
        """The recogniser that translates into English where none is named; None: no usable one can."""
        return self._choice(Transcription(), "translate")

    def _choice(self, asked: Transcription, task: Task) -> str | None:
        """The recogniser for sessions that name none: the operator's first that is able, else any local one that is.

        None: none knows the languages and can do the task.
        """
        spoken = _spoken(asked)
        if not spoken and task == "transcribe":
            return self._default
        preferred = [name for language in (*spoken, "") for name in self.chains.get(language, ())]
        usable = [name for name, facts in self.recognizers.items() if facts.is_local and not facts.lacks]
        return next((name for name in (*preferred, *usable) if self._is_able(name, spoken, task)), None)

    def _is_able(self, name: str, spoken: Sequence[str], task: Task) -> bool:
        if (facts := self.recognizers.get(name)) is None:
            return False
        can_translate = task == "transcribe" or facts.abilities.translates
        can_tell = len(spoken) < 2 or facts.abilities.detects_language
        return can_translate and can_tell and all(facts.knows(language) for language in spoken)

    def _able(self, asked: Transcription, ability: str) -> Sequence[str]:
        """The usable recognisers that know the languages and have an ability, for what an error says."""
        usable = (name for name, facts in self.recognizers.items() if not facts.lacks)
        able = (name for name in usable if getattr(self.recognizers[name].abilities, ability))
        return [name for name in able if self._is_able(name, _spoken(asked), "transcribe")]

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
        raise invalid(name, param, f"{reason}; accepted are {accepted}")

    def _no_translator(self, model: str, asked: Transcription, path: Path) -> ProtocolError:
        """Says which recognisers translate, or what they lack. `model`: the one that the client named."""
        able = {
            name: facts for name, facts in self.recognizers.items() if self._is_able(name, _spoken(asked), "translate")
        }
        reason = (
            f"the recogniser '{model}' does not translate" if model else "no recogniser here translates this speech"
        )
        if usable := _quoted(name for name, facts in able.items() if not facts.lacks):
            reason += f"; these do: {usable}"
        elif able:
            remedies = ", ".join(f"'{name}' ({facts.lacks})" for name, facts in able.items())
            reason += f"; these would on this server: {remedies}"
        return invalid(asked.model if path("task") == path("model") else TRANSLATED_TO, path("task"), reason)

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
        return invalid(language, param, reason)

    def _check_format(self, audio_format: AudioFormat, param: str) -> None:
        name = str(audio_format.__struct_config__.tag)
        if name not in self.formats:
            accepted = ", ".join(f"'{known}'" for known in sorted(self.formats))
            raise invalid(name, param, f"this server lacks its codec; accepted are {accepted}")


def _spoken(asked: Transcription) -> list[str]:
    """The languages that may be spoken; none: any."""
    return asked.languages if asked.language is None else [asked.language]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
