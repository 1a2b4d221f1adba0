"""Tools that the server runs, in whole simulated conversations: spoken to and interrupted at any moment."""

from typing import Any

import pytest

from streamsrv.core.effects import Generate
from streamsrv.core.session import SessionCore
from streamsrv.protocol.session_object import Session
from streamsrv.protocol.tools import McpTool
from streamsrv.testing.invariants import check
from streamsrv.testing.record import Record
from streamsrv.testing.scenario import ChatTraits, ClientTraits, NetworkTraits, Scenario, ToolTraits
from streamsrv.testing.simulated_user import Act, After, say
from streamsrv.testing.simulator import simulate
from streamsrv.text.voice_manners import VoiceManners

SESSION = Session(
    id="s",
    expires_at=0,
    tools=[McpTool("dice", server_url="https://x.example/mcp", require_approval="never")],
)
CHAT = ChatTraits(answers=(("roll", '{"sides": 6}'), "One two three four five six seven.", "All right then.", "Fine."))
FILLERS = ("garden yellow", "paper mountain")


def slow(script: tuple[Act, ...], held_by_transport: bool) -> Scenario:
    """A conversation with a tool that takes six seconds."""
    return Scenario(
        script,
        SESSION,
        client=ClientTraits(held_by_transport=held_by_transport),
        network=NetworkTraits(delay_ms=40, jitter_ms=20),
        chat=CHAT,
        tools=ToolTraits(("roll",), call_ms=6000),
    )


def with_filler(scenario: Scenario, new_id: Any) -> SessionCore:
    manners = VoiceManners(fillers=FILLERS, filler_after_ms=1000)
    by_transport = scenario.client.held_by_transport
    return SessionCore(scenario.session, new_id=new_id, holds_playback=by_transport, manners=manners)


def statuses(record: Record) -> list[str]:
    return [event["response"]["status"] for _, event in record.events("response.done")]


def test_the_user_hears_what_the_tool_gave():
    script = (say("please roll a die"),)
    record = simulate(Scenario(script, SESSION, chat=CHAT, tools=ToolTraits(("roll",))))
    check(record)
    assert statuses(record) == ["completed", "completed"]
    (call, answer) = [event["response"]["output"][0] for _, event in record.events("response.done")]
    assert (call["type"], call["output"]) == ("mcp_call", "done")
    assert answer["content"][0]["transcript"] == "One two three four five six seven."


@pytest.mark.parametrize("after_ms", range(200, 4200, 400))
@pytest.mark.parametrize("held_by_transport", [False, True])
def test_words_at_any_moment_leave_a_valid_conversation(after_ms: int, held_by_transport: bool):
    script = (say("please roll a die"), say("wait what did you say", After(after_ms)))
    scenario = Scenario(
        script,
        SESSION,
        client=ClientTraits(held_by_transport=held_by_transport),
        network=NetworkTraits(delay_ms=40, jitter_ms=20),
        chat=CHAT,
        tools=ToolTraits(("roll",)),
    )
    record = simulate(scenario)
    check(record)
    assert statuses(record)[-1] == "completed"
    for _, event in record.events("response.done"):
        for item in event["response"]["output"]:
            if item["type"] == "mcp_call":
                assert (item["output"] is None) != (item["error"] is None)


@pytest.mark.parametrize("after_ms", range(200, 9000, 800))
@pytest.mark.parametrize("held_by_transport", [False, True])
def test_words_at_any_moment_of_a_slow_tool(after_ms: int, held_by_transport: bool):
    """While the tool runs, `filler` is said twice; the user speaks before, during, between and after that."""
    script = (say("please roll a die"), say("wait what did you say", After(after_ms)))
    record = simulate(slow(script, held_by_transport), with_filler)
    check(record)
    assert statuses(record)[-1] == "completed"
    asked = [effect for _, effect in record.effects() if isinstance(effect, Generate)]
    assert not any(FILLERS[0] in message.content for each in asked for message in each.messages)


@pytest.mark.parametrize("held_by_transport", [False, True])
def test_the_user_hears_words_while_a_slow_tool_runs_and_then_the_answer(held_by_transport: bool):
    record = simulate(slow((say("please roll a die"),), held_by_transport), with_filler)
    check(record)
    assert statuses(record) == ["completed", "completed"]
    heard = [event["transcript"] for _, event in record.events("response.output_audio_transcript.done")]
    assert heard == [*FILLERS, "One two three four five six seven."]
    assert [len(item.word_ends) for item in record.played.values()] == [2, 2, 7], "all of it is played"
