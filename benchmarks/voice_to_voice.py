"""How long after the last voiced sample of a recorded question the first sample of the reply reaches the client.

    .venv/bin/python benchmarks/voice_to_voice.py ../shared/speech/manifest.jsonl [--limit 12] [--json out.json]

Starts a server with the embedded models, speaks each recording to it in real time over a WebSocket, in a session of its
own, and prints the stages. A recording's last voiced sample is `speech_end_s` of the manifest.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import connect

from streamsrv.audio.files import read_audio

RATE = 24_000
CHUNK = RATE // 50
STAGES = {
    "input_audio_buffer.speech_stopped": "turn_ended_ms",
    "conversation.item.input_audio_transcription.completed": "transcript_ms",
    "response.output_item.added": "first_token_ms",
    "response.output_audio.delta": "first_audio_ms",
}


@dataclass
class Turn:
    """Stages in ms after the last voiced sample; `cut_off`: a turn was ended before the speaker was done."""

    id: str
    said: str = ""
    reply: str = ""
    turn_ended_ms: float | None = None
    transcript_ms: float | None = None
    first_token_ms: float | None = None
    first_audio_ms: float | None = None
    cut_off: bool = False


@contextlib.contextmanager
def server() -> Generator[str]:
    """A server process with the embedded models; yields its Realtime URL."""
    command = [sys.executable, "-m", "streamsrv", "serve", "--port", "0", "--chat", "smollm2-135m"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout or ():
            if found := re.search(r"ws://\S+?(?=\))", line):
                yield found[0]
                return
        raise SystemExit("the server did not start")
    finally:
        process.terminate()
        process.wait(30)


async def measure(url: str, entry: dict, pcm: NDArray[np.int16], silence_ms: int) -> Turn:
    """Speak one recording and listen until the reply is complete."""
    turn = Turn(entry["id"])
    end_chunk = int(entry["speech_end_s"] * RATE) // CHUNK
    ended_s: list[float] = []
    async with connect(url, max_size=None, compression=None) as socket:
        detection = {"type": "server_vad", "silence_duration_ms": silence_ms}
        session = {"audio": {"input": {"transcription": {}, "turn_detection": detection}}}
        await socket.send(json.dumps({"type": "session.update", "session": session}))

        async def speak() -> None:
            chunks = np.pad(pcm, (0, -len(pcm) % CHUNK)).reshape(-1, CHUNK)
            started = time.monotonic()
            for number in range(10_000):
                await asyncio.sleep(max(0.0, started + number * CHUNK / RATE - time.monotonic()))
                if number == end_chunk:
                    ended_s.append(time.monotonic())
                audio = chunks[number].tobytes() if number < len(chunks) else bytes(2 * CHUNK)
                event = {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}
                await socket.send(json.dumps(event))

        with contextlib.suppress(TimeoutError):  # the turn shows how far it came
            async with asyncio.timeout(len(pcm) / RATE + 10), asyncio.TaskGroup() as tasks:
                microphone = tasks.create_task(speak())
                async for frame in socket:
                    event = json.loads(frame)
                    if (stage := STAGES.get(event["type"])) and getattr(turn, stage) is None:
                        if ended_s:
                            setattr(turn, stage, (time.monotonic() - ended_s[0]) * 1000)
                        elif stage == "turn_ended_ms":
                            turn.cut_off = True
                    if event["type"].endswith("transcription.completed"):
                        turn.said = f"{turn.said} {event['transcript']}".strip()
                    if event["type"] == "response.output_audio_transcript.done":
                        turn.reply = event["transcript"]
                    if event["type"] == "response.done" and ended_s and turn.reply:
                        break
                microphone.cancel()
    return turn


def questions(manifest: Path, limit: int) -> list[dict]:
    """Short complete English utterances of the manifest."""
    entries = [json.loads(line) for line in manifest.read_text().splitlines()]
    kinds = ("command", "conversational")
    short = [
        entry
        for entry in entries
        if entry["language"] == "en"
        and entry["kind"] in kinds
        and entry["duration_s"] < 4
        and entry.get("text_quality") == "reference"
        and entry.get("turn_complete") is not False
    ]
    return short[:limit]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--limit", type=int, default=12)
    parser.add_argument("--silence-ms", type=int, default=500, help="silence_duration_ms of the sessions")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    entries = questions(options.manifest, options.limit)
    turns: list[Turn] = []
    with server() as url:
        for entry in entries:
            pcm = read_audio(options.manifest.parent / entry["audio"], sample_rate=RATE)
            turn = asyncio.run(measure(url, entry, pcm, options.silence_ms))
            turns.append(turn)
            stages = [getattr(turn, name) for name in STAGES.values()]
            print(*(f"{stage:7.0f}" if stage is not None else "      -" for stage in stages), turn.id, sep="  ")
            print(f"    you: {turn.said}\n    reply: {turn.reply}")
    latencies = sorted(turn.first_audio_ms for turn in turns if turn.first_audio_ms is not None)
    summary = {
        "p50_ms": round(statistics.median(latencies)),
        "p95_ms": round(float(np.percentile(latencies, 95))),
        "answered": len(latencies),
        "cut_off": sum(turn.cut_off for turn in turns),
        "silence_duration_ms": options.silence_ms,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}",
        "date": date.today().isoformat(),
    }
    print("columns: turn ended, transcript, first token, first audio (ms after the last voiced sample)")
    print(json.dumps(summary))
    if options.json:
        options.json.write_text(json.dumps({"summary": summary, "turns": [asdict(turn) for turn in turns]}, indent=1))


if __name__ == "__main__":
    main()
