"""Runs many paced microphones on one thread: WebSocket clients that send prepared frames and time responses.

Uses raw sockets and one poll loop, so that the load costs less than the server: a chunk takes one system call.
"""

import base64
import json
import os
import select
import socket
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

CHUNK_S = 0.02
PROBE_CHUNKS = 50
"""Chunks from one request of a session to the next: one request a second."""
_MASK = b"\x5a\xa5\x3c\xc3"
_PING = b"\x89\x04"
"""Header of a ping of uvicorn, which ends a session that does not answer it. JSON never contains these bytes."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """The messages of a protocol: WebSocket frames, and `answer`, bytes that only the response to `probe` contains."""

    path: str
    opening: tuple[bytes, ...]
    recordings: tuple[tuple[bytes, ...], ...]
    """Recordings as chunks of 20 ms. Sessions use them in turn, and each repeats its recording."""
    probe: bytes
    answer: bytes


@dataclass(slots=True)
class Window:
    """The results of one measurement."""

    lags_ms: list[float] = field(default_factory=list[float])
    """Time from each request to its response."""
    late_ms: list[float] = field(default_factory=list[float])
    """Delay of each sent chunk, which the client itself adds."""
    lost: int = 0
    """Sessions that the server closed, or that took no more bytes."""

    @property
    def p50_ms(self) -> float:
        return float(np.percentile(self.lags_ms, 50)) if self.lags_ms else float("inf")

    @property
    def p99_ms(self) -> float:
        """99th percentile of the lag; infinite if a session was lost."""
        return float(np.percentile(self.lags_ms, 99)) if self.lags_ms and not self.lost else float("inf")


class _Microphone:
    def __init__(self, port: int, dialect: Dialect, number: int) -> None:
        self.frames = dialect.recordings[number % len(dialect.recordings)]
        self.next_frame = number * 7919 % len(self.frames)  # sessions of one recording start far apart in it
        self.chunks_to_probe = 1 + number * 13 % PROBE_CHUNKS
        self.asked_s: float | None = None
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._upgrade(dialect)
        self.socket.setblocking(False)

    def _upgrade(self, dialect: Dialect) -> None:
        lines = [
            f"GET {dialect.path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
        ]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.socket.recv(4096) or b"\r\n\r\n"
        if b" 101 " not in answer.split(b"\r\n")[0]:
            raise SystemExit(f"The server refused a session: {answer[:200]!r}")
        for frame in dialect.opening:
            self.socket.sendall(frame)

    def take_frame(self) -> bytes:
        """Return the next chunk of audio."""
        frame = self.frames[self.next_frame]
        self.next_frame = (self.next_frame + 1) % len(self.frames)
        self.chunks_to_probe -= 1
        return frame


class Microphones:
    """Sessions that send audio in real time."""

    def __init__(self, port: int, dialect: Dialect) -> None:
        self._port = port
        self._dialect = dialect
        self._all: list[_Microphone] = []
        self._open: dict[int, _Microphone] = {}
        self._poll = select.epoll()

    def grow(self, count: int) -> None:
        """Connect until there are `count` sessions; connected ones continue to send."""
        while len(self._all) < count:
            microphone = _Microphone(self._port, self._dialect, len(self._all))
            self._all.append(microphone)
            self._open[microphone.socket.fileno()] = microphone
            self._poll.register(microphone.socket, select.EPOLLIN)
            if len(self._all) % 10 == 0:
                self.run(0.1, Window())

    def measure(self, seconds: float) -> Window:
        """Measure from now on. Requests without a response at the end count with their age."""
        window = Window()
        self.run(seconds, window)
        now_s = time.monotonic()
        ages_s = [now_s - microphone.asked_s for microphone in self._all if microphone.asked_s is not None]
        window.lags_ms += [1000 * age_s for age_s in ages_s if age_s > CHUNK_S]
        window.lost = len(self._all) - len(self._open)
        return window

    def run(self, seconds: float, window: Window) -> None:
        """Send for `seconds`. The chunks of all sessions are spread evenly over each 20 ms."""
        interval_s = CHUNK_S / len(self._all)
        started_s = time.monotonic()
        sent = 0
        while (passed_s := time.monotonic() - started_s) < seconds:
            while sent * interval_s <= passed_s:
                window.late_ms.append((passed_s - sent * interval_s) * 1000)
                self._send(self._all[sent % len(self._all)])
                sent += 1
            self._receive(window)

    def _send(self, microphone: _Microphone) -> None:
        frame = microphone.take_frame()
        if microphone.chunks_to_probe <= 0 and microphone.asked_s is None:
            microphone.chunks_to_probe = PROBE_CHUNKS
            microphone.asked_s = time.monotonic()
            frame += self._dialect.probe
        try:
            if microphone.socket.send(frame) < len(frame):
                self._lose(microphone)
        except OSError:
            self._lose(microphone)

    def _receive(self, window: Window) -> None:
        for file, _ in self._poll.poll(0.001):
            microphone = self._open[file]
            try:
                heard = microphone.socket.recv(1 << 20)
            except OSError:
                heard = b""
            if not heard:
                self._lose(microphone)
                continue
            if (ping := heard.find(_PING)) >= 0:
                microphone.socket.send(_client_frame(10, heard[ping + len(_PING) :][:4]))
            if microphone.asked_s is not None and self._dialect.answer in heard:
                window.lags_ms.append((time.monotonic() - microphone.asked_s) * 1000)
                microphone.asked_s = None

    def _lose(self, microphone: _Microphone) -> None:
        if self._open.pop(microphone.socket.fileno(), None) is not None:
            self._poll.unregister(microphone.socket)
            microphone.socket.close()

    def close(self) -> None:
        """Close the sockets without a closing handshake, as a killed client does."""
        for microphone in self._all:
            microphone.socket.close()
        self._poll.close()


def text_frame(event: dict[str, object]) -> bytes:
    """Return a JSON event as a masked WebSocket text frame."""
    return _client_frame(1, json.dumps(event).encode())


def binary_frame(payload: bytes) -> bytes:
    """Return a masked WebSocket binary frame."""
    return _client_frame(2, payload)


def chunks(pcm: NDArray[np.int16], rate: int) -> list[bytes]:
    """Cut mono audio at `rate` Hz into chunks of 20 ms; the remainder is dropped."""
    step = round(rate * CHUNK_S)
    return [pcm[start : start + step].astype("<i2").tobytes() for start in range(0, len(pcm) - step + 1, step)]


def _client_frame(opcode: int, payload: bytes) -> bytes:
    """Return a masked frame of up to 64 KiB (RFC 6455, section 5.2)."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
    mask = np.resize(np.frombuffer(_MASK, np.uint8), size)
    return bytes([0x80 | opcode]) + length + _MASK + (np.frombuffer(payload, np.uint8) ^ mask).tobytes()
