"""Who pays for what: the accounts of sessions and REST requests, and the limits of cost. It has no clock.

A limit is one of a session, of an API key in a day, or of the whole server in a day. Days are those of UTC. From a
share of it on there is a warning, from another on the cheapest model answers, and when it is spent, requests are
refused. What is in progress then goes on, so that a little more than the limit may be spent.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from streamsrv.engines.metering.base import Consumption, Request
from streamsrv.engines.metering.prices import Cost
from streamsrv.errors import QuotaSpent

MAX_PARTS = 64
"""Answers of a session whose costs are remembered: more than can be in progress at once."""

Scope = Literal["session", "key", "server"]
Level = Literal["within", "warned", "saving", "spent"]
LEVELS: tuple[Level, ...] = ("within", "warned", "saving", "spent")
_OWNERS: Mapping[Scope, str] = {
    "session": "this session may cost",
    "key": "this API key may cost in a day",
    "server": "this server may cost in a day",
}


@dataclass(frozen=True, slots=True)
class CostLimits:
    """The most that may be spent, in USD; None: no limit. `warn_at` and `save_at` are shares of it, up to 1."""

    session: Decimal | None = None
    key: Decimal | None = None
    server: Decimal | None = None
    warn_at: float = 0.8
    save_at: float = 0.9


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays: the id of an API key, that of its client secret if one was used, and the id of the session or request.

    None of them is a secret.
    """

    key_id: str = ""
    secret_id: str = ""
    owner_id: str = ""
    limits: CostLimits = CostLimits()


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of a limit is spent: that of the highest level. `reason` is a sentence, empty within the limits."""

    level: Level = "within"
    scope: Scope | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Charge:
    """One request to a model that was paid for."""

    at: datetime
    payer: Payer
    consumption: Consumption
    cost: Cost


class Accounts:
    """The accounts of one server, and what was spent today.

    `cost` is the price book, `now` the time in UTC. `charged` is told of each charge, `reached` of a payer who reaches
    a higher level of a limit.
    """

    def __init__(
        self,
        cost: Callable[[Consumption], Cost],
        now: Callable[[], datetime],
        charged: Callable[[Charge], None] | None = None,
        reached: Callable[[Payer, Standing], None] | None = None,
    ) -> None:
        self.cost = cost
        self._now = now
        self._charged = charged
        self._reached = reached
        self._day: date | None = None
        self._by_key: dict[str, Decimal] = {}  # of this day
        self._told: dict[tuple[Scope, str], Level] = {}

    def open(self, payer: Payer) -> "SpendingAccount":
        """Open the account of a session or a request."""
        return SpendingAccount(self, payer)

    def restore(self, day: date, by_key: Mapping[str, Decimal]) -> None:
        """Add what was spent on a day before this server started, by key."""
        self._begin_day()
        if day == self._day:
            for key_id, usd in by_key.items():
                self._by_key[key_id] = self._by_key.get(key_id, Decimal(0)) + usd

    def standing(self, payer: Payer, of_session: Decimal = Decimal(0)) -> Standing:
        """Return how much of the payer's limits is spent, of which its session has spent `of_session`."""
        self._begin_day()
        return max(self._standings(payer, of_session), key=lambda found: LEVELS.index(found.level))

    def pay(self, payer: Payer, consumption: Consumption, cost: Cost, of_session: Decimal) -> None:
        """Record a charge, after which the session has spent `of_session`."""
        self._begin_day()
        self._by_key[payer.key_id] = self._by_key.get(payer.key_id, Decimal(0)) + cost.usd
        if self._charged is not None:
            self._charged(Charge(self._now(), payer, consumption, cost))
        for standing in self._standings(payer, of_session):
            if standing.scope is None or standing.level == "within":
                continue
            names: Mapping[Scope, str] = {"session": payer.owner_id, "key": payer.key_id, "server": ""}
            key = standing.scope, names[standing.scope]
            if LEVELS.index(standing.level) > LEVELS.index(self._told.get(key, "within")):
                self._told[key] = standing.level
                if self._reached is not None:
                    self._reached(payer, standing)

    def close(self, payer: Payer) -> None:
        """Forget a session that has ended."""
        self._told.pop(("session", payer.owner_id), None)

    def _standings(self, payer: Payer, of_session: Decimal) -> Iterable[Standing]:
        limits = payer.limits
        spent: Mapping[Scope, tuple[Decimal, Decimal | None]] = {
            "session": (of_session, limits.session),
            "key": (self._by_key.get(payer.key_id, Decimal(0)), limits.key),
            "server": (sum(self._by_key.values(), Decimal(0)), limits.server),
        }
        yield Standing()
        for scope, (usd, limit) in spent.items():
            if limit is not None:
                yield _standing(scope, usd, limit, limits)

    def _begin_day(self) -> None:
        if (today := self._now().date()) != self._day:
            self._day = today
            self._by_key.clear()
            self._told = {key: level for key, level in self._told.items() if key[0] == "session"}


def _standing(scope: Scope, usd: Decimal, limit: Decimal, limits: CostLimits) -> Standing:
    share = float(usd / limit) if limit else 1.0
    starts: Mapping[Level, float] = {"warned": limits.warn_at, "saving": limits.save_at, "spent": 1.0}
    levels: list[Level] = ["within", *(level for level, at in starts.items() if share >= at)]
    level = max(levels, key=LEVELS.index)
    if level == "within":
        return Standing(scope=scope)
    return Standing(level, scope, f"{min(share, 1):.0%} of the {limit:f} USD that {_OWNERS[scope]} is spent.")


class SpendingAccount:
    """The `metering.base.Account` of one session or one REST request.

    What belongs to one answer is charged to a part of it (`part`), whose name is the number of the answer's generation.
    """

    def __init__(self, accounts: Accounts, payer: Payer) -> None:
        self.payer = payer
        self._accounts = accounts
        self._paid = Cost()
        self._by_part: dict[int, Cost] = {}
        self._running: dict[Request, int | None] = {}

    def charge(self, consumption: Consumption) -> None:
        self.charge_part(None, consumption)

    def begin(self, request: Request) -> None:
        self.begin_part(None, request)

    def end(self, request: Request) -> None:
        if request in self._running:
            part = self._running.pop(request)
            if (consumption := request.consumption) is not None:
                self.charge_part(part, consumption)

    def part(self, name: int) -> "AccountPart":
        """Return the account of one generation."""
        return AccountPart(self, name)

    def charge_part(self, part: int | None, consumption: Consumption) -> None:
        """Charge a part; None: the session as a whole."""
        cost = self._accounts.cost(consumption)
        self._paid += cost
        if part is not None:
            self._by_part[part] = self._by_part.get(part, Cost()) + cost
            if len(self._by_part) > MAX_PARTS:
                del self._by_part[min(self._by_part)]
        self._accounts.pay(self.payer, consumption, cost, self._paid.usd)

    def begin_part(self, part: int | None, request: Request) -> None:
        """Note the request of a part; None: of the session as a whole."""
        self._running[request] = part

    def cost(self) -> Cost:
        """Return what all has cost so far, with what is in progress."""
        return self._paid + self._of_running(self._running)

    def cost_of(self, parts: Iterable[int]) -> Cost:
        """Return what some parts have cost so far, with what is in progress."""
        wanted = set(parts)
        running = [request for request, part in self._running.items() if part in wanted]
        paid = sum((self._by_part[part] for part in wanted if part in self._by_part), Cost())
        return paid + self._of_running(running)

    @property
    def standing(self) -> Standing:
        """How much of the limits is spent."""
        return self._accounts.standing(self.payer, self._paid.usd)

    def check(self) -> Standing:
        """Return how much of the limits is spent; raises `QuotaSpent` if that is all of one."""
        if (standing := self.standing).level == "spent":
            raise QuotaSpent(f"You exceeded your current quota: {standing.reason}")
        return standing

    def check_paid(self, consumption: Consumption) -> None:
        """Raise `QuotaSpent` if a limit is spent and this would cost more."""
        if self._accounts.cost(consumption).usd:
            self.check()

    def close(self) -> None:
        """The session or the request has ended."""
        self._accounts.close(self.payer)

    def _of_running(self, requests: Iterable[Request]) -> Cost:
        consumed = [request.consumption for request in requests]
        return sum((self._accounts.cost(each) for each in consumed if each is not None), Cost())


class AccountPart:
    """The `metering.base.Account` of one answer in a session."""

    def __init__(self, whole: SpendingAccount, name: int) -> None:
        self.whole = whole
        self._name = name

    def charge(self, consumption: Consumption) -> None:
        self.whole.charge_part(self._name, consumption)

    def begin(self, request: Request) -> None:
        self.whole.begin_part(self._name, request)

    def end(self, request: Request) -> None:
        self.whole.end(request)


def free_account() -> SpendingAccount:
    """Return an account for which nothing has a price, and nothing is limited."""
    return Accounts(lambda _: Cost(), lambda: datetime.min).open(Payer())


def spender(account: object) -> SpendingAccount | None:
    """Return the account with the limits, of a whole session or of a part of one; None: there is none."""
    whole = account.whole if isinstance(account, AccountPart) else account
    return whole if isinstance(whole, SpendingAccount) else None


def cost_to_wire(cost: Cost) -> dict[str, object]:
    """Return a cost for JSON: USD, and whether a part of it is estimated or has no known price."""
    wire: dict[str, object] = {"usd": to_usd(cost.usd)}
    if cost.is_estimated:
        wire["estimated"] = True
    if not cost.is_known:
        wire["unpriced"] = True
    return wire


def to_usd(usd: Decimal) -> float:
    """Return an amount for JSON, to a billionth of a dollar."""
    return round(float(usd), 9)


def standing_to_wire(standing: Standing) -> dict[str, str]:
    """Return a standing for JSON."""
    return {"level": standing.level, "reason": standing.reason}
