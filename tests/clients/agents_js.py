"""Scripts of the stock `@openai/agents-realtime` package: run in Node against a server, and what they printed."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving import RunningServer
from streamsrv.conformance.recorder import Recorder

SCRIPTS = Path(__file__).parent / "js"


@dataclass(frozen=True, slots=True)
class Played:
    """What a script printed: `lines` of one name each, and the checked events of the server."""

    lines: list[dict[str, Any]]
    recorder: Recorder

    def all(self, name: str) -> list[Any]:
        return [line[name] for line in self.lines if name in line]

    def history(self) -> list[tuple[str, str, str]]:
        """The messages of the session's history: role, status, and text or transcript."""
        messages = [item for item in self.all("history")[0] if item["type"] == "message"]
        return [(item["role"], item["status"], _text(item["content"])) for item in messages]

    def done(self) -> list[tuple[str, str | None]]:
        """Status of each response and the reason for it."""
        done = [event["response"] for event in self.recorder.events if event["type"] == "response.done"]
        return [(response["status"], (response["status_details"] or {}).get("reason")) for response in done]


def _text(content: list[dict[str, Any]]) -> str:
    return " ".join(part.get("text") or part.get("transcript") or "" for part in content)


def play_script(
    node: str, folder: Path, script: str, server: RunningServer, *audio: NDArray[np.int16], after: Sequence[str] = ()
) -> Played:
    """Run a script to its end, with files of audio in a folder; any error that the SDK reports fails the test."""
    files = [folder / f"{index}.pcm" for index in range(len(audio))]
    for file, pcm in zip(files, audio, strict=True):
        file.write_bytes(pcm.astype("<i2").tobytes())
    command = [node, SCRIPTS / script, f"{server.realtime_url}?model=gpt-realtime", *files, *after]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    played = Played([json.loads(line) for line in ran.stdout.splitlines()], Recorder())
    assert not played.all("error"), played.all("error")
    for event in played.all("server"):
        played.recorder.take(json.dumps(event))
    played.recorder.check_order()
    return played
