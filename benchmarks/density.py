"""Measures how many sessions one server process serves before audio is delayed, and the cost of a session.

    .venv/bin/python benchmarks/density.py ../shared/speech/manifest.jsonl [--json out.json] [--no-peer]

Sessions send 20 ms chunks in real time over WebSockets on loopback. Once a second, each sends a request right behind
its audio; the lag is the time to the response, so it includes all processing of a frame. The number of sessions grows
until the lag's 99th percentile exceeds 20 ms twice. streamsrv runs its real voice-activity detector and fakes of the
other models (`density_server.py`). The same runs with pipecat (`density_pipecat.py`), as its documentation builds a bot
and bare, in an environment that the first run creates below the user's cache folder.

Quiet microphones send room tone of the manifest (`kind` is `silence`), muted ones noise of -75 dBFS, speaking ones its
conversational English recordings without a break. Linux only. Takes five minutes.
"""

import argparse
import base64
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from density_load import Dialect, Microphones, Window, binary_frame, chunks, text_frame
from live import machine
from peer import audio_message, listening, peer_python
from process import Process
from streamsrv.audio.files import read_audio

LIMIT_MS = 20.0
STEPS = (1, 25, 50, 100, 150, 200, 250, 300, 350, 400)
PEER_STEPS = (1, 5, 10, 20, 35, 50, 75, 100, 150, 200)
SETTLE_S, MEASURE_S = 1.0, 3.0
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Scenario:
    """`command` starts a server; the microphones of its sessions send `sound`."""

    name: str
    command: tuple[str, ...]
    sound: str
    turn_detection: bool | None
    """Whether sessions use turn detection; None for pipecat, whose command line sets it."""


@dataclass(slots=True)
class Step:
    sessions: int
    p50_ms: float
    p99_ms: float
    server_cpu: float
    """CPU time of the server as a share of one core."""
    client_cpu: float
    client_late_ms: float
    """99th percentile of the delay with which the client sent its chunks."""
    rss_mb: float


@dataclass(slots=True)
class Result:
    scenario: str
    sessions: int = 0
    """Most sessions whose lag was within the limit."""
    idle_cpu: float | None = None
    """CPU time that one session adds to a server without sessions, in cores."""
    cpu_per_session: float | None = None
    """CPU time of a session at the most sessions, in cores."""
    steps: list[Step] = field(default_factory=list[Step])


@contextlib.contextmanager
def running(command: tuple[str, ...]) -> Generator[tuple[Process, int]]:
    """Start a server; yield its process and port."""
    with listening(command) as (process, port):
        yield Process(process.pid), port


def climb(scenario: Scenario, dialect: Dialect, most: int) -> Result:
    """Add sessions in steps until frames are late in two windows of one step."""
    result = Result(scenario.name)
    with running(scenario.command) as (process, port):
        empty_cpu = share(process, MEASURE_S)
        microphones = Microphones(port, dialect)
        steps = PEER_STEPS if scenario.turn_detection is None else STEPS
        for sessions in (count for count in steps if count <= most):
            microphones.grow(sessions)
            step = measure(process, microphones, sessions)
            if step.p99_ms > LIMIT_MS:  # measure again: the machine may have been busy with something else
                step = measure(process, microphones, sessions)
            result.steps.append(step)
            show(scenario, step)
            if step.p99_ms > LIMIT_MS:
                break
            result.sessions = sessions
            result.cpu_per_session = round(step.server_cpu / sessions, 4)
            if sessions == 1:
                result.idle_cpu = round(step.server_cpu - empty_cpu, 4)
        microphones.close()
    return result


def share(process: Process, seconds: float) -> float:
    """Return the CPU time of a server without sessions, in cores."""
    cpu_s = process.cpu_s
    time.sleep(seconds)
    return (process.cpu_s - cpu_s) / seconds


def measure(process: Process, microphones: Microphones, sessions: int) -> Step:
    microphones.run(SETTLE_S, Window())
    started_s, server_s, client_s = time.monotonic(), process.cpu_s, time.process_time()
    window = microphones.measure(MEASURE_S)
    took_s = time.monotonic() - started_s
    return Step(
        sessions,
        round(window.p50_ms, 1),
        round(window.p99_ms, 1),
        round((process.cpu_s - server_s) / took_s, 3),
        round((time.process_time() - client_s) / took_s, 3),
        round(float(np.percentile(window.late_ms, 99)), 1),
        round(process.rss_mb),
    )


def sounds(manifest: Path, rate: int) -> dict[str, list[NDArray[np.int16]]]:
    """Return the sounds of the microphones by name, up to 30 s each."""
    entries = [json.loads(line) for line in manifest.read_text().splitlines()]

    def read(kind: str, language: str) -> list[NDArray[np.int16]]:
        chosen = [entry for entry in entries if (entry["kind"], entry["language"]) == (kind, language)]
        return [read_audio(manifest.parent / entry["audio"], rate)[: 30 * rate] for entry in chosen[:6]]

    noise = np.random.default_rng(1).standard_normal(5 * rate) * 6
    return {
        "quiet": read("silence", "zxx"),
        "speaking": read("conversational", "en"),
        "muted": [noise.astype(np.int16)],
    }


def realtime(recordings: list[NDArray[np.int16]], turn_detection: bool) -> Dialect:
    """Return the messages of the Realtime protocol; the request retrieves an item that does not exist."""
    detection = {"type": "server_vad", "create_response": False} if turn_detection else None
    session = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}

    def append(chunk: bytes) -> bytes:
        return text_frame({"type": "input_audio_buffer.append", "audio": base64.b64encode(chunk).decode()})

    return Dialect(
        path="/v1/realtime",
        opening=(text_frame({"type": "session.update", "session": session}),),
        recordings=tuple(tuple(map(append, chunks(pcm, 24_000))) for pcm in recordings),
        probe=text_frame({"type": "conversation.item.retrieve", "item_id": "probe-me"}),
        answer=b"probe-me",
    )


def protobuf(recordings: list[NDArray[np.int16]]) -> Dialect:
    """Return the messages of pipecat's format; the request is a chunk of audio with a mark."""
    mark = b"probe-me".ljust(640, b"\0")
    return Dialect(
        path="/",
        opening=(),
        recordings=tuple(tuple(map(_in_audio, chunks(pcm, 16_000))) for pcm in recordings),
        probe=_in_audio(mark),
        answer=b"probe-me",
    )


def _in_audio(chunk: bytes) -> bytes:
    return binary_frame(audio_message(chunk))


def scenarios(peer: Path | None) -> list[Scenario]:
    ours = (sys.executable, str(HERE / "density_server.py"))
    found = [
        Scenario("streamsrv, no turn detection, muted", ours, "muted", turn_detection=False),
        Scenario("streamsrv, no turn detection, quiet", ours, "quiet", turn_detection=False),
        Scenario("streamsrv, turn detection, quiet", ours, "quiet", turn_detection=True),
        Scenario("streamsrv, turn detection, speaking", ours, "speaking", turn_detection=True),
    ]
    if peer is not None:
        theirs = (str(peer), str(HERE / "density_pipecat.py"))
        found += [
            Scenario("pipecat, no VAD, quiet", theirs, "quiet", None),
            Scenario("pipecat, VAD, quiet", (*theirs, "--vad"), "quiet", None),
            Scenario("pipecat, VAD, speaking", (*theirs, "--vad"), "speaking", None),
            Scenario("pipecat, bare, no VAD, quiet", (*theirs, "--bare"), "quiet", None),
            Scenario("pipecat, bare, VAD, speaking", (*theirs, "--bare", "--vad"), "speaking", None),
        ]
    return found


def show(scenario: Scenario, step: Step) -> None:
    print(
        f"{scenario.name:<38}{step.sessions:>5}{step.p50_ms:>9}{step.p99_ms:>9}{step.server_cpu:>8.2f}"
        f"{step.client_cpu:>8.2f}{step.client_late_ms:>8}{step.rss_mb:>7.0f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--only", default="", help="only scenarios whose name contains this")
    parser.add_argument("--most", type=int, default=STEPS[-1], help="largest number of sessions")
    parser.add_argument("--no-peer", action="store_true", help="do not run pipecat")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    peer = None
    if not options.no_peer:
        try:
            peer = peer_python()
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"pipecat is left out: {error}", file=sys.stderr)
    ours, theirs = sounds(options.manifest, 24_000), sounds(options.manifest, 16_000)
    print(f"{'':<38}{'n':>5}{'p50 ms':>9}{'p99 ms':>9}{'server':>8}{'client':>8}{'late':>8}{'MB':>7}")
    results: list[Result] = []
    for scenario in scenarios(peer):
        if options.only in scenario.name:
            detection = scenario.turn_detection
            sound = (theirs if detection is None else ours)[scenario.sound]
            dialect = protobuf(sound) if detection is None else realtime(sound, detection)
            results.append(climb(scenario, dialect, options.most))
    print(f"\n{'':<38}{'sessions':>9}{'one idle':>10}{'each':>8}   (share of a core)")
    for result in results:
        print(
            f"{result.scenario:<38}{result.sessions:>9}{result.idle_cpu or 0:>10.4f}{result.cpu_per_session or 0:>8.4f}"
        )
    summary = {"limit_ms": LIMIT_MS, **machine()}
    print(json.dumps(summary))
    if options.json:
        options.json.write_text(json.dumps({"summary": summary, "results": list(map(asdict, results))}, indent=1))


if __name__ == "__main__":
    main()
