"""Function calls of a model in llama.cpp: what the model is shown, and calls that a request demands. Pure.

Source: the chat completions of llama.cpp's server, which take the messages and tools of OpenAI's API.
"""

import json
from collections.abc import Sequence
from typing import Any

from streamsrv.engines.llm.base import Message, Tool, ToolCall
from streamsrv.engines.llm.chat_completions.chunks import Chunk

_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def wire_message(message: Message, *, with_calls: bool) -> dict[str, Any]:
    """Return a message as llama.cpp takes it; without `with_calls`, only what was said."""
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if with_calls and message.role == "tool":
        wire["tool_call_id"] = message.call_id
    if with_calls and message.tool_calls:
        wire["tool_calls"] = [_wire_call(call) for call in message.tool_calls]
    return wire


def wire_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Return the tools as llama.cpp takes them."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters or _NO_PARAMETERS,
            },
        }
        for tool in tools
    ]


def _wire_call(call: ToolCall) -> dict[str, Any]:
    """Return a call of the history. llama.cpp fails at arguments that are not a JSON object, so they are left out."""
    arguments = call.arguments if isinstance(_read_json(call.arguments), dict) else "{}"
    return {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


class ForcedCall:
    """One call of one of `tools`, which the model writes as a JSON text that `schema` describes."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        calls = [
            {
                "type": "object",
                "properties": {"name": {"const": tool.name}, "arguments": tool.parameters or _NO_PARAMETERS},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
            for tool in tools
        ]
        self.schema: dict[str, Any] = calls[0] if len(calls) == 1 else {"anyOf": calls}
        self._text = ""

    def read(self, chunk: Chunk) -> Chunk:
        """Take a chunk of the text; return that of a chat completion, the last one with the whole call.

        A text that the token limit cut off has no call.
        """
        choices: Sequence[Chunk] = chunk.get("choices") or ()
        chat = {name: value for name, value in chunk.items() if name != "choices"}
        for choice in choices:
            self._text += choice.get("text") or ""
            reason = choice.get("finish_reason")
            if reason is None:
                continue
            call = _read_json(self._text)
            if call is None:
                chat["choices"] = [{"delta": {}, "finish_reason": reason}]
                continue
            function = {"name": call["name"], "arguments": json.dumps(call["arguments"], ensure_ascii=False)}
            delta = {"tool_calls": [{"index": 0, "function": function}]}
            chat["choices"] = [{"delta": delta, "finish_reason": "tool_calls"}]
        return chat


def forced_call(tools: Sequence[Tool], choice: str) -> ForcedCall | None:
    """Return the call that `tool_choice` demands: `required`, or the name of one of `tools`. None: it demands none."""
    if choice in ("auto", "none"):
        return None
    return ForcedCall([tool for tool in tools if choice in ("required", tool.name)])
