"""Reads the stream of an answer of Anthropic's Messages API. Pure.

Source: the streaming events of the Messages API, and how llama.cpp and vLLM send them.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

from streamsrv.engines.llm.base import Delta, Finished, Reasoning, ToolCallDelta, Usage
from streamsrv.engines.llm.messages_api.conversation import THINKING, Block
from streamsrv.engines.llm.reasoning import ReasoningFilter
from streamsrv.engines.llm.wire_values import fields_of, text_of, tokens_of

Event = Mapping[str, Any]

_FINISH: Mapping[str, Literal["stop", "max_output_tokens", "content_filter", "tool_calls"]] = {
    "max_tokens": "max_output_tokens",
    "model_context_window_exceeded": "max_output_tokens",
    "refusal": "content_filter",
    "tool_use": "tool_calls",
}
_GROWING: Mapping[str, str] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}
"""By type of a delta, its field; what it holds is added to the same field of the block."""


class EventReader:
    """Turns the events of one answer into deltas.

    `new_id` makes the ids of calls to which the server gives none. `model` is the catalogue name of the model, for the
    `provider_data` of its calls: what it thought before each of them. After the last event, `finish()` gives the rest,
    ending with `Finished`.
    """

    def __init__(self, new_id: Callable[[str], str], *, model: str = "") -> None:
        self._new_id = new_id
        self._model = model
        self.characters = 0
        """How many the answer has so far, thinking and arguments of calls among them."""
        self.stop_reason = ""
        self._filter = ReasoningFilter()
        self._blocks: dict[int, Block] = {}
        self._calls: list[int] = []  # the indices of their blocks
        self._thoughts: list[Block] = []  # since the latest call
        self._usage: dict[str, int] = {}
        self._used = Usage(0, 0)  # by the requests before a pause

    @property
    def is_complete(self) -> bool:
        """Whether the server has said why it stopped."""
        return bool(self.stop_reason)

    @property
    def calls(self) -> int:
        """How many functions the answer calls so far."""
        return len(self._calls)

    @property
    def failure(self) -> str:
        """What is wrong with the answer as a whole, after "the server"; empty: nothing."""
        if self.is_complete:
            return ""
        return "broke off its answer" if self._blocks else "ended its answer before it began"

    @property
    def content(self) -> list[Block]:
        """The answer so far, as a server wants it back after a pause."""
        blocks = [dict(block) for _, block in sorted(self._blocks.items())]
        for block in blocks:
            if (arguments := block.pop("partial_json", "")) and "input" in block:
                block["input"] = json.loads(arguments)
        return [block for block in blocks if block != {"type": "text", "text": ""}]

    def read(self, event: Event) -> list[Delta]:
        """Take one event. Types that are not known, and `ping`, have no deltas.

        Raises `TypeError`, `ValueError` or `AttributeError` for a part of the answer that has another type than in the
        API. A count of tokens that cannot be is ignored.
        """
        match event.get("type"):
            case "message_start":
                self._read_usage(event.get("message", {}).get("usage"))
            case "content_block_start":
                return self._begin(event.get("index", 0), dict(event.get("content_block", {})))
            case "content_block_delta":
                return self._grow(event.get("index", 0), event.get("delta", {}))
            case "content_block_stop":
                return self._end(event.get("index", 0))
            case "message_delta":
                self._read_usage(event.get("usage"))
                self.stop_reason = text_of(event.get("delta", {}).get("stop_reason"), "stop_reason") or self.stop_reason
            case _:
                pass
        return []

    def resume(self) -> None:
        """The answer paused, and goes on in the answer to another request."""
        self._used = self._total()
        self._usage = {}
        self._blocks = {index - len(self._blocks): block for index, block in self._blocks.items()}
        self._calls = [index - len(self._blocks) for index in self._calls]
        self.stop_reason = ""

    def finish(self) -> list[Delta]:
        """What is left when the stream has ended: held text, the usage if it is known, and why the model stopped."""
        deltas: list[Delta] = [*self._filter.close()]
        if (usage := self._total()) != Usage(0, 0):
            deltas.append(usage)
        return [*deltas, Finished(_FINISH.get(self.stop_reason, "tool_calls" if self._calls else "stop"))]

    def _begin(self, index: int, block: Block) -> list[Delta]:
        self._blocks[index] = block
        match block.get("type"):
            case "text":
                return self._say(text_of(block.get("text"), "text"))
            case "thinking" if thought := text_of(block.get("thinking"), "thinking"):
                return [Reasoning(thought)]
            case "tool_use":
                self._calls.append(index)
                thoughts, self._thoughts = self._thoughts, []
                data = {self._model: {"thinking": thoughts}} if thoughts else {}
                call_id = block["id"] = text_of(block.get("id"), "the id of a tool use") or self._new_id("call")
                name = text_of(block.get("name"), "the name of a tool use")
                return [ToolCallDelta(len(self._calls) - 1, "", call_id, name, data)]
            case _:
                return []

    def _grow(self, index: int, delta: Event) -> list[Delta]:
        kind = delta.get("type", "")
        if kind not in _GROWING:
            return []
        name = _GROWING[kind]
        more = text_of(delta.get(name), name)
        block = self._blocks.setdefault(index, {"type": name})
        block[name] = (block.get(name) or "") + more
        if kind == "text_delta":
            return self._say(more)
        self.characters += len(more)
        if kind == "thinking_delta":
            return [Reasoning(more)] if more else []
        if kind == "input_json_delta" and index in self._calls:
            return [ToolCallDelta(self._calls.index(index), more)] if more else []
        return []

    def _end(self, index: int) -> list[Delta]:
        block = self._blocks.get(index, {})
        if block.get("type") in THINKING:
            self._thoughts.append({name: value for name, value in block.items() if value is not None})
        if index in self._calls and not block.get("partial_json"):
            # Without arguments, or with all of them at once.
            return [ToolCallDelta(self._calls.index(index), json.dumps(block.get("input") or {}))]
        return []

    def _say(self, text: str) -> list[Delta]:
        self.characters += len(text)
        return [*self._filter.feed(text)]

    def _read_usage(self, usage: object) -> None:
        """Take counts that are cumulative; a later event need not repeat them."""
        given = fields_of(usage)
        counts = {name: tokens_of(given.get(name)) for name in _COUNTS}
        details = fields_of(given.get("output_tokens_details"))
        counts["thinking_tokens"] = tokens_of(details.get("thinking_tokens"))
        self._usage |= {name: count for name, count in counts.items() if count is not None}

    def _total(self) -> Usage:
        fresh, written, cached, output = (self._usage.get(name, 0) for name in _COUNTS)
        used = self._used
        return Usage(
            used.input_tokens + fresh + written + cached,
            used.output_tokens + output,
            used.cached_tokens + cached,
            used.cache_write_tokens + written,
            used.reasoning_tokens + self._usage.get("thinking_tokens", 0),
        )


_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
