"""What is said while the user waits for a tool that this server runs, as an item of the response that waits for it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from harness import Talk, event, events, of_type, types
from streamsrv.conformance.order import check_order
from streamsrv.core.effects import (
    CallTool,
    CancelTool,
    Effect,
    FinishAudio,
    Generate,
    ListTools,
    SendEvent,
    StopGeneration,
    Synthesize,
)
from streamsrv.core.inputs import (
    Failure,
    GenerationFailed,
    PlaybackEnded,
    PlaybackReported,
    SegmentSpoken,
    SpeechOutput,
    ToolReturned,
    ToolsListed,
)
from streamsrv.core.timers import FillerDue, FollowUpDue
from streamsrv.engines.llm.base import Finished, ToolCallDelta
from streamsrv.text.voice_manners import VoiceManners
from streamsrv.tools.base import ToolDescription
from test_filler import MANNERS, due, spoken

URL = "https://tools.example.org/mcp"
STOCK: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
ROLL = ToolCallDelta(0, call_id="a", name="roll", arguments="{}")
PCM: NDArray[np.int16] = np.ones(2400, np.int16)


class ServerToolTalk(Talk):
    """A spoken session with an MCP server, whose tool `roll` this server runs."""

    def __init__(self, manners: VoiceManners = MANNERS, *, approval: str = "never", **session: Any) -> None:
        super().__init__(manners=manners, **session)
        tool = {"type": "mcp", "server_label": "dice", "server_url": URL, "require_approval": approval}
        self.update(tools=[tool])
        roll = ToolDescription("roll", "Rolls dice.", {"type": "object"})
        self.give(ToolsListed(of_type(self.all, ListTools)[-1].listing_id, (roll,)))

    def returns(self) -> list[Effect]:
        return self.give(ToolReturned(of_type(self.all, CallTool)[-1].call_id, "4"))

    def waits(self, *said: str) -> "ServerToolTalk":
        self.says("Roll a die.")
        self.model(*said, ROLL, Finished("tool_calls"))
        if said:
            self.synthesize()
            self.now_ms += 5000
        return self


def answer(talk: ServerToolTalk) -> None:
    """The tool returns, and the model answers; every event is in order and of the published types."""
    talk.returns()
    talk.fire(FollowUpDue())
    talk.answers("It is a four.")
    assert spoken(talk.all)[-1] == "It is a four."
    sent = events(talk.all)
    assert "error" not in [each["type"] for each in sent]
    check_order(sent)
    for each in sent:
        if not each["type"].startswith("streamsrv."):
            STOCK.validate_python(each)


def test_words_are_an_item_of_the_response_that_waits():
    talk = ServerToolTalk().waits("Let me roll.")
    assert due(talk) == 2000 + len("Let me roll.") * 50
    assert types(talk.fire(FillerDue())) == []
    effects = talk.synthesize()
    assert types(effects) == [
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
    ]
    filler_id = event(effects, "response.output_item.done")["item"]["id"]
    response = event(talk.returns(), "response.done")["response"]
    assert [item["type"] for item in response["output"]] == ["message", "mcp_call", "message"]
    assert (response["status"], response["streamsrv"]["filler_items"]) == ("completed", [filler_id])
    assert due(talk) is None


def test_the_message_before_the_call_is_complete_while_the_tool_runs():
    """Players play an item when those before it are complete."""
    talk = ServerToolTalk().waits("Let me roll.")
    (message_id,) = [sent["item"]["id"] for sent in events(talk.all) if sent["type"] == "response.output_item.done"]
    assert FinishAudio(message_id) in talk.all
    talk.fire(FillerDue())
    talk.synthesize()
    answer(talk)


def test_the_model_is_shown_neither_words_nor_a_gap():
    talk = ServerToolTalk().waits()
    talk.fire(FillerDue())
    talk.synthesize()
    answer(talk)
    messages = of_type(talk.all, Generate)[-1].messages
    assert [(message.role, message.content) for message in messages] == [
        ("user", "Roll a die."), ("assistant", ""), ("tool", "4"),
    ]  # fmt: skip


def test_other_words_follow_while_the_tool_still_runs():
    talk = ServerToolTalk().waits()
    talk.fire(FillerDue())
    talk.synthesize(ms_per_character=10)
    assert due(talk) == 4000 + 110
    talk.now_ms += 4110
    talk.fire(FillerDue())
    talk.synthesize()
    response = event(talk.returns(), "response.done")["response"]
    texts = [item["content"][0]["transcript"] for item in response["output"] if item["type"] == "message"]
    assert texts == ["One moment.", "Still busy."]


def test_the_answer_is_never_delayed_by_words_that_are_not_said_yet():
    talk = ServerToolTalk().waits()
    (asked,) = of_type(talk.fire(FillerDue()), Synthesize)
    talk.give(SpeechOutput(asked.generation, PCM, 24_000))
    effects = talk.returns()
    assert StopGeneration(asked.generation) in effects
    assert [item["type"] for item in event(effects, "response.done")["response"]["output"]] == ["mcp_call"]
    assert talk.give(SegmentSpoken(asked.generation)) == []


@pytest.mark.parametrize("steps", range(4))
def test_a_client_may_ask_for_its_answer_while_the_tool_runs(steps: int):
    talk = ServerToolTalk().waits()
    asked = of_type(talk.fire(FillerDue()), Synthesize) if steps else []
    if steps > 1:
        talk.give(SpeechOutput(asked[0].generation, PCM, 24_000))
    if steps > 2:
        talk.give(SegmentSpoken(asked[0].generation))
    assert types(talk.send("response.create")) == []
    assert len(of_type(talk.returns(), Generate)) == 1
    talk.answers("It is a four.")
    assert spoken(talk.all)[-1] == "It is a four."
    check_order(events(talk.all))


def test_the_user_interrupts_the_words_and_the_tool():
    talk = ServerToolTalk().waits()
    talk.fire(FillerDue())
    item = event(talk.synthesize(ms_per_character=200), "response.output_item.done")["item"]
    talk.now_ms += 1000
    effects = [*talk.speech(), *talk.partial("Stop it please now"), *talk.silence(32)]
    assert of_type(effects, CancelTool)
    response = event(effects, "response.done")["response"]
    assert (response["status"], response["output"][-1]) == ("cancelled", item)
    sent = talk.send("conversation.item.retrieve", item_id=item["id"])
    assert event(sent, "conversation.item.retrieved")["item"]["content"][0]["transcript"] == "One"
    assert due(talk) is None


def test_words_can_be_truncated_while_the_tool_runs():
    talk = ServerToolTalk().waits()
    talk.fire(FillerDue())
    item_id = event(talk.synthesize(ms_per_character=200), "response.output_item.done")["item"]["id"]
    sent = talk.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=100)
    assert types(sent) == ["conversation.item.truncated"]
    answer(talk)


def test_no_words_for_a_tool_while_the_user_speaks_or_when_they_are_off_or_the_conversation_is_written():
    talk = ServerToolTalk().waits()
    talk.speech(320)
    assert due(talk) is None
    assert due(ServerToolTalk(VoiceManners(fillers=())).waits()) is None
    assert due(ServerToolTalk(output_modalities=["text"]).waits()) is None


def test_a_broken_synthesiser_does_not_end_the_wait_for_the_tool():
    talk = ServerToolTalk().waits()
    (asked,) = of_type(talk.fire(FillerDue()), Synthesize)
    assert types(talk.give(GenerationFailed(asked.generation, Failure("unavailable", "No voice.")))) == []
    answer(talk)


def test_words_are_said_while_an_approved_tool_runs():
    talk = ServerToolTalk(approval="always").waits()
    request = event(talk.all, "response.done")["response"]["output"][0]
    assert due(talk) is None, "it waits for the user"
    decision = {"type": "mcp_approval_response", "approval_request_id": request["id"], "approve": True}
    talk.send("conversation.item.create", item=decision)
    assert due(talk) == 2000
    talk.fire(FillerDue())
    talk.synthesize()
    answer(talk)


def test_a_wait_for_the_client_goes_on_with_the_words_that_are_left():
    talk = ServerToolTalk()
    function = {"type": "function", "name": "time", "parameters": {"type": "object"}}
    talk.update(
        tools=[{"type": "mcp", "server_label": "dice", "server_url": URL, "require_approval": "never"}, function]
    )
    talk.says("Roll a die.")
    talk.model(ROLL, ToolCallDelta(1, call_id="b", name="time", arguments="{}"), Finished("tool_calls"))
    talk.fire(FillerDue())
    talk.synthesize()
    talk.returns()
    assert due(talk) is not None
    talk.now_ms += 10_000
    talk.fire(FillerDue())
    assert spoken(talk.synthesize()) == ["Still busy."]
    check_order(events(talk.all))


def test_a_call_says_that_it_plays_until_its_response_is_done():
    talk = ServerToolTalk(holds_playback=True).waits()
    talk.fire(FillerDue())
    item_id = event(talk.synthesize(), "response.output_item.done")["item"]["id"]
    assert types(talk.give(PlaybackReported(item_id, 20))) == ["output_audio_buffer.started"]
    assert types(talk.give(PlaybackEnded(item_id, 550))) == []
    ended = types(talk.returns())
    assert ended.index("response.done") < ended.index("output_audio_buffer.stopped")


def test_the_response_tells_what_its_words_cost():
    talk = ServerToolTalk().waits()
    (asked,) = of_type(talk.fire(FillerDue()), Synthesize)
    talk.synthesize()
    (done,) = [sent for sent in of_type(talk.returns(), SendEvent) if sent.type == "response.done"]
    assert asked.generation in done.generations


def test_an_apology_after_a_message_that_is_complete_is_a_message_of_its_own():
    talk = ServerToolTalk(VoiceManners(fillers=("One moment.",), apology="I am sorry."))
    talk.says("Roll a die.")
    talk.model("Let me roll.", ROLL, ToolCallDelta(1, call_id="b", name="roll", arguments="{"), Finished("tool_calls"))
    talk.synthesize()
    talk.now_ms += 5000
    talk.fire(FillerDue())
    talk.synthesize()
    response = event([*talk.returns(), *talk.synthesize()], "response.done")["response"]
    texts = [item["content"][0]["transcript"] for item in response["output"] if item["type"] == "message"]
    assert (response["status"], texts) == ("failed", ["Let me roll.", "One moment.", "I am sorry."])
    check_order(events(talk.all))
