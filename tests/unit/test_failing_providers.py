"""A provider of language models fails at any moment of a conversation, and another one stands behind it."""

from typing import Any

import pytest

from streamsrv.core.inputs import GenerationFailed, ModelOutput
from streamsrv.core.session import SessionCore
from streamsrv.engines.llm.base import AnsweredBy, Text, ToolCallDelta
from streamsrv.errors import EngineError, Overloaded, Unavailable
from streamsrv.testing.faults import Fault
from streamsrv.testing.invariants import check
from streamsrv.testing.record import Record
from streamsrv.testing.scenario import ChatTraits, ClientTraits, Scenario
from streamsrv.testing.simulated_user import AfterReply, say
from streamsrv.testing.simulator import simulate
from streamsrv.text.voice_manners import VoiceManners

ANSWER = "The river is north of here. It flows to the silver harbour, then past a yellow garden."
OTHER = "The harbour opens at seven every morning."
DELTAS = len(ANSWER.split()) + 2
"""Those of the words, the usage and the end."""
MAX_WAIT_MS = 2000
SORRY = "Sorry."
ERRORS = [Unavailable("gone"), Overloaded("full"), None]


def failing(after: int, error: EngineError | None) -> Fault:
    """A fault after so many deltas; without an error the model says nothing more."""
    return Fault(after=after, error=error, stuck=error is None)


def talk(*faults: Fault, stand_ins: tuple[tuple[Fault, ...], ...] = ((),), **traits: Any) -> Record:
    answers = traits.pop("answers", (ANSWER, OTHER))
    chat = ChatTraits(answers=answers, faults=faults, stand_ins=stand_ins)
    script = (say("where is the river"), say("when does the harbour open", when=AfterReply(500)))

    def make(scenario: Scenario, new_id: Any) -> SessionCore:
        return SessionCore(scenario.session, new_id=new_id, manners=VoiceManners(apology=SORRY))

    record = simulate(Scenario(script, chat=chat, **traits), make)
    check(record)
    return record


def responses(record: Record) -> list[dict[str, Any]]:
    return [event["response"] for _, event in record.events("response.done")]


def transcripts(record: Record) -> list[str]:
    messages = [item for done in responses(record) for item in done["output"] if item["type"] == "message"]
    return [item["content"][0]["transcript"] for item in messages]


def longest_silence_ms(record: Record) -> int:
    """The longest time from a request or a word to the next word, end or failure, as long as an answer is expected."""
    longest = since_ms = 0
    for step in record.steps:
        match step.happened:
            case ModelOutput(delta=Text() | ToolCallDelta()) | GenerationFailed():
                longest = max(longest, step.at_ms - since_ms) if since_ms else longest
                since_ms = step.at_ms
            case ModelOutput(delta=AnsweredBy()):
                pass
            case _ if any(type(effect).__name__ == "Generate" for effect in step.effects):
                since_ms = step.at_ms
            case ModelOutput():
                since_ms = 0
            case _:
                pass
    return longest


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("after", range(DELTAS))
def test_nothing_is_doubled_or_lost_and_the_answer_goes_on_in_time(after: int, error: EngineError | None):
    record = talk(failing(after, error))
    assert transcripts(record) == [ANSWER, OTHER]
    assert [done["status"] for done in responses(record)] == ["completed", "completed"]
    assert longest_silence_ms(record) < MAX_WAIT_MS


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("after", range(5))
def test_a_function_is_called_once(after: int, error: EngineError | None):
    call = ("find", '{"place": "river"}')
    record = talk(failing(after, error), answers=(call, ANSWER, OTHER), client=ClientTraits(tool_ms=100))
    items = [item for done in responses(record) for item in done["output"]]
    assert [item["arguments"] for item in items if item["type"] == "function_call"] == [call[1]]
    assert transcripts(record) == [ANSWER, OTHER]
    assert longest_silence_ms(record) < MAX_WAIT_MS


@pytest.mark.parametrize("after", range(0, DELTAS, 3))
def test_two_that_fail_leave_the_third(after: int):
    record = talk(failing(after, Unavailable("gone")), stand_ins=((failing(2, None),), ()))
    assert transcripts(record) == [ANSWER, OTHER]


@pytest.mark.parametrize("after", range(0, DELTAS - 1, 3))
def test_when_all_fail_the_user_hears_what_was_said_and_an_apology(after: int):
    always = [failing(after, Unavailable("gone")), failing(0, Unavailable("gone"))] * 5
    first, _ = transcripts(talk(*always, stand_ins=((failing(0, Overloaded("full")),) * 9,)))
    assert first == f"{' '.join(ANSWER.split()[:after])} {SORRY}".strip()


def test_an_answer_says_who_gave_it():
    done = responses(talk(failing(4, Unavailable("gone"))))
    assert done[0]["streamsrv"]["model"] == "faulty-model-2"
    assert done[0]["streamsrv"]["fallback"] == {"from": "faulty-model-1", "reason": "gone"}
