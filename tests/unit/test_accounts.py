"""Accounts, limits of cost, and what happens as they are reached: no event loop and no clock."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from streamsrv.engines.metering.accounts import (
    MAX_PARTS,
    Accounts,
    Charge,
    CostLimits,
    Payer,
    SpendingAccount,
    Standing,
    free_account,
)
from streamsrv.engines.metering.base import Consumption
from streamsrv.engines.metering.prices import Cost
from streamsrv.errors import QuotaSpent

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def characters(count: int) -> Consumption:
    """They cost 1 USD each."""
    return Consumption("synthesizer", "voice", (("characters", count),))


def by_characters(consumption: Consumption) -> Cost:
    return Cost(Decimal(int(sum(amount for _, amount in consumption.amounts))), is_estimated=consumption.is_estimated)


class Running:
    """A request in progress that has consumed `count` characters so far."""

    def __init__(self, count: int) -> None:
        self.count = count

    @property
    def consumption(self) -> Consumption | None:
        used = Consumption("synthesizer", "voice", (("characters", self.count),), is_estimated=True)
        return used if self.count else None


class Server:
    """Accounts whose clock the test moves."""

    def __init__(self) -> None:
        self.now = NOON
        self.charges: list[Charge] = []
        self.reached: list[tuple[str, Standing]] = []
        self.accounts = Accounts(
            by_characters,
            lambda: self.now,
            self.charges.append,
            lambda who, what: self.reached.append((who.key_id, what)),
        )

    def open(self, key_id: str = "key_ada", owner: str = "sess_1", **limits: int) -> SpendingAccount:
        caps = CostLimits(**{scope: Decimal(usd) for scope, usd in limits.items()})  # type: ignore[arg-type]
        return self.accounts.open(Payer(key_id, "", owner, caps))


def level(account: SpendingAccount) -> str:
    return account.standing.level


def test_an_account_adds_up_what_its_parts_and_the_whole_cost():
    account = Server().open()
    account.part(1).charge(characters(3))
    account.part(2).charge(characters(4))
    account.charge(characters(5))
    assert [account.cost_of([n]).usd for n in (1, 2, 3)] == [3, 4, 0]
    assert account.cost_of([1, 2]).usd == 7
    assert account.cost().usd == 12


def test_what_is_in_progress_counts_as_an_estimate_until_it_is_paid_for_once():
    account = Server().open()
    running = Running(2)
    account.part(1).begin(running)
    assert account.cost_of([1]) == Cost(Decimal(2), is_estimated=True)
    running.count = 6
    assert account.cost().usd == account.cost_of([1]).usd == 6
    for _ in range(3):
        account.part(1).end(running)
    assert account.cost().usd == account.cost_of([1]).usd == 6
    failed = Running(0)
    account.part(1).begin(failed)
    account.part(1).end(failed)
    assert account.cost().usd == 6


def test_an_account_remembers_a_bounded_number_of_parts():
    account = Server().open()
    for number in range(3 * MAX_PARTS):
        account.part(number).charge(characters(1))
    assert account.cost().usd == 3 * MAX_PARTS
    assert account.cost_of(range(3 * MAX_PARTS)).usd == MAX_PARTS


@pytest.mark.parametrize(
    ("spent", "expected"),
    [(0, "within"), (79, "within"), (80, "warned"), (90, "saving"), (99, "saving"), (100, "spent")],
)
@pytest.mark.parametrize("scope", ["session", "key", "server"])
def test_a_limit_warns_then_saves_then_refuses(scope: str, spent: int, expected: str):
    account = Server().open(**{scope: 100})
    account.charge(characters(spent))
    assert level(account) == expected
    if expected == "spent":
        with pytest.raises(QuotaSpent, match="100% of the 100 USD") as refused:
            account.check()
        assert refused.value.code == "insufficient_quota"
    else:
        assert account.check().level == expected


def test_the_highest_level_of_all_limits_counts():
    account = Server().open(session=100, key=10, server=1000)
    account.charge(characters(9))
    assert (account.standing.level, account.standing.scope) == ("saving", "key")
    assert account.standing.reason == "90% of the 10 USD that this API key may cost in a day is spent."


def test_sessions_of_one_key_share_its_limit_and_all_keys_share_that_of_the_server():
    server = Server()
    first, second = server.open(session=100, key=10), server.open(owner="sess_2", session=100, key=10)
    other = server.open("key_bob", "sess_3", key=10, server=12)
    first.charge(characters(10))
    assert [level(account) for account in (first, second, other)] == ["spent", "spent", "warned"]
    other.charge(characters(2))
    assert level(other) == "spent"


def test_a_new_day_begins_with_nothing_spent_except_in_a_session():
    server = Server()
    account, session = server.open(key=10, server=10), server.open(session=10)
    account.charge(characters(10))
    session.charge(characters(10))
    server.now += timedelta(days=1)
    assert level(account) == "within"
    assert level(session) == "spent"


def test_each_level_is_told_once():
    server = Server()
    account = server.open(key=10)
    for _ in range(12):
        account.charge(characters(1))
    server.open(owner="sess_2", key=10).charge(characters(1))
    assert [(who, what.level) for who, what in server.reached] == [
        ("key_ada", "warned"), ("key_ada", "saving"), ("key_ada", "spent")]  # fmt: skip
    server.now += timedelta(days=1)
    account.charge(characters(8))
    assert server.reached[-1][1].level == "warned"


def test_what_was_spent_today_before_a_restart_counts():
    server = Server()
    server.accounts.restore(date(2026, 11, 25), {"key_ada": Decimal(10)})
    account = server.open(key=10)
    assert level(account) == "within"
    server.accounts.restore(date(2026, 11, 26), {"key_ada": Decimal(10)})
    assert level(account) == "spent"


def test_what_costs_nothing_is_not_refused():
    account = Server().open(key=1)
    account.charge(characters(1))
    account.check_paid(characters(0))
    with pytest.raises(QuotaSpent):
        account.check_paid(characters(1))


def test_a_limit_of_nothing_is_spent_from_the_start():
    assert level(Server().open(session=0)) == "spent"


def test_each_charge_names_its_payer_by_id():
    server = Server()
    server.open().part(7).charge(characters(3))
    (charge,) = server.charges
    assert (charge.at, charge.payer.key_id, charge.payer.owner_id) == (NOON, "key_ada", "sess_1")
    assert (charge.consumption, charge.cost.usd) == (characters(3), 3)


def test_without_limits_and_prices_nothing_is_refused():
    account = free_account()
    account.charge(characters(1_000_000))
    assert account.check().level == "within"
    assert account.cost().usd == 0
