"""What is said while the user waits for a function that the client runs, and that no client is disturbed by it."""

from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import Talk, event, events, of_type, types
from streamsrv.conformance.order import check_order
from streamsrv.core.effects import ClearTimer, Effect, Generate, SetTimer, StopGeneration, Synthesize
from streamsrv.core.inputs import Failure, GenerationFailed, SegmentSpoken, SpeechOutput
from streamsrv.core.session import SessionCore
from streamsrv.core.timers import FillerDue
from streamsrv.engines.llm.base import Finished, ToolCallDelta
from streamsrv.settings import Settings
from streamsrv.testing.invariants import check
from streamsrv.testing.random_scenarios import random_scenario
from streamsrv.testing.scenario import Scenario
from streamsrv.testing.simulator import simulate
from streamsrv.text.voice_manners import VoiceManners

MANNERS = VoiceManners(fillers=("One moment.", "Still busy."), filler_after_ms=2000)
CALLS = (
    ToolCallDelta(0, call_id="a", name="weather", arguments="{}"),
    ToolCallDelta(1, call_id="b", name="time", arguments="{}"),
    Finished("tool_calls"),
)


def waiting(manners: VoiceManners = MANNERS, **session: Any) -> Talk:
    """A session whose user waits for the results of two functions."""
    talk = Talk(manners=manners, **session)
    talk.says("How is the weather?")
    talk.model(*CALLS)
    return talk


def due(talk: Talk) -> int | None:
    """Ms after which the timer of the filler fires that was set last; None: it does not run."""
    timers = [e for e in talk.all if isinstance(e, SetTimer | ClearTimer) and e.key == FillerDue()]
    return timers[-1].delay_ms if timers and isinstance(timers[-1], SetTimer) else None


def give_result(talk: Talk, call_id: str) -> list[Effect]:
    item = {"type": "function_call_output", "call_id": call_id, "output": "sun"}
    return talk.send("conversation.item.create", item=item)


def spoken(effects: list[Effect]) -> list[str]:
    return [
        item["content"][0]["transcript"]
        for sent in events(effects)
        if sent["type"] == "response.done" and sent["response"]["status"] == "completed"
        for item in sent["response"]["output"]
        if item["type"] == "message"
    ]


# --- when words are said ----------------------------------------------------------------------------------------------


def test_words_are_said_after_a_silence_and_others_after_twice_as_long():
    talk = waiting()
    assert due(talk) == 2000
    talk.fire(FillerDue())
    assert spoken(talk.synthesize(ms_per_character=10)) == ["One moment."]
    assert due(talk) == 4000 + 110  # from the end of the words
    talk.now_ms += 4110
    talk.fire(FillerDue())
    assert spoken(talk.synthesize()) == ["Still busy."]
    talk.now_ms += 60_000
    talk.silence(32)
    assert due(talk) == 4110  # no other timer was set
    assert talk.fire(FillerDue()) == []


def test_the_silence_begins_when_the_words_before_the_call_were_played():
    talk = Talk(manners=MANNERS)
    talk.says("How is the weather?")
    talk.model("Let me look that up.", *CALLS)
    talk.synthesize(ms_per_character=100)
    assert due(talk) == 2000 + 2000


def test_nothing_is_visible_before_all_of_it_was_synthesised():
    talk = waiting()
    effects = talk.fire(FillerDue())
    (asked,) = of_type(effects, Synthesize)
    assert asked.text == "One moment."
    assert types(effects) == []
    assert types(talk.give(SpeechOutput(asked.generation, _pcm(), 24_000))) == []
    effects = talk.give(SegmentSpoken(asked.generation))
    assert types(effects)[0] == "response.created"
    response = event(effects, "response.done")["response"]
    assert (response["status"], response["streamsrv"]) == ("completed", {"filler": True})


def test_the_events_are_those_of_any_answer():
    talk = waiting()
    talk.fire(FillerDue())
    talk.synthesize()
    give_result(talk, "a")
    give_result(talk, "b")
    talk.send("response.create")
    talk.answers("It is sunny.")
    check_order(events(talk.all))


def test_the_model_is_not_shown_it():
    talk = waiting()
    talk.fire(FillerDue())
    talk.synthesize()
    give_result(talk, "b")
    give_result(talk, "a")
    talk.send("response.create")
    messages = of_type(talk.all, Generate)[-1].messages
    assert [(message.role, message.content) for message in messages] == [
        ("user", "How is the weather?"), ("assistant", ""), ("tool", "sun"), ("tool", "sun"),
    ]  # fmt: skip


# --- when they are not ------------------------------------------------------------------------------------------------


def test_no_words_without_a_call():
    talk = Talk(manners=MANNERS)
    talk.says("Hello.")
    talk.answers("Hi.")
    assert due(talk) is None


def test_no_words_in_a_written_conversation():
    assert due(waiting(output_modalities=["text"])) is None


def test_it_can_be_turned_off():
    assert Settings(filler="").filler == ()
    assert due(waiting(VoiceManners(fillers=()))) is None


def test_no_words_when_all_results_are_there():
    talk = waiting()
    give_result(talk, "a")
    assert due(talk) is not None
    give_result(talk, "b")
    assert due(talk) is None


def test_no_words_for_a_call_that_was_cut_off():
    talk = Talk(manners=MANNERS)
    talk.says("How is the weather?")
    talk.model(CALLS[0])
    talk.send("response.cancel")
    assert due(talk) is None


def test_no_words_while_the_user_speaks():
    talk = waiting()
    talk.speech()
    assert due(talk) is None
    talk.fire(FillerDue())
    assert not of_type(talk.all, Synthesize)


def test_words_that_are_being_synthesised_are_dropped_when_the_user_speaks():
    talk = waiting()
    (asked,) = of_type(talk.fire(FillerDue()), Synthesize)
    effects = talk.speech()
    assert StopGeneration(asked.generation) in effects
    assert talk.give(SegmentSpoken(asked.generation)) == []


def test_a_client_may_always_ask_for_its_answer():
    """At no moment of a filler is the client's own response refused, and the answer follows the words."""
    for steps in range(4):
        talk = waiting()
        asked: list[Synthesize] = []
        for step in range(steps):
            if step == 0:
                asked = of_type(talk.fire(FillerDue()), Synthesize)
            elif step == 1:
                talk.give(SpeechOutput(asked[0].generation, _pcm(), 24_000))
            else:
                talk.give(SegmentSpoken(asked[0].generation))
        give_result(talk, "a")
        give_result(talk, "b")
        effects = talk.send("response.create")
        assert "error" not in types(effects)
        assert len(of_type(effects, Generate)) == 1
        talk.answers("It is sunny.")
        assert spoken(talk.all)[-1] == "It is sunny."
        check_order(events(talk.all))


def test_a_broken_synthesiser_ends_the_words_and_nothing_else():
    talk = waiting()
    (asked,) = of_type(talk.fire(FillerDue()), Synthesize)
    effects = talk.give(GenerationFailed(asked.generation, Failure("unavailable", "No voice.")))
    assert types(effects) == []
    assert due(talk) == 2000  # that timer has fired
    give_result(talk, "a")
    assert "error" not in types(talk.send("response.create"))


def test_words_can_be_interrupted_and_truncated():
    talk = waiting()
    talk.fire(FillerDue())
    effects = talk.synthesize(ms_per_character=200)
    item_id = event(effects, "response.done")["response"]["output"][0]["id"]
    talk.speech()
    talk.partial("Stop it please now")
    sent = talk.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=100)
    assert types(sent) == ["conversation.item.truncated"]


# --- in whole conversations -------------------------------------------------------------------------------------------


def _slow_tools(seed: int) -> Scenario:
    scenario = random_scenario(Random(seed))
    client = replace(scenario.client, tool_ms=1000 + seed * 1500 % 8000)
    chat = replace(scenario.chat, answers=(("look_up", '{"word": 1}'), "river stone window.") * 3)
    return replace(scenario, client=client, chat=chat)


def _with_filler(scenario: Scenario, new_id: Any) -> SessionCore:
    manners = VoiceManners(fillers=("river stone", "garden yellow"), filler_after_ms=500)
    by_transport = scenario.client.held_by_transport
    return SessionCore(scenario.session, new_id=new_id, holds_playback=by_transport, manners=manners)


@pytest.mark.parametrize("seed", range(20))
def test_random_conversations_with_slow_functions(seed: int):
    check(simulate(_slow_tools(seed), _with_filler))


def test_random_conversations_have_fillers():
    """So that the test above tests something."""
    said = 0
    for seed in range(12):
        effects = [effect for _, effect in simulate(_slow_tools(seed), _with_filler).effects()]
        done = [sent["response"] for sent in events(effects) if sent["type"] == "response.done"]
        said += sum("filler" in response.get("streamsrv", {}) for response in done)
    assert said > 3


def _pcm() -> NDArray[np.int16]:
    return np.ones(2400, np.int16)
