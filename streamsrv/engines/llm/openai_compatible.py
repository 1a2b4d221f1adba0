"""Chat models of servers with OpenAI's chat completions API: OpenAI, Gemini, DeepSeek, vLLM, Ollama and others."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import openai
from openai.types.chat import ChatCompletionChunk
from pydantic import Field

from streamsrv.engines.catalogue import ModelEntry
from streamsrv.engines.llm.abilities import abilities_of
from streamsrv.engines.llm.base import ChatAbilities, ChatOptions, Delta, Message, Tool, ToolCall
from streamsrv.engines.llm.chat_completions.chunks import ChunkReader
from streamsrv.engines.llm.context_window import answerable
from streamsrv.engines.loading import LoadContext
from streamsrv.engines.openai_client import OPENAI_URL, open_client, translated_errors
from streamsrv.engines.options import read_options
from streamsrv.errors import Unavailable
from streamsrv.ids import new_id

MAX_ANSWER_CHARS = 1_000_000
"""Characters of one answer: more than any model writes, unless it repeats itself without end."""
_PATIENCE_WHEN_COMPLETE_S = 2.0
"""Seconds to wait for the usage after the finish reason."""
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
    thinking_switch: Literal["effort", "thinking_type", "template:thinking", "template:enable_thinking"] = "effort"
    """Which field of a request says how much to think, see `chat_completions.thinking`."""
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
    return OpenAICompatibleChatModel(entry.name, options, (context.api_key or "").strip(), abilities_of(entry))


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
        self._client = open_client(options.base_url, api_key, options.read_timeout_s)

    async def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        """Answer the conversation; see `ChatModel.stream`. Closing the iterator closes the HTTP stream."""
        reader = ChunkReader(new_id, model=self.name, start_inside=self._options.starts_thinking)
        with translated_errors(self.name, self._options.base_url, self._api_key):
            request = self._request(await self._model_name(), messages, tools, options)
            async with await self._open(request) as chunks:
                async for deltas in self._pieces(chunks, reader):
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
                await self._client.models.list()
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
        except openai.APIConnectionError:
            return await create(**request)  # the server may have just closed the idle connection

    async def _pieces(
        self, chunks: openai.AsyncStream[ChatCompletionChunk], reader: ChunkReader
    ) -> AsyncGenerator[list[Delta], None]:
        """Yield the deltas of the chunks until the stream ends. Raises `TimeoutError` if no delta comes in time.

        After the finish reason, a timeout or an error ends the stream without an error.
        """
        clock, patience_s = asyncio.get_running_loop().time, self._options.read_timeout_s
        give_up_s = clock() + patience_s
        while True:
            try:
                async with asyncio.timeout_at(give_up_s):
                    chunk = await anext(chunks, None)
            except (TimeoutError, openai.APIError):
                if reader.is_complete:
                    return
                raise
            if chunk is None:
                return
            deltas = reader.read(chunk.to_dict(warnings=False))
            if reader.characters > MAX_ANSWER_CHARS:
                raise Unavailable(f"{self.name} does not stop: its answer has more than {MAX_ANSWER_CHARS} characters.")
            if deltas:
                yield deltas
                give_up_s = clock() + patience_s
            if reader.is_complete:
                give_up_s = min(give_up_s, clock() + _PATIENCE_WHEN_COMPLETE_S)

    async def _model_name(self) -> str:
        if not self._model:
            listed = (await self._client.models.list()).data
            if not listed:
                raise Unavailable(f"{self.name} has no model.")
            self._model = listed[0].id
        return self._model

    def _request(
        self, model: str, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": model,
            "messages": [self._wire_message(message) for message in answerable(messages)],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if limit := options.max_output_tokens or self._options.max_output_tokens:
            # OpenAI renamed the field, and its newer models refuse the old name. Other servers know the old name.
            own = self._options.base_url.rstrip("/") == OPENAI_URL
            request["max_completion_tokens" if own else "max_tokens"] = limit
        if tools:
            request["tools"] = [_wire_tool(tool) for tool in tools]
            request["tool_choice"] = _wire_tool_choice(options.tool_choice)
            if not options.parallel_tool_calls:
                request["parallel_tool_calls"] = False
        request |= _sampling(options)
        extra = {**options.provider_fields, **(self._options.extra_body or {})}
        if effort := options.reasoning_effort or self._options.reasoning_effort:
            request["reasoning_effort"] = effort
        if extra:
            request["extra_body"] = extra
        return request

    def _wire_message(self, message: Message) -> dict[str, Any]:
        wire: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.name:
            wire["name"] = message.name
        if message.role == "tool":
            wire["tool_call_id"] = message.call_id
        if message.tool_calls:
            wire["tool_calls"] = [self._wire_call(call) for call in message.tool_calls]
            wire["content"] = message.content or None
        return wire

    def _wire_call(self, call: ToolCall) -> dict[str, Any]:
        function = {"name": call.name, "arguments": call.arguments or "{}"}
        return {"id": call.call_id, "type": "function", "function": function, **call.provider_data.get(self.name, {})}


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


def _wire_tool(tool: Tool) -> dict[str, Any]:
    parameters = tool.parameters or {"type": "object", "properties": {}}
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function | ({"strict": True} if tool.strict else {})}


def _wire_tool_choice(choice: str) -> str | dict[str, Any]:
    if choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}
