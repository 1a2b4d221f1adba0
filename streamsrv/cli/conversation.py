"""A Realtime client that speaks one recording in real time and listens to the reply."""

import asyncio
import base64
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from streamsrv.audio.rates import PCM_RATE_HZ

CHUNK_SAMPLES = PCM_RATE_HZ // 50
MIN_VOICED_LEVEL = 0.05
"""Level from which a chunk counts as voiced, relative to the loudest chunk of the recording."""

_encode = msgspec.json.Encoder().encode


class ConversationFailed(Exception):
    """The server could not be reached, refused the connection or reported an error."""


@dataclass(slots=True)
class Turn:
    """Both transcripts and the audio of the reply, mono at 24 kHz.

    `latency_ms`: from the last voiced chunk that was sent to the first audio of the reply; None without a reply.
    """

    said: str = ""
    reply: str = ""
    audio: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    latency_ms: float | None = None


async def converse(url: str, pcm: NDArray[np.int16], *, key: str = "", patience_s: float = 30.0) -> Turn:
    """Send mono 24 kHz PCM to the server in real time, then silence until the reply is complete.

    Raises `ConversationFailed`. After `patience_s` without a complete reply, returns what was heard so far.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with connect(url, additional_headers=headers, max_size=None, compression=None) as server:
            return await _Client(server, pcm, patience_s).run()
    except InvalidHandshake as error:
        raise ConversationFailed(f"{url} refused the connection: {error}") from error
    except (OSError, WebSocketException) as error:
        raise ConversationFailed(f"{url}: {error}; is the server running? (streamsrv serve)") from error


class _Client:
    def __init__(self, server: ClientConnection, pcm: NDArray[np.int16], patience_s: float) -> None:
        self._server = server
        self._pcm = pcm
        self._patience_s = patience_s
        self._turn = Turn()
        self._audio: list[bytes] = []
        self._last_voiced_s = 0.0

    async def run(self) -> Turn:
        await self._send({"type": "session.update", "session": _SESSION})
        microphone = asyncio.create_task(self._speak())
        try:
            async with asyncio.timeout(len(self._pcm) / PCM_RATE_HZ + self._patience_s):
                await self._listen()
        except TimeoutError:
            pass  # the turn holds what was heard so far
        finally:
            microphone.cancel()
            await asyncio.gather(microphone, return_exceptions=True)
        self._turn.audio = np.frombuffer(b"".join(self._audio), "<i2")
        return self._turn

    async def _speak(self) -> None:
        """Send the recording in real time, chunk by chunk, then silence until cancelled."""
        started, sent = time.monotonic(), 0
        chunks = np.pad(self._pcm, (0, -len(self._pcm) % CHUNK_SAMPLES)).reshape(-1, CHUNK_SAMPLES)
        levels = np.abs(chunks.astype(np.int32)).max(axis=1)
        voiced = levels > MIN_VOICED_LEVEL * max(int(levels.max(initial=1)), 1)
        last_voiced = int(np.flatnonzero(voiced)[-1]) if voiced.any() else -1
        silence = bytes(2 * CHUNK_SAMPLES)
        while True:
            await asyncio.sleep(max(0.0, started + sent * CHUNK_SAMPLES / PCM_RATE_HZ - time.monotonic()))
            audio = chunks[sent].astype("<i2").tobytes() if sent < len(chunks) else silence
            await self._send({"type": "input_audio_buffer.append", "audio": audio})
            if sent == last_voiced:
                self._last_voiced_s = time.monotonic()
            sent += 1

    async def _listen(self) -> None:
        """Read events until a reply that came after the end of the recording's speech is complete."""
        async for frame in self._server:
            event: dict[str, Any] = msgspec.json.decode(frame)
            match event["type"]:
                case "conversation.item.input_audio_transcription.completed":
                    self._turn.said = f"{self._turn.said} {event['transcript']}".strip()
                case "response.created":
                    self._turn.reply, self._audio, self._turn.latency_ms = "", [], None
                case "response.output_audio.delta":
                    self._hear(event)
                case "response.output_audio_transcript.done":
                    self._turn.reply = event["transcript"]
                case "response.done" if event["response"]["status"] != "cancelled":
                    self._check(event["response"])
                    if self._last_voiced_s:
                        return
                case "error":
                    raise ConversationFailed(f"the server reported an error: {event['error']['message']}")
                case _:
                    pass
        raise ConversationFailed("the server closed the connection before it answered")

    def _hear(self, event: dict[str, Any]) -> None:
        if self._turn.latency_ms is None and self._last_voiced_s:
            self._turn.latency_ms = (time.monotonic() - self._last_voiced_s) * 1000
        self._audio.append(base64.b64decode(event["delta"]))

    def _check(self, response: dict[str, Any]) -> None:
        if response["status"] == "failed":
            raise ConversationFailed(f"the reply failed: {response['status_details']['error']['message']}")

    async def _send(self, event: dict[str, Any]) -> None:
        await self._server.send(_encode(event).decode())


_SESSION: dict[str, Any] = {"type": "realtime", "audio": {"input": {"transcription": {}}}}
