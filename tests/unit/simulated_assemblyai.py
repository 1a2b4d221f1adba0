"""A session with a simulated provider in virtual time: audio whose samples are the numbers of words.

It checks what `Exchange` decides. `tests/engines/assemblyai_server.py` speaks the protocol over a real connection.
"""

import json
import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamsrv.engines.asr.base import Transcript
from streamsrv.engines.asr.universal_streaming.exchange import ConnectionOver, Exchange, ExchangeLimits
from streamsrv.engines.asr.universal_streaming.protocol import Cause, Problem
from streamsrv.engines.asr.universal_streaming.utterance import WireUtterance
from streamsrv.errors import EngineError

STEP_MS = 16
FRAME_MS = 32
WORD_MS, GAP_MS = 240, 80
MIN_HEARD_MS = 60
"""A run of a word's samples of this length is recognised as the word."""


def speech(numbers: Iterable[int], pauses_ms: dict[int, int] | None = None) -> NDArray[np.int16]:
    """Audio of these words; after word `n` a pause of `pauses_ms[n]` follows."""
    pieces = [np.zeros(100 * 16, np.int16)]
    for number in numbers:
        gap_ms = (pauses_ms or {}).get(number, GAP_MS)
        pieces += [np.full(WORD_MS * 16, number, np.int16), np.zeros(gap_ms * 16, np.int16)]
    return np.concatenate(pieces)


def text_of(numbers: Iterable[int]) -> str:
    return " ".join(f"w{number}" for number in numbers)


@dataclass
class ProviderTraits:
    delay_ms: int = 200
    max_turn_silence_ms: int = 2000
    formats: bool = True
    answers_empty_turns: bool = False
    duplicates_finals: bool = False


class SimulatedProvider:
    """The server's end of one connection: gives its messages with the time at which they arrive."""

    def __init__(self, traits: ProviderTraits) -> None:
        self._traits = traits
        self._samples = 0
        self._runs: list[list[int]] = []  # of this turn: number, begin, end
        self._order = 0
        self._reported = 0
        self.sent: deque[tuple[float, str]] = deque()
        self.received: list[str] = []
        self.frames_ms: list[float] = []

    def receive(self, message: str | bytes, now_ms: float) -> None:
        if isinstance(message, bytes):
            self.frames_ms.append(len(message) / 32)
            self._hear(np.frombuffer(message, "<i2"), now_ms)
            return
        kind = json.loads(message)["type"]
        self.received.append(kind)
        if kind == "ForceEndpoint":
            self._end(now_ms)
        elif kind == "Terminate":
            self._end(now_ms)
            self._say({"type": "Termination"}, now_ms)

    def _hear(self, pcm: NDArray[np.int16], now_ms: float) -> None:
        for run in np.split(pcm, np.flatnonzero(np.diff(pcm)) + 1):
            number, begin, self._samples = int(run[0]), self._samples, self._samples + len(run)
            if number and self._runs and self._runs[-1][0] == number and self._runs[-1][2] == begin:
                self._runs[-1][2] = self._samples
            elif number:
                self._runs.append([number, begin, self._samples])
        words = self._words()
        silence_ms = (self._samples - self._runs[-1][2]) / 16 if self._runs else 0
        if words and silence_ms >= self._traits.max_turn_silence_ms:
            self._end(now_ms)
        elif len(words) != self._reported:
            self._reported = len(words)
            words[-1]["word_is_final"] = False
            self._turn(words, now_ms, is_end=False, is_formatted=False)

    def _end(self, now_ms: float) -> None:
        words = self._words()
        if words or self._traits.answers_empty_turns:
            for _ in range(2 if self._traits.duplicates_finals else 1):
                self._turn(words, now_ms, is_end=True, is_formatted=False)
            if self._traits.formats and words:
                self._turn(words, now_ms + 50, is_end=True, is_formatted=True)
            self._order += 1
        self._runs, self._reported = [], 0

    def _words(self) -> list[dict[str, object]]:
        return [
            {
                "text": f"w{number}",
                "start": round(begin / 16),
                "end": round(end / 16),
                "confidence": 0.9,
                "word_is_final": True,
            }
            for number, begin, end in self._runs
            if end - begin >= MIN_HEARD_MS * 16
        ]

    def _turn(self, words: list[dict[str, object]], now_ms: float, *, is_end: bool, is_formatted: bool) -> None:
        final = " ".join(str(word["text"]) for word in words if word["word_is_final"])
        turn = {"type": "Turn", "turn_order": self._order, "end_of_turn": is_end, "turn_is_formatted": is_formatted}
        text = {"transcript": final, "utterance": final if is_end else "", "end_of_turn_confidence": 0.5}
        self._say({**turn, **text, "words": [dict(word) for word in words]}, now_ms)

    def _say(self, message: dict[str, object], now_ms: float) -> None:
        self.sent.append((now_ms + self._traits.delay_ms, json.dumps(message)))


@dataclass
class Heard:
    """An utterance of the session and what became of it."""

    pcm: NDArray[np.int16]
    drops_after_ms: float | None = None
    transcripts: list[Transcript] = field(default_factory=list[Transcript])
    error: EngineError | None = None
    wire: WireUtterance | None = None

    @property
    def is_over(self) -> bool:
        return bool(
            self.error or self.drops_after_ms is not None or (self.transcripts and self.transcripts[-1].is_final)
        )

    @property
    def text(self) -> str:
        assert self.transcripts, self.error
        assert self.transcripts[-1].is_final
        return self.transcripts[-1].text


class SimulatedSession:
    """Says utterances one after the other in real time, `at_once` all of an utterance at its beginning."""

    def __init__(
        self, traits: ProviderTraits | None = None, limits: ExchangeLimits | None = None, seed: int = 0
    ) -> None:
        self.random = random.Random(seed)
        self.traits = traits or ProviderTraits()
        self.exchange = Exchange("provider", limits or ExchangeLimits(), self.random.random)
        self.now_ms = 0.0
        self.connections: list[SimulatedProvider] = []
        self.connect_ms = 100.0
        self.refuses: Problem | None = None
        self.kills_ms: deque[float] = deque()
        self.max_kept = 0
        self._provider: SimulatedProvider | None = None
        self._connecting_ms: float | None = None

    def say(self, *utterances: Heard, gap_ms: int = 300, at_once: bool = False, patience_ms: float = 60_000) -> None:
        """Run until all utterances are over, or `patience_ms` after the end of the speech."""
        for heard in utterances:
            heard.wire = WireUtterance(
                {"keyterms_prompt": ()}, heard.transcripts.append, lambda e, h=heard: _fail(h, e)
            )
            self.exchange.open(heard.wire)
            self._push(heard, at_once)
            self.exchange.finish(heard.wire)
            self.run(gap_ms)
        until_ms = self.now_ms + patience_ms
        while not all(heard.is_over for heard in utterances) and self.now_ms < until_ms:
            self.step()

    def run(self, ms: float) -> None:
        until_ms = self.now_ms + ms
        while self.now_ms < until_ms:
            self.step()

    def step(self) -> None:
        self.now_ms += STEP_MS
        self.max_kept = max(self.max_kept, self.exchange.kept)
        now_s = self.now_ms / 1000
        while self.kills_ms and self.kills_ms[0] <= self.now_ms:
            self.kills_ms.popleft()
            if self._provider is not None:
                self._lose(Problem(Cause.LOST, "broke the connection"))
        if self._provider is None:
            self._connect(now_s)
            return
        try:
            while (message := self.exchange.next_outgoing(now_s)) is not None:
                self._provider.receive(message, self.now_ms)
            while self._provider.sent and self._provider.sent[0][0] <= self.now_ms:
                self.exchange.take(self._provider.sent.popleft()[1], now_s)
        except ConnectionOver as over:
            self._lose(over.problem)

    def _push(self, heard: Heard, at_once: bool) -> None:
        assert heard.wire is not None
        for start in range(0, len(heard.pcm), FRAME_MS * 16):
            if heard.drops_after_ms is not None and start / 16 >= heard.drops_after_ms:
                self.exchange.drop(heard.wire)
                return
            frame = heard.pcm[start : start + FRAME_MS * 16]
            if not heard.error:
                heard.wire.push(frame, speech=bool(frame.any()))
                self.exchange.pushed(heard.wire)
            if not at_once:
                self.run(FRAME_MS)

    def _connect(self, now_s: float) -> None:
        wait_s = self.exchange.connect_in_s(now_s)
        if wait_s != 0:
            return
        self._connecting_ms = self.now_ms if self._connecting_ms is None else self._connecting_ms
        if self.now_ms - self._connecting_ms < self.connect_ms:
            return
        self._connecting_ms = None
        if self.refuses:
            self.exchange.lost(self.refuses, now_s)
            return
        self._provider = SimulatedProvider(self.traits)
        self.connections.append(self._provider)
        self.exchange.connected(now_s, dict(self.exchange.settings))

    def _lose(self, problem: Problem) -> None:
        self._provider = None
        self.exchange.lost(problem, self.now_ms / 1000)


def _fail(heard: Heard, error: EngineError) -> None:
    heard.error = error
