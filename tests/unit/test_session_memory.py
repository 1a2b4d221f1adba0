"""What a hostile client sends a session costs memory within its bounds: frames are decoded and handled by the core."""

import base64
import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness import Talk, events
from streamsrv.core.answers.live_responses import MAX_PARALLEL
from streamsrv.core.conversation import MAX_CHARACTERS, MAX_ITEMS
from streamsrv.protocol.client_events import MAX_INPUT_BYTES, MAX_TOOLS_BYTES, MalformedEvent
from streamsrv.protocol.items import MAX_ID, MAX_TEXT

MIB = 1024 * 1024
MAX_PEAK_MIB = 120


class HostileTalk(Talk):
    """Keeps no effects: what is held is held by the session. `refused` counts what was answered with an error."""

    refused = 0

    def give(self, happened: Any) -> list[Any]:
        effects = self.core.handle(happened, self.now_ms)
        self.refused += sum(sent["type"] == "error" for sent in events(effects))
        return effects

    def send(self, event_type: str, **fields: Any) -> list[Any]:
        self.now_ms += 1000
        try:
            return super().send(event_type, **fields)
        except MalformedEvent:
            self.refused += 1
            return []


class LongTalk(Talk):
    """Keeps only the last effects."""

    def give(self, happened: Any) -> list[Any]:
        effects = self.core.handle(happened, self.now_ms)
        self.all = [*self.all[-20:], *effects]
        return effects


def item(text: str = "x", **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}], **fields}


def call(number: int, length: int) -> dict[str, Any]:
    call_id = f"{number}_{'c' * length}"[:length]
    return {"type": "function_call", "name": "look_up", "call_id": call_id, "arguments": "{}"}


@pytest.fixture
def held_mib() -> Iterator[Callable[[], float]]:
    """MiB that were allocated since the test began and are still held. The peak of each test is bounded, too."""
    gc.collect()
    tracemalloc.start()

    def held() -> float:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / MIB

    yield held
    peak_mib = tracemalloc.get_traced_memory()[1] / MIB
    tracemalloc.stop()
    assert peak_mib < MAX_PEAK_MIB


def test_ids_that_are_too_long_leave_nothing(held_mib: Callable[[], float]):
    talk = HostileTalk()
    for number in range(300):
        long_id = f"{number}" + "i" * 100_000
        talk.send("conversation.item.create", item=item(id=long_id))
        talk.send("conversation.item.create", item=call(number, 100_000))
        talk.send("conversation.item.create", item=item(), previous_item_id=long_id)
        talk.send("conversation.item.delete", item_id=long_id)
        talk.send("response.cancel", response_id=long_id)
        talk.send("session.update", event_id=long_id, session={})
    assert talk.refused == 6 * 300
    assert held_mib() < 2


def test_the_longest_ids_of_as_many_items_as_there_may_be(held_mib: Callable[[], float]):
    talk = HostileTalk()
    for number in range(MAX_ITEMS + 100):
        talk.send("conversation.item.create", item={**call(number, MAX_ID), "id": f"{number}_{'i' * 200}"[:MAX_ID]})
    assert talk.refused >= 100
    assert held_mib() < 40


def test_texts_are_bounded_as_a_whole(held_mib: Callable[[], float]):
    talk = HostileTalk()
    for _ in range(200):
        talk.send("conversation.item.create", item=item("é" * (MAX_TEXT - 100)))
    assert talk.refused > 100
    assert held_mib() < 3 * MAX_CHARACTERS * 2 / MIB


def test_clips_that_wait_are_bounded(held_mib: Callable[[], float]):
    talk = HostileTalk()
    audio = base64.b64encode(bytes(48_000 * 60)).decode()
    for _ in range(100):
        talk.send("conversation.item.create", item=item(content=[{"type": "input_audio", "audio": audio}]))
    assert talk.refused > 0
    assert held_mib() < 60


def test_two_thousand_updates_leave_one_session(held_mib: Callable[[], float]):
    talk = HostileTalk()
    for number in range(2_000):
        talk.update(
            instructions=f"{number} " + "x" * 5_000,
            tools=[{"type": "function", "name": f"f{number}", "parameters": {"x": ["y"] * 20}}],
            tracing={"workflow_name": "w", "metadata": {"x": "y" * 1_000}},
            audio={"input": {"transcription": {"prompt": f"{number} " * 100}}},
        )
    assert talk.refused == 0
    assert held_mib() < 5


def test_responses_that_wait_hold_what_their_bounds_allow(held_mib: Callable[[], float]):
    """No model answers: each goes on until it is found to have stalled."""
    talk = HostileTalk(responses_per_minute=1000)
    tools = [{"type": "function", "name": "f", "description": "d" * (MAX_TOOLS_BYTES // 2)}]
    metadata = {f"{number:02}" + "k" * 62: "v" * 512 for number in range(16)}
    given = [item("y" * 190_000) for _ in range(MAX_INPUT_BYTES // 200_000)]
    for _ in range(40):
        talk.send(
            "response.create",
            response={"conversation": "none", "input": given, "tools": tools, "metadata": metadata},
        )
    assert talk.refused == 40 - MAX_PARALLEL
    assert held_mib() < 2 * MAX_PARALLEL * (MAX_INPUT_BYTES + MAX_TOOLS_BYTES) / MIB


@pytest.mark.parametrize(
    "response",
    [
        {"tools": [{"type": "function", "name": "f", "description": "d" * 400_000}] * 10},
        {"tools": [{"type": "function", "name": "f", "parameters": {"x": "d" * 2_000_000}}]},
        {"input": [item("y" * 190_000)] * 40},
        {"metadata": {"k": "v" * 1_000_000}},
        {"instructions": "i" * 1_000_000},
    ],
    ids=["tools", "parameters", "input", "metadata", "instructions"],
)
def test_options_that_are_too_large_leave_nothing(held_mib: Callable[[], float], response: dict[str, Any]):
    talk = HostileTalk(responses_per_minute=1000)
    for _ in range(10):
        talk.send("response.create", response={"conversation": "none", **response})
    assert talk.refused == 10
    assert held_mib() < 2


def test_traces_that_are_too_large_leave_nothing(held_mib: Callable[[], float]):
    talk = HostileTalk()
    for _ in range(20):
        talk.update(tracing={"metadata": {"x": "y" * 1_000_000}})
    assert talk.refused == 20
    assert held_mib() < 2


def test_deep_json_leaves_nothing(held_mib: Callable[[], float]):
    talk = HostileTalk()
    for levels in [65, 980, 5_000, 90_000] * 25:
        deep = "[" * levels + "]" * levels
        try:
            talk.client(f'{{"type": "session.update", "session": {deep}}}')
        except MalformedEvent:
            talk.refused += 1
    assert talk.refused == 100
    assert held_mib() < 2


QUESTION = "and what will the weather be like tomorrow morning when I have to go out"
ANSWER = (
    "It is about four degrees in the morning. It will be warmer later, and it may rain. Take a coat with you, please."
)


@pytest.mark.parametrize("is_interrupted", [False, True])
def test_a_turn_holds_its_items_and_little_more(held_mib: Callable[[], float], is_interrupted: bool):
    """Without the audio, the loudness and the words of what was played long ago."""
    talk = LongTalk(holds_playback=is_interrupted)
    turns = 40
    for _ in range(turns):
        talk.says(QUESTION)
        talk.answers(ANSWER)
        talk.now_ms += 300 if is_interrupted else 50 * len(ANSWER) + 2_000
    talk.all.clear()
    assert len(talk.core._conversation.items) == 2 * turns
    assert held_mib() < (100_000 + turns * 4_000) / MIB
