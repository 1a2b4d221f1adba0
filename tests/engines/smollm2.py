"""SmolLM2, the embedded language model of tests, with greedy answers, and questions to it."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Generator, Sequence

import pytest

from streamsrv.engines.catalogue import load_catalogue
from streamsrv.engines.llm.base import ChatModel, ChatOptions, Delta, Message, Text, Tool
from streamsrv.engines.loading import LoadContext, load_engine
from streamsrv.engines.readiness.needs import needs
from streamsrv.engines.weights.store import ModelStore
from streamsrv.inference.scheduler import Scheduler

SHIPPED = load_catalogue()["smollm2-135m"]
ENTRY = dataclasses.replace(SHIPPED, options={**SHIPPED.options, "temperature": 0.0, "repeat_penalty": 1.0})
"""Greedy, so that every run gives the same answers."""
CAPITAL = [Message("system", "Answer in one short sentence."), Message("user", "What is the capital of France?")]
STORY = [Message("user", "Tell me a long story about a dragon.")]


async def ask(
    model: ChatModel,
    messages: Sequence[Message],
    *,
    tools: Sequence[Tool] = (),
    limit: int | None = None,
    options: ChatOptions | None = None,
) -> list[Delta]:
    options = options or ChatOptions(max_output_tokens=limit)
    return [delta async for delta in model.stream(messages, tools, options)]


def text_of(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


@contextlib.contextmanager
def load_context() -> Generator[LoadContext, None, None]:
    """What the model is loaded with; skips the test if its package or its weights are missing."""
    if lacking := needs(ENTRY, ModelStore()):
        pytest.skip(f"{ENTRY.name} is not ready: {'; '.join(map(str, lacking))}")
    scheduler = Scheduler(1)
    yield LoadContext(scheduler, ModelStore().locate(ENTRY), "the-key")
    scheduler.close()


@contextlib.contextmanager
def loaded(context: LoadContext) -> Generator[ChatModel, None, None]:
    model = load_engine(ENTRY, context)
    yield model
    asyncio.run(model.aclose())
