"""The options of a catalogue entry with the engine `anthropic`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from streamsrv.engines.llm.base import Effort


@dataclass(frozen=True, slots=True)
class AnthropicOptions:
    """What a model takes differs from model to model: one that gets a field it does not take answers 400."""

    model: str
    """The provider's name of the model, or its alias: `claude-sonnet-5-5`."""
    base_url: Annotated[str, Field(pattern=r"^(https?://[^/\s]+.*)?$")] = ""
    """Address of the API, without its version; empty: `ANTHROPIC_BASE_URL`, or else Anthropic's own."""
    max_output_tokens: Annotated[int, Field(ge=1)] = 4096
    """Limit for requests that have no limit; the API demands one. What the model thinks does not count here."""
    reasoning_effort: Effort = "none"
    """Effort of requests that name none. A caller hears thinking as silence."""
    thinking: Literal["none", "budget", "adaptive"] = "none"
    """How the model is told to think: not at all, with a budget of tokens (4.5 and older), or by effort (newer)."""
    thinking_off: Literal["omitted", "disabled", "between_tools"] = "omitted"
    """What tells the model not to think before it answers: no field at all, or a type of `thinking`."""
    takes_sampling: bool = True
    """Whether it takes `temperature` or `top_p`; Claude 5 does not."""
    forces_tools: bool = True
    """Whether a request may force it to call a function; Claude Sonnet 5.5 may not be forced."""
    caches_prompts: bool = True
    """Whether to mark what the next request will begin with, so that the provider keeps it for five minutes."""
    extra_body: Mapping[str, Any] | None = None
    """More fields of a request: `{"service_tier": "standard_only"}`."""
    read_timeout_s: Annotated[float, Field(gt=0)] = 20.0
    """Longest wait for the next piece of an answer, in seconds."""
