"""Writes the request of Anthropic's Messages API. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from streamsrv.engines.llm.abilities import obstacle
from streamsrv.engines.llm.base import ChatAbilities, ChatOptions, Effort, Message, Tool
from streamsrv.engines.llm.messages_api.conversation import (
    Turn,
    called_tools,
    has_unthought_call,
    open_loop,
    system_blocks,
    turns,
    without_thinking,
)
from streamsrv.engines.llm.messages_api.options import AnthropicOptions
from streamsrv.errors import UNSUPPORTED_PARAMETER, Rejected

_BUDGET_TOKENS: Mapping[Effort, int] = {
    "minimal": 1024,
    "low": 1024,
    "medium": 4096,
    "high": 16384,
    "xhigh": 32768,
}
"""Tokens that a model with a budget may think; 1024 is the API's lower bound."""
_EFFORTS: Mapping[Effort, str] = {"minimal": "low"}
"""Efforts that the API calls otherwise."""
_CACHED = {"type": "ephemeral"}
_LABELS = ("metadata", "prompt_cache_key")
_WITHOUT_EFFECT: Mapping[str, tuple[Any, ...]] = {"store": (False,), "service_tier": ("auto", "default")}
"""Values of OpenAI's fields that change nothing, because the API works so anyway."""


class RequestWriter:
    """Writes the requests to one model. `name` is its catalogue name."""

    def __init__(self, name: str, options: AnthropicOptions, abilities: ChatAbilities) -> None:
        self._name = name
        self._options = options
        self._abilities = abilities

    def write(self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions) -> dict[str, Any]:
        """Return the fields of a request; raises `Rejected` for what the model cannot obey."""
        forced = bool(tools) and options.tool_choice not in ("auto", "none")
        if refusal := obstacle(self._name, self._abilities, messages, options):
            raise refusal
        self._check(options, forced=forced)
        found = turns(messages, self._name)
        effort = self._effort(options, found, forced=forced)
        start = open_loop(found)
        found = without_thinking(found[:start]) + (
            found[start:] if self._wants_thinking_back(effort) else without_thinking(found[start:])
        )
        request: dict[str, Any] = {
            "model": self._options.model,
            "max_tokens": options.max_output_tokens or self._options.max_output_tokens,
            "messages": found,
            "stream": True,
        }
        if system := system_blocks(messages):
            request["system"] = system
        if options.stop:
            request["stop_sequences"] = list(options.stop)
        request |= _tool_fields(tools, options, called_tools(found))
        if self._options.caches_prompts:
            _mark_cached(request)
        self._add_thinking(request, effort)
        request["extra_body"] = self._extra_body(options, request)
        return {name: value for name, value in request.items() if value != {}}

    def without_thinking(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the request without what the model thought earlier; None if there is nothing to leave out."""
        kept = without_thinking(request["messages"])
        if kept == request["messages"]:
            return None
        rest = {name: value for name, value in request.items() if not self._is_budget or name != "thinking"}
        return {**rest, "messages": kept}

    @property
    def _is_budget(self) -> bool:
        return self._options.thinking == "budget"

    def _check(self, options: ChatOptions, *, forced: bool) -> None:
        effort, efforts = options.reasoning_effort, self._abilities.efforts
        if effort not in (None, "none") and (self._options.thinking == "none" or not efforts):
            self._refuse("reasoning_effort", f"{effort!r}; accepted: none")
        if forced and not self._options.forces_tools:
            self._refuse("tool_choice", f"{options.tool_choice!r}: it cannot be forced; accepted: auto, none")
        if forced and self._is_budget and effort not in (None, "none"):
            self._refuse("tool_choice", f"{options.tool_choice!r} together with reasoning")
        for name, value in (("seed", options.seed), ("logit_bias", options.logit_bias or None)):
            if value is not None:
                self._refuse(name)
        for name in ("frequency_penalty", "presence_penalty"):
            if value := getattr(options, name):
                self._refuse(name, f"{value}; accepted: 0")
        if any(not text.strip() for text in options.stop):
            self._refuse("stop", "blank text; accepted: texts with a visible character")
        self._check_sampling(options)

    def _check_sampling(self, options: ChatOptions) -> None:
        given = [name for name in ("temperature", "top_p") if getattr(options, name) is not None]
        thinks = (options.reasoning_effort or self._options.reasoning_effort) != "none"
        if not given:
            return
        if not self._options.takes_sampling or (thinks and self._is_budget):
            if (options.temperature, options.top_p) not in ((1, None), (None, 1), (1, 1)):
                self._refuse(given[0], f"{getattr(options, given[0])}{' while it thinks' * thinks}; accepted: 1")
        elif options.temperature is not None and options.temperature > 1:
            self._refuse("temperature", f"{options.temperature}; accepted: 0 to 1")
        elif len(given) > 1:
            self._refuse("top_p", "together with temperature; accepted: one of them")

    def _refuse(self, param: str, what: str = "") -> NoReturn:
        message = f"{self._name} does not support '{param}'{': ' * bool(what)}{what}."
        raise Rejected(message, code=UNSUPPORTED_PARAMETER, param=param)

    def _effort(self, options: ChatOptions, found: Sequence[Turn], *, forced: bool) -> Effort:
        """The effort of this request. A model with a budget does not think where the API would refuse that."""
        effort = options.reasoning_effort or self._options.reasoning_effort
        if self._options.thinking == "none" or (self._is_budget and (forced or has_unthought_call(found))):
            return "none"
        return effort

    def _wants_thinking_back(self, effort: Effort) -> bool:
        return effort != "none" or self._options.thinking_off == "between_tools"

    def _add_thinking(self, request: dict[str, Any], effort: Effort) -> None:
        if effort == "none":
            if self._options.thinking_off != "omitted":
                request["thinking"] = {"type": self._options.thinking_off}
        elif self._is_budget:
            budget = _BUDGET_TOKENS[effort]
            request["thinking"] = {"type": "enabled", "budget_tokens": budget}
            request["max_tokens"] += budget
        else:
            # A summary of what it thinks shows that it is alive.
            request["thinking"] = {"type": "adaptive", "display": "summarized"}
            request["output_config"] = {"effort": _EFFORTS.get(effort, effort)}

    def _extra_body(self, options: ChatOptions, request: dict[str, Any]) -> dict[str, Any]:
        """The fields that the SDK has no arguments for. `output_config` and `metadata` are put into the request."""
        extra: dict[str, Any] = {}
        if self._options.takes_sampling and "thinking" not in request:
            sampling = {"temperature": options.temperature, "top_p": options.top_p}
            extra = {name: value for name, value in sampling.items() if value is not None}
        for name, value in options.provider_fields.items():
            match name, value:
                case "response_format", {"type": "json_schema", "json_schema": {"schema": schema}}:
                    form: dict[str, Any] = {"format": {"type": "json_schema", "schema": schema}}
                    request["output_config"] = request.get("output_config", {}) | form
                case "user" | "safety_identifier", _:
                    request["metadata"] = {"user_id": value}
                case _ if name not in _LABELS and value not in _WITHOUT_EFFECT.get(name, ()):
                    self._refuse(name, f"{value!r:.60}")
                case _:
                    pass
        return extra | dict(self._options.extra_body or {})


def _tool_fields(tools: Sequence[Tool], options: ChatOptions, called: Sequence[str]) -> dict[str, Any]:
    if not tools:
        # The API refuses calls in the conversation whose functions it does not know.
        unknown = [{"name": name, "input_schema": {"type": "object"}} for name in called]
        return {"tools": unknown, "tool_choice": {"type": "none"}} if unknown else {}
    choice: dict[str, Any]
    match options.tool_choice:
        case "none":
            choice = {"type": "none"}
        case "auto":
            choice = {"type": "auto"}
        case "required":
            choice = {"type": "any"}
        case name:
            choice = {"type": "tool", "name": name}
    if not options.parallel_tool_calls and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return {"tools": [_tool(tool) for tool in tools], "tool_choice": choice}


def _tool(tool: Tool) -> dict[str, Any]:
    wire: dict[str, Any] = {"name": tool.name, "input_schema": {"type": "object", **tool.parameters}}
    if tool.description:
        wire["description"] = tool.description
    return wire | ({"strict": True} if tool.strict else {})


def _mark_cached(request: dict[str, Any]) -> None:
    """Mark the end of what is the same in every request, and the end of the conversation, with which the next begins.

    What is shorter than the provider's minimum is not kept, and costs nothing.
    """
    if "system" in request:
        *first, last = request["system"]
        request["system"] = [*first, {**last, "cache_control": _CACHED}]
    elif "tools" in request:
        *first, last = request["tools"]
        request["tools"] = [*first, {**last, "cache_control": _CACHED}]
    *earlier, turn = request["messages"]
    *blocks, block = turn["content"]
    request["messages"] = [*earlier, {**turn, "content": [*blocks, {**block, "cache_control": _CACHED}]}]
