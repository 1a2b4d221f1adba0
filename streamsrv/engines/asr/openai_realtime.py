"""Recognition by a Realtime server (`/v1/realtime?intent=transcription`): OpenAI, or another streamsrv.

Text comes while somebody speaks. Each session has one connection, opened with its first utterance and closed when
nobody has spoken for a while. Source: the OpenAI Realtime API reference. Another server needs an entry of its own:

    [[model]]
    name = "gpu-machine"
    kind = "recognizer"
    engine = "openai_realtime"
    key_variable = "GPU_MACHINE_KEY"
    options = { base_url = "https://voice.example.org/v1", model = "whisper-small", partials = true }
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException

from streamsrv.engines.asr.base import Abilities, RecognitionOptions, Transcript
from streamsrv.engines.asr.latest import LatestTranscript
from streamsrv.engines.asr.openai_realtime_exchange import GarbageError, RealtimeExchange, RealtimeUtterance
from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.openai_client import OPENAI_URL
from streamsrv.engines.options import read_options
from streamsrv.engines.provider_errors import without_keys
from streamsrv.engines.provider_socket import checked_key, open_socket, require_encryption
from streamsrv.errors import EngineError, Overloaded, Unavailable
from streamsrv.web_addresses import without_passwords

logger = logging.getLogger(__name__)

_CONNECT_S = 4.0
_SEND_S = 5.0
_MAX_EVENT_BYTES = 1_000_000
_MAX_LOSSES = 3
"""Connections in a row that may be lost or refused while utterances wait."""
_BACKOFF_S = 0.2


@dataclass(frozen=True, slots=True)
class RealtimeOptions:
    """Options of a catalogue entry with this engine."""

    model: str = ""
    """The server's name of the recogniser; empty: its default."""
    base_url: Annotated[str, Field(pattern=r"^https?://[^/\s@]+")] = OPENAI_URL
    """Address of the API, with its version: `https://voice.example.org/v1`."""
    languages: Sequence[str] = ()
    """ISO 639-1 codes of the languages that the model knows; empty: all."""
    prompt: bool = True
    """Whether the model takes a prompt."""
    hints: bool = False
    """Whether the model takes the fields `keywords` and `languages`."""
    partials: bool = False
    """Whether the server is a streamsrv, which is then asked for words that may still change."""
    final_deadline_s: Annotated[float, Field(gt=0)] = 10.0
    idle_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    """A connection is closed when nobody has spoken for so long; the next utterance opens another."""


OPTIONS = RealtimeOptions


def load(entry: ModelEntry, context: LoadContext) -> "RealtimeRecognizer":
    """Create the client, without a connection. Options: `RealtimeOptions`."""
    options, key = read_options(RealtimeOptions, entry), checked_key(entry, context)
    if key:
        require_encryption(entry.name, options.base_url)
    return RealtimeRecognizer(entry.name, options, key)


class RealtimeRecognizer:
    """An `asr.base.Recognizer` over the network."""

    def __init__(self, name: str, options: RealtimeOptions, api_key: str) -> None:
        self.name = name
        self.options = options
        self.abilities = Abilities(
            languages=frozenset(options.languages),
            detects_language=options.hints,
            prompt=options.prompt,
            keywords=options.hints,
            final_deadline_s=options.final_deadline_s,
        )
        self._api_key = api_key

    def connect(self) -> "RealtimeSession":
        """Begin a session. Its connection is opened with the first utterance."""
        return RealtimeSession(self)

    async def warm_up(self) -> None:
        """Connect once, so that a refused key is found when the server starts; raises `EngineError`."""
        await (await self.open_socket()).close()

    async def aclose(self) -> None:
        """Do nothing: connections belong to sessions."""

    async def open_socket(self) -> ClientConnection:
        """Connect; raises `EngineError`."""
        url = f"ws{self.options.base_url.removeprefix('http').rstrip('/')}/realtime?intent=transcription"
        if self.options.partials:
            url += "&streamsrv=transcription.partial"
        headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
        try:
            async with asyncio.timeout(_CONNECT_S):
                return await open_socket(url, headers, max_bytes=_MAX_EVENT_BYTES)
        except InvalidStatus as error:
            raise self._refusal(error) from error
        except (OSError, TimeoutError, InvalidHandshake, WebSocketException) as error:
            where = without_passwords(self.options.base_url)
            raise Unavailable(f"{self.name} cannot be reached at {where}.") from error

    def _refusal(self, error: InvalidStatus) -> EngineError:
        status, body = error.response.status_code, (error.response.body or b"")[:300].decode(errors="replace")
        message = f"{self.name} refused the connection with HTTP status {status}: {without_keys(body, self._api_key)}"
        if status in (429, 503):
            return Overloaded(message)
        return Unavailable(message, refuses_key=status in (401, 403))

    def lost(self, error: ConnectionClosed) -> Unavailable:
        """Return the error of a connection that was closed."""
        reason = error.rcvd.reason if error.rcvd is not None else ""
        return Unavailable(f"{self.name} broke the connection. {without_keys(reason, self._api_key)}".strip())


class RealtimeSession:
    """A `RecognitionSession`: an exchange, and the task that connects it."""

    def __init__(self, recognizer: RealtimeRecognizer) -> None:
        self.exchange = RealtimeExchange(recognizer.name, recognizer.options.model)
        self.wake = asyncio.Event()
        self._recognizer = recognizer
        self._serving: asyncio.Task[None] | None = None
        self._must_reconnect = False

    def open(self, options: RecognitionOptions) -> "RealtimeStream":
        """Start an utterance."""
        stream = RealtimeStream(self, options)
        self.exchange.open(stream.utterance)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve(), name=f"session-{self._recognizer.name}")
        return stream

    def drop(self, utterance: RealtimeUtterance) -> None:
        """Nobody wants the transcript of an utterance."""
        self._must_reconnect = self.exchange.drop(utterance) or self._must_reconnect
        self.wake.set()

    async def aclose(self) -> None:
        """End the connection."""
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)

    async def _serve(self) -> None:
        """Serve the utterances, until there was none for a while."""
        losses = completed = 0
        while True:
            try:
                if not await self._serve_once():
                    return
                losses = 0  # it was closed on purpose
            except EngineError as error:
                losses = losses + 1 if self.exchange.completed == completed else 1
                completed = self.exchange.completed
                is_lost = isinstance(error, Unavailable) and not error.refuses_key
                if not is_lost or losses >= _MAX_LOSSES:
                    self.exchange.fail(error)
                    return
                await asyncio.sleep(_BACKOFF_S * losses)
            except Exception:
                logger.exception("a session of %s failed", self._recognizer.name)
                self.exchange.fail(Unavailable(f"{self._recognizer.name} failed."))
                return

    async def _serve_once(self) -> bool:
        """Connect and serve; return whether utterances wait for another connection. Raises `EngineError`."""
        socket = await self._recognizer.open_socket()
        self.exchange.connected()
        self._must_reconnect = False
        receiving = asyncio.create_task(self._receive(socket), name=f"receiving-{self._recognizer.name}")
        receiving.add_done_callback(lambda _: self.wake.set())
        try:
            await self._send(socket, receiving)
            return not self.exchange.is_idle
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)
            with suppress(WebSocketException, OSError):
                await socket.close()

    async def _send(self, socket: ClientConnection, receiving: "asyncio.Task[None]") -> None:
        while not (receiving.done() or self._must_reconnect):
            if (event := self.exchange.next_event()) is not None:
                try:
                    async with asyncio.timeout(_SEND_S):
                        await socket.send(event)
                except ConnectionClosed as error:
                    await asyncio.wait([receiving])  # what it says about the reason comes first
                    raise self._recognizer.lost(error) from error
                except TimeoutError as error:
                    raise Unavailable(f"{self._recognizer.name} does not read what is sent.") from error
                continue
            try:
                async with asyncio.timeout(self._recognizer.options.idle_timeout_s if self.exchange.is_idle else None):
                    await self.wake.wait()
            except TimeoutError:
                return
            self.wake.clear()
        if receiving.done():
            receiving.result()

    async def _receive(self, socket: ClientConnection) -> None:
        try:
            async for message in socket:
                self.exchange.take(message)
                self.wake.set()
            raise Unavailable(f"{self._recognizer.name} ended the connection.")
        except ConnectionClosed as error:
            raise self._recognizer.lost(error) from error
        except GarbageError as error:
            raise Unavailable(f"{self._recognizer.name} sent what is no event of the Realtime protocol.") from error


class RealtimeStream:
    """A `RecognitionStream`: an utterance of a session."""

    def __init__(self, session: RealtimeSession, options: RecognitionOptions) -> None:
        self._session = session
        self._transcripts = LatestTranscript()
        self.utterance = RealtimeUtterance(options, self._give, self._transcripts.end)

    def push(self, pcm: NDArray[np.int16], *, speech: bool = True) -> None:
        """Take mono PCM at 16 kHz; ignored once the stream has ended."""
        if not (self.utterance.is_finished or self._transcripts.ended):
            self._session.exchange.push(self.utterance, pcm, speech=speech)
            self._session.wake.set()

    def finish(self) -> None:
        """End the audio: the server is told to transcribe it."""
        if not (self.utterance.is_finished or self._transcripts.ended):
            self._session.exchange.finish(self.utterance)
            self._session.wake.set()

    async def aclose(self) -> None:
        """Drop the stream."""
        self._transcripts.drop()
        self._session.drop(self.utterance)

    def __aiter__(self) -> AsyncIterator[Transcript]:
        return self._transcripts

    def _give(self, transcript: Transcript) -> None:
        self._transcripts.put(transcript)
        if transcript.is_final:
            self._transcripts.end()
