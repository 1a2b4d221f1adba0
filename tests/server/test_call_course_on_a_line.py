"""The greeting, keys, tools and silences of telephone calls over a fake line, with fake engines."""

import asyncio
from dataclasses import replace

import numpy as np

from fake_line import PATIENCE_S, FakeLine
from phone_exchange import exchange
from streamsrv.core.call_rules import CallRules
from streamsrv.errors import Unavailable
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from streamsrv.transports.telephony.agent import Agent

QUIET = CallRules(silence_ms=0, waiting_after_ms=0)
GREETED = Agent("desk", rules=replace(QUIET, greeting="Hi.", transfers={"sales": "+4930123"}))


async def test_the_caller_is_greeted_and_an_application_that_comes_later_finds_it_in_the_conversation():
    chat = ScriptedChatModel()
    async with exchange(fake_engines(chat)) as world, world.ring(FakeLine(), GREETED) as caller:
        await caller.until("output_audio_buffer.stopped")
        assert abs(caller.line.heard()).max() > 1000
        assert not chat.asked
        greeting = next(event["response"] for event in caller.events if event["type"] == "response.done")
        assert greeting["streamsrv"]["said"] == "greeting"
        await caller.do("conversation.item.retrieve", item_id=greeting["output"][0]["id"])
        item = (await caller.until("conversation.item.retrieved"))["item"]
        assert item["content"][0]["transcript"] == "Hi."


async def test_keys_are_answered_by_the_model():
    chat = ScriptedChatModel("Thank you.")
    async with exchange(fake_engines(chat)) as world, world.ring(FakeLine(), GREETED) as caller:
        await caller.until("output_audio_buffer.stopped")
        for key in "42#":
            caller.line.press(key)
        while (await caller.until("response.done"))["response"].get("streamsrv", {}).get("said"):
            pass
        assert [message.content for message in chat.asked[0][-2:]] == ["Hi.", "The caller pressed 42."]


async def test_a_call_that_the_model_ends_has_a_complete_record():
    chat = ScriptedChatModel(("hang_up", "{}"))
    async with exchange(fake_engines(chat)) as world, world.ring(FakeLine(), GREETED) as caller:
        caller.line.press("1")
        caller.line.press("#")
        events = await caller.rest()
        await caller.serving
        assert caller.line.hung_up.is_set()
        done = [event["response"] for event in events if event["type"] == "response.done"]
        assert done[-1]["status"] == "completed"
        assert (done[-1]["output"][-1]["name"], done[-1]["output"][-1]["output"]) == ("hang_up", "The call was ended.")
        assert caller.call.reason == "The agent hung up."


async def test_a_transfer_that_fails_is_explained_by_the_model():
    chat = ScriptedChatModel(("transfer_call", '{"destination": "sales"}'), "Sorry.")
    async with exchange(fake_engines(chat)) as world, world.ring(FakeLine(), GREETED) as caller:
        caller.line.transfer_error = Unavailable("Nobody answers at sales.")
        caller.line.press("#")
        await caller.until("response.mcp_call.failed")
        while (await caller.until("response.done"))["response"]["output"][-1].get("role") != "assistant":
            pass
        assert caller.line.transfers == ["+4930123"]
        assert "Nobody answers at sales." in chat.asked[1][-1].content


async def test_a_transferred_call_is_over():
    chat = ScriptedChatModel(("transfer_call", '{"destination": "sales"}'))
    async with exchange(fake_engines(chat)) as world, world.ring(FakeLine(), GREETED) as caller:
        caller.line.press("#")
        async with asyncio.timeout(PATIENCE_S):
            await caller.serving
        assert caller.line.transfers == ["+4930123"]


async def test_a_silent_caller_hears_goodbye_before_the_call_ends():
    rules = CallRules(silence_ms=200, silence_prompts=("Hm?",), goodbye="Bye.", waiting_after_ms=0)
    line = FakeLine()
    async with exchange(fake_engines()) as world, world.ring(line, Agent("desk", rules=rules)) as caller:
        await caller.rest()
        assert line.hung_up.is_set()
        assert line.heard_ms >= 300, "both were heard to their end"
        assert abs(np.asarray(line.heard())).max() > 1000
