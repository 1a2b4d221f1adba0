"""Writes conversations and functions as OpenAI's chat completions have them. Pure.

Source: the OpenAI API reference, `POST /v1/chat/completions`, and what Gemini, DeepSeek and vLLM add to messages.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from streamsrv.engines.llm.base import Message, Tool, ToolCall

REASONING_FIELDS = ("reasoning_content", "reasoning")
"""Fields of a delta, and of an assistant message, with what the model thought: DeepSeek and llama.cpp; vLLM, Ollama."""
WITHOUT_SIGNATURE = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""Google's word for a call that no Gemini model made, or whose signature is lost: it is accepted like a signature."""

MAX_CALL_ID = 40
"""Characters in the id of a call that OpenAI accepts."""

_SIGNS_CALLS = re.compile(r"gemini-(?!1\.|2\.)")
"""Models that refuse function calls without a signature."""


def wire_message(message: Message, model: str, wire_model: str) -> dict[str, Any]:
    """Return a message for `model`, by its catalogue name; `wire_model` is the server's name of it."""
    wire: dict[str, Any] = {"role": message.role, "content": _content(message)}
    if message.name:
        wire["name"] = message.name
    if message.role == "tool":
        wire["tool_call_id"] = _short(message.call_id)
    if message.tool_calls:
        own = [_own(call, model) for call in message.tool_calls]
        wire["content"] = message.content or None
        wire["tool_calls"] = [_call(call, data) for call, data in zip(message.tool_calls, own, strict=True)]
        if _SIGNS_CALLS.search(wire_model) and not any("extra_content" in call for call in wire["tool_calls"]):
            wire["tool_calls"][0]["extra_content"] = WITHOUT_SIGNATURE
        wire |= next((found for data in own if (found := _reasoning(data))), dict[str, Any]())
    return wire


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.content
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.content}] if message.content else []
    for image in message.images:
        detail = {} if image.detail == "auto" else {"detail": image.detail}
        parts.append({"type": "image_url", "image_url": {"url": image.url, **detail}})
    return parts


def _own(call: ToolCall, model: str) -> Mapping[str, Any]:
    data: Mapping[str, Any] = call.provider_data.get(model, {})
    return data


def _call(call: ToolCall, data: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    added = {name: value for name, value in data.items() if name not in REASONING_FIELDS}
    return {"id": _short(call.call_id), "type": "function", "function": function, **added}


def _short(call_id: str) -> str:
    """Return the id of a call in a length that all providers accept; a longer one becomes its digest."""
    return call_id if len(call_id) <= MAX_CALL_ID else f"call_{sha256(call_id.encode()).hexdigest()[:32]}"


def _reasoning(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in REASONING_FIELDS if name in data}


def wire_tool(tool: Tool) -> dict[str, Any]:
    parameters = tool.parameters or {"type": "object", "properties": {}}
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function | ({"strict": True} if tool.strict else {})}


def wire_tool_choice(choice: str) -> str | dict[str, Any]:
    if choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}
