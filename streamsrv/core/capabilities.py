"""What this server's models and codecs can do, and so what a client may ask for. Pure: the facts are passed in.

Sessions and HTTP requests are checked by the same functions. Each raises `ProtocolError` with the field at fault.
"""

import re
from dataclasses import dataclass

from msgspec import structs

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
    recognizer: str = ""
    """Name of the loaded recogniser; empty: names are not checked."""
    languages: frozenset[str] = frozenset()
    """ISO 639-1 codes that the recogniser knows; empty: all."""
    takes_prompt: bool = True
    """Whether the recogniser makes use of a prompt."""
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
            hears = structs.replace(hears, transcription=self._transcription(hears.transcription))
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

    def language(self, given: str, param: str) -> str:
        """The ISO 639-1 code of a language that the recogniser knows."""
        code = normalize_language(given)
        if code is None:
            raise _refused(
                given, param, "it names no language; accepted is an ISO 639-1 code, a tag such as 'en-US', or a name"
            )
        if self.languages and code not in self.languages:
            known = ", ".join(f"'{language}'" for language in sorted(self.languages))
            raise _refused(given, param, f"the recogniser '{self.recognizer}' knows {known}")
        return code

    def transcriber(self, name: str, param: str) -> str:
        """The loaded recogniser that a client means."""
        if not self.recognizer or _OPENAI_TRANSCRIBERS.fullmatch(name) or name in ("", "default"):
            return self.recognizer or name
        if name != self.recognizer:
            message = f"accepted are '{self.recognizer}', and the names of OpenAI's models (such as 'whisper-1') for it"
            raise _refused(name, param, message)
        return name

    def check_prompt(self, prompt: str, param: str) -> None:
        if prompt and not self.takes_prompt:
            raise _refused(prompt, param, f"the recogniser '{self.recognizer}' takes no prompt; accepted is ''")

    def _check_format(self, audio_format: AudioFormat, param: str) -> None:
        name = str(audio_format.__struct_config__.tag)
        if name not in self.formats:
            accepted = ", ".join(f"'{known}'" for known in sorted(self.formats))
            raise _refused(name, param, f"this server lacks its codec; accepted are {accepted}")

    def _transcription(self, asked: Transcription) -> Transcription:
        param = "session.audio.input.transcription"
        language = asked.language
        if language is not None:
            language = self.language(language, f"{param}.language")
        self.check_prompt(asked.prompt or "", f"{param}.prompt")
        model = self.transcriber(asked.model or "", f"{param}.model") or None
        return Transcription(model=model, language=language, prompt=asked.prompt)


def _refused(value: object, param: str, reason: str) -> ProtocolError:
    text = str(value)
    quoted = text if len(text) <= 60 else f"{text[:57]}..."
    return ProtocolError("invalid_value", f"Invalid value '{quoted}' for '{param}': {reason}.", param)
