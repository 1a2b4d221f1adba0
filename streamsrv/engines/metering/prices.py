"""What requests to models cost: the price book, made of the catalogue and of `genai-prices`.

The price of a model is what the operator's `[[model]]` states; else what the catalogue states, where it is complete;
else what the library `genai-prices` knows of its provider's address and name for it; else the incomplete statement of
the catalogue. Models of this machine cost nothing unless a price is stated.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from streamsrv.engines.addresses import address_of, is_here
from streamsrv.engines.metering.base import Consumption, Unit
from streamsrv.engines.model_entry import ModelEntry, Price

logger = logging.getLogger(__name__)

CURRENCY = "USD"
"""The currency of all costs; a price in another one cannot be used."""
MILLION = Decimal(1_000_000)

_UNITS: Mapping[str, tuple[Unit, Decimal]] = {
    "minute": ("seconds", Decimal(60)),
    "hour": ("seconds", Decimal(3600)),
    "hour of connection": ("connected_seconds", Decimal(3600)),
    "million characters": ("characters", MILLION),
    "million input tokens": ("input_tokens", MILLION),
    "million cached tokens": ("cached_tokens", MILLION),
    "million cache write tokens": ("cache_write_tokens", MILLION),
    "million output tokens": ("output_tokens", MILLION),
}
"""By `Price.per`, the unit and how many of it the price is for."""
_COMPLETE: Collection[Unit] = ("input_tokens", "cached_tokens", "output_tokens")
"""What a language model's price has to state to be complete."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What something costs. `is_known`: whether all of it has a price; what has none counts as 0."""

    usd: Decimal = Decimal(0)
    is_known: bool = True
    is_estimated: bool = False

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.usd + other.usd, self.is_known and other.is_known, self.is_estimated or other.is_estimated)


class _Tariff(Protocol):
    def __call__(self, amounts: Mapping[Unit, float], /) -> Decimal | None:
        """Return what the amounts cost in USD; None: there is no price."""
        ...


class PriceBook:
    """Prices of the models of one server.

    `find` returns the catalogue entries of a model, by stage and name: its own, then those of its parts. `overridden`:
    names of the models whose price the operator states.
    """

    def __init__(
        self,
        find: Callable[[str, str], Sequence[ModelEntry]],
        overridden: Collection[str] = (),
    ) -> None:
        self._find = find
        self._overridden = overridden
        self._tariffs: dict[tuple[str, str], Sequence[_Tariff]] = {}

    def cost(self, consumption: Consumption) -> Cost:
        """Return what a request costs."""
        amounts: dict[Unit, float] = {unit: amount for unit, amount in consumption.amounts if amount}
        key = consumption.stage, consumption.model
        if key not in self._tariffs:
            entries = self._find(*key)
            self._tariffs[key] = [tariff_of(entry, is_stated=entry.name in self._overridden) for entry in entries]
        prices = [tariff(amounts) for tariff in self._tariffs[key]]
        usd = sum((price for price in prices if price is not None), Decimal(0))
        return Cost(usd, None not in prices, consumption.is_estimated)


def tariff_of(entry: ModelEntry, *, is_stated: bool = False) -> _Tariff:
    """Return what computes the price of a model's requests. `is_stated`: the operator states its price."""
    stated: dict[Unit, Decimal] = {
        _UNITS[price.per][0]: _per_unit(price) for price in entry.price if price.currency == CURRENCY
    }
    is_complete = entry.kind != "chat" or all(unit in stated for unit in _COMPLETE)
    known = None if stated and (is_stated or is_complete) else _known(entry)
    if known is not None:
        return known
    if stated:
        return lambda amounts: _multiply(stated, amounts)
    return (lambda _: Decimal(0)) if is_here(entry) else (lambda _: None)


def _per_unit(price: Price) -> Decimal:
    return Decimal(str(price.amount)) / _UNITS[price.per][1]


def _multiply(stated: Mapping[Unit, Decimal], amounts: Mapping[Unit, float]) -> Decimal:
    """Return the price of the amounts. Cached input costs as other input where nothing else is stated."""
    total = Decimal(0)
    for unit, amount in amounts.items():
        per = stated.get(unit)
        if per is None and unit in ("cached_tokens", "cache_write_tokens"):
            per = stated.get("input_tokens")
        total += (per or Decimal(0)) * Decimal(str(amount))
    return total


def _known(entry: ModelEntry) -> _Tariff | None:
    """Return the tariff that `genai-prices` has for a model of a provider; None: it has none, or is not installed."""
    address, model = address_of(entry), entry.options.get("model")
    if entry.kind not in ("chat", "recognizer") or is_here(entry) or not (address and model):
        return None
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        logger.debug("genai-prices is not installed, so the catalogue alone has prices")
        return None

    def price(amounts: Mapping[Unit, float]) -> Decimal:
        seconds = amounts.get("seconds", 0)
        cached, written = int(amounts.get("cached_tokens", 0)), int(amounts.get("cache_write_tokens", 0))
        usage = Usage(
            input_tokens=int(amounts.get("input_tokens", 0)) + cached + written,
            cache_read_tokens=cached,
            cache_write_tokens=written,
            output_tokens=int(amounts.get("output_tokens", 0)),
            **({"audio_seconds": seconds, "input_audio_seconds": seconds} if seconds else {}),
        )
        return calc_price(usage, str(model), provider_api_url=address).total_price

    try:
        of_an_hour = price({"seconds": 3600} if entry.kind == "recognizer" else {"input_tokens": 1})
    except LookupError:
        return None
    # Some recognisers are charged for by tokens of audio, which their answers do not tell.
    return price if of_an_hour or entry.kind == "chat" else None


def book_of(find: Callable[[str, str], Sequence[ModelEntry]], tables: Sequence[Mapping[str, Any]]) -> PriceBook:
    """Return the price book of a server whose operator has these `[[model]]` tables."""
    return PriceBook(find, {str(table.get("name")) for table in tables if "price" in table})
