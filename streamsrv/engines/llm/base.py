"""The language-model protocol: what every chat model takes and gives."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from streamsrv.engines.metering.base import Account
from streamsrv.inference.occupancy import Occupancy

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
"""How much a model thinks before it answers."""
ProviderData = Mapping[str, Any]
"""What a provider wants back with a tool call, unread, by the catalogue name of the model that made the call."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A complete call of a function by the model; `arguments` is the model's JSON text, unparsed.

    A model sends back only its own entry of `provider_data`: another provider would refuse it.
    """

    call_id: str
    name: str
    arguments: str
    provider_data: ProviderData = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that the user shows: a `data:` URL with a PNG, JPEG, WebP or GIF file, or an https URL."""

    url: str
    detail: Literal["auto", "low", "high"] = "auto"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the context. `tool_calls` only on assistant, `call_id` only on tool, `images` only on user messages.

    `name` tells participants of one role apart.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    name: str = ""
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; `parameters` is a JSON schema object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    strict: bool = False
    """Whether the model must keep to `parameters`."""


@dataclass(frozen=True, slots=True)
class Routing:
    """What a client or the operator asks of the model that is chosen for a request."""

    policy: str = ""
    """Name of a policy of the router; empty: the server's."""
    local_only: bool = False
    """Whether the words must not leave this machine."""
    language: str = ""
    """ISO 639-1 code of the language of the conversation; empty: not known."""
    is_saving: bool = False
    """Whether most of a limit of cost is spent: the cheapest model answers, though it may not be strong enough."""


@dataclass(frozen=True, slots=True)
class Truncation:
    """What is done with a conversation that is longer than the model can read: its oldest turns are left out."""

    is_disabled: bool = False
    """Nothing is left out: the request is refused, with the code `context_length_exceeded`."""
    retention_ratio: float | None = None
    """The share (0 to 1) of what the model can read that is kept once it is exceeded; None: the server's."""
    post_instructions: int | None = None
    """Most tokens of the conversation, not counting instructions and tools; None: what the model can read."""


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
    reasoning_effort: Effort | None = None
    truncation: Truncation = Truncation()
    routing: Routing = Routing()
    account: Account | None = field(default=None, compare=False)
    """Is told what the request costs; None: nobody pays for it."""
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
    provider_data: ProviderData = field(default_factory=dict[str, Any])
    """May come with any delta of the call; what comes later is added."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the whole request; cached tokens are part of the input, reasoning tokens of the output."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    """Part of the input that was written into the provider's cache, which some charge for."""
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """Why the model stopped; the last delta of a stream that did not fail."""

    reason: Literal["stop", "max_output_tokens", "content_filter", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Truncated:
    """The model was not shown the oldest `messages` of the conversation, which were too many for it."""

    messages: int


@dataclass(frozen=True, slots=True)
class Fallback:
    """Why another model answers than the one that was asked: `model` could not, for `reason` (a sentence)."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class Route:
    """The models that may answer a request, the preferred one first, and why: a sentence."""

    models: tuple[str, ...]
    reason: str
    policy: str = ""
    complexity: str = ""


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """Names the model whose answer follows, before the first delta of it."""

    model: str
    fallback: Fallback | None = None
    route: Route | None = None
    """Why this model was asked, where a router chose it."""


Delta = Text | Reasoning | ToolCallDelta | Usage | Finished | AnsweredBy | Truncated


@dataclass(frozen=True, slots=True)
class ChatAbilities:
    """What a model can do, and how much it can read and write."""

    context_tokens: int = 0
    """Prompt and answer together; 0: not known."""
    max_output_tokens: int = 0
    """0: not known, or no other limit than the context."""
    calls_tools: bool = False
    sees_images: bool = False
    efforts: tuple[Effort, ...] = ()
    """Efforts of reasoning that a request may ask for; empty: not known. A single one is what the model does anyway."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes of the languages that it answers well in; empty: all, or not known."""
    is_local: bool = False
    """Whether it runs on this machine, so that no word leaves it."""


class ChatModel(Protocol):
    """A loaded language model or a remote one, shared by all sessions."""

    name: str
    abilities: ChatAbilities

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
