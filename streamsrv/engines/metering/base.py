"""What requests to models consume, and who pays for it. Pure."""

from dataclasses import dataclass
from typing import Literal, Protocol

Unit = Literal[
    "input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "seconds", "connected_seconds", "characters"
]


@dataclass(frozen=True, slots=True)
class Consumption:
    """What one request to one model consumed, whether or not its result was used.

    `amounts`: tokens of a language model (each token under one unit: `input_tokens` are those that were neither cached
    nor written to a cache), seconds of audio of a recogniser (`connected_seconds`: of a connection to one that charges
    for it), characters of a synthesiser.
    """

    stage: Literal["recognizer", "chat", "synthesizer"]
    model: str
    amounts: tuple[tuple[Unit, float], ...]
    is_estimated: bool = False
    """Whether the provider did not say, because the request was cancelled or failed."""


class Request(Protocol):
    """A request to a language model that is in progress."""

    @property
    def consumption(self) -> Consumption | None:
        """What it has consumed so far; None: nothing that is charged."""
        ...


class Account(Protocol):
    """Pays for the requests of one session or one REST request. No method waits or raises."""

    def charge(self, consumption: Consumption) -> None:
        """Take note of what a request has consumed."""
        ...

    def begin(self, request: Request) -> None:
        """A request to a language model begins, which consumes more and more until `end`."""
        ...

    def end(self, request: Request) -> None:
        """Pay for a request that has begun; nothing happens if that is done already."""
        ...


class NoAccount:
    """Nobody pays."""

    def charge(self, consumption: Consumption) -> None: ...

    def begin(self, request: Request) -> None: ...

    def end(self, request: Request) -> None: ...


UNPAID = NoAccount()
