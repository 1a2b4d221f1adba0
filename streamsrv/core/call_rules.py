"""What an operator wants of a telephone call, besides its session. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CallRules:
    """The rules of one call. Texts are spoken as they are; an empty text is not spoken."""

    greeting: str = ""
    """Said when the call begins, before the caller has said anything."""
    may_hang_up: bool = True
    """Whether the language model gets a tool that ends the call."""
    transfers: Mapping[str, str] = field(default_factory=dict[str, str])
    """To whom the language model may transfer the call: numbers, `tel:` or `sip:` URIs by a name for each."""
    silence_ms: int = 10_000
    """How long the caller may say nothing before the next of `silence_prompts`; 0: any time."""
    silence_prompts: tuple[str, ...] = ("Are you still there?",)
    """Said one after the other to a silent caller; after the last one, the call ends."""
    goodbye: str = "Goodbye."
    """Said before the call is ended because of silence or its longest duration."""
    digits_pause_ms: int = 2_000
    """The pause after which pressed keys are given to the language model; `#` gives them at once."""
    waiting_after_ms: int = 1_000
    """How long after their last word callers wait for an answer before a quiet sound is played; 0: there is none."""
