"""The stock `@openai/agents-realtime` package, in Node: the scripts in `js` against a running server."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from client_audio import RATE, best_of_times, loud, silence, turn
from serving import RunningServer
from streamsrv.conformance.recorder import Recorder
from streamsrv.testing.fakes import ScriptedChatModel

FOLDER = Path(__file__).parent / "js"


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


@pytest.fixture
def play(node: str, tmp_path: Path) -> Any:
    """Runs a script with audio to say, to its end; any error that the SDK reports fails the test."""

    def run(script: str, server: RunningServer, *audio: NDArray[np.int16], after: list[str] | None = None) -> Played:
        files = [tmp_path / f"{index}.pcm" for index in range(len(audio))]
        for file, pcm in zip(files, audio, strict=True):
            file.write_bytes(pcm.astype("<i2").tobytes())
        command = [node, FOLDER / script, f"{server.realtime_url}?model=gpt-realtime", *files, *(after or [])]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr
        played = Played([json.loads(line) for line in ran.stdout.splitlines()], Recorder())
        assert not played.all("error")
        for event in played.all("server"):
            played.recorder.take(json.dumps(event))
        played.recorder.check_order()
        return played

    return run


def test_a_voice_turn(play: Any, server: RunningServer, chat: ScriptedChatModel) -> None:
    chat.answers += ["Good morning to you. How are you?"]
    played = play("voice.mjs", server, turn())
    assert played.history() == [
        ("user", "completed", "hello"),
        ("assistant", "completed", "Good morning to you. How are you?"),
    ]
    assert sum(played.all("audioBytes")) / 2 / RATE == 0.06 * len("Good morning to you." + "How are you?")


def test_a_text_turn(play: Any, server: RunningServer, chat: ScriptedChatModel) -> None:
    chat.answers += ["It is noon."]
    played = play("text.mjs", server)
    assert played.history() == [("user", "completed", "What time is it?"), ("assistant", "completed", "It is noon.")]


def test_a_tool_is_run_by_the_sdk(play: Any, server: RunningServer, chat: ScriptedChatModel) -> None:
    chat.answers += [("get_weather", '{"city": "Oslo"}'), "It snows."]
    played = play("tool.mjs", server)
    assert played.all("city") == ["Oslo"]
    assert chat.asked[1][-1].content == "snow in Oslo"
    (call,) = [item for item in played.all("history")[0] if item["type"] == "function_call"]
    assert (call["name"], call["status"], call["output"]) == ("get_weather", "completed", "snow in Oslo")
    assert played.history()[-1] == ("assistant", "completed", "It snows.")


@pytest.mark.usefixtures("first_answer_held")
def test_speech_interrupts_the_answer(play: Any, server: RunningServer, chat: ScriptedChatModel) -> None:
    chat.answers += ["One two three, four five. Six seven.", "Sorry"]
    played = play("barge_in.mjs", server, turn(), loud(), silence())
    assert played.all("interrupted")
    assert played.done() == [("cancelled", "turn_detected"), ("completed", None)]
    assert [(role, status) for role, status, _ in played.history()] == [
        ("user", "completed"),
        ("assistant", "incomplete"),
        ("user", "completed"),
        ("assistant", "completed"),
    ]


@pytest.mark.usefixtures("first_answer_held")
def test_the_application_interrupts_the_answer(play: Any, server: RunningServer, chat: ScriptedChatModel) -> None:
    chat.answers += ["One two three, four five. Six seven."]
    played = play("interrupt.mjs", server)
    assert played.all("interrupted")
    assert played.done() == [("cancelled", "client_cancelled")]


@pytest.mark.slow
def test_real_speech_and_real_engines(play: Any, real_server: RunningServer) -> None:
    played = play("voice.mjs", real_server, best_of_times())
    (_, _, heard), (_, _, said) = played.history()
    assert "best of times" in heard.lower()
    assert said
    assert sum(played.all("audioBytes")) > RATE
