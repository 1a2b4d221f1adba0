"""AssemblyAI's Universal-Streaming v3: a remote recogniser, with one connection for each session.

The provider charges for the time that a connection is open, so it is opened with the first utterance, and ended when
nobody has spoken for a while. It does not matter when it is lost: the audio that no ended turn covers is sent again.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.asr.base import Abilities, RecognitionOptions, Transcript
from streamsrv.engines.asr.latest import LatestTranscript
from streamsrv.engines.asr.universal_streaming.connection import StreamingConnection
from streamsrv.engines.asr.universal_streaming.exchange import ConnectionOver, Exchange, ExchangeLimits
from streamsrv.engines.asr.universal_streaming.protocol import (
    KEYTERMS,
    MAX_KEYTERM_CHARS,
    MAX_KEYTERMS,
    Cause,
    Problem,
    query,
)
from streamsrv.engines.asr.universal_streaming.utterance import WireUtterance
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.metering.base import Account, Consumption
from streamsrv.engines.observer import IGNORED, EngineObserver
from streamsrv.engines.options import read_options
from streamsrv.engines.provider_socket import checked_key, require_encryption
from streamsrv.errors import Rejected, Unavailable

logger = logging.getLogger(__name__)

LANGUAGES = {
    "universal-streaming-english": frozenset({"en"}),
    "universal-streaming-multilingual": frozenset({"en", "es", "fr", "de", "it", "pt"}),
}
"""What each model knows, by its name at the provider."""
_DEFAULT_MIN_TURN_SILENCE_MS = 400


@dataclass(frozen=True, slots=True)
class AssemblyAIOptions:
    """Options of a catalogue entry with this engine. Those of turns are the provider's own parameters."""

    speech_model: Literal["universal-streaming-english", "universal-streaming-multilingual"] = (
        "universal-streaming-multilingual"
    )
    base_url: Annotated[str, Field(pattern=r"^wss?://[^/\s?#@]+$")] = "wss://streaming.assemblyai.com"
    """`wss://streaming.eu.assemblyai.com` keeps the audio in the European Union."""
    format_turns: bool = True
    """Whether final text has punctuation and capitals. It comes a little later."""
    end_of_turn_confidence_threshold: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Above it the provider ends a turn by itself. With 1 it does not: streamsrv decides, and tells it."""
    min_turn_silence_ms: Annotated[int, Field(ge=0, le=10_000)] | None = None
    max_turn_silence_ms: Annotated[int, Field(ge=100, le=10_000)] = 2000
    """The provider ends a turn after so much silence."""
    vad_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    filter_profanity: bool = False
    idle_timeout_s: Annotated[float, Field(gt=0, le=3000)] = 60.0
    """A connection is ended when nobody has spoken for so long; the next utterance opens another."""
    stall_deadline_s: Annotated[float, Field(gt=0)] = 6.0
    """Seconds of speech without an answer after which another connection is tried."""
    final_deadline_s: Annotated[float, Field(gt=0)] = 8.0


OPTIONS = AssemblyAIOptions


def load(entry: ModelEntry, context: LoadContext) -> "AssemblyAIRecognizer":
    """Create the client, without a connection. Options: `AssemblyAIOptions`."""
    options = read_options(AssemblyAIOptions, entry)
    require_encryption(entry.name, options.base_url)
    return AssemblyAIRecognizer(entry.name, options, checked_key(entry, context))


class AssemblyAIRecognizer:
    """An `asr.base.Recognizer` over the network. It is `Observable`: it reports the time for which it was connected."""

    def __init__(self, name: str, options: AssemblyAIOptions, api_key: str) -> None:
        self.name = name
        languages = LANGUAGES[options.speech_model]
        self.abilities = Abilities(
            languages=languages,
            detects_language=len(languages) > 1,
            keywords=True,
            final_deadline_s=options.final_deadline_s,
            stall_deadline_s=options.stall_deadline_s,
        )
        self._options = options
        self._api_key = api_key
        self._observer: EngineObserver = IGNORED

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """Return nothing: it is made of no other models."""
        return {}

    def observe(self, observer: EngineObserver) -> None:
        """Report to `observer` from now on."""
        self._observer = observer

    def connect(self) -> "AssemblyAISession":
        """Begin a session. Its connection is opened with the first utterance."""
        return AssemblyAISession(self)

    async def warm_up(self) -> None:
        """Connect once, so that a refused key is found when the server starts; raises `EngineError`.

        A provider that cannot be reached, or has no capacity, may have both later: that is logged.
        """
        try:
            connection = await self.open_connection({})
        except ConnectionOver as over:
            error = self.exchange().error_of(over.problem)
            if over.problem.cause not in (Cause.LOST, Cause.OVERLOADED):
                raise error from over
            logger.warning("%s", error)
            return
        await self.end(connection)

    async def aclose(self) -> None:
        """Do nothing: connections belong to sessions."""

    def exchange(self) -> Exchange:
        """Return the state of a new session."""
        options = self._options
        by_itself = options.end_of_turn_confidence_threshold < 1
        min_silence_ms = options.min_turn_silence_ms or _DEFAULT_MIN_TURN_SILENCE_MS
        limits = ExchangeLimits(
            stall_s=options.stall_deadline_s,
            final_s=options.final_deadline_s,
            idle_s=options.idle_timeout_s,
            endpoint_silence_ms=min_silence_ms if by_itself else options.max_turn_silence_ms,
            formatted=options.format_turns,
        )
        return Exchange(self.name, limits, random.random)

    async def open_connection(self, settings: dict[str, tuple[str, ...]]) -> StreamingConnection:
        """Connect; raises `ConnectionOver`."""
        options = self._options
        parameters: dict[str, Any] = {
            "sample_rate": SPEECH_RATE_HZ,
            "encoding": "pcm_s16le",
            "speech_model": options.speech_model,
            "format_turns": options.format_turns,
            "end_of_turn_confidence_threshold": options.end_of_turn_confidence_threshold,
            "min_turn_silence": options.min_turn_silence_ms,
            "max_turn_silence": options.max_turn_silence_ms,
            "vad_threshold": options.vad_threshold,
            "filter_profanity": options.filter_profanity or None,
            "language_detection": self.abilities.detects_language or None,
            # The provider ends a session that this process has left behind, which it would charge for.
            "inactivity_timeout": min(3600, round(options.idle_timeout_s) + 90),
            **{name: values for name, values in settings.items() if values},
        }
        return await StreamingConnection.open(f"{options.base_url}/v3/ws?{query(parameters)}", self._api_key)

    async def end(self, connection: StreamingConnection, account: Account | None = None) -> None:
        """End a connection, and report how long it was open, which `account` pays for."""
        try:
            await connection.terminate()
        finally:
            self._observer.connected(self.name, connection.seconds)
            if account is not None:
                seconds = round(connection.seconds, 3)
                account.charge(Consumption("recognizer", self.name, (("connected_seconds", seconds),)))


class AssemblyAISession:
    """A `RecognitionSession`: an `Exchange`, and the task that connects it."""

    def __init__(self, recognizer: AssemblyAIRecognizer) -> None:
        self._recognizer = recognizer
        self._exchange = recognizer.exchange()
        self._known = recognizer.abilities.languages
        self._language = min(self._known) if len(self._known) == 1 else None
        self._wake = asyncio.Event()
        self._clock = asyncio.get_running_loop().time
        self._task: asyncio.Task[None] | None = None
        self._account: Account | None = None  # of the newest utterance: all are of one client
        self._ending: set[asyncio.Task[None]] = set()  # connections that are being ended, each for a few seconds

    def open(self, options: RecognitionOptions) -> "AssemblyAIStream":
        """Start an utterance; raises `Rejected` for options that the provider does not accept."""
        self._check(options)
        self._account = options.account
        stream = AssemblyAIStream(self, {KEYTERMS: options.keywords}, options.language or self._language)
        self._exchange.open(stream.utterance)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"session-{self._recognizer.name}")
        self._wake.set()
        return stream

    async def aclose(self) -> None:
        """End the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def push(self, utterance: WireUtterance, pcm: NDArray[np.int16], speech: bool) -> None:
        utterance.push(pcm, speech=speech)
        self._exchange.pushed(utterance)
        self._wake.set()

    def finish(self, utterance: WireUtterance) -> None:
        self._exchange.finish(utterance)
        self._wake.set()

    def heard(self, language: str | None) -> None:
        """An utterance was in this language, so the next one probably is, too."""
        self._language = language

    def drop(self, utterance: WireUtterance) -> None:
        self._exchange.drop(utterance)
        self._wake.set()

    def _check(self, options: RecognitionOptions) -> None:
        if options.languages and not self._known <= set(options.languages):
            raise Rejected(
                f"languages: {', '.join(options.languages)}: {self._recognizer.name} cannot be limited to some of its "
                f"languages; accepted: none, or all of {', '.join(sorted(self._known))}",
                code="invalid_value",
                param="languages",
            )
        wrong = [word for word in options.keywords if not 0 < len(word) <= MAX_KEYTERM_CHARS]
        if wrong or len(options.keywords) > MAX_KEYTERMS:
            what = repr(wrong[0]) if wrong else f"{len(options.keywords)} keywords"
            accepted = f"up to {MAX_KEYTERMS} keywords of 1 to {MAX_KEYTERM_CHARS} characters"
            raise Rejected(f"keywords: {what}; accepted: {accepted}", code="invalid_value", param="keywords")

    async def _run(self) -> None:
        try:
            while True:
                wait_s = self._exchange.connect_in_s(self._clock())
                if wait_s == 0:
                    await self._serve()
                else:
                    await self._wait(wait_s)
        except Exception:
            logger.exception("a session of %s failed", self._recognizer.name)
            self._exchange.abandon(Unavailable(f"{self._recognizer.name} failed."))

    async def _serve(self) -> None:
        """Connect, and serve the utterances until the connection is lost or ended."""
        settings = dict(self._exchange.settings)
        try:
            connection = await self._recognizer.open_connection(settings)
        except ConnectionOver as over:
            self._exchange.lost(over.problem, self._clock())
            return
        problem = Problem(Cause.LOST, "failed")
        self._exchange.connected(self._clock(), settings)
        receiving = asyncio.create_task(self._receive(connection), name=f"receiving-{self._recognizer.name}")
        receiving.add_done_callback(lambda _: self._wake.set())
        try:
            await self._send(connection, receiving)
        except ConnectionOver as over:
            problem = connection.safe(over.problem)
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)
            self._exchange.lost(problem, self._clock())
            ending = asyncio.create_task(
                self._recognizer.end(connection, self._account), name=f"ending-{self._recognizer.name}"
            )
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _send(self, connection: StreamingConnection, receiving: asyncio.Task[None]) -> None:
        while not receiving.done():
            message = self._exchange.next_outgoing(self._clock())
            if message is None:
                await self._wait(self._exchange.check_in_s(self._clock()))
            else:
                await connection.send(message)
        receiving.result()

    async def _receive(self, connection: StreamingConnection) -> None:
        while True:
            self._exchange.take(await connection.receive(), self._clock())
            self._wake.set()

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()


class AssemblyAIStream:
    """A `RecognitionStream`: an utterance of a session."""

    def __init__(self, session: AssemblyAISession, settings: dict[str, tuple[str, ...]], language: str | None) -> None:
        self._session = session
        self._transcripts = LatestTranscript()
        self.utterance = WireUtterance(settings, self._give, self._transcripts.end, language)

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        """Take mono PCM at 16 kHz; ignored once the stream has ended."""
        if not (self.utterance.finished or self._transcripts.ended):
            self._session.push(self.utterance, pcm, speech)

    def finish(self) -> None:
        """End the audio: the provider is told to end the turn."""
        if not (self.utterance.finished or self._transcripts.ended):
            self._session.finish(self.utterance)

    async def aclose(self) -> None:
        """Drop the stream."""
        self._transcripts.drop()
        self._session.drop(self.utterance)

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return self._transcripts

    def _give(self, transcript: Transcript) -> None:
        self._transcripts.put(transcript)
        if transcript.is_final:
            self._session.heard(transcript.language)
            self._transcripts.end()
