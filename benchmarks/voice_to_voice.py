"""Measures the time from the last voiced sample of an utterance to the first sample of the reply, and false replies.

    .venv/bin/python benchmarks/voice_to_voice.py ../shared/speech/manifest.jsonl [--json out.json]
        [--variants semantic_vad,pipecat] [--per-speaker 6] [--limit 3]

Starts a server with the embedded models and speaks each utterance into a session of its own over a WebSocket, in real
time, with the room tone of its recording before and after. Then it speaks the same into a bot of pipecat with the same
models (`voice_pipecat.py`), in an environment that the first run creates below the user's cache folder. Takes about
twelve minutes with both; the machine must have nothing else to do.

| variant | |
|---|---|
| `semantic_vad` | a stock client, which plays what it gets at once, and stops at `input_audio_buffer.speech_started` |
| `held` | `semantic_vad` with a client that reports playback (`playback.hold`) |
| `server_vad` | a stock client with turn detection by 500 ms of silence |
| `pipecat` | pipecat with its defaults: Silero and Smart Turn |

`voice_utterances.py` says which utterances of the manifest are spoken. A turn is cut off if the client learns of its
end before the last voiced sample. What is heard of a reply to such a turn is a false reply. p50, mean and p95 are of
turns that were not cut off; `with_cut_off` counts the others, too, up to the reply to the rest. Intervals are of 95 %,
by bootstrap over speakers. **The constants of the turn detection were fitted on these speakers.**
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

import peer
from live import RATE, Microphone, machine, server_process, session
from process import OtherWork
from streamsrv.audio.files import read_audio
from streamsrv.audio.rates import SPEECH_RATE_HZ
from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.weights.store import ModelStore
from streamsrv.settings import Settings
from virtual_time import MeasuredScheduler
from voice_summary import FIGURES, rows, summarize
from voice_turns import Hearing, PipecatHearing, StreamsrvHearing, Turn
from voice_utterances import Reader, Utterance, choose

CHAT = "smollm2-135m"
PATIENCE_S = 8.0
"""Seconds after an utterance in which an answer may begin."""
REPORT_S = 0.1
"""Seconds between two reports of playback."""
SETTLED_S = 2.0
"""Seconds in which a server tells of the answer that was broken off."""
BUSY_LOAD = 1.5
DETECTIONS: dict[str, dict[str, Any]] = {
    "semantic_vad": {"type": "semantic_vad"},
    "held": {"type": "semantic_vad"},
    "server_vad": {"type": "server_vad"},
}


class Clock:
    """Ms after the last voiced sample of an utterance that begins to be sent at `begun_s`."""

    def __init__(self, utterance: Utterance, begun_s: float) -> None:
        self._ended_s = begun_s + utterance.ended_ms / 1000

    def __call__(self) -> float:
        return (time.monotonic() - self._ended_s) * 1000

    @property
    def patience_s(self) -> float:
        return self._ended_s - time.monotonic() + PATIENCE_S


async def speak(url: str, utterance: Utterance, variant: str) -> Turn:
    """Speak an utterance to streamsrv, and listen until the reply to it begins."""
    holds = variant == "held"
    options: dict[str, Any] = {"audio": {"input": {"transcription": {}, "turn_detection": DETECTIONS[variant]}}}
    if holds:
        options["streamsrv"] = {"events": ["playback.hold"]}
    hearing = StreamsrvHearing(holds=holds)
    async with session(url, **options) as (socket, microphone), asyncio.TaskGroup() as tasks:
        now_ms = Clock(utterance, microphone.play(utterance.at(RATE)))

        async def report() -> None:
            while True:
                if (told := hearing.report(now_ms())) is not None:
                    await socket.send(told)
                await asyncio.sleep(REPORT_S)

        reporting = tasks.create_task(report())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(now_ms.patience_s):
                while not hearing.is_answered(now_ms()):
                    hearing.take(await socket.recv(), now_ms())
        turn = turn_of(utterance, variant, hearing, now_ms())
        with contextlib.suppress(TimeoutError):  # what the server tells of an answer comes at its end
            async with asyncio.timeout(SETTLED_S):
                await socket.send(json.dumps({"type": "response.cancel"}))
                while hearing.take(await socket.recv(), now_ms())["type"] not in ("response.done", "error"):
                    pass
        reporting.cancel()
    return with_told(turn, hearing)


async def speak_to_peer(url: str, utterance: Utterance) -> Turn:
    """Do the same with pipecat's bot."""
    hearing = PipecatHearing()
    async with connect(url, max_size=None, compression=None) as socket, asyncio.TaskGroup() as tasks:
        microphone = Microphone(socket, peer.RATE, peer.audio_message)
        now_ms = Clock(utterance, microphone.play(utterance.at(peer.RATE)))
        running = tasks.create_task(microphone.run())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(now_ms.patience_s):
                while not hearing.is_answered(now_ms()):
                    message = await socket.recv()
                    hearing.take(message if isinstance(message, bytes) else b"", now_ms())
        turn = turn_of(utterance, "pipecat", hearing, now_ms())
        running.cancel()
    return with_told(turn, hearing)


def turn_of(utterance: Utterance, system: str, hearing: Hearing, now_ms: float) -> Turn:
    """Return what a client has heard by now."""
    early_ms = [utterance.ended_ms + at_ms for at_ms in hearing.ended_ms if at_ms < 0]
    heard_ms = [ms for ms in hearing.false_replies_ms(now_ms) if ms > 0]
    return Turn(
        id=utterance.id,
        speaker=utterance.speaker,
        kind=utterance.kind,
        system=system,
        pauses_ms=[end - begin for begin, end in utterance.pauses],
        load=round(os.getloadavg()[0], 2),
        ended_ms=list(hearing.ended_ms),
        cut_pauses=sorted({sum(begin <= at_ms for begin, _ in utterance.pauses) for at_ms in early_ms} - {0}),
        first_sound_ms=hearing.first_sound_ms(now_ms),
        false_replies=len(heard_ms),
        false_reply_ms=sum(heard_ms),
    )


def with_told(turn: Turn, hearing: Hearing) -> Turn:
    turn.stages, turn.pause_limits_ms = hearing.stages, hearing.pause_limits_ms
    turn.said, turn.replies = hearing.said, hearing.replies
    return turn


@contextlib.contextmanager
def bot(url: str) -> Generator[tuple[str, int] | None]:
    """Start pipecat's bot with the models of the streamsrv server; yield its URL and process id.

    Yields None if pipecat cannot be installed.
    """
    try:
        python = peer.peer_python()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"pipecat is left out: {error}", file=sys.stderr)
        yield None
        return
    models = url.replace("ws://", "http://").removesuffix("/realtime")
    script = str(Path(__file__).with_name("voice_pipecat.py"))
    with peer.listening((str(python), script, models, CHAT, Settings().instructions)) as (process, port):
        yield f"ws://127.0.0.1:{port}/", process.pid


def utterances(manifest: Path, per_speaker: int, limit: int | None) -> list[Utterance]:
    entries = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    silero = load_catalogue()["silero"]
    vad = load_engine(silero, LoadContext(MeasuredScheduler(), ModelStore().locate(silero)))
    chosen = choose(entries, per_speaker)
    room = next((entry for entry in entries if entry["kind"] == "silence"), None)
    if room is None:
        raise SystemExit("The manifest has no entry of the kind silence, of which the room tone could be taken.")
    reader = Reader(vad, read_audio(manifest.parent / room["audio"], SPEECH_RATE_HZ))
    spoken = [reader.read(entry, manifest.parent) for entry in chosen[: limit or len(chosen)]]
    print(f"{reader.borrowed} of {len(spoken)} recordings have no room tone of their own.")
    return spoken


def measure(spoken: Sequence[Utterance], variants: Sequence[str]) -> tuple[list[Turn], dict[str, Any]]:
    """Return all turns, and what else the machine did; the systems take turns, so that both have the same load."""
    turns: list[Turn] = []
    with server_process() as (url, pid), bot(url) if "pipecat" in variants else contextlib.nullcontext() as peers:
        taking_part = [variant for variant in variants if variant != "pipecat" or peers]

        def speak_once(utterance: Utterance, variant: str) -> Turn:
            if variant == "pipecat" and peers:
                return asyncio.run(speak_to_peer(peers[0], utterance))
            return asyncio.run(speak(url, utterance, variant))

        for variant in taking_part:  # the first session of a process loads what it needs, and is not counted
            speak_once(spoken[0], variant)
        own = [os.getpid(), pid, *([peers[1]] if peers else [])]
        other, before = OtherWork(own), os.getloadavg()[0]
        for utterance in spoken:
            for variant in taking_part:
                turns.append(speak_once(utterance, variant))
                show(turns[-1])
        load = {"load_before": round(before, 2), "load_after": round(os.getloadavg()[0], 2)}
        return turns, load | {"cores_of_other_work": round(other.cores, 2)}


def show(turn: Turn) -> None:
    sound = "-" if turn.first_sound_ms is None else f"{turn.first_sound_ms:.0f}"
    ended = ", ".join(f"{ms:.0f}" for ms in turn.ended_ms)
    false = f"  false reply {turn.false_reply_ms:.0f} ms" if turn.is_cut_off else ""
    print(f"{sound:>6} ms  turn ended {ended or '-'}{false}  {turn.system}  {turn.id}")
    print(f"    you: {' | '.join(turn.said)}\n    reply: {' | '.join(turn.replies)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--variants", default="semantic_vad,pipecat", help="of the table above, separated by commas")
    parser.add_argument("--per-speaker", type=int, default=6, help="most utterances of one speaker")
    parser.add_argument("--limit", type=int, help="only the first utterances")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    variants = options.variants.split(",")
    if unknown := set(variants) - {*DETECTIONS, "pipecat"}:
        parser.error(f"unknown variants: {', '.join(sorted(unknown))}")
    turns, work = measure(utterances(options.manifest, options.per_speaker, options.limit), variants)
    found = summarize(turns) | {"machine": machine() | work}
    print(json.dumps(found, indent=1))
    for row in rows({name: found[name] for name in found if name != "machine"}, FIGURES):
        print("  ".join(f"{cell:<36}" for cell in row))
    busiest = max(turn.load for turn in turns)
    if busiest > BUSY_LOAD:
        print(f"Warning: the load average was up to {busiest}. Above {BUSY_LOAD} other work disturbs the measurement.")
    if options.json:
        options.json.write_text(json.dumps({"summary": found, "turns": list(map(asdict, turns))}, indent=1) + "\n")


if __name__ == "__main__":
    main()
