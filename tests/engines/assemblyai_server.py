"""A protocol server that speaks AssemblyAI's published v3 messages, for tests of its clients.

The words are real: each turn is recognised by a local engine, and ends as the parameters of the connection say. The
confidence of words is not real. What the provider publishes about parameters, frames, order of messages and codes is
enforced; faults happen when a test asks for them.
"""

import asyncio
import contextlib
import json
import re
from collections import deque
from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Event, Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from streamsrv.audio.pcm import level_dbfs
from streamsrv.engines.asr.base import RecognitionOptions, RecognitionStream, Recognizer, Transcript
from streamsrv.engines.asr.windows.utterance import estimate_words
from streamsrv.engines.asr.windows.window import Span

SPEECH_DBFS = -45
CHUNK = 512
PREROLL = 3200
MAX_LEAD_S = 310
KEY = "the-key-of-the-test"


@dataclass
class Faults:
    """What goes wrong. Lists are used up by one connection after the other."""

    http_status: deque[int] = field(default_factory=deque[int])
    """Handshakes are refused with these."""
    error_at_start: deque[tuple[int, str]] = field(default_factory=deque[tuple[int, str]])
    """In place of `Begin`: code and message."""
    closes_after_ms: deque[tuple[int, int | None]] = field(default_factory=deque[tuple[int, int | None]])
    """After so much audio: an `Error` and a close with this code, or, with None, a dropped connection."""
    garbage: str | bytes | None = None
    """Sent in place of the first turn of each connection."""
    stalls: bool = False
    """Audio is read, and nothing is answered."""
    held: asyncio.Event | None = None
    """Turns wait for it."""
    duplicates_finals: bool = False
    never_formats: bool = False


@dataclass
class Seen:
    """What a connection of a client was."""

    parameters: dict[str, str]
    headers: Mapping[str, str]
    frames_ms: list[float] = field(default_factory=list[float])
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def kinds(self) -> list[str]:
        return [message["type"] for message in self.messages]


class ProtocolError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class AssemblyAIServer:
    """Listens on a free port of loopback, and recognises with `recognizer`."""

    def __init__(self, recognizer: Recognizer) -> None:
        self.recognizer = recognizer
        self.url = ""
        self.faults = Faults()
        self.seen: list[Seen] = []
        self.audio_came = asyncio.Event()
        """Set when a connection has got audio of the first word."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[Self, None]:
        async with serve(self._serve, "127.0.0.1", 0, process_request=self._handshake) as server:
            self.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            yield self

    def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        if urlsplit(request.path).path != "/v3/ws":
            return connection.respond(HTTPStatus.NOT_FOUND, "no such path")
        if self.faults.http_status:
            return connection.respond(HTTPStatus(self.faults.http_status.popleft()), "refused")
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        query = parse_qs(urlsplit(socket.request.path).query, keep_blank_values=True)
        seen = Seen({name: values[-1] for name, values in query.items()}, dict(socket.request.headers.raw_items()))
        self.seen.append(seen)
        session = None
        try:
            if self.faults.error_at_start:
                raise ProtocolError(*self.faults.error_at_start.popleft())
            if KEY not in (seen.headers.get("Authorization"), seen.parameters.get("token")):
                raise ProtocolError(1008, "Unauthorized Connection: Invalid API key")
            session = ServedSession(self, socket, seen)
            await session.run()
        except ProtocolError as error:
            with contextlib.suppress(ConnectionClosed):
                await socket.send(json.dumps({"type": "Error", "error_code": error.code, "error": str(error)}))
                await socket.close(error.code, str(error)[:120])
        except ConnectionClosed:
            pass
        finally:
            if session is not None:
                await session.aclose()


@contextlib.contextmanager
def serving_in_a_thread(recognizer: Recognizer) -> Generator[AssemblyAIServer]:
    """Run a server on an event loop of its own."""
    server, loop, ready, stopping = AssemblyAIServer(recognizer), asyncio.new_event_loop(), Event(), asyncio.Event()

    async def run() -> None:
        async with server.running():
            ready.set()
            await stopping.wait()

    thread = Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert ready.wait(20), "the server did not start"
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(20)
        assert not thread.is_alive(), "the server did not stop"
        loop.close()


class ServedSession:
    """The session of one connection. Messages are handled one after the other."""

    def __init__(self, server: AssemblyAIServer, socket: ServerConnection, seen: Seen) -> None:
        self._server = server
        self._socket = socket
        self._seen = seen
        self._configuration = check_parameters(seen.parameters)
        self._recognition = server.recognizer.connect()
        self._samples = 0
        self._order = 0
        self._turn: ServedTurn | None = None
        self._preroll = np.zeros(0, np.int16)
        self._began_s = asyncio.get_running_loop().time()
        self._garbage = server.faults.garbage
        self._closing = server.faults.closes_after_ms.popleft() if server.faults.closes_after_ms else None

    async def run(self) -> None:
        await self._say({"type": "Begin", "id": "session", "expires_at": 1_900_000_000})
        inactivity = self._configuration.get("inactivity_timeout")
        while True:
            try:
                async with asyncio.timeout(inactivity):
                    message = await self._socket.recv()
            except TimeoutError as error:
                raise ProtocolError(4031, "Session idle for too long") from error
            if isinstance(message, bytes):
                await self._take_audio(message)
            elif await self._take_text(message):
                return

    async def aclose(self) -> None:
        if self._turn is not None:
            await self._turn.aclose()
        await self._recognition.aclose()

    async def _take_audio(self, message: bytes) -> None:
        ms = len(message) / 32
        self._seen.frames_ms.append(ms)
        if not 50 <= ms <= 1000:
            raise ProtocolError(3007, f"Input Duration Violation: {ms} ms. Expected between 50 and 1000 ms")
        pcm = np.frombuffer(message, "<i2")
        for start in range(0, len(pcm), CHUNK):
            await self._hear(pcm[start : start + CHUNK])
        elapsed_s = asyncio.get_running_loop().time() - self._began_s
        if self._samples / 16_000 - elapsed_s > MAX_LEAD_S:
            raise ProtocolError(3007, f"Audio Transmission Rate Exceeded: Received {self._samples / 16_000} sec. audio")

    async def _hear(self, chunk: NDArray[np.int16]) -> None:
        if self._closing is not None and self._samples >= self._closing[0] * 16:
            await self._fail_now(self._closing[1])
        is_speech = level_dbfs(chunk) > SPEECH_DBFS
        if self._turn is None and is_speech and not self._server.faults.stalls:
            self._turn = ServedTurn(self, self._recognition.open(RecognitionOptions(language="en")), self._samples)
            self._turn.push(self._preroll, is_speech=False, at=self._samples - len(self._preroll))
            self._server.audio_came.set()
        if self._turn is not None:
            self._turn.push(chunk, is_speech=is_speech, at=self._samples)
        self._samples += len(chunk)
        self._preroll = np.concatenate([self._preroll, chunk])[-PREROLL:]
        if self._turn is not None and self._turn.is_over(self._samples, self._configuration):
            await self._end_turn()

    async def _fail_now(self, code: int | None) -> None:
        if code is not None:
            raise ProtocolError(code, "See the documentation of this code")
        self._socket.transport.abort()
        await self._socket.wait_closed()
        await self._socket.recv()  # raises

    async def _take_text(self, text: str) -> bool:
        """Return whether the session is over."""
        try:
            message = json.loads(text)
        except ValueError as error:
            raise ProtocolError(3006, f"Invalid JSON: {text}") from error
        if not isinstance(message, dict):
            raise ProtocolError(3006, f"Invalid Message: {text}")
        self._seen.messages.append(message)
        match message.get("type"):
            case "ForceEndpoint":
                await self._end_turn()
            case "KeepAlive":
                pass
            case "UpdateConfiguration":
                given = {name: value for name, value in message.items() if name != "type"}
                self._configuration |= check_configuration(given)
            case "Terminate":
                await self._end_turn()
                seconds = round(self._samples / 16_000)
                await self._say(
                    {"type": "Termination", "audio_duration_seconds": seconds, "session_duration_seconds": 1}
                )
                await self._socket.close()
                return True
            case kind:
                raise ProtocolError(3006, f"Invalid Message Type: {kind}")
        return False

    async def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        self._preroll = np.zeros(0, np.int16)
        if turn is None:
            return
        final = await turn.end()
        if final.text:
            formats = self._configuration.get("format_turns") and not self._server.faults.never_formats
            copies = 2 if self._server.faults.duplicates_finals else 1
            for is_formatted in [False] * copies + ([True] * copies if formats else []):
                await self.say_turn(turn.message(final, is_end=True, is_formatted=is_formatted))
            self._order += 1

    async def say_turn(self, turn: dict[str, Any]) -> None:
        if self._server.faults.held is not None:
            await self._server.faults.held.wait()
        if self._garbage is not None:
            garbage, self._garbage = self._garbage, None
            await self._socket.send(garbage)
        language = {"language_code": "en", "language_confidence": 0.99} if turn["end_of_turn"] else {}
        detected = language if self._configuration.get("language_detection") else {}
        await self._say({"type": "Turn", "turn_order": self._order, **turn, **detected})

    async def _say(self, message: dict[str, Any]) -> None:
        await self._socket.send(json.dumps(message))


class ServedTurn:
    """A turn: an utterance of the local recogniser, whose transcripts become `Turn` messages."""

    def __init__(self, session: ServedSession, stream: RecognitionStream, began: int) -> None:
        self._session = session
        self._stream = stream
        self._began = began
        self._speech: list[Span] = []
        self._last_speech = began
        self._emitted: tuple[str, ...] = ()  # final words, which are never taken back
        self._confidence = 0.0
        self._reading = asyncio.create_task(self._read())

    def push(self, pcm: NDArray[np.int16], *, is_speech: bool, at: int) -> None:
        self._began = min(self._began, at)
        self._stream.push(pcm, speech=is_speech)
        if is_speech:
            span = Span(at // 16, (at + len(pcm)) // 16)
            if self._speech and self._speech[-1].end_ms >= span.start_ms:
                span = Span(self._speech.pop().start_ms, span.end_ms)
            self._speech.append(span)
            self._last_speech = at + len(pcm)
            self._confidence = 0.0

    def is_over(self, samples: int, configuration: Mapping[str, Any]) -> bool:
        silence_ms = (samples - self._last_speech) / 16
        is_sure = self._confidence >= configuration.get("end_of_turn_confidence_threshold", 0.4)
        confident_ms = configuration.get("min_turn_silence", 400)
        return silence_ms >= (confident_ms if is_sure else configuration.get("max_turn_silence", 1280))

    async def end(self) -> Transcript:
        self._stream.finish()
        final = await self._reading
        await self._stream.aclose()
        return final

    async def aclose(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._stream.aclose()

    def message(self, transcript: Transcript, *, is_end: bool, is_formatted: bool = False) -> dict[str, Any]:
        """The fields of a `Turn`."""
        text = transcript.text if is_formatted else plain(transcript.text)
        final = tuple(text.split()) if is_end or transcript.at_pause else tuple(plain(transcript.stable).split())
        if not is_end:
            final = (*self._emitted, *final[len(self._emitted) :])
            self._emitted = final
        tentative = tuple(plain(transcript.tentative).split())[: 0 if is_end or transcript.at_pause else 1]
        timed = transcript.words if len(transcript.words) == len(final) else ()
        shift_ms = self._began // 16
        times = [(word.start_ms + shift_ms, word.end_ms + shift_ms) for word in timed] or [
            (word.start_ms, word.end_ms) for word in estimate_words([*final, *tentative], self._speech)
        ]
        return {
            "turn_is_formatted": is_formatted,
            "end_of_turn": is_end,
            "transcript": " ".join(final),
            "utterance": " ".join(final) if is_end or transcript.at_pause else "",
            "end_of_turn_confidence": self._confidence,
            "words": [
                {"text": word, "start": start, "end": end, "confidence": 0.9, "word_is_final": index < len(final)}
                for index, (word, (start, end)) in enumerate(zip([*final, *tentative], times, strict=True))
            ],
        }

    async def _read(self) -> Transcript:
        async for transcript in self._stream:
            self._confidence = confidence_of(transcript)
            if transcript.is_final:
                return transcript
            if transcript.text:
                await self._session.say_turn(self.message(transcript, is_end=False))
        raise AssertionError("the local recogniser gave no final transcript")


def plain(text: str) -> str:
    """The text as an unformatted turn has it."""
    return re.sub(r"[^\w' ]", "", text.lower().replace("-", " "))


def confidence_of(transcript: Transcript) -> float:
    """How sure the server is that the speaker is done, from the words."""
    if not transcript.at_pause:
        return 0.01
    return 0.9 if transcript.text.endswith(("?", "!")) else 0.05 if transcript.text.endswith(",") else 0.3


def check_parameters(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of the query; raises `ProtocolError`. As published, unknown names are ignored."""
    read: dict[str, Any] = {}
    for name, value in given.items():
        if name in ("format_turns", "language_detection", "filter_profanity"):
            if value.lower() not in ("true", "false"):
                raise ProtocolError(3006, f"{name}: {value}")
            read[name] = value.lower() == "true"
        elif name not in ("token", "encoding", "speech_model"):
            with contextlib.suppress(ValueError):
                read[name] = json.loads(value)
    if read.get("sample_rate") != 16_000:
        raise ProtocolError(3006, "sample_rate: this server knows 16000 only")
    if given.get("encoding", "pcm_s16le") != "pcm_s16le":
        raise ProtocolError(3006, "encoding: this server knows pcm_s16le only")
    if given.get("speech_model") not in ("universal-streaming-english", "universal-streaming-multilingual"):
        raise ProtocolError(3006, f"speech_model: {given.get('speech_model')}")
    if not 5 <= read.get("inactivity_timeout", 5) <= 3600:
        raise ProtocolError(3006, "inactivity_timeout: must be between 5 and 3600")
    return check_configuration(read)


def check_configuration(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters that may change in a session; raises `ProtocolError`."""
    for name, lowest, highest in (
        ("end_of_turn_confidence_threshold", 0, 1),
        ("vad_threshold", 0, 1),
        ("min_turn_silence", 0, 60_000),
        ("max_turn_silence", 0, 60_000),
    ):
        value = given.get(name, lowest)
        if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
            raise ProtocolError(3006, f"{name}: {value}")
    keyterms = given.get("keyterms_prompt", [])
    if not isinstance(keyterms, list) or len(keyterms) > 100 or any(len(str(term)) > 50 for term in keyterms):
        raise ProtocolError(3006, "keyterms_prompt: at most 100 terms of 50 characters")
    return dict(given)
