"""How long after the last voiced sample of a recorded question the first sample of the reply reaches the client.

    .venv/bin/python benchmarks/voice_to_voice.py ../shared/speech/manifest.jsonl [--limit 12] [--json out.json]

Starts a server with the embedded models, speaks each recording to it in real time over a WebSocket, in a session of its
own, and prints the stages. A recording's last voiced sample is `speech_end_s` of the manifest.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from live import RATE, machine, server, session
from streamsrv.audio.files import read_audio

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

    def take(self, event: dict, now_ms: float) -> bool:
        """Take a server event that came `now_ms` after the end of the speech; return whether the turn is answered."""
        stage = STAGES.get(event["type"])
        if stage and getattr(self, stage) is None and now_ms >= 0:
            setattr(self, stage, now_ms)
        self.cut_off |= stage == "turn_ended_ms" and now_ms < 0
        if event["type"].endswith("transcription.completed"):
            self.said = f"{self.said} {event['transcript']}".strip()
        if event["type"] == "response.output_audio_transcript.done":
            self.reply = event["transcript"]
        return event["type"] == "response.done" and now_ms > 0 and bool(self.reply)


async def measure(url: str, entry: dict, pcm: NDArray[np.int16], silence_ms: int | None) -> Turn:
    """Speak one recording and listen until the reply is complete."""
    turn = Turn(entry["id"])
    detection = {"type": "server_vad", "silence_duration_ms": silence_ms} if silence_ms else {"type": "semantic_vad"}
    options = {"audio": {"input": {"transcription": {}, "turn_detection": detection}}}
    async with session(url, **options) as (socket, microphone):
        ended = microphone.play(pcm) + entry["speech_end_s"]
        with contextlib.suppress(TimeoutError):  # the turn shows how far it came
            async with asyncio.timeout(len(pcm) / RATE + 10):
                async for frame in socket:
                    if turn.take(json.loads(frame), (time.monotonic() - ended) * 1000):
                        break
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
    parser.add_argument("--silence-ms", type=int, help="server_vad with this silence_duration_ms, not semantic_vad")
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
        "turn_detection": f"server_vad {options.silence_ms} ms" if options.silence_ms else "semantic_vad",
        **machine(),
    }
    print("columns: turn ended, transcript, first token, first audio (ms after the last voiced sample)")
    print(json.dumps(summary))
    if options.json:
        options.json.write_text(json.dumps({"summary": summary, "turns": [asdict(turn) for turn in turns]}, indent=1))


if __name__ == "__main__":
    main()
