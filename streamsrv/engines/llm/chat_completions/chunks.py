"""Reads the stream of an OpenAI-compatible chat completion, in every shape that servers give it. Pure.

Source: the chat completion chunk object of the OpenAI API, and what Gemini, DeepSeek, vLLM, Ollama and llama.cpp send
in its place.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from streamsrv.engines.llm.base import Delta, Finished, Reasoning, Text, ToolCallDelta, Usage
from streamsrv.engines.llm.chat_completions.messages import REASONING_FIELDS
from streamsrv.engines.llm.reasoning import ReasoningFilter
from streamsrv.engines.llm.wire_values import fields_of, text_of, tokens_of

Chunk = Mapping[str, Any]

_FinishReason = Literal["stop", "max_output_tokens", "content_filter", "tool_calls"]
_FINISH: Mapping[str, _FinishReason] = {
    "length": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}
"""The finish reasons, in small letters; those that are not here mean `stop`."""

MAX_KEPT_REASONING_CHARS = 100_000
"""Characters of the end of what was thought before a call that are kept with the call."""

_FAILURES = ("error", "abort", "insufficient_system_resource", "network_error", "MALFORMED_FUNCTION_CALL")
"""OpenRouter, vLLM, DeepSeek, Zhipu, Gemini: finish reasons of an answer that the server could not complete."""


@dataclass(slots=True)
class _Call:
    wire_index: int | None
    wire_id: str
    call_id: str
    name: str = ""
    unsent: str = ""
    unsent_extra: dict[str, Any] = field(default_factory=dict[str, Any])


class ChunkReader:
    """Turns the chunks of one answer into deltas.

    `new_id` makes the ids of calls to which the provider gives none. `model` is the catalogue name of the model, for
    the `provider_data` of its calls; `keeps_reasoning`: what was thought before a call becomes a part of that.
    `start_inside`: see `ReasoningFilter`; it does not matter for a server that separates what the model thinks. After
    the last chunk, `finish()` gives the rest, ending with `Finished`.
    """

    def __init__(
        self,
        new_id: Callable[[str], str],
        *,
        model: str = "",
        start_inside: bool = False,
        keeps_reasoning: bool = False,
    ) -> None:
        self._new_id = new_id
        self._model = model
        self._keeps_reasoning = keeps_reasoning
        self._kept_reasoning: dict[str, str] = {}
        self.usage: Usage | None = None
        self.characters = 0
        """How many the answer has so far, reasoning and arguments of calls among them."""
        self.started = False
        """Whether the server has said anything: text, reasoning, a tool call or a reason to stop."""
        self._filter = ReasoningFilter(start_inside=start_inside)
        self._calls: list[_Call] = []
        self._finish_reason = ""

    @property
    def is_complete(self) -> bool:
        """Whether the server has said why it stopped: at most the usage is still to come."""
        return bool(self._finish_reason)

    @property
    def calls(self) -> int:
        """How many functions the answer calls so far."""
        return len(self._calls)

    @property
    def failure(self) -> str:
        """What is wrong with the answer as a whole, after "the server"; empty: nothing."""
        if not self.started:
            return "ended its answer before it began"
        if not self._finish_reason:
            return "broke off its answer"
        if self._finish_reason.lower() in map(str.lower, _FAILURES):
            return f"broke off its answer ({self._finish_reason})"
        if self._reason == "tool_calls" and not any(call.name for call in self._calls):
            return "called a function without naming it"
        return ""

    def read(self, chunk: Chunk) -> list[Delta]:
        """Take one chunk. `choices` may be empty or absent, and any field null.

        Raises `TypeError`, `ValueError` or `AttributeError` for a part of the answer that has another type than in the
        API. A usage that cannot be is ignored.
        """
        self._read_usage(chunk)
        deltas: list[Delta] = []
        for choice in chunk.get("choices") or ():
            delta: Chunk = choice.get("delta") or {}
            if thought := self._read_reasoning(delta):
                deltas.append(Reasoning(thought))
            if content := text_of(delta.get("content"), "content"):
                deltas += self._filter.feed(content)
                self.started = True
            if refusal := text_of(delta.get("refusal"), "refusal"):
                deltas.append(Text(refusal))
            for call in delta.get("tool_calls") or ():
                deltas += self._read_call(call)
            self.characters += sum(map(len, (thought, content, refusal)))
            self._finish_reason = text_of(choice.get("finish_reason"), "finish_reason") or self._finish_reason
        self.started = self.started or bool(deltas or self._finish_reason)
        return deltas

    def finish(self) -> list[Delta]:
        """What is left when the stream has ended: held text, the usage if it is known, and why the model stopped."""
        deltas: list[Delta] = [*self._filter.close()]
        if self.usage is not None:
            deltas.append(self.usage)
        return [*deltas, Finished(self._reason)]

    @property
    def _reason(self) -> _FinishReason:
        # Gemini says "stop" after a tool call, and "content_filter: RECITATION"
        fallback: _FinishReason = "tool_calls" if self._calls else "stop"
        return _FINISH.get(self._finish_reason.partition(":")[0].strip().lower(), fallback)

    def _read_reasoning(self, delta: Chunk) -> str:
        for name in REASONING_FIELDS:
            if thought := text_of(delta.get(name), name):
                self._filter.start_outside()
                if self._keeps_reasoning:
                    kept = self._kept_reasoning.get(name, "") + thought
                    self._kept_reasoning = {name: kept[-MAX_KEPT_REASONING_CHARS:]}
                return thought
        return ""

    def _read_call(self, wire: Chunk) -> list[Delta]:
        function: Chunk = wire.get("function") or {}
        name = text_of(function.get("name"), "the name of a function call")
        call = self._find_call(wire.get("index"), text_of(wire.get("id"), "the id of a function call"), bool(name))
        if extra := wire.get("extra_content"):  # Gemini's thought signature
            call.unsent_extra = {**call.unsent_extra, "extra_content": extra}
        arguments = text_of(function.get("arguments"), "the arguments of a function call")
        call.unsent += arguments
        self.characters += len(arguments)
        first = not call.name
        call.name = call.name or name
        if not call.name:
            return []
        arguments, call.unsent = call.unsent, ""
        data = {**self._kept_reasoning, **call.unsent_extra} if first else call.unsent_extra
        extra, call.unsent_extra = {self._model: data} if data else {}, {}
        index = self._calls.index(call)
        if first:
            return [ToolCallDelta(index, arguments, call.call_id, call.name, extra)]
        return [ToolCallDelta(index, arguments, provider_data=extra)] if arguments or extra else []

    def _find_call(self, index: int | None, wire_id: str, named: bool) -> _Call:
        """The call that a delta belongs to. Gemini sends no index: there a new id, or a second name, begins a call."""
        if index is not None:
            known = next((call for call in self._calls if call.wire_index == index), None)
        else:
            last = self._calls[-1] if self._calls else None
            same = last and (wire_id == last.wire_id if wire_id else not (named and last.name))
            known = last if same else None
        if known is None:
            known = _Call(index, wire_id, wire_id or self._new_id("call"))
            self._calls.append(known)
        return known

    def _read_usage(self, chunk: Chunk) -> None:
        if usage := fields_of(chunk.get("usage")):
            read, written = tokens_of(usage.get("prompt_tokens") or 0), tokens_of(usage.get("completion_tokens") or 0)
            if read is None or written is None:
                return
            details = fields_of(usage.get("prompt_tokens_details"))
            cached = tokens_of(details.get("cached_tokens")) or tokens_of(usage.get("prompt_cache_hit_tokens")) or 0
            # Gemini counts what it thought in the total only
            uncounted = max(0, (tokens_of(usage.get("total_tokens")) or 0) - read - written)
            details = fields_of(usage.get("completion_tokens_details"))
            thought = uncounted or tokens_of(details.get("reasoning_tokens")) or 0
            self.usage = Usage(read, written + uncounted, min(cached, read), reasoning_tokens=thought)
        elif timings := fields_of(chunk.get("timings")):  # llama.cpp: on every chunk, so it is there after a cancel
            counts = (tokens_of(timings.get(name)) or 0 for name in ("cache_n", "prompt_n", "predicted_n"))
            cached, fresh, written = counts
            self.usage = Usage(cached + fresh, written, cached)
