"""A Realtime client that speaks one recording in real time and listens to the replies."""

import asyncio
import base64
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from streamsrv.audio.rates import PCM_RATE_HZ
from streamsrv.cli.turns import Turns
from streamsrv.conformance.reaching import explain
from streamsrv.conformance.session import Target

CHUNK_SAMPLES = PCM_RATE_HZ // 50
CHUNK_S = CHUNK_SAMPLES / PCM_RATE_HZ
TRAIL_CHUNKS = 25
"""Chunks of silence after the recording before the server is asked whether all is said: a detector may notice the last
words that late."""
VOICED_SHARE = 0.3
"""Where between the level of the background (0) and that of speech (1) a chunk counts as voiced."""

_encode = msgspec.json.Encoder().encode


class ConversationFailed(Exception):
    """The server could not be reached, refused the connection or reported an error."""


@dataclass(slots=True)
class Heard:
    """The words of the recording; the words and the audio of all replies that were not interrupted, mono at 24 kHz.

    `latency_ms`: from the last voiced chunk that was sent to the first audio of the last reply; None without one.
    `complete`: the conversation ended within the patience of the caller.
    """

    said: str = ""
    reply: str = ""
    audio: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    latency_ms: float | None = None
    complete: bool = False


@dataclass(slots=True)
class _Reply:
    text: list[str] = field(default_factory=list[str])
    audio: list[bytes] = field(default_factory=list[bytes])
    latency_ms: float | None = None


async def converse(target: Target, pcm: NDArray[np.int16]) -> Heard:
    """Send mono 24 kHz PCM to the server in real time, then silence until nothing that was said awaits an answer.

    Raises `ConversationFailed`. After the target's patience, counted from the end of the recording, returns what was
    heard so far.
    """
    headers = {"Authorization": f"Bearer {target.key}"} if target.key else {}
    try:
        async with connect(target.address(), additional_headers=headers, max_size=None, compression=None) as server:
            return await _Client(server, pcm, target.patience_s).run()
    except (OSError, WebSocketException) as error:
        raise ConversationFailed(explain(error, target.url)) from error


class _Client:
    def __init__(self, server: ClientConnection, pcm: NDArray[np.int16], patience_s: float) -> None:
        self._server = server
        self._pcm = pcm
        self._patience_s = patience_s
        self._turns = Turns()
        self._said: list[str] = []
        self._replies: dict[str, _Reply] = {}
        self._last_voiced_s = 0.0
        self._all_sent = False
        self._updates_sent = self._updates_taken = 0
        self._asked = False

    async def run(self) -> Heard:
        await self._update(_SESSION)
        microphone = asyncio.create_task(self._speak())
        heard = Heard()
        try:
            async with asyncio.timeout(len(self._pcm) / PCM_RATE_HZ + self._patience_s):
                await self._listen()
            heard.complete = True
        except TimeoutError:
            pass  # the replies hold what was heard so far
        finally:
            microphone.cancel()
            await asyncio.gather(microphone, return_exceptions=True)
        replies = self._replies.values()
        heard.said = " ".join(filter(None, self._said))
        heard.reply = " ".join(text for reply in replies for text in reply.text)
        heard.audio = np.frombuffer(b"".join(audio for reply in replies for audio in reply.audio), "<i2")
        heard.latency_ms = next((r.latency_ms for r in reversed(replies) if r.latency_ms is not None), None)
        return heard

    async def _speak(self) -> None:
        """Send the recording in real time, chunk by chunk, then silence until cancelled."""
        started_s = time.monotonic()
        chunks = np.pad(self._pcm, (0, -len(self._pcm) % CHUNK_SAMPLES)).reshape(-1, CHUNK_SAMPLES)
        voiced = _voiced(chunks)
        silence = bytes(2 * CHUNK_SAMPLES)
        sent = 0
        while True:
            await asyncio.sleep(max(0.0, started_s + sent * CHUNK_S - time.monotonic()))
            audio = chunks[sent].astype("<i2").tobytes() if sent < len(chunks) else silence
            await self._send({"type": "input_audio_buffer.append", "audio": audio})
            if sent < len(chunks) and voiced[sent]:
                self._last_voiced_s = time.monotonic()
            sent += 1
            if sent == len(chunks) + TRAIL_CHUNKS:
                self._all_sent = True
                await self._ask_whether_all_is_said()

    async def _listen(self) -> None:
        """Read events until the recording is sent and nothing that was said awaits an answer."""
        async for frame in self._server:
            event = _read(frame)
            try:
                self._turns.take(event)
                self._take(event)
            except (KeyError, TypeError) as error:
                raise ConversationFailed(f"An event {event['type']} of the server lacks a field: {error}.") from error
            if self._turns.are_open:
                self._asked = False
            elif self._asked and self._updates_taken == self._updates_sent:
                return
            await self._ask_whether_all_is_said()
        reason = self._server.close_reason or f"code {self._server.close_code}"
        raise ConversationFailed(f"The server closed the connection before it answered: {reason}")

    async def _ask_whether_all_is_said(self) -> None:
        """Have the server confirm an event behind all audio: it has then heard everything, and said what follows."""
        if self._all_sent and not self._asked and not self._turns.are_open:
            self._asked = True
            await self._update({"type": "realtime"})

    def _take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "session.updated":
                self._updates_taken += 1
            case "conversation.item.input_audio_transcription.completed":
                self._said.append(event["transcript"].strip())
            case "response.created":
                self._replies[event["response"]["id"]] = _Reply()
            case "response.output_audio.delta":
                self._hear(self._replies[event["response_id"]], event["delta"])
            case "response.output_audio_transcript.done":
                self._replies[event["response_id"]].text.append(event["transcript"])
            case "response.output_text.done":
                self._replies[event["response_id"]].text.append(event["text"])
            case "response.done":
                self._finish(event["response"])
            case "error":
                raise ConversationFailed(f"The server reported an error: {event['error']['message']}")
            case _:
                pass

    def _hear(self, reply: _Reply, delta: str) -> None:
        if reply.latency_ms is None and self._last_voiced_s:
            reply.latency_ms = (time.monotonic() - self._last_voiced_s) * 1000
        reply.audio.append(base64.b64decode(delta))

    def _finish(self, response: dict[str, Any]) -> None:
        if response["status"] == "failed":
            raise ConversationFailed(f"The reply failed: {response['status_details']['error']['message']}")
        if response["status"] == "cancelled":  # the recording went on, so the reply was cut off
            self._replies.pop(response["id"], None)

    async def _update(self, session: dict[str, Any]) -> None:
        self._updates_sent += 1
        await self._send({"type": "session.update", "session": session})

    async def _send(self, event: dict[str, Any]) -> None:
        await self._server.send(_encode(event).decode())


def _voiced(chunks: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Whether each row of samples is louder than the background of the recording."""
    levels = np.sqrt((chunks.astype(np.float64) ** 2).mean(axis=1))
    background, speech = np.percentile(levels, (10, 95)) if len(levels) else (0.0, 0.0)
    return levels > background + VOICED_SHARE * (speech - background)


def _read(frame: str | bytes) -> dict[str, Any]:
    try:
        event = msgspec.json.decode(frame, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ConversationFailed(f"This is no Realtime server: it sent {frame[:60]!r}.") from error
    return {"type": "", **event}


_SESSION: dict[str, Any] = {"type": "realtime", "audio": {"input": {"transcription": {}}}}
