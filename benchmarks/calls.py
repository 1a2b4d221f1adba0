"""Measures telephone calls: answers, interruptions and echoes over a provider's socket, calls per core, word errors.

    .venv/bin/python benchmarks/calls.py ../shared/speech/manifest.jsonl [--parts latency,barge_in,echo,load,words]

Starts a server with the embedded models and calls it as a provider does (`streamsrv.calling`), with mu-law at 8 kHz.
Callers are recordings through a telephone line: 300 to 3400 Hz, noise at -65 dBFS (`telephone_line.py`).

- latency: each recording is one call; ms from its last voiced sample to the first sample of the answer that is heard.
- barge_in: the recording is spoken over the greeting; ms from its first voiced sample to the first silence.
- echo: the greeting comes back softer, 100 ms late, from a silent caller: whether it was interrupted.
- load: CPU time of the server for a second of a call, with callers that are silent and that ask one question after
  the other; its inverse is the number of calls for each core.
- words: errors of a recogniser on the same recordings at 16 kHz and through lines (`calls_words.py`), offline.

`--provider` chooses the socket. Takes eight minutes; a part can be run alone.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from live import machine, server_process
from process import Process
from streamsrv.audio.files import read_audio
from streamsrv.audio.pcm import level_dbfs
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.calling.call import CallPlan, CallReport, place_call
from streamsrv.calling.peers import PEERS
from streamsrv.calling.peers.base import Clear, Identity, Message, Order, Peer, Play
from streamsrv.calling.script import SOUND_DBFS, Manners, Turn
from telephone_line import Line
from voice_to_voice import questions

PARTS = ("latency", "barge_in", "echo", "load", "words")
LINE = Line(speech_db=-20.0, band_limited=True, noise_db=-65.0)
GREETING = (
    "Welcome to the harbour office. We are open from Monday to Friday, between eight in the morning and five in the "
    "afternoon. Boats of up to twenty metres may stay in the northern basin, and all larger ones go to the old pier. "
    "Please tell me now what I can do for you today, and speak after this message."
)
NUMBERS = {"short": "+100", "long": "+200"}
SETTINGS = f"""
[[phone_number]]
numbers = ["{NUMBERS["short"]}"]
name = "short"
greeting = "Hello."
silence_ms = 0

[[phone_number]]
numbers = ["{NUMBERS["long"]}"]
name = "long"
greeting = "{GREETING}"
silence_ms = 0
"""
BARGE_IN_MS = 2500
ECHO_DELAY = 5
"""Chunks of 20 ms from a sample that is played to its echo."""
ECHOES_DB = (-20.0, -30.0, -40.0)
ECHO_S = 22
LOAD_S = 20.0
PAUSE_MS = 500


class EchoingPeer:
    """A peer whose caller's microphone also hears what is played, `gain` times as loud."""

    def __init__(self, peer: Peer, gain: float) -> None:
        self._peer, self._gain = peer, gain
        chunk = peer.sample_rate * peer.chunk_ms // 1000
        self._playing = np.zeros(0, np.int16)
        self._echo = deque([np.zeros(chunk, np.int16)] * ECHO_DELAY)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peer, name)

    def read(self, message: Message) -> Order:
        match order := self._peer.read(message):
            case Play():
                self._playing = np.append(self._playing, order.pcm)
            case Clear():
                self._playing = self._playing[:0]
            case _:
                pass
        return order

    def media(self, pcm: NDArray[np.int16]) -> Message:
        played, self._playing = self._playing[: len(pcm)], self._playing[len(pcm) :]
        self._echo.append(np.pad(played, (0, len(pcm) - len(played))))
        return self._peer.media(pcm + (self._gain * self._echo.popleft()).astype(np.int16))


class Caller:
    """Makes calls to one server over the socket of one provider."""

    def __init__(self, url: str, provider: str) -> None:
        self._url = f"{url.removesuffix('/v1/realtime')}/v1/calls/{provider}/media"
        self._provider = provider
        self._calls = 0

    async def call(
        self, number: str, turns: Sequence[Turn] = (), manners: Manners = Manners(), max_s: float = 40.0,  # noqa: B008
        echo_db: float | None = None,
    ) -> CallReport:  # fmt: skip
        self._calls += 1
        told = {"from": "+1999", "to": NUMBERS[number], "call_id": f"benchmark-{self._calls}"}
        peer: Any = PEERS[self._provider](Identity(told["call_id"], told["from"], told["to"], told))
        if echo_db is not None:
            peer = EchoingPeer(peer, 10 ** (echo_db / 20))
        return await place_call(peer, CallPlan(self._url, turns, manners=manners, max_s=max_s))


def percentiles(values: Sequence[float]) -> dict[str, int | None]:
    return {f"p{share}": round(float(np.percentile(values, share))) if values else None for share in (50, 95)}


def carried(manifest: Path, entry: dict[str, Any], line: Line = LINE) -> NDArray[np.int16]:
    return line.carry(read_audio(manifest.parent / entry["audio"], SPEECH_RATE_HZ))


def latency(caller: Caller, options: argparse.Namespace) -> dict[str, Any]:
    """Ask each question in a call of its own."""
    answers: list[float] = []
    first_sounds, silences, greetings, late = list[float](), list[float](), list[float](), 0
    asked = questions(options.manifest, options.limit)
    for entry in asked:
        pcm = carried(options.manifest, entry)
        report = asyncio.run(caller.call("short", [Turn(pcm, entry["text"])]))
        turn = report.turns[0]
        if report.first_sound_ms is not None:
            greetings.append(report.first_sound_ms)
        if turn.ended_ms is None or turn.first_speech_ms is None:
            print(f"  no answer: {entry['id']}")
            continue
        # The end of the speech in the recording: behind it there may be noise of the line.
        ended_ms = turn.started_ms + 1000 * entry["speech_end_s"]
        answers.append(turn.first_speech_ms - ended_ms)
        first_sounds.append((turn.first_sound_ms or turn.first_speech_ms) - ended_ms)
        silences.append(turn.longest_silence_ms)
        late = max(late, report.late_ms)
        print(f"  {answers[-1]:6.0f} ms, a sound after {first_sounds[-1]:.0f}  {entry['id']}", flush=True)
    cut_off = sum(answer < 0 for answer in answers)
    in_time = [answer for answer in answers if answer >= 0]
    return {
        "answered": f"{len(answers)} of {len(asked)}",
        "cut_off": cut_off,
        "answer_ms": percentiles(in_time),
        "first_sound_ms": percentiles([sound for sound in first_sounds if sound >= 0]),
        "longest_silence_ms": round(max(silences, default=0)),
        "greeting_ms": percentiles(greetings),
        "simulator_late_ms": late,
    }


def barge_in(caller: Caller, options: argparse.Namespace) -> dict[str, Any]:
    """Interrupt the greeting with each recording."""
    delays: list[float] = []
    asked = questions(options.manifest, options.limit)
    for entry in asked:
        onset_s = next((a for a, b in entry["vad_segments"] if b - a >= 0.1), entry["speech_start_s"])
        pcm = carried(options.manifest, entry)[int(max(0.0, onset_s - 0.2) * 8000) :]
        report = asyncio.run(caller.call("long", [Turn(pcm, entry["text"], barge_in_after_ms=BARGE_IN_MS)]))
        spoke_ms = report.turns[0].started_ms + 1000 * min(onset_s, 0.2)
        silent_ms = silent_from_ms(report, spoke_ms)
        if silent_ms is not None and silent_ms <= spoke_ms:
            print(f"  the greeting had a pause: {entry['id']}")
            continue
        if silent_ms is None or silent_ms - spoke_ms > len(pcm) / 8:
            print(f"  not interrupted: {entry['id']}")
            continue
        delays.append(silent_ms - spoke_ms)
        print(f"  {delays[-1]:6.0f} ms  {entry['id']}", flush=True)
    return {"interrupted": f"{len(delays)} of {len(asked)}", "silent_ms": percentiles(delays)}


def silent_from_ms(report: CallReport, from_ms: float, pause_ms: int = PAUSE_MS) -> float | None:
    """Return when the agent fell silent for `PAUSE_MS` or longer, at or after a time; pauses of speech are shorter."""
    frame = report.sample_rate // 50
    frames = report.agent[: len(report.agent) // frame * frame].reshape(-1, frame)
    quiet = [level_dbfs(each) < SOUND_DBFS for each in frames]
    first, length = int(from_ms // 20), pause_ms // 20
    return next((at * 20.0 for at in range(first, len(quiet) - length) if all(quiet[at : at + length])), None)


def echo(caller: Caller, options: argparse.Namespace) -> dict[str, Any]:
    """Let the long greeting come back as an echo; it should be played to its end."""
    del options
    listens = [Turn(barge_in_after_ms=ECHO_S * 1000)]  # says nothing, so that a held greeting does not end the call
    whole = asyncio.run(caller.call("long", listens)).played_ms
    found: dict[str, Any] = {"without_ms": whole}
    for echo_db in ECHOES_DB:
        report = asyncio.run(caller.call("long", listens, echo_db=echo_db))
        found[f"{echo_db:.0f} dB"] = {
            "played_ms": report.played_ms,
            "took_ms": silent_from_ms(report, report.first_sound_ms or 0.0, 2 * PAUSE_MS),
            "clears": len(report.clears),
        }
        print(f"  {echo_db:.0f} dB: {found[f'{echo_db:.0f} dB']}", flush=True)
    return found


def load(caller: Caller, options: argparse.Namespace, server: Process) -> dict[str, Any]:
    """Hold several calls at once, and count the server's CPU time."""
    asked = [carried(options.manifest, entry) for entry in questions(options.manifest, options.limit)]
    talk = [Turn(pcm) for pcm in asked for _ in range(4)]
    found: dict[str, Any] = {}
    for name, calls, turns in (
        ("silent", options.calls, [Turn(barge_in_after_ms=round(2000 * LOAD_S))]),
        ("talking", max(1, options.calls // 4), talk),
    ):

        async def hold(calls: int = calls, turns: Sequence[Turn] = turns) -> list[CallReport]:
            return await asyncio.gather(*(caller.call("short", turns, max_s=LOAD_S) for _ in range(calls)))

        before_s = server.cpu_s
        reports = asyncio.run(hold())
        spent_s = server.cpu_s - before_s
        seconds = sum(report.duration_ms for report in reports) / 1000
        refused = sum(report.duration_ms < 1000 * LOAD_S / 2 for report in reports)
        found[name] = {
            "calls": calls,
            "refused": refused,
            "cpu_ms_per_s": round(1000 * spent_s / seconds, 1),
            "calls_per_core": round(seconds / spent_s, 1),
            "simulator_late_ms": max(report.late_ms for report in reports),
        }
        print(f"  {name}: {found[name]}", flush=True)
    return found


def words(options: argparse.Namespace) -> dict[str, Any]:
    """Measure word errors in a process of its own, without the server."""
    script = str(Path(__file__).with_name("calls_words.py"))
    command = [sys.executable, script, str(options.manifest), "--models", *options.models, "--step", str(options.step)]
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run([*command, "--json", file.name], check=True)
        return json.loads(Path(file.name).read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--provider", choices=sorted(set(PEERS) - {"audiosocket"}), default="twilio")
    parser.add_argument("--limit", type=int, default=12, help="recordings that call")
    parser.add_argument("--calls", type=int, default=8, help="silent calls at once; a quarter of it talk")
    parser.add_argument("--models", nargs="+", default=["moonshine-tiny"], help="recognisers whose words are counted")
    parser.add_argument("--step", type=int, default=2, help="every how many-th recording has its words counted")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    parts = options.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--parts: {', '.join(sorted(unknown))} is none of {', '.join(PARTS)}")
    figures: dict[str, Any] = {"provider": options.provider}
    if set(parts) - {"words"}:
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as settings:
            settings.write(SETTINGS)
            settings.flush()
            with server_process("--config", settings.name) as (url, pid):
                caller = Caller(url, options.provider)
                asyncio.run(caller.call("short", max_s=3))  # the first call loads what is loaded once
                for name, part in (("latency", latency), ("barge_in", barge_in), ("echo", echo)):
                    if name in parts:
                        print(name, flush=True)
                        figures[name] = part(caller, options)
                if "load" in parts:
                    print("load", flush=True)
                    figures["load"] = load(caller, options, Process(pid))
    if "words" in parts:
        figures["words"] = words(options)
    figures |= machine()
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
