"""Measures how soon a spoken word reaches a caption viewer, and the cost of a viewer.

    .venv/bin/python benchmarks/captions.py ../shared/speech/manifest.jsonl [--limit 8] [--viewers 200] [--json FILE]

Words: recordings of the manifest (English, read aloud, 8 s and longer) are sent in real time to a caption room over a
WebSocket, with the embedded models. A viewer reads the room's server-sent events. For each word of the final text, the
benchmark measures the time from its end to its arrival at the viewer: tentative (the first text that has it), stable
(in text that does not change any more) and final. The end of a word is the recogniser's estimate, which spreads the
words over the detected speech; it is good to about 0.2 s, and a word may be recognised before it ends. So the last word
of each recording is also measured separately, from the end of speech in the manifest (`speech_end_s`).

Viewers: see `caption_viewers.py`; `--viewers` viewers of one room, and one that does not read.
"""

import argparse
import asyncio
import json
import time
import urllib.request
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caption_viewers import Fanout, measure_fanout
from live import RATE, machine, server, session
from streamsrv.audio.files import read_audio
from streamsrv.text.words import bare, split_words

ROOM = "bench"
GAP_S = 1.5
"""Seconds of silence between two recordings."""
MIN_S = 8.0
NEAR_S = 0.6
"""Seconds between the end of a caption and the end of a recording's speech within which both end together."""
KINDS = ("tentative", "stable", "final", "last, tentative", "last, stable")
CAPTIONS = {"captions": {"room": ROOM}}


@dataclass(frozen=True, slots=True)
class Seen:
    """A text of an item that a viewer received: all words so far, its stable words, and the time (monotonic s)."""

    item_id: str
    words: tuple[str, ...]
    stable: tuple[str, ...]
    at_s: float


async def view(host: str, seen: list[Seen]) -> None:
    """Read the room until cancelled."""
    address, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(address, int(port))
    try:
        writer.write(f"GET /v1/streamsrv/captions/{ROOM}/events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        kind = ""
        while line := (await reader.readline()).decode():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ").strip()
            elif line.startswith("data: ") and kind in ("partial", "final"):
                seen.append(_seen(json.loads(line.removeprefix("data: ")), time.monotonic()))
    finally:
        writer.close()


def _seen(event: dict[str, Any], at_s: float) -> Seen:
    stable = event["text"] if "text" in event else event["stable"]
    words = split_words(f"{stable} {event.get('tentative', '')}")
    return Seen(event["item_id"], words, split_words(stable), at_s)


@dataclass(frozen=True, slots=True)
class Recording:
    pcm: NDArray[np.int16]
    speech_end_s: float


@dataclass(slots=True)
class Spoken:
    """The times of the first sample and of each recording's end of speech (monotonic s), and what a viewer received."""

    started_s: float
    ends_s: list[float]
    seen: list[Seen]
    captions: list[dict[str, Any]]


async def speak(url: str, recordings: list[Recording]) -> Spoken:
    host = url.split("/")[2]
    seen: list[Seen] = []
    options = {"streamsrv": CAPTIONS, "type": "transcription"}
    async with session(f"{url}?intent=transcription", **options) as (socket, microphone):
        started_s = microphone.play(np.zeros(0, np.int16))
        viewer = asyncio.create_task(view(host, seen))
        reading = asyncio.create_task(_drain(socket))
        silence = np.zeros(int(GAP_S * RATE), np.int16)
        ends_s = [
            microphone.play(np.concatenate([recording.pcm, silence])) + recording.speech_end_s
            for recording in recordings
        ]
        await asyncio.sleep(ends_s[-1] - time.monotonic() + GAP_S + 4.0)
        captions = await asyncio.to_thread(_captions, host)
        viewer.cancel()
        reading.cancel()
        await asyncio.gather(viewer, reading, return_exceptions=True)
    return Spoken(started_s, ends_s, seen, captions)


async def _drain(socket: Any) -> None:
    async for _ in socket:
        pass


def _captions(host: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"http://{host}/v1/streamsrv/captions/{ROOM}/captions.json", timeout=20) as answer:
        return json.load(answer)["captions"]


def delays_ms(spoken: Spoken) -> dict[str, list[float]]:
    """Return the delays from the end of each word to its arrival; `last`: for the last words of the recordings."""
    delays: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for caption in spoken.captions:
        told = [each for each in spoken.seen if each.item_id == caption["item_id"]]
        final = [word["word"] for word in caption["words"]]
        ends_s = [spoken.started_s + word["end"] for word in caption["words"]]
        tentative = first_arrivals(final, [(each.words, each.at_s) for each in told])
        stable = first_arrivals(final, [(each.stable, each.at_s) for each in told])
        for end_s, soon, later in zip(ends_s, tentative, stable, strict=True):
            delays["tentative"].append((soon - end_s) * 1000)
            delays["stable"].append((later - end_s) * 1000)
            delays["final"].append((told[-1].at_s - end_s) * 1000)
        for end_s in spoken.ends_s:
            if abs(end_s - ends_s[-1]) < NEAR_S:
                delays["last, tentative"].append((tentative[-1] - end_s) * 1000)
                delays["last, stable"].append((stable[-1] - end_s) * 1000)
    return delays


def first_arrivals(final: list[str], told: list[tuple[tuple[str, ...], float]]) -> list[float]:
    """Return when each word of the final text was first received in its final form."""
    wanted = [bare(word) for word in final]
    arrivals = [told[-1][1]] * len(final)
    for words, at_s in reversed(told):
        matcher = SequenceMatcher(None, wanted, [bare(word) for word in words], autojunk=False)
        for block in matcher.get_matching_blocks():
            arrivals[block.a : block.a + block.size] = [at_s] * block.size
    return arrivals


def chosen(manifest: Path, limit: int) -> list[Recording]:
    entries = [json.loads(line) for line in manifest.read_text().splitlines()]
    read = [e for e in entries if e["language"] == "en" and e["kind"] == "read" and e["duration_s"] >= MIN_S]
    spread = read[:: max(1, len(read) // limit)][:limit]
    return [
        Recording(read_audio(manifest.parent / entry["audio"], sample_rate=RATE), entry["speech_end_s"])
        for entry in spread
    ]


def measure_words(recordings: list[Recording]) -> dict[str, Any]:
    with server() as url:
        spoken = asyncio.run(speak(url, recordings))
    delays = delays_ms(spoken)
    lengths = [caption["end"] - caption["start"] for caption in spoken.captions]
    return {
        "words": len(delays["stable"]),
        "events": len(spoken.seen),
        "longest_caption_s": round(max(lengths), 1),
        **{
            kind: {f"p{share}_ms": round(float(np.percentile(found, share))) for share in (50, 95)}
            for kind, found in delays.items()
            if found
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--limit", type=int, default=8, help="recordings")
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not options.manifest.exists():
        raise SystemExit(f"Skipped: there is no manifest {options.manifest}.")
    words = measure_words(chosen(options.manifest, options.limit))
    print(f"{words['words']} words, {words['events']} events, longest caption {words['longest_caption_s']} s")
    print(f"{'spoken -> at the viewer':<26}{'p50':>7}{'p95':>7} ms")
    for kind, found in words.items():
        if isinstance(found, dict):
            print(f"{kind:<26}{found['p50_ms']:>7}{found['p95_ms']:>7}")
    fanout = measure_fanout(options.viewers)
    print(_table(fanout))
    result = {"words": words, "viewers": [each.as_json() for each in fanout], **machine()}
    print(json.dumps(machine()))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def _table(fanout: list[Fanout]) -> str:
    head = f"{'viewers':>8}{'CPU us per event and viewer':>30}{'delivery p50':>14}{'p95':>8}{'max':>8} ms"
    rows = [
        f"{each.viewers:>8}{each.cpu_us:>30.1f}{each.p50_ms:>14.1f}{each.p95_ms:>8.1f}{each.max_ms:>8.1f}"
        for each in fanout
    ]
    return "\n".join([head, *rows])


if __name__ == "__main__":
    main()
