"""Measures how many sessions a server serves at once, and how much the others slow the first one down.

    .venv/bin/python benchmarks/capacity.py ../shared/speech/manifest.jsonl [--json out.json]

Part one: simulated users say one sentence after the other, 0.8 s apart, to transcription sessions, without admission
control. The lag of a word is the time from its end in the audio (according to the final transcript) to the first
transcript, partial or final, with a word in its place. Sessions are added until the lag's 95th percentile exceeds a
second.

Part two, with admission by measured load as in `streamsrv serve`: the first session asks a spoken question every few
seconds. After a while alone, similar sessions join, one every few seconds, until the server refuses them; connection
attempts continue to the end. The benchmark compares the first session's latency in these three phases, from the last
voiced sample of a question to the first sample of the reply. All models are the embedded ones. Takes eight minutes.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import InvalidStatus

from live import RATE, machine, server, session
from streamsrv.audio.files import read_audio

LAG_LIMIT_MS = 1000.0
BETWEEN_S = 0.8
"""Seconds between two sentences."""
STEPS = (1, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48)
SETTLE_S, MEASURE_S = 4.0, 12.0
ALONE_S, FULL_S = 60.0, 90.0
JOIN_S = 4.0
"""Seconds from one new session to the next."""
MOST = 24
REFUSALS = 3
"""Refusals in a row after which the server counts as full."""
THINK_S = 2.5
"""Seconds of silence between a reply and the next question."""


@dataclass(frozen=True, slots=True)
class Question:
    pcm: NDArray[np.int16]
    end_s: float
    """Time of the last voiced sample."""


@dataclass(slots=True)
class Phase:
    """Latencies of the first session in one phase."""

    latencies_ms: list[float] = field(default_factory=list[float])
    unanswered: int = 0

    def to_json(self) -> dict[str, object]:
        if not self.latencies_ms:
            return {"turns": 0, "unanswered": self.unanswered}
        p50, p95 = (round(float(np.percentile(self.latencies_ms, percent))) for percent in (50, 95))
        return {"turns": len(self.latencies_ms), "unanswered": self.unanswered, "p50_ms": p50, "p95_ms": p95}


class Words:
    """Times at which the words of one session were first shown, by item and position."""

    def __init__(self, lags_ms: list[float]) -> None:
        self._lags_ms = lags_ms
        self._shown_s: defaultdict[str, list[float]] = defaultdict(list[float])

    def take(self, event: dict, audio_started_s: float) -> None:
        now_s = time.monotonic()
        match event["type"]:
            case "streamsrv.transcription.partial":
                self._show(event["item_id"], len(f"{event['stable']} {event['unstable']}".split()), now_s)
            case "conversation.item.input_audio_transcription.completed":
                words = event.get("streamsrv", {}).get("words", [])
                self._show(event["item_id"], len(words), now_s)
                for word, shown_s in zip(words, self._shown_s.pop(event["item_id"]), strict=False):
                    self._lags_ms.append((shown_s - audio_started_s - word["end"]) * 1000)

    def _show(self, item_id: str, count: int, now_s: float) -> None:
        shown = self._shown_s[item_id]
        shown += [now_s] * (count - len(shown))


async def transcribe(url: str, pcm: NDArray[np.int16], lags_ms: list[float]) -> None:
    """Speak until cancelled; record how late each word is shown."""
    audio = {"transcription": {}, "turn_detection": {"type": "server_vad"}}
    url = f"{url}?intent=transcription&streamsrv=transcription.partial"
    words = Words(lags_ms)
    async with session(url, type="transcription", audio={"input": audio}) as (socket, microphone):
        started_s = microphone.play(np.tile(pcm, 1 + round(600 * RATE / len(pcm))))
        async for frame in socket:
            words.take(json.loads(frame), started_s)


async def fill_with_speech(url: str, recordings: list[NDArray[np.int16]]) -> list[dict[str, object]]:
    steps: list[dict[str, object]] = []
    lags_ms: list[float] = []
    async with asyncio.TaskGroup() as tasks:
        running: list[asyncio.Task[None]] = []
        for count in STEPS:
            while len(running) < count:
                pcm = recordings[len(running) % len(recordings)]
                running.append(tasks.create_task(transcribe(url, pcm, lags_ms)))
            await asyncio.sleep(SETTLE_S)
            lags_ms.clear()
            await asyncio.sleep(MEASURE_S)
            if not lags_ms:
                raise SystemExit(f"No word was recognised in {MEASURE_S} s.")
            p50, p95 = (round(float(np.percentile(lags_ms, percent))) for percent in (50, 95))
            rate = round(len(lags_ms) / MEASURE_S / count, 2)
            steps.append({"sessions": count, "p50_ms": p50, "p95_ms": p95, "words_per_s": rate})
            print(f"{count:>4} speaking: words {p50:>7} ms late p50, {p95:>7} p95, {rate} a second each", flush=True)
            if p95 > LAG_LIMIT_MS:
                break
        for task in running:
            task.cancel()
    return steps


async def converse(url: str, questions: Iterator[Question], phases: "defaultdict[str, Phase]", now: "Now") -> None:
    """Ask, listen, pause and ask again until cancelled. Raises `InvalidStatus` if the server refuses the session."""
    options = {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}}
    async with session(url, **options) as (socket, microphone):
        for question in questions:
            ended_s = microphone.play(question.pcm) + question.end_s
            phase = phases[now.phase]
            try:
                async with asyncio.timeout(len(question.pcm) / RATE + 20):
                    phase.latencies_ms.append(await reply_latency_ms(socket, ended_s))
            except TimeoutError:
                phase.unanswered += 1
            await asyncio.sleep(THINK_S)


async def reply_latency_ms(socket: object, ended_s: float) -> float:
    """Measure from the end of a question to the first sample of its reply; return when the reply has been played."""
    began_s, spoken_s = None, 0.0
    async for frame in socket:  # type: ignore[attr-defined]
        event, now_s = json.loads(frame), time.monotonic()
        if event["type"] == "response.output_audio.delta":
            began_s = began_s or now_s
            spoken_s += len(event["delta"]) * 3 / 4 / 2 / RATE
        if event["type"] == "response.done" and began_s is not None:
            await asyncio.sleep(max(0.0, began_s + spoken_s - now_s))
            return (began_s - ended_s) * 1000
    raise RuntimeError("the server closed a session")


class Now:
    phase = "alone"


async def fill_with_conversations(url: str, questions: list[Question]) -> dict[str, object]:
    first: defaultdict[str, Phase] = defaultdict(Phase)
    others: defaultdict[str, Phase] = defaultdict(Phase)
    now = Now()
    refused = 0

    async def join(number: int) -> None:
        nonlocal refused
        try:
            await converse(url, itertools.cycle(questions[number % len(questions) :] + questions), others, now)
        except InvalidStatus as error:
            if error.response.status_code != 503:
                raise
            refused += 1

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(converse(url, itertools.cycle(questions), first, now))]
        await asyncio.sleep(ALONE_S)
        now.phase = "filling"
        while len(running) < MOST and refused < REFUSALS:
            running.append(tasks.create_task(join(len(running))))
            await asyncio.sleep(JOIN_S)
        now.phase = "full, others refused"
        admitted = sum(not task.done() for task in running)
        print(f"{admitted} sessions admitted, {refused} refused", flush=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FULL_S):
                while True:
                    running.append(tasks.create_task(join(len(running))))
                    await asyncio.sleep(JOIN_S / 4)
        now.phase = "end"
        for task in running:
            task.cancel()
    found = {
        "most_sessions": admitted,
        "refused": refused,
        "first": {name: phase.to_json() for name, phase in first.items()},
        "others": {name: phase.to_json() for name, phase in others.items()},
    }
    alone, full = (first[name].latencies_ms for name in ("alone", "full, others refused"))
    if alone and full:
        found["p50_full_to_alone"] = round(float(np.median(full) / np.median(alone)), 2)
    return found


def read(manifest: Path) -> tuple[list[Question], list[NDArray[np.int16]]]:
    """Return short questions and commands, and sentences in another order for each speaker."""
    entries = [json.loads(line) for line in manifest.read_text().splitlines()]
    english = [entry for entry in entries if entry["language"] == "en"]
    short = [e for e in english if e["kind"] == "command" and e["duration_s"] < 4 and "speech_end_s" in e][:8]
    spoken = [e for e in english if e["kind"] in ("conversational", "read") and 2 < e["duration_s"] < 6][:12]
    questions = [Question(read_audio(manifest.parent / e["audio"], RATE), e["speech_end_s"]) for e in short]
    pause = np.zeros(round(BETWEEN_S * RATE), np.int16)
    sentences = [np.concatenate([read_audio(manifest.parent / e["audio"], RATE), pause]) for e in spoken]
    return questions, [np.concatenate(sentences[start:] + sentences[:start]) for start in range(len(sentences))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    questions, recordings = read(options.manifest)
    with server(STREAMSRV_ADMIT_BY_LOAD="false") as url:
        steps = asyncio.run(fill_with_speech(url, recordings))
    with server() as url:
        filling = asyncio.run(fill_with_conversations(url, questions))
    within = [step["sessions"] for step in steps if float(str(step["p95_ms"])) <= LAG_LIMIT_MS]
    summary = {"speaking_sessions": max(map(int, map(str, within)), default=0), "conversations": filling, **machine()}
    print(json.dumps(summary, indent=1))
    if options.json:
        options.json.write_text(json.dumps({"summary": summary, "speaking": steps}, indent=1))


if __name__ == "__main__":
    main()
