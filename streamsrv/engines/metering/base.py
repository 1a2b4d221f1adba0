"""What requests to models consume, and who pays for it. Pure."""

from dataclasses import dataclass
from typing import Literal, Protocol

Unit = Literal["input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "seconds", "characters"]


@dataclass(frozen=True, slots=True)
class Consumption:
    """What one request to one model consumed, whether or not its result was used.

    `amounts`: tokens of a language model (each token under one unit: `input_tokens` are those that were neither cached
    nor written to a cache), seconds of audio of a recogniser, characters of a synthesiser.
    """

    stage: Literal["recognizer", "chat", "synthesizer"]
    model: str
    amounts: tuple[tuple[Unit, float], ...]
    is_estimated: bool = False
    """Whether the provider did not say, because the request was cancelled or failed."""


class Account(Protocol):
    """Pays for the requests of one session or one REST request."""

    def charge(self, consumption: Consumption) -> None:
        """Take note of what a request has consumed. Never waits or raises."""
        ...
