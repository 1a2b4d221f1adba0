"""How soon speech interrupts a reply that is playing, and how often a noise does.

    .venv/bin/python benchmarks/barge_in.py ../shared/speech/manifest.jsonl [--limit 10] [--json out.json]

For each recording a session asks for a reply in writing, waits until a second of it was played, and plays the
recording into the microphone in real time. Measured is the time from the first voiced sample (`speech_start_s` of the
manifest) to `input_audio_buffer.speech_started`, at which stock clients silence their speaker; with `server_vad` and
with `semantic_vad`.
"""

import argparse
import asyncio
import contextlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from live import RATE, machine, server, session
from streamsrv.audio.files import read_audio

QUESTION = "Tell me a long story about a fox who lives in a forest."
NOISE_S = 3.0
"""How much of a noise is played."""


@dataclass
class Attempt:
    id: str
    detection: str
    is_speech: bool
    delay_ms: float | None
    """None: it did not interrupt."""


async def attempt(url: str, entry: dict, audio: Path, detection: str) -> Attempt:
    """Play one recording over a reply."""
    pcm = read_audio(audio / entry["audio"], sample_rate=RATE)
    is_speech = entry["language"] != "zxx"
    if not is_speech:
        pcm = pcm[: int(NOISE_S * RATE)]
    onset_s = entry.get("speech_start_s", 0.0) if is_speech else 0.0
    options = {"audio": {"input": {"turn_detection": {"type": detection}}}}
    made = Attempt(entry["id"], detection, is_speech, None)
    async with session(url, **options) as (socket, microphone):
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": QUESTION}]}
        await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
        await socket.send(json.dumps({"type": "response.create"}))
        async for frame in socket:
            if json.loads(frame)["type"] == "response.output_audio.delta":
                break
        await asyncio.sleep(1.0)
        onset = microphone.play(pcm) + onset_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(len(pcm) / RATE + 1.0):
                async for frame in socket:
                    if json.loads(frame)["type"] == "input_audio_buffer.speech_started":
                        made.delay_ms = (time.monotonic() - onset) * 1000
                        break
    return made


def chosen(manifest: Path, limit: int) -> list[dict]:
    """Short English utterances, and all noises but music and babble."""
    entries = [json.loads(line) for line in manifest.read_text().splitlines()]
    speech = [e for e in entries if e["language"] == "en" and e["kind"] == "command" and "speech_start_s" in e]
    noises = [e for e in entries if e["language"] == "zxx" and e["id"].startswith(("noise-esc10", "noise-blanket"))]
    return [*speech[:limit], *[e for e in noises if "babble" not in e.get("label", "")][:limit]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    attempts: list[Attempt] = []
    with server() as url:
        for entry in chosen(options.manifest, options.limit):
            for detection in ("server_vad", "semantic_vad"):
                made = asyncio.run(attempt(url, entry, options.manifest.parent, detection))
                attempts.append(made)
                print(f"{detection:<13} {made.delay_ms and round(made.delay_ms)!s:>6} ms  {made.id}")
    summary: dict[str, object] = {}
    for detection in ("server_vad", "semantic_vad"):
        own = [a for a in attempts if a.detection == detection]
        delays = [a.delay_ms for a in own if a.is_speech and a.delay_ms is not None]
        noises = [a for a in own if not a.is_speech]
        summary[detection] = {
            "p50_ms": round(float(np.percentile(delays, 50))),
            "p95_ms": round(float(np.percentile(delays, 95))),
            "speech_that_interrupted": f"{len(delays)} of {sum(a.is_speech for a in own)}",
            "noises_that_interrupted": f"{sum(a.delay_ms is not None for a in noises)} of {len(noises)}",
        }
    print(json.dumps(summary | machine(), indent=1))
    if options.json:
        options.json.write_text(json.dumps({"summary": summary, "attempts": [asdict(a) for a in attempts]}, indent=1))


if __name__ == "__main__":
    main()
