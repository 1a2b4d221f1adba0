"""The OpenAI-compatible engine as its tests load it, and a question to it; it needs streamsrv[openai]."""

import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from scripted_provider import ScriptedProvider

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.llm.base import ChatOptions, Delta, Message, Tool
from streamsrv.engines.llm.openai_compatible import OpenAICompatibleChatModel, load
from streamsrv.engines.loading import LoadContext
from streamsrv.inference.scheduler import Scheduler

KEY = "sk-very-secret-key"
HELLO = [Message("user", "Hello!")]
WEATHER = Tool("get_weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
Connect = Callable[..., OpenAICompatibleChatModel]


async def ask(
    model: OpenAICompatibleChatModel,
    messages: Sequence[Message] = HELLO,
    tools: Sequence[Tool] = (),
    options: ChatOptions | None = None,
) -> list[Delta]:
    return [delta async for delta in model.stream(messages, tools, options or ChatOptions())]


@contextlib.asynccontextmanager
async def connecting(provider: ScriptedProvider) -> AsyncGenerator[Connect, None]:
    """Loads the engine for the scripted provider, with options of the entry."""
    scheduler = Scheduler(1)
    async with contextlib.AsyncExitStack() as stack:

        def connect(**options: Any) -> OpenAICompatibleChatModel:
            entry = ModelEntry(
                "scripted", "chat", "openai_compatible", options={"model": "m", "base_url": provider.base_url} | options
            )
            model = load(entry, LoadContext(scheduler, {}, KEY))
            stack.push_async_callback(model.aclose)
            return model

        yield connect
    scheduler.close()
