"""Recognition by `POST /v1/audio/transcriptions`: OpenAI, another streamsrv, speaches, vLLM and others.

Each request has the speech up to a pause, because providers charge for all audio that they are sent. While somebody
speaks there is no partial text. Source: the OpenAI API reference. Another server needs an entry of its own:

    [[model]]
    name = "speaches"
    kind = "recognizer"
    engine = "openai_transcriptions"
    requires = ["openai"]
    extra = "openai"
    options = { base_url = "http://127.0.0.1:8000/v1", model = "Systran/faster-whisper-small" }
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import openai
from pydantic import Field

from streamsrv.audio.files import wav
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions
from streamsrv.engines.asr.windows.incremental import Decode, Hypothesis, IncrementalRecognizer
from streamsrv.engines.asr.windows.window import WindowLimits
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.openai_client import OPENAI_URL, open_client, translated_errors
from streamsrv.engines.options import read_options
from streamsrv.errors import Overloaded, Unavailable

_LOAD_TIMEOUT_S = 180.0
"""Seconds a server without a key may take for its first answer, for which it may have to load the model."""
_MAX_CHARS_PER_SECOND = 60
"""Characters of text for each second of audio; a longer text is a loop of the model or no transcript."""
_LEAST_CHARS = 200
_NEVER_MS = 10**9


@dataclass(frozen=True, slots=True)
class TranscriptionsOptions:
    """Options of a catalogue entry with this engine."""

    model: Annotated[str, Field(min_length=1)]
    """The server's name of the model."""
    base_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+")] = OPENAI_URL
    """Address of the API, with its version: `http://127.0.0.1:8000/v1`."""
    languages: Sequence[str] = ()
    """ISO 639-1 codes of the languages that the model knows; empty: all."""
    prompt: bool = True
    """Whether the model takes a prompt."""
    hints: bool = False
    """Whether the model takes the fields `keywords` and `languages`, as OpenAI's gpt-transcribe does."""
    translates: bool = False
    """Whether the server translates into English (`POST /v1/audio/translations`)."""
    pause_ms: Annotated[int, Field(ge=32, le=2_000)] = 250
    """Pause after which the speech so far is sent. A shorter one gives the text sooner, and costs more requests."""
    requests: Annotated[int, Field(ge=1)] = 32
    """Requests at once, of all sessions; one more is refused, and the next model of the chain takes its utterance."""
    timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """Longest wait for an answer, in seconds."""


OPTIONS = TranscriptionsOptions


def load(entry: ModelEntry, context: LoadContext) -> "TranscriptionsRecognizer":
    """Create the client, without sending a request. Options: `TranscriptionsOptions`."""
    options = read_options(TranscriptionsOptions, entry)
    return TranscriptionsRecognizer(TranscriptionsClient(entry.name, options, (context.api_key or "").strip()))


class TranscriptionsRecognizer(IncrementalRecognizer):
    """An incremental recogniser whose windows are sent to a server in the pauses of the speaker."""

    def __init__(self, client: "TranscriptionsClient") -> None:
        limits = WindowLimits(
            max_ms=client.max_window_ms, freeze_pause_ms=300, pause_ms=client.options.pause_ms, step_ms=_NEVER_MS
        )
        super().__init__(client, client.name, limits)
        self._client = client

    async def warm_up(self) -> None:
        """Connect; raises `Unavailable` if the server refuses the key."""
        await self._client.warm_up()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()


class TranscriptionsClient:
    """An `AsyncWindowDecoder` over one HTTP client, whose connections all sessions share."""

    max_window_ms = 24_000
    stops = False  # a request that is closed is paid for all the same

    def __init__(self, name: str, options: TranscriptionsOptions, api_key: str) -> None:
        self.name = name
        self.options = options
        self.abilities = Abilities(
            languages=frozenset(options.languages),
            detects_language=options.hints,
            prompt=options.prompt,
            keywords=options.hints,
            translates=options.translates,
            final_deadline_s=options.timeout_s + 1,
        )
        self._api_key = api_key
        self._client = open_client(options.base_url, api_key, options.timeout_s)
        self._requests = 0

    async def decode(self, window: Decode) -> Hypothesis:
        """Send a window; return its text. Cancelling closes the request."""
        if self._requests >= self.options.requests:
            raise Overloaded(f"{self.name} has {self.options.requests} requests in progress, which is its limit.")
        window.started = True
        self._requests += 1
        try:
            return await self._recognize(window)
        finally:
            self._requests -= 1

    async def warm_up(self) -> None:
        """Check the key, or make a server without a key load its model."""
        with translated_errors(self.name, self.options.base_url, self._api_key):
            if self._api_key:
                await self._client.models.list()
                return
            second = wav(np.zeros(SPEECH_RATE_HZ, np.int16), SPEECH_RATE_HZ)
            await self._create(second, RecognitionOptions(), timeout_s=_LOAD_TIMEOUT_S)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def _recognize(self, window: Decode) -> Hypothesis:
        file = wav(window.samples, SPEECH_RATE_HZ)
        with translated_errors(self.name, self.options.base_url, self._api_key):
            try:
                answer = await self._create(file, window.options)
            except openai.APITimeoutError:
                raise
            except openai.APIConnectionError:  # the server may have just closed the idle connection
                answer = await self._create(file, window.options)
            text = answer.text
            limit = _LEAST_CHARS + len(window.samples) * _MAX_CHARS_PER_SECOND // SPEECH_RATE_HZ
            if not isinstance(text, str) or len(text) > limit:
                raise Unavailable(f"{self.name} sent no transcript, or one of more than {limit} characters.")
        return Hypothesis(" ".join(text.split()), language=window.options.language)

    async def _create(self, file: bytes, options: RecognitionOptions, *, timeout_s: float | None = None) -> Any:
        fields: dict[str, Any] = {"model": self.options.model, "file": ("speech.wav", file, "audio/wav")}
        if options.prompt:
            fields["prompt"] = options.prompt
        if timeout_s is not None:
            fields["timeout"] = timeout_s
        if options.task == "translate":
            translations: Any = self._client.audio.translations  # untyped: the overloads do not take a dict
            return await translations.create(**fields)
        if options.language:
            fields["language"] = options.language
        hints = {"keywords": list(options.keywords), "languages": list(options.languages)}
        fields["extra_body"] = {name: values for name, values in hints.items() if values}
        transcriptions: Any = self._client.audio.transcriptions
        return await transcriptions.create(**fields)
