"""Measures the time from the last voiced sample of a recorded question to the first sample of the reply at the client.

    .venv/bin/python benchmarks/voice_to_voice.py ../shared/speech/manifest.jsonl [--limit 12] [--json out.json]

Starts a server with the embedded models, sends each recording in real time over a WebSocket in its own session, and
prints the stages. Then it sends the recordings to a pipecat bot with the same models (`voice_pipecat.py`), in an
environment that the first run creates below the user's cache folder; `--no-peer` leaves this out. The last voiced
sample of a recording is `speech_end_s` of the manifest. Takes three minutes.
"""

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import connect

import peer
from live import RATE, Microphone, machine, server, session
from streamsrv.audio.files import read_audio
from streamsrv.settings import Settings

CHAT = "smollm2-135m"
PEER_START_S = 1.0
"""Seconds of silence before a recording, in which pipecat sets up its pipeline."""
STAGES = {
    "input_audio_buffer.speech_stopped": "turn_ended_ms",
    "conversation.item.input_audio_transcription.completed": "transcript_ms",
    "response.output_item.added": "first_token_ms",
    "response.output_audio.delta": "first_audio_ms",
}


@dataclass
class Turn:
    """Stages in ms after the last voiced sample. `cut_off`: a turn ended before the speaker was done."""

    id: str
    server: str
    said: str = ""
    reply: str = ""
    turn_ended_ms: float | None = None
    transcript_ms: float | None = None
    first_token_ms: float | None = None
    first_audio_ms: float | None = None
    cut_off: bool = False

    def take(self, event: dict, now_ms: float) -> bool:
        """Handle a server event at `now_ms` after the end of the speech; return whether the turn is answered."""
        self.mark(STAGES.get(event["type"]), now_ms)
        if event["type"].endswith("transcription.completed"):
            self.said = f"{self.said} {event['transcript']}".strip()
        if event["type"] == "response.output_audio_transcript.done":
            self.reply = event["transcript"]
        return event["type"] == "response.done" and now_ms > 0 and bool(self.reply)

    def take_message(self, message: bytes, now_ms: float) -> bool:
        """Handle a message of pipecat's bot like `take`; the turn is answered when its first audio arrives."""
        if found := re.search(rb'\{"stage": .*\}', message):
            told = json.loads(found[0])
            self.mark(f"{told['stage']}_ms", now_ms)
            if told["stage"] == "transcript":
                self.said = f"{self.said} {told['text']}".strip()
            if told["stage"] == "first_token":
                self.reply += told["text"]
        elif peer.is_audio(message):
            self.mark("first_audio_ms", now_ms)
        return self.first_audio_ms is not None

    def mark(self, stage: str | None, now_ms: float) -> None:
        """Record a stage. A stage before the end of the speech belongs to a turn that was cut off."""
        if stage and getattr(self, stage) is None and now_ms >= 0:
            setattr(self, stage, now_ms)
        self.cut_off |= stage == "turn_ended_ms" and now_ms < 0


async def measure(url: str, entry: dict, pcm: NDArray[np.int16], silence_ms: int | None) -> Turn:
    """Speak one recording and listen until the reply is complete."""
    turn = Turn(entry["id"], "streamsrv")
    detection = {"type": "server_vad", "silence_duration_ms": silence_ms} if silence_ms else {"type": "semantic_vad"}
    options = {"audio": {"input": {"transcription": {}, "turn_detection": detection}}}
    async with session(url, **options) as (socket, microphone):
        ended = microphone.play(pcm) + entry["speech_end_s"]
        with contextlib.suppress(TimeoutError):  # the turn has the stages that were reached
            async with asyncio.timeout(len(pcm) / RATE + 10):
                async for frame in socket:
                    if turn.take(json.loads(frame), (time.monotonic() - ended) * 1000):
                        break
    return turn


async def measure_peer(url: str, entry: dict, pcm: NDArray[np.int16]) -> Turn:
    """Do the same with pipecat's bot; `pcm` is at `peer.RATE`."""
    turn = Turn(entry["id"], "pipecat")
    async with connect(url, max_size=None, compression=None) as socket:
        microphone = Microphone(socket, peer.RATE, peer.audio_message)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(microphone.run())
            await asyncio.sleep(PEER_START_S)
            ended = microphone.play(pcm) + entry["speech_end_s"]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(len(pcm) / peer.RATE + 10):
                    async for message in socket:
                        if turn.take_message(message, (time.monotonic() - ended) * 1000):
                            break
            running.cancel()
    return turn


def questions(manifest: Path, limit: int) -> list[dict]:
    """Return short complete English utterances of the manifest."""
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


@contextlib.contextmanager
def bot(url: str) -> Generator[str | None]:
    """Start pipecat's bot with the models of the streamsrv server; yield its URL, or None if it cannot be installed."""
    try:
        python = peer.peer_python()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"pipecat is left out: {error}", file=sys.stderr)
        yield None
        return
    models = url.replace("ws://", "http://").removesuffix("/realtime")
    script = str(Path(__file__).with_name("voice_pipecat.py"))
    with peer.listening((str(python), script, models, CHAT, Settings().instructions)) as (_, port):
        yield f"ws://127.0.0.1:{port}/"


def summary(turns: list[Turn]) -> dict[str, object]:
    """Return the summary. Turns that were cut off have no latency, because their answers came too early."""
    latencies = [turn.first_audio_ms for turn in turns if turn.first_audio_ms is not None and not turn.cut_off]
    percentiles = [round(float(np.percentile(latencies, percent))) if latencies else None for percent in (50, 95)]
    return {
        "p50_ms": percentiles[0],
        "p95_ms": percentiles[1],
        "answered": f"{len(latencies)} of {len(turns)}",
        "cut_off": sum(turn.cut_off for turn in turns),
    }


def show(turn: Turn) -> None:
    stages = [getattr(turn, name) for name in STAGES.values()]
    print(*(f"{stage:7.0f}" if stage is not None else "      -" for stage in stages), turn.server, turn.id, sep="  ")
    print(f"    you: {turn.said}\n    reply: {turn.reply}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--limit", type=int, default=12)
    parser.add_argument("--silence-ms", type=int, help="server_vad with this silence_duration_ms, not semantic_vad")
    parser.add_argument("--no-peer", action="store_true", help="do not run pipecat")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    turns: list[Turn] = []
    print("turn ended, transcript, first token, first audio (ms after the last voiced sample)")
    with server() as url, contextlib.nullcontext() if options.no_peer else bot(url) as peer_url:
        for entry in questions(options.manifest, options.limit):
            audio = options.manifest.parent / entry["audio"]
            turns.append(asyncio.run(measure(url, entry, read_audio(audio, RATE), options.silence_ms)))
            show(turns[-1])
            if peer_url is not None:
                turns.append(asyncio.run(measure_peer(peer_url, entry, read_audio(audio, peer.RATE))))
                show(turns[-1])
    detection = f"server_vad {options.silence_ms} ms" if options.silence_ms else "semantic_vad"
    names = dict.fromkeys(turn.server for turn in turns)
    found = {name: summary([turn for turn in turns if turn.server == name]) for name in names}
    found["streamsrv"]["turn_detection"] = detection
    print(json.dumps(found | machine(), indent=1))
    if options.json:
        options.json.write_text(json.dumps({"summary": found | machine(), "turns": list(map(asdict, turns))}, indent=1))


if __name__ == "__main__":
    main()
