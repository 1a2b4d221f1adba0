"""Requests to Anthropic's Messages API, as the engine writes them."""

from collections.abc import Sequence
from typing import Any

from streamsrv.engines.llm.base import ChatAbilities, ChatOptions, Message, Tool, ToolCall
from streamsrv.engines.llm.messages_api.options import AnthropicOptions
from streamsrv.engines.llm.messages_api.request import RequestWriter

HELLO = [Message("user", "Hello!")]
WEATHER = Tool("get_weather", "Weather of a city", {"properties": {"city": {"type": "string"}}})
ALL_EFFORTS: Any = ("none", "minimal", "low", "medium", "high")
THOUGHT = {"type": "thinking", "thinking": "hmm", "signature": "SIGNED"}
SIGNED = {"claude": {"thinking": [THOUGHT]}}


def write(
    messages: Sequence[Message] = HELLO,
    tools: Sequence[Tool] = (),
    options: ChatOptions | None = None,
    *,
    sees_images: bool = True,
    **entry: Any,
) -> dict[str, Any]:
    settings = AnthropicOptions(model="m", **({"caches_prompts": False} | entry))
    abilities = ChatAbilities(calls_tools=True, sees_images=sees_images, efforts=ALL_EFFORTS)
    return RequestWriter("claude", settings, abilities).write(messages, tools, options or ChatOptions())


def called(data: dict[str, Any] | None = None, *, call_id: str = "a", arguments: str = "{}") -> Message:
    return Message("assistant", "", (ToolCall(call_id, "get_weather", arguments, data or {}),))


def result(call_id: str = "a", content: str = "sunny") -> Message:
    return Message("tool", content, call_id=call_id)
