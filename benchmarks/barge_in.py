"""Measures how soon speech silences a reply, and whether other sounds leave it playing.

    .venv/bin/python benchmarks/barge_in.py ../shared/speech/manifest.jsonl [--limit 8] [--json out.json]

For each sound, a session requests a reply with a text message, waits until a second of it was played, and plays the
sound into the microphone in real time. A stock client (`server_vad`, `semantic_vad`) stops playback at
`input_audio_buffer.speech_started`. A client that reports playback (`held`, with `semantic_vad`) stops it at
`streamsrv.playback.hold`; then the reply is interrupted or resumed. The benchmark measures the time from the first
voiced sample to the silence, the outcome for the reply, and how often and how long it was held. The first voiced sample
is the start of the first of the manifest's `vad_segments` that is not a click or a breath.

Sounds that must interrupt: the first three seconds of English recordings of the manifest. Sounds that must not: its
noises (a sneeze, dogs, rain ...), backchannels ("mhm", "right" ...; spoken by the server's own voice, as the manifest
has none) and, for the client that reports playback, the reply itself, 120 ms late and 18 dB softer, as an uncancelled
echo. Takes seven minutes.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import time
import urllib.request
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect

from live import RATE, append, machine, server
from streamsrv.audio.files import read_audio

QUESTION = "Tell me a long story about a fox who lives in a forest."
PLAYED_S = 1.0
"""Seconds of the reply that are played before the sound."""
SPEECH_S, NOISE_S = 3.0, 3.0
"""Seconds that are played of a recording of speech or noise."""
LEAD_S = 0.5
"""Seconds that are played of a recording before its speech."""
CLICK_S = 0.1
"""Isolated voice activity that is shorter than this is a click or a breath, in seconds."""
OUTCOME_S = 2.0
"""Seconds after a sound in which its effect on the reply is observed."""
BACKCHANNELS = ("Mhm.", "Right.", "Uh-huh.", "Okay.", "Yeah.", "I see.")
CHUNK = RATE // 50
ECHO_CHUNKS, ECHO_GAIN = 6, 0.125
ECHO_S = 5.0


@dataclass(frozen=True, slots=True)
class Sound:
    name: str
    kind: str
    """speech, noise, backchannel or echo"""
    pcm: NDArray[np.int16]
    onset_s: float = 0.0


@dataclass
class Attempt:
    name: str
    kind: str
    client: str
    silent_ms: float | None = None
    """Time from the onset until the reply fell silent; None: it did not."""
    outcome: str = "ignored"
    """ignored, resumed or interrupted"""
    holds: int = 0
    held_ms: float = 0.0
    lasted_ms: float = 0.0


class Client:
    """Plays received audio in real time, with an open microphone. `echo`: the microphone picks up the loudspeaker."""

    def __init__(self, socket: ClientConnection, *, echo: bool) -> None:
        self._socket = socket
        self._echo = deque([np.zeros(CHUNK, np.int16)] * ECHO_CHUNKS) if echo else None
        self._speech = np.zeros(0, np.int16)
        self._sound = np.zeros(0, np.int16)
        self._item_id = ""
        self.played = 0
        """Samples of the reply that were played."""
        self.is_under_way = asyncio.Event()
        """Set after `PLAYED_S` of the reply were played."""
        self.silent_s: float | None = None
        self.outcome = "ignored"
        self.holds = 0
        self.held_chunks = 0
        self._held = False

    def say(self, pcm: NDArray[np.int16]) -> None:
        """Play a sound into the microphone from the next chunk on."""
        self._sound = pcm

    async def listen(self) -> None:
        """Handle events until cancelled."""
        async for frame in self._socket:
            event = json.loads(frame)
            match event["type"]:
                case "response.output_audio.delta":
                    self._item_id = event["item_id"]
                    pcm = np.frombuffer(base64.b64decode(event["delta"]), "<i2")
                    self._speech = np.concatenate([self._speech, pcm])
                case "streamsrv.playback.hold":
                    self._held = True
                    self.holds += 1
                    self._fall_silent()
                case "streamsrv.playback.resume":
                    self._held = False
                    self.outcome = "resumed"
                case "streamsrv.playback.clear" | "input_audio_buffer.speech_started":
                    self._fall_silent()
                    self._held, self.outcome = False, "interrupted"
                    self._speech = np.zeros(0, np.int16)
                case "error":
                    raise RuntimeError(event["error"]["message"])

    def _fall_silent(self) -> None:
        if self.silent_s is None:
            self.silent_s = time.monotonic()

    async def run(self, reports: bool) -> None:
        """Play and record in chunks of 20 ms until cancelled."""
        started_s = time.monotonic()
        for number in range(1 << 30):
            await asyncio.sleep(max(0.0, started_s + number / 50 - time.monotonic()))
            heard = self._record(self._play())
            await self._socket.send(append(heard.tobytes()))
            if reports and self._item_id and number % 10 == 0:
                report = {"item_id": self._item_id, "audio_ms": self.played * 1000 // RATE}
                await self._socket.send(json.dumps({"type": "streamsrv.playback.report", **report}))

    def _play(self) -> NDArray[np.int16]:
        self.held_chunks += self._held
        chunk = self._speech[:0] if self._held else self._speech[:CHUNK]
        self._speech = self._speech[len(chunk) :]
        self.played += len(chunk)
        if self.played >= PLAYED_S * RATE:
            self.is_under_way.set()
        return np.pad(chunk, (0, CHUNK - len(chunk)))

    def _record(self, played: NDArray[np.int16]) -> NDArray[np.int16]:
        heard, self._sound = self._sound[:CHUNK], self._sound[CHUNK:]
        heard = np.pad(heard, (0, CHUNK - len(heard)))
        if self._echo is None:
            return heard
        self._echo.append(played)
        return heard + (ECHO_GAIN * self._echo.popleft()).astype(np.int16)


async def attempt(url: str, sound: Sound, client: str) -> Attempt:
    """Play one sound over a reply and return its effect."""
    made = Attempt(sound.name, sound.kind, client)
    holds = client == "held"
    detection = {"type": "semantic_vad" if holds else client, "create_response": False}
    options = {"audio": {"input": {"turn_detection": detection}}}
    extension = {"streamsrv": {"events": ["playback.hold"]}} if holds else {}
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": QUESTION}]}
    async with connect(url, max_size=None, compression=None) as socket, asyncio.TaskGroup() as tasks:
        await socket.send(json.dumps({"type": "session.update", "session": options | extension}))
        await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
        await socket.send(json.dumps({"type": "response.create"}))
        ears = Client(socket, echo=sound.kind == "echo")
        running = [tasks.create_task(ears.listen()), tasks.create_task(ears.run(holds))]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                await ears.is_under_way.wait()
        onset_s = time.monotonic() + sound.onset_s
        ears.say(sound.pcm)
        await asyncio.sleep(len(sound.pcm) / RATE + OUTCOME_S)
        made.outcome, made.holds, made.held_ms = ears.outcome, ears.holds, ears.held_chunks * 20
        made.lasted_ms = (len(sound.pcm) / RATE + OUTCOME_S) * 1000
        if ears.silent_s is not None and sound.kind != "echo":  # an echo begins with the reply
            made.silent_ms = (ears.silent_s - onset_s) * 1000
        for task in running:
            task.cancel()
    return made


def sounds(manifest: Path, limit: int, url: str) -> list[Sound]:
    entries = [json.loads(line) for line in manifest.read_text().splitlines()]
    speech = [e for e in entries if e["language"] == "en" and e.get("speakers_n", 1) == 1 and e.get("vad_segments")]
    speech = speech[:: max(1, len(speech) // limit)]
    noises = [e for e in entries if e["language"] == "zxx" and e["id"].startswith(("noise-esc10", "noise-blanket"))]
    noises = [e for e in noises if "babble" not in e.get("label", "")]
    noises = noises[:: max(1, len(noises) // limit)]

    def read(entry: dict, start_s: float, end_s: float) -> NDArray[np.int16]:
        return read_audio(manifest.parent / entry["audio"], RATE)[int(start_s * RATE) : int(end_s * RATE)]

    def read_speech(entry: dict) -> Sound:
        onset_s = next((s for s, e in entry["vad_segments"] if e - s >= CLICK_S), entry["speech_start_s"])
        start_s = max(0.0, onset_s - LEAD_S)
        return Sound(entry["id"], "speech", read(entry, start_s, onset_s + SPEECH_S), onset_s - start_s)

    return [
        *map(read_speech, speech[:limit]),
        *(Sound(entry["id"], "noise", read(entry, 0.0, NOISE_S)) for entry in noises[:limit]),
        *(Sound(text, "backchannel", spoken(url, text)) for text in BACKCHANNELS[:limit]),
        *(Sound(f"echo {number}", "echo", np.zeros(int(ECHO_S * RATE), np.int16)) for number in range(3)),
    ]


def spoken(url: str, text: str) -> NDArray[np.int16]:
    """Return a text as speech of the server's voice."""
    address = url.replace("ws://", "http://").replace("/realtime", "/audio/speech")
    body = json.dumps({"model": "hibari", "input": text, "voice": "default", "response_format": "pcm"}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return np.frombuffer(answer.read(), "<i2")


def summarize(attempts: list[Attempt]) -> dict[str, object]:
    found: dict[str, object] = {}
    for client in dict.fromkeys(made.client for made in attempts):
        own = [made for made in attempts if made.client == client]
        delays = [made.silent_ms for made in own if made.kind == "speech" and made.silent_ms is not None]
        line: dict[str, object] = {
            f"p{percent}_ms": round(float(np.percentile(delays, percent))) if delays else None for percent in (50, 95)
        }
        for kind in dict.fromkeys(made.kind for made in own):
            same = [made for made in own if made.kind == kind]
            outcomes, minutes = [made.outcome for made in same], sum(made.lasted_ms for made in same) / 60_000
            line[kind] = {name: outcomes.count(name) for name in ("ignored", "resumed", "interrupted")}
            if kind != "speech":
                line[kind] |= {"holds": sum(made.holds for made in same)}
                line[kind] |= {"held_ms_a_minute": round(sum(made.held_ms for made in same) / minutes)}
        found[client] = line
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--limit", type=int, default=8, help="sounds of each kind")
    parser.add_argument("--clients", default="server_vad,semantic_vad,held")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    attempts: list[Attempt] = []
    with server() as url:
        for sound in sounds(options.manifest, options.limit, url):
            for client in options.clients.split(","):
                if sound.kind == "echo" and client != "held":
                    continue
                made = asyncio.run(attempt(url, sound, client))
                attempts.append(made)
                silent = "-" if made.silent_ms is None else round(made.silent_ms)
                print(f"{client:<13} {silent!s:>6} ms  {made.outcome:<12} {made.kind} {made.name}", flush=True)
    summary = summarize(attempts) | machine()
    print(json.dumps(summary, indent=1))
    if options.json:
        options.json.write_text(json.dumps({"summary": summary, "attempts": [asdict(a) for a in attempts]}, indent=1))


if __name__ == "__main__":
    main()
