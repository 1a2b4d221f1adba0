"""The operator's table of routing rules, and what its errors say."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from streamsrv.engines.catalogue import CatalogueError, load_catalogue
from streamsrv.engines.llm.base import ChatOptions, Delta, Message, Text, Tool
from streamsrv.engines.llm.routing.latency import FirstTokens
from streamsrv.engines.llm.routing.policy import Rule
from streamsrv.engines.llm.routing.rules import read_rules
from streamsrv.engines.llm.timed import TimedChatModel
from streamsrv.errors import Unavailable
from streamsrv.settings import Settings
from streamsrv.testing.fakes import ScriptedChatModel

CATALOGUE = load_catalogue()


def test_a_condition_is_a_text_or_a_list():
    tables = [{"tasks": "code", "models": "gpt-4o-mini"}, {"complexity": ["simple", "hard"], "policy": "best"}]
    assert read_rules(tables, CATALOGUE) == (
        Rule(tasks=("code",), models=("gpt-4o-mini",)),
        Rule(complexity=("simple", "hard"), policy="best"),
    )


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"complexity": "easy", "policy": "best"}, "complexity: 'easy'; accepted: small_talk, simple, moderate, hard"),
        ({"task": "code", "policy": "best"}, "'task' is not a field; did you mean tasks?"),
        ({"languages": ["elvish"], "policy": "best"}, "languages: 'elvish'"),
        ({"models": ["silero"]}, "models: 'silero'"),
        ({"models": []}, "models: []; accepted: a list of these"),
        ({"tasks": 3, "policy": "best"}, "tasks: 3; accepted: a list of these: code, arithmetic, tools"),
        ({"policy": "quickest"}, "policy: 'quickest'"),
        ({"tasks": "code"}, "exactly one of models and policy"),
        ({"models": "gpt-4o-mini", "policy": "best"}, "exactly one of models and policy"),
    ],
)
def test_what_is_wrong_names_the_row_the_field_and_what_is_accepted(table: dict[str, Any], problem: str):
    with pytest.raises(CatalogueError) as raised:
        read_rules([{"policy": "best"}, table], CATALOGUE)
    assert f"row 2: {problem}" in str(raised.value)


@pytest.mark.parametrize("names", ["a,a", "auto,a"])
def test_a_list_of_models_names_each_once_and_not_auto(names: str):
    with pytest.raises(ValueError, match=r"named twice|stands alone"):
        Settings(chat=names)  # type: ignore[arg-type]


class FailingChatModel(ScriptedChatModel):
    """Fails before its first token."""

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        raise Unavailable("down")
        yield Text("")


async def test_the_time_to_the_first_token_is_measured_and_a_quick_failure_is_no_measure_of_speed():
    times = FirstTokens()
    clock = iter(range(100))
    model = TimedChatModel(ScriptedChatModel(name="m"), times, lambda: float(next(clock)))
    for _ in range(3):
        assert [delta async for delta in model.stream([Message("user", "hi")], (), ChatOptions())]
    assert times.p95_s("m", 10.0) == 1.0
    failing = TimedChatModel(FailingChatModel(name="f"), times, lambda: 0.0)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await anext(failing.stream([Message("user", "hi")], (), ChatOptions()))
    assert times.p95_s("f", 0.0) is None
