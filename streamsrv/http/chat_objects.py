"""Makes chat completions of the wire from the deltas of a model. Pure.

Source: the OpenAI API reference, `POST /v1/chat/completions`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from streamsrv.core.answers.answered_by import route_to_wire
from streamsrv.engines.llm.base import (
    AnsweredBy,
    Delta,
    Fallback,
    Finished,
    Reasoning,
    Route,
    Text,
    ToolCallDelta,
    Truncated,
    Usage,
)
from streamsrv.engines.metering.accounts import cost_to_wire
from streamsrv.engines.metering.prices import Cost

_FINISH_REASONS = {"max_output_tokens": "length"}
"""Finish reasons of the models that have another name on the wire."""


@dataclass(frozen=True, slots=True)
class CompletionHead:
    """The fields that all objects of one answer share; `created` is in Unix seconds."""

    id: str
    created: int
    model: str
    fallback: Fallback | None = None
    route: Route | None = None
    truncated_messages: int = 0
    cost: Cost | None = None
    """Of the answer, once it is known."""

    def answered_by(self, delta: AnsweredBy) -> "CompletionHead":
        return replace(self, model=delta.model, fallback=delta.fallback, route=delta.route)

    def truncated(self, delta: Truncated) -> "CompletionHead":
        return replace(self, truncated_messages=delta.messages)

    def paid(self, cost: Cost) -> "CompletionHead":
        return replace(self, cost=cost)

    def to_wire(self, kind: str, choices: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
        head: dict[str, Any] = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        own: dict[str, Any] = {}
        if self.fallback is not None:
            own["fallback"] = {"from": self.fallback.model, "reason": self.fallback.reason}
        if self.route is not None and any(choice["finish_reason"] for choice in choices):
            own["routing"] = route_to_wire(self.route)  # with the end of an answer only: it is longer than a delta
        if self.truncated_messages:
            own["truncated_messages"] = self.truncated_messages
        if self.cost is not None:
            own["cost"] = cost_to_wire(self.cost)
        return {**head, "choices": choices, **fields, **({"streamsrv": own} if own else {})}


class ChunkWriter:
    """Makes `chat.completion.chunk` objects from the deltas of a model. `cost` returns what the request costs."""

    def __init__(self, head: CompletionHead, cost: Callable[[], Cost] = Cost, *, include_usage: bool) -> None:
        self._head = head
        self._cost = cost
        self._extra: dict[str, Any] = {"usage": None} if include_usage else {}
        self._usage: Usage | None = None
        self._has_begun = False

    def write(self, delta: Delta) -> list[dict[str, Any]]:
        """Return the chunks for one delta. Reasoning is not part of the answer and gives none."""
        match delta:
            case Text():
                return [self._chunk({"content": delta.text})]
            case ToolCallDelta():
                return [self._chunk({"tool_calls": [_call_delta(delta)]})]
            case Finished():
                self._head = self._head.paid(self._cost())
                last = self._chunk({}, finish_reason=_FINISH_REASONS.get(delta.reason, delta.reason))
                return [last, *self._usage_chunk()]
            case Usage():
                self._usage = delta
            case AnsweredBy():
                self._head = self._head.answered_by(delta)
            case Truncated():
                self._head = self._head.truncated(delta)
            case Reasoning():
                pass
        return []

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        if not self._has_begun:
            self._has_begun = True
            delta = {"role": "assistant", "content": None if "tool_calls" in delta else "", **delta}
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return self._head.to_wire("chat.completion.chunk", [choice], **self._extra)

    def _usage_chunk(self) -> list[dict[str, Any]]:
        if not self._extra or self._usage is None:
            return []
        return [self._head.to_wire("chat.completion.chunk", [], usage=usage_to_wire(self._usage))]


@dataclass(slots=True)
class Completion:
    """Collects the deltas of a whole answer. `cost` returns what the request costs."""

    head: CompletionHead
    cost: Callable[[], Cost] = Cost
    text: str = ""
    calls: dict[int, ToolCallDelta] = field(default_factory=dict[int, ToolCallDelta])
    usage: Usage | None = None
    reason: str = "stop"

    def take(self, delta: Delta) -> None:
        match delta:
            case Text():
                self.text += delta.text
            case ToolCallDelta():
                begun = self.calls.get(delta.index, ToolCallDelta(delta.index))
                self.calls[delta.index] = ToolCallDelta(
                    delta.index,
                    begun.arguments + delta.arguments,
                    begun.call_id or delta.call_id,
                    begun.name or delta.name,
                )
            case Usage():
                self.usage = delta
            case Finished():
                self.reason = _FINISH_REASONS.get(delta.reason, delta.reason)
                self.head = self.head.paid(self.cost())
            case AnsweredBy():
                self.head = self.head.answered_by(delta)
            case Truncated():
                self.head = self.head.truncated(delta)
            case Reasoning():
                pass

    def to_wire(self) -> dict[str, Any]:
        """Return the `chat.completion` object."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text, "refusal": None}
        if self.calls:
            calls = [_call_delta(self.calls[index]) for index in sorted(self.calls)]
            message |= {
                "content": self.text or None,
                "tool_calls": [{name: call[name] for name in ("id", "type", "function")} for call in calls],
            }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.reason}
        usage = {"usage": usage_to_wire(self.usage)} if self.usage else {}
        return self.head.to_wire("chat.completion", [choice], **usage)


def _call_delta(delta: ToolCallDelta) -> dict[str, Any]:
    if not delta.name:
        return {"index": delta.index, "function": {"arguments": delta.arguments}}
    function = {"name": delta.name, "arguments": delta.arguments}
    return {"index": delta.index, "id": delta.call_id, "type": "function", "function": function}


def usage_to_wire(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }
