"""Many paced microphones on one thread: WebSocket clients that send frames prepared beforehand and time answers.

Raw sockets and one poll loop, because the load must not cost more than what it measures: a chunk costs one system call.
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
PROBE_S = 1.0
"""How often each session asks for an answer, behind its audio."""
_MASK = b"\x5a\xa5\x3c\xc3"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one server is spoken to: what opens a session, its chunks, the question behind one, what the answer holds."""

    path: str
    opening: tuple[bytes, ...]
    recordings: tuple[tuple[bytes, ...], ...]
    """WebSocket frames of 20 ms each; sessions take turns with the recordings and play theirs in a circle."""
    probe: bytes
    answer: bytes


@dataclass(slots=True)
class Window:
    """What was seen while measuring; ms."""

    lags_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    """How late the chunks were sent: what the client itself adds."""
    unanswered: int = 0
    lost: int = 0
    """Sessions that the server closed or that took no more bytes."""

    @property
    def p50_ms(self) -> float:
        return float(np.percentile(self.lags_ms, 50)) if self.lags_ms else float("inf")

    @property
    def p99_ms(self) -> float:
        """Infinite when a session was lost."""
        return float(np.percentile(self.lags_ms, 99)) if self.lags_ms and not self.lost else float("inf")


class _Microphone:
    def __init__(self, port: int, dialect: Dialect, number: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.frames = dialect.recordings[number % len(dialect.recordings)]
        self.next_frame = number * 7919 % len(self.frames)  # sessions of one recording are far apart in it
        self.chunks_to_probe = number * 13 % round(PROBE_S / CHUNK_S)
        self.asked_s: float | None = None
        self._upgrade(dialect)
        self.socket.setblocking(False)

    def _upgrade(self, dialect: Dialect) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {dialect.path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
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


class Microphones:
    """Sessions that speak at real time. `grow` adds some, `measure` runs them."""

    def __init__(self, port: int, dialect: Dialect) -> None:
        self._port = port
        self._dialect = dialect
        self._all: list[_Microphone] = []
        self._by_file: dict[int, _Microphone] = {}
        self._poll = select.epoll()

    def grow(self, count: int) -> None:
        """Connect until there are `count` sessions, while those there are go on speaking."""
        while len(self._all) < count:
            microphone = _Microphone(self._port, self._dialect, len(self._all))
            self._all.append(microphone)
            self._by_file[microphone.socket.fileno()] = microphone
            self._poll.register(microphone.socket, select.EPOLLIN)
            if len(self._all) % 10 == 0:
                self.run(0.1, Window())

    def measure(self, settle_s: float, measure_s: float) -> Window:
        """Speak; what happens after `settle_s` counts."""
        self.run(settle_s, Window())
        window = Window()
        self.run(measure_s, window)
        waiting = [microphone.asked_s for microphone in self._all if microphone.asked_s is not None]
        overdue = [time.monotonic() - asked_s for asked_s in waiting if time.monotonic() - asked_s > CHUNK_S]
        window.unanswered = len(overdue)
        window.lags_ms += [seconds * 1000 for seconds in overdue]
        window.lost = len(self._all) - len(self._by_file)
        return window

    def run(self, seconds: float, window: Window) -> None:
        """Speak for a while. Chunks of all sessions are spread evenly over each 20 ms."""
        interval_s = CHUNK_S / len(self._all)
        started_s = time.monotonic()
        sent = 0
        while (now_s := time.monotonic()) - started_s < seconds:
            while sent * interval_s <= now_s - started_s:
                self._speak(self._all[sent % len(self._all)], window)
                window.late_ms.append((now_s - started_s - sent * interval_s) * 1000)
                sent += 1
            self._listen(window)

    def _speak(self, microphone: _Microphone, window: Window) -> None:
        frame = microphone.frames[microphone.next_frame]
        microphone.next_frame = (microphone.next_frame + 1) % len(microphone.frames)
        microphone.chunks_to_probe -= 1
        if microphone.chunks_to_probe <= 0 and microphone.asked_s is None:
            microphone.chunks_to_probe = round(PROBE_S / CHUNK_S)
            microphone.asked_s = time.monotonic()
            frame += self._dialect.probe
        try:
            if microphone.socket.send(frame) < len(frame):
                self._lose(microphone)
        except OSError:
            self._lose(microphone)

    def _listen(self, window: Window) -> None:
        for file, _ in self._poll.poll(0.001):
            microphone = self._by_file.get(file)
            if microphone is None:
                continue
            try:
                heard = microphone.socket.recv(1 << 20)
            except OSError:
                heard = b""
            if not heard:
                self._lose(microphone)
            elif microphone.asked_s is not None and self._dialect.answer in heard:
                window.lags_ms.append((time.monotonic() - microphone.asked_s) * 1000)
                microphone.asked_s = None

    def _lose(self, microphone: _Microphone) -> None:
        if self._by_file.pop(microphone.socket.fileno(), None) is not None:
            self._poll.unregister(microphone.socket)
            microphone.socket.close()

    def close(self) -> None:
        """Hang up without a word, as a killed client does."""
        for microphone in self._all:
            microphone.socket.close()
        self._poll.close()


def text_frame(event: dict[str, object]) -> bytes:
    """A JSON event as a masked WebSocket text frame."""
    return _client_frame(1, json.dumps(event).encode())


def binary_frame(payload: bytes) -> bytes:
    """A masked WebSocket binary frame."""
    return _client_frame(2, payload)


def chunks(pcm: NDArray[np.int16], rate: int) -> list[bytes]:
    """Cut mono audio at `rate` Hz into chunks of 20 ms."""
    step = round(rate * CHUNK_S)
    return [pcm[start : start + step].astype("<i2").tobytes() for start in range(0, len(pcm) - step + 1, step)]


def _client_frame(opcode: int, payload: bytes) -> bytes:
    """RFC 6455, section 5.2."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
    if size > 0xFFFF:
        length = b"\xff" + size.to_bytes(8)
    mask = np.frombuffer((_MASK * (size // 4 + 1))[:size], np.uint8)
    masked = (np.frombuffer(payload, np.uint8) ^ mask).tobytes()
    return bytes([0x80 | opcode]) + length + _MASK + masked
