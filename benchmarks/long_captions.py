"""Hours of captions through one session, faster than real time: is any line lost, do memory and lateness stay?

    .venv/bin/python benchmarks/long_captions.py ../shared/speech/manifest.jsonl [--hours 3] [--speed 6] [--json FILE]

A server with the embedded models gets the English recordings of the manifest that are read aloud, one after the other
and again, over one WebSocket session of the type transcription with a caption room. For each third of the time the
benchmark reports the word errors, the lateness of final lines (from when the last sample of the line was sent) and the
memory of the server. A line is lost if its item was committed and has no transcript.
"""

import argparse
import asyncio
import itertools
import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect

from live import RATE, append, machine, server
from process import Process
from soak import slope
from spoken_turns import read_entries, scored_entries
from streamsrv.audio.files import read_audio
from streamsrv.testing.word_errors import WordErrors, count_word_errors

CHUNK_S = 0.2
GAP_S = 1.2
MIN_S = 4.0
MAX_AHEAD_S = 20.0
"""The client waits for the transcripts when it is so far ahead of them, as a real microphone cannot be."""
Recording = tuple[NDArray[np.int16], str]
"""Audio and its reference text."""
END_S = 20.0
"""Seconds that the last transcripts are waited for."""
PREFIX = "conversation.item.input_audio_transcription."


@dataclass(slots=True)
class Line:
    """A final line: the end of its audio (s of the session), how late it came, its text, and the server's memory."""

    end_s: float
    late_s: float
    text: str
    rss_mb: float


@dataclass(slots=True)
class Heard:
    lines: list[Line] = field(default_factory=list[Line])
    committed: set[str] = field(default_factory=set[str])
    ends_s: dict[str, float] = field(default_factory=dict[str, float])
    failed: int = 0


class Speaker:
    """Sends recordings with their gaps, and knows when each second of the session was sent."""

    def __init__(
        self, socket: ClientConnection, recordings: Iterator[tuple[NDArray[np.int16], str]], speed: float
    ) -> None:
        self._socket = socket
        self._recordings = recordings
        self._speed = speed
        self.sent_s = 0.0
        self.texts: list[tuple[float, str]] = []
        """The end of each recording in the session's audio, and its reference text."""
        self._sent_at: list[float] = []

    def sent_at(self, audio_s: float) -> float:
        """Return when the audio up to this second of the session was sent."""
        return self._sent_at[min(int(audio_s / CHUNK_S), len(self._sent_at) - 1)]

    async def run(self, seconds: float, heard: Heard) -> None:
        began = time.monotonic()
        samples = int(RATE * CHUNK_S)
        while self.sent_s < seconds:
            pcm, text = next(self._recordings)
            whole = np.concatenate([pcm, np.zeros(-len(pcm) % samples + int(GAP_S * RATE), np.int16)])
            for start in range(0, len(whole), samples):
                await self._socket.send(append(whole[start : start + samples].tobytes()))
                self._sent_at.append(time.monotonic())
                self.sent_s += CHUNK_S
                await asyncio.sleep(began + self.sent_s / self._speed - time.monotonic())
            self.texts.append((self.sent_s, text))
            while heard.lines and self.sent_s - heard.lines[-1].end_s > MAX_AHEAD_S:
                await asyncio.sleep(0.05)
                began += 0.05


async def listen(socket: ClientConnection, speaker: Speaker, heard: Heard, process: Process) -> None:
    async for message in socket:
        event: dict[str, Any] = json.loads(message)
        match event["type"]:
            case "input_audio_buffer.speech_stopped":
                heard.ends_s[event["item_id"]] = event["audio_end_ms"] / 1000
            case "input_audio_buffer.committed":
                heard.committed.add(event["item_id"])
            case kind if kind == f"{PREFIX}completed":
                heard.committed.discard(event["item_id"])
                end_s = heard.ends_s.pop(event["item_id"], speaker.sent_s)
                late_s = time.monotonic() - speaker.sent_at(end_s)
                heard.lines.append(Line(end_s, late_s, event["transcript"], process.rss_mb))
            case kind if kind == f"{PREFIX}failed":
                heard.failed += 1
            case _:
                pass


async def speak(
    url: str, recordings: list[tuple[NDArray[np.int16], str]], options: argparse.Namespace
) -> dict[str, Any]:
    process = Process(_server_pid(url))
    heard = Heard()
    fields = {"type": "transcription", "streamsrv": {"captions": {"room": "long"}}}
    async with connect(f"{url}?intent=transcription", max_size=None, compression=None) as socket:
        await socket.send(json.dumps({"type": "session.update", "session": fields}))
        speaker = Speaker(socket, itertools.cycle(recordings), options.speed)
        listening = asyncio.create_task(listen(socket, speaker, heard, process))
        began = time.monotonic()
        await speaker.run(options.hours * 3600, heard)
        took_s = time.monotonic() - began
        await asyncio.wait([listening], timeout=END_S)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return {**summary(heard, speaker, options.hours * 3600), "speed": round(speaker.sent_s / took_s, 2)}


def summary(heard: Heard, speaker: Speaker, seconds: float) -> dict[str, Any]:
    lines = sorted(heard.lines, key=lambda line: line.end_s)
    spoken = list(_by_recording(speaker.texts, lines))
    thirds: list[dict[str, Any]] = []
    for number in range(3):
        part = [each for each in spoken if seconds * number / 3 < each[0] <= seconds * (number + 1) / 3]
        said = [line for _, _, lines in part for line in lines]
        errors = WordErrors.total(
            count_word_errors(text, " ".join(line.text for line in lines)) for _, text, lines in part
        )
        late_ms = [1000 * line.late_s for line in said]
        thirds.append(
            {
                "lines": len(said),
                "wer": round(errors.rate, 4),
                "late_p50_ms": round(float(np.percentile(late_ms, 50))),
                "late_p95_ms": round(float(np.percentile(late_ms, 95))),
                "rss_mb": round(float(np.median([line.rss_mb for line in said])), 1),
            }
        )
    warm = [line for line in lines if line.end_s > seconds / 10]  # the first lines fill caches
    growth = slope([line.end_s / 3600 for line in warm], [line.rss_mb for line in warm])
    return {
        "lines": len(lines),
        "lost": len(heard.committed),
        "failed": heard.failed,
        "mb_per_hour": str(growth),
        "thirds": thirds,
    }


def _by_recording(texts: list[tuple[float, str]], lines: list[Line]) -> Iterator[tuple[float, str, list[Line]]]:
    """Yield the end of each recording, its reference text, and the lines that end in it."""
    before_s = 0.0
    for end_s, text in texts:
        yield end_s, text, [line for line in lines if before_s < line.end_s <= end_s]
        before_s = end_s


def _server_pid(url: str) -> int:
    """Return the process that listens on the port of `url`."""
    port = re.search(r":(\d+)/", url)
    assert port is not None
    listed = subprocess.run(["ss", "-ltnpH", f"sport = :{port[1]}"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"pid=(\d+)", listed)
    assert found is not None, listed
    return int(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--speed", type=float, default=6.0, help="times real time, at most")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    entries = scored_entries(read_entries(options.manifest), "en")
    chosen = [entry for entry in entries if entry["kind"] == "read" and entry["duration_s"] >= MIN_S]
    recordings = [(read_audio(options.manifest.parent / entry["audio"], RATE), entry["text"]) for entry in chosen]
    with server() as url:
        result = {**asyncio.run(speak(url, recordings, options)), **machine()}
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
