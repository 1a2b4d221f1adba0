"""Chat models of servers with OpenAI's chat completions API: OpenAI, Gemini, DeepSeek, vLLM, Ollama and others."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import openai
from openai.types.chat import ChatCompletionChunk
from pydantic import Field

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.llm.abilities import abilities_of, obstacle
from streamsrv.engines.llm.base import ChatAbilities, ChatOptions, Delta, Message, Tool
from streamsrv.engines.llm.chat_completions.chunks import ChunkReader
from streamsrv.engines.llm.chat_completions.messages import wire_message, wire_tool, wire_tool_choice
from streamsrv.engines.llm.chat_completions.served_models import served_name
from streamsrv.engines.llm.chat_completions.thinking import (
    ThinkingSwitch,
    is_silent_for_long,
    merged,
    thinking_fields,
)
from streamsrv.engines.llm.context.answerable import answerable
from streamsrv.engines.llm.pieces import pieces
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.openai_client import OPENAI_URL, open_client, translated_errors
from streamsrv.engines.options import read_options
from streamsrv.engines.provider_socket import checked_key, is_loopback
from streamsrv.errors import Unavailable
from streamsrv.ids import new_id

_PATIENCE_WITH_THOUGHT = 3
"""Times the read timeout that an answer may take to begin if the model may think for long."""
_OLLAMA = "library"
"""The owner of Ollama's models; it knows `reasoning_effort` only."""
_LOAD_TIMEOUT_S = 180.0
"""Seconds a local server may take for its first answer, for which it may have to load the model."""


@dataclass(frozen=True, slots=True)
class OpenAICompatibleOptions:
    """Options of a catalogue entry with this engine."""

    model: str = ""
    """The server's name of the model; empty: the first model that the server lists."""
    base_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+")] = OPENAI_URL
    """Address of the API, with its version: `http://127.0.0.1:11434/v1`."""
    served_as: Sequence[str] = ()
    """In place of `model`: patterns (`*llama-4-scout*`) of the names under which servers list the model."""
    thinking_switch: ThinkingSwitch = "effort"
    """Which field of a request says how much to think."""
    returns_reasoning: bool = False
    """Whether the server wants to see again what was thought before a call, together with the result of the call."""
    extra_body: Mapping[str, Any] | None = None
    """Request fields that OpenAI does not have: `{"thinking": {"type": "disabled"}}`."""
    reasoning_effort: str = ""
    """Effort of a model that thinks. For voice, use the lowest that the provider accepts (`none`, `minimal`, `low`)."""
    starts_thinking: bool = False
    """Whether answers begin inside `<think>`, because the chat template opens it (DeepSeek-R1, Qwen3-Thinking)."""
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    """Limit for requests that have no limit."""
    read_timeout_s: Annotated[float, Field(gt=0)] = 20.0
    """Longest wait for the next piece of an answer, in seconds."""


OPTIONS = OpenAICompatibleOptions


def load(entry: ModelEntry, context: LoadContext) -> "OpenAICompatibleChatModel":
    """Create the client, without sending a request. Options: `OpenAICompatibleOptions`."""
    options = read_options(OpenAICompatibleOptions, entry)
    can = abilities_of(entry)
    if not entry.abilities:  # a model of one's own that does not state them: most can
        can = replace(can, calls_tools=True)
    can = replace(can, is_local=is_loopback(options.base_url))
    return OpenAICompatibleChatModel(entry.name, options, checked_key(entry, context), can)


class OpenAICompatibleChatModel:
    """An `llm.base.ChatModel` over one HTTP client, whose connections all sessions share."""

    def __init__(
        self, name: str, options: OpenAICompatibleOptions, api_key: str, abilities: ChatAbilities | None = None
    ) -> None:
        self.name = name
        self.abilities = abilities or ChatAbilities(calls_tools=True)
        self.occupancy = None
        self._options = options
        self._api_key = api_key
        self._model = options.model
        self._is_ollama = False
        self._client = open_client(options.base_url, api_key, options.read_timeout_s)

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        """Answer the conversation; see `ChatModel.stream`. Closing the iterator closes the HTTP stream."""
        if refusal := obstacle(self.name, self.abilities, messages, options):
            raise refusal
        reader = ChunkReader(
            new_id,
            model=self.name,
            start_inside=self._options.starts_thinking,
            keeps_reasoning=self._options.returns_reasoning,
        )
        patience_s = self._patience_s(self._effort(options))
        with translated_errors(self.name, self._options.base_url, self._api_key):
            request = self._request(await self._model_name(), messages, tools, options)
            async with await self._open(request) as chunks:
                async for deltas in self._pieces(chunks, reader, patience_s):
                    for delta in deltas:
                        yield delta
        if reader.failure:
            raise Unavailable(f"{self.name} {reader.failure}.")
        for delta in reader.finish():
            yield delta

    async def warm_up(self, messages: Sequence[Message] = ()) -> None:
        """Connect. A server without a key (a local one) also generates a token, which makes it load the model."""
        with translated_errors(self.name, self._options.base_url, self._api_key):
            if self._api_key:
                await (self._client.models.list() if self._model else self._model_name())
                return
            request = self._request(await self._model_name(), (), (), ChatOptions(max_output_tokens=1))
            async with await self._open(request | {"timeout": _LOAD_TIMEOUT_S}) as chunks:
                async for _ in chunks:
                    pass

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Do nothing, because providers charge for what they read."""

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def _open(self, request: dict[str, Any]) -> openai.AsyncStream[ChatCompletionChunk]:
        create: Any = self._client.chat.completions.create  # untyped: its overloads do not take a dict
        try:
            return await create(**request)
        except openai.APITimeoutError:
            raise
        except openai.NotFoundError:
            self._model = self._options.model  # the server may have another model by now
            raise
        except openai.APIConnectionError:
            return await create(**request)  # the server may have just closed the idle connection

    async def _pieces(
        self, chunks: openai.AsyncStream[ChatCompletionChunk], reader: ChunkReader, patience_s: float
    ) -> AsyncGenerator[Sequence[Delta], None]:
        try:
            async for deltas in pieces(self.name, chunks, reader, patience_s, openai.APIError):
                yield deltas
        except openai.APIConnectionError as error:
            if type(error) is openai.APIConnectionError:  # not a timeout
                raise Unavailable(f"{self.name} broke off its answer.") from error
            raise

    async def _model_name(self) -> str:
        if not self._model:
            listed = (await self._client.models.list()).data
            names = [model.id for model in listed]
            self._model = served_name(self.name, self._options.served_as, names, self._options.base_url)
            owner = next((model.owned_by for model in listed if model.id == self._model), "")
            self._is_ollama = owner == _OLLAMA
        return self._model

    def _request(
        self, model: str, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": model,
            "messages": [wire_message(message, self.name, model) for message in answerable(messages)],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if limit := self._limit(options):
            # OpenAI renamed the field, and its newer models refuse the old name. Other servers know the old name.
            own = self._options.base_url.rstrip("/") == OPENAI_URL
            request["max_completion_tokens" if own else "max_tokens"] = limit
        if tools and self.abilities.calls_tools:
            request["tools"] = [wire_tool(tool) for tool in tools]
            request["tool_choice"] = wire_tool_choice(options.tool_choice)
            if not options.parallel_tool_calls:
                request["parallel_tool_calls"] = False
        request |= _sampling(options)
        effort = self._effort(options)
        if is_silent_for_long(effort):
            request["timeout"] = self._patience_s(effort)
        thinking = thinking_fields("effort" if self._is_ollama else self._options.thinking_switch, effort)
        if effort := thinking.pop("reasoning_effort", ""):
            request["reasoning_effort"] = effort
        if extra := merged(merged(thinking, options.provider_fields), self._options.extra_body or {}):
            request["extra_body"] = extra
        return request

    def _limit(self, options: ChatOptions) -> int | None:
        """The most tokens of an answer; a provider refuses more than its model can write."""
        asked, most = options.max_output_tokens or self._options.max_output_tokens, self.abilities.max_output_tokens
        return min(asked, most) if asked and most else asked

    def _effort(self, options: ChatOptions) -> str:
        """How much to think; empty: as much as the model does by itself, because it has no choice or nobody asked."""
        has_choice = len(self.abilities.efforts) != 1
        return (options.reasoning_effort or self._options.reasoning_effort) if has_choice else ""

    def _patience_s(self, effort: str) -> float:
        return self._options.read_timeout_s * (_PATIENCE_WITH_THOUGHT if is_silent_for_long(effort) else 1)


def _sampling(options: ChatOptions) -> dict[str, Any]:
    """Return only the fields that the request set, because some models refuse a field even with its default value."""
    fields: dict[str, Any] = {
        "temperature": options.temperature,
        "top_p": options.top_p,
        "stop": list(options.stop) or None,
        "seed": options.seed,
        "frequency_penalty": options.frequency_penalty,
        "presence_penalty": options.presence_penalty,
        "logit_bias": dict(options.logit_bias) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}
