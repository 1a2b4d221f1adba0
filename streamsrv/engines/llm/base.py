"""The language-model protocol: what every chat model takes and gives."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from streamsrv.inference.occupancy import Occupancy


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete call of a function by the model; `arguments` is the model's JSON text, unparsed."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the context. `tool_calls` only on assistant, `call_id` only on tool messages.

    `name` tells participants of one role apart.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; `parameters` is a JSON schema object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    strict: bool = False
    """Whether the model must keep to `parameters`."""


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """Per-request options. None or empty: the engine's own. An engine raises `Rejected` for one that it cannot obey."""

    max_output_tokens: int | None = None
    """None: the engine's own limit."""
    tool_choice: str = "auto"
    """`auto`, `none`, `required`, or the name of the function that must be called."""
    parallel_tool_calls: bool = True
    temperature: float | None = None
    """0 (always the likeliest token) to 2."""
    top_p: float | None = None
    """0 to 1: the share of probability that tokens are drawn from."""
    stop: tuple[str, ...] = ()
    """The answer ends before the first of these."""
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    """-2 to 2, as the one before."""
    logit_bias: Mapping[str, float] = field(default_factory=dict[str, float])
    """-100 to 100, by token id of the model."""
    provider_fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of a chat completion request that only its provider understands, such as `response_format`."""


@dataclass(frozen=True, slots=True)
class Text:
    """More of the answer, to be spoken."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The model thinking: proof of life for watchdogs, never spoken and never in a transcript."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """More of tool call number `index` (0-based); `call_id` and `name` are set on its first delta only."""

    index: int
    arguments: str = ""
    call_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the whole request; `cached_tokens` are part of `input_tokens`."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """Why the model stopped; the last delta of a stream that did not fail."""

    reason: Literal["stop", "max_output_tokens", "content_filter", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Fallback:
    """Why another model answers than the one that was asked: `model` could not, for `reason` (a sentence)."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """Names the model whose answer follows."""

    model: str
    fallback: Fallback | None = None


Delta = Text | Reasoning | ToolCallDelta | Usage | Finished | AnsweredBy


class ChatModel(Protocol):
    """A loaded language model or a remote one, shared by all sessions."""

    name: str

    @property
    def occupancy(self) -> Occupancy | None:
        """When it computes answers on this machine; None for a remote one, whose capacity is its provider's."""
        ...

    def stream(
        self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions
    ) -> AsyncGenerator[Delta, None]:
        """Answer the conversation. Closing the generator (`aclose`) cancels the request at the provider.

        Raises `Unavailable`, `Rejected` or `Overloaded`.
        """
        ...

    async def warm_up(self, messages: Sequence[Message] = ()) -> None:
        """Make the first requests fast, which will begin with these messages, or raise `Unavailable`."""
        ...

    async def prepare(self, messages: Sequence[Message]) -> None:
        """Read in advance what the next request begins with, if that makes it faster. A hint: errors do not matter."""
        ...

    async def aclose(self) -> None: ...
