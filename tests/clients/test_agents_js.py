"""The stock `@openai/agents-realtime` package, in Node: the scripts in `js` against a running server."""

from typing import Any

import pytest

from client_audio import RATE, best_of_times, loud, silence, turn
from serving import RunningServer
from streamsrv.testing.fakes import ScriptedChatModel


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
