"""Claude, and other models of servers with Anthropic's Messages API (vLLM, llama.cpp)."""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import anthropic
from anthropic.types import RawMessageStreamEvent

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.llm.abilities import abilities_of
from streamsrv.engines.llm.base import ChatAbilities, ChatOptions, Delta, Message, Tool
from streamsrv.engines.llm.messages_api.client import ANTHROPIC_URL, open_client, translated_errors
from streamsrv.engines.llm.messages_api.events import EventReader
from streamsrv.engines.llm.messages_api.options import AnthropicOptions
from streamsrv.engines.llm.messages_api.request import RequestWriter
from streamsrv.engines.llm.pieces import pieces
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.options import read_options
from streamsrv.engines.provider_socket import checked_key, is_loopback, require_encryption
from streamsrv.errors import Unavailable
from streamsrv.ids import new_id

OPTIONS = AnthropicOptions

_MAX_PAUSES = 5
"""How often an answer may pause for the provider's own tools."""
_LOAD_TIMEOUT_S = 180.0
"""Seconds a local server may take for its first answer, for which it may have to load the model."""


def load(entry: ModelEntry, context: LoadContext) -> "AnthropicChatModel":
    """Create the client, without sending a request. Options: `AnthropicOptions`."""
    options = read_options(AnthropicOptions, entry)
    base_url = (options.base_url or os.environ.get("ANTHROPIC_BASE_URL") or ANTHROPIC_URL).rstrip("/")
    key = checked_key(entry, context)
    if key:
        require_encryption(entry.name, base_url)
    can = abilities_of(entry)
    if not entry.abilities:  # a model of one's own that does not state them: most can
        can = replace(can, calls_tools=True)
    return AnthropicChatModel(entry.name, options, base_url, key, replace(can, is_local=is_loopback(base_url)))


class AnthropicChatModel:
    """An `llm.base.ChatModel` over one HTTP client, whose connections all sessions share."""

    def __init__(
        self, name: str, options: AnthropicOptions, base_url: str, api_key: str, abilities: ChatAbilities
    ) -> None:
        self.name = name
        self.abilities = abilities
        self.occupancy = None
        self._options = options
        self._base_url = base_url
        self._api_key = api_key
        self._writer = RequestWriter(name, options, abilities)
        self._client = open_client(base_url, api_key, options.read_timeout_s)

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        """Answer the conversation; see `ChatModel.stream`. Closing the iterator closes the HTTP stream."""
        written = request = self._writer.write(messages, tools, options)
        reader = EventReader(new_id, model=self.name)
        patience_s = self._options.read_timeout_s
        with translated_errors(self.name, self._base_url, self._api_key):
            for pauses in range(_MAX_PAUSES + 1):
                async with await self._open(request) as events:
                    async for deltas in pieces(self.name, events, reader, patience_s, anthropic.APIError):
                        for delta in deltas:
                            yield delta
                if reader.stop_reason != "pause_turn" or pauses == _MAX_PAUSES:
                    break
                paused = {"role": "assistant", "content": reader.content}
                request = {**written, "messages": [*written["messages"], paused]}
                reader.resume()
        if reader.failure:
            raise Unavailable(f"{self.name} {reader.failure}.")
        for delta in reader.finish():
            yield delta

    async def warm_up(self, messages: Sequence[Message] = ()) -> None:
        """Connect. A server without a key (a local one) also generates a token, which makes it load the model."""
        with translated_errors(self.name, self._base_url, self._api_key):
            if self._api_key:
                await self._client.models.list()
                return
            request = self._writer.write((), (), ChatOptions(max_output_tokens=1))
            async with await self._open(request | {"timeout": _LOAD_TIMEOUT_S}) as events:
                async for _ in events:
                    pass

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Do nothing, because providers charge for what they read."""

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def _open(self, request: Mapping[str, Any]) -> anthropic.AsyncStream[RawMessageStreamEvent]:
        """Send the request; once more if the idle connection was closed, or if old thinking is refused."""
        create: Any = self._client.messages.create  # untyped: its overloads do not take a dict
        try:
            return await create(**request)
        except anthropic.APITimeoutError:
            raise
        except anthropic.APIConnectionError:
            return await create(**request)  # the server may have just closed the idle connection
        except anthropic.BadRequestError as error:
            # Thinking is bound to the model, the account, and all words before it, which may have changed since.
            shorter = self._writer.without_thinking(request)
            if shorter is None or "thinking" not in str(error.body):
                raise
            return await create(**shorter)
