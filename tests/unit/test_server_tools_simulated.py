"""Tools that the server runs, in whole simulated conversations: spoken to and interrupted at any moment."""

import pytest

from streamsrv.protocol.session_object import Session
from streamsrv.protocol.tools import McpTool
from streamsrv.testing.invariants import check
from streamsrv.testing.record import Record
from streamsrv.testing.scenario import ChatTraits, ClientTraits, NetworkTraits, Scenario, ToolTraits
from streamsrv.testing.simulated_user import After, say
from streamsrv.testing.simulator import simulate

SESSION = Session(
    id="s",
    expires_at=0,
    tools=[McpTool("dice", server_url="https://x.example/mcp", require_approval="never")],
)
CHAT = ChatTraits(answers=(("roll", '{"sides": 6}'), "One two three four five six seven.", "All right then.", "Fine."))


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
