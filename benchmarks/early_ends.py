"""Measures what a turn that is ended too early costs the user, at the recorded pauses that end it.

    .venv/bin/python benchmarks/turn_taking.py ../shared/speech/manifest.jsonl --observations pauses.json
    .venv/bin/python benchmarks/early_ends.py pauses.json [--json out.json]

Each pause inside a turn that lasts longer than its limit becomes a simulated conversation: four words, the pause, three
more words. The language model answers in 150 ms, and often before the turn ends, as its answer begins in the pause. The
network takes 30 ms each way. The figures are over these pauses. A half is answered if the last request to the model has
the user's words in two messages, or words of the reply to the first half.

The second table is arithmetic on all pauses: what it would gain to hold the first sound of a reply back for a while
after the end of the turn. All limits are scaled so that the mean time to the first sound at the ends of turns stays the
same.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamsrv.core.effects import Generate
from streamsrv.core.playback.output_buffer import HOLD_EVENTS
from streamsrv.core.turns import turn_taking
from streamsrv.core.turns.endpointing import Evidence, pause_limit_ms
from streamsrv.engines.turn.base import WordsEnding
from streamsrv.protocol.session_object import (
    Audio,
    AudioInput,
    Extension,
    SemanticVad,
    Session,
    StreamsrvOptions,
    Transcription,
)
from streamsrv.testing.early_end_invariants import Reply, no_turn_is_answered_twice, replies
from streamsrv.testing.player import PlayedItem
from streamsrv.testing.record import Record
from streamsrv.testing.scenario import ChatTraits, ClientTraits, NetworkTraits, RecognizerTraits, Scenario
from streamsrv.testing.simulated_user import Act, After, Say, pause, words
from streamsrv.testing.simulator import simulate

FIRST, SECOND = "tiger camel eagle zebra", "monkey rabbit horse"
TRANSPORTS = {
    "client without playback.hold": ClientTraits(),
    "client with playback.hold": ClientTraits(holds_playback=True),
    "server-played (WebRTC, telephone)": ClientTraits(held_by_transport=True),
}
READY_MS = 60
"""From the end of a turn to the first sound of an answer that was begun in the pause, for the arithmetic."""
NOTICED_MS = 64
"""From the user's first speech to the silence of the reply, for the arithmetic."""
HOLDS_MS = (0, 100, 200, 300)


@dataclass(frozen=True, slots=True)
class Observed:
    """A pause of a recording, and the limit that the rule as shipped sets from its evidence."""

    label: str
    pause_ms: int
    limit_ms: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What one early end costs the user."""

    heard_ms: int
    words_lost: int
    half_answered: bool
    said_twice: bool


def read(path: Path) -> list[Observed]:
    """Read the observations that `turn_taking.py` wrote."""
    return [
        Observed(entry["label"], entry["pause_ms"], pause_limit_ms(_evidence(entry)))
        for entry in json.loads(path.read_text(encoding="utf-8"))
    ]


def _evidence(entry: dict[str, Any]) -> Evidence:
    judged = WordsEnding(*entry["words"]) if entry["words"] else None
    return Evidence(text=entry["text"], at_pause=True, words=judged, voice=entry["voice"])


def costs(pauses: Sequence[Observed], client: ClientTraits) -> Iterator[Cost]:
    """Yield the cost of each pause that ends the turn early."""
    for number, each in enumerate(each for each in pauses if each.label == "inside" and each.pause_ms > each.limit_ms):
        turn_taking.pause_limit_ms = _always(each.limit_ms)
        yield _cost(simulate(_conversation(each, client, number)))


def _always(limit_ms: int) -> Callable[..., int]:
    return lambda *evidence, **options: limit_ms


def _conversation(observed: Observed, client: ClientTraits, seed: int) -> Scenario:
    events: list[Extension] = [HOLD_EVENTS] if client.holds_playback else []
    audio = Audio(input=AudioInput(transcription=Transcription(), turn_detection=SemanticVad()))
    return Scenario(
        script=(Act(After(0), Say((*words(FIRST), pause(observed.pause_ms), *words(SECOND)))),),
        session=Session(id="sess_1", expires_at=0, audio=audio, streamsrv=StreamsrvOptions(events=events)),
        network=NetworkTraits(delay_ms=30),
        client=client,
        recognizer=RecognizerTraits(final_ms=20),
        chat=ChatTraits(first_ms=150),
        seed=seed,
    )


def _cost(record: Record) -> Cost:
    committed = [at_ms for at_ms, _ in record.events("input_audio_buffer.committed")]
    false = [reply for reply in replies(record) if reply.created_ms < committed[-1]]
    asked = [effect.messages for _, effect in record.effects() if isinstance(effect, Generate)][-1]
    turns = [message.content for message in asked if message.role == "user"]
    return Cost(
        heard_ms=sum(_heard_ms(record, reply) for reply in false),
        words_lost=len(f"{FIRST} {SECOND}".split()) - len(" ".join(turns).split()),
        half_answered=len(turns) > 1 or any(message.role == "assistant" for message in asked),
        said_twice=any(True for _ in no_turn_is_answered_twice(record)),
    )


def _heard_ms(record: Record, reply: Reply) -> int:
    items = (record.played.get(item_id, PlayedItem()) for item_id in reply.item_ids)
    return sum(item.played_ms(record.ended_ms) for item in items)


def figures(found: Sequence[Cost], pauses: int) -> dict[str, Any]:
    """Return the figures of the early ends among so many pauses inside turns."""
    heard = np.array([cost.heard_ms for cost in found])
    return {
        "early ends": len(found),
        "heard (ms, mean)": round(float(heard.mean())),
        "heard (ms, p95)": round(float(np.quantile(heard, 0.95))),
        "heard over all pauses (ms, mean)": round(float(heard.sum() / pauses)),
        "words lost": sum(cost.words_lost for cost in found),
        "halves answered": sum(cost.half_answered for cost in found),
        "said twice": sum(cost.said_twice for cost in found),
    }


def held_back(pauses: Sequence[Observed], hold_ms: int) -> dict[str, Any]:
    """Return what is heard of false replies if their first sound is held back, at the same mean time to the first."""
    paused: NDArray[np.float64] = np.array([each.pause_ms for each in pauses if each.label == "inside"])
    limits: NDArray[np.float64] = np.array([each.limit_ms for each in pauses if each.label == "inside"])
    ends: NDArray[np.float64] = np.array([each.limit_ms for each in pauses if each.label == "end"])
    more_ms = max(hold_ms, READY_MS)
    scale = (ends.mean() + READY_MS - more_ms) / ends.mean()
    heard: NDArray[np.float64] = np.maximum(paused - limits * scale - more_ms, 0.0)
    return {
        "held back (ms)": hold_ms,
        "first sound (ms, p50)": round(float(np.median(ends) * scale + more_ms)),
        "first sound (ms, p95)": round(float(np.quantile(ends, 0.95) * scale + more_ms)),
        "turns ended early (%)": round(100 * float(np.mean(paused > limits * scale)), 1),
        "false replies heard (%)": round(100 * float(np.mean(heard > 0)), 1),
        "heard of each (ms, mean)": round(float(np.mean(heard[heard > 0])) + NOTICED_MS),
    }


def _print_table(rows: dict[str, dict[str, Any]]) -> None:
    columns = list(next(iter(rows.values())))
    print("| |" + "|".join(f" {column} " for column in columns) + "|")
    print("|---" * (len(columns) + 1) + "|")
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(str(row[column]) for column in columns) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("observations", type=Path)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    if not arguments.observations.exists():
        sys.exit(f"Skipped: there are no observations {arguments.observations}.")
    pauses = read(arguments.observations)
    inside = sum(each.label == "inside" for each in pauses)
    by_transport = {name: figures(list(costs(pauses, client)), inside) for name, client in TRANSPORTS.items()}
    by_hold = {f"{hold_ms} ms": held_back(pauses, hold_ms) for hold_ms in HOLDS_MS}
    _print_table(by_transport)
    print()
    _print_table(by_hold)
    if arguments.json:
        arguments.json.write_text(json.dumps([by_transport, by_hold], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
