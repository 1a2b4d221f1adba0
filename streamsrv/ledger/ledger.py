"""Writes charges to the database of the ledger in batches, so that no session waits for it."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from streamsrv.engines.metering.accounts import Charge
from streamsrv.errors import Unavailable
from streamsrv.ids import new_id
from streamsrv.ledger.database import LedgerDatabase, UsageFilter
from streamsrv.ledger.tables import AMOUNTS, NANO
from streamsrv.signals import Signal

logger = logging.getLogger(__name__)

BATCH = 100
"""Rows of a batch: what is waiting when so many are, or after `BATCH_S`. A killed server loses one batch at most."""
BATCH_S = 0.5
MAX_WAITING = 20_000
"""Rows kept while the database cannot be written; the oldest ones are lost beyond that."""
RETRY_S = (1.0, 30.0)
"""Seconds until the first and the later attempts to write again."""
WRITE_S = 15.0
"""Seconds that one write may take."""
CLOSE_S = 5.0
"""Seconds that the last write may take when the server ends."""


class Ledger:
    """The ledger of a server. `restore` is given what was spent today before it started, in USD by key."""

    def __init__(self, database: LedgerDatabase) -> None:
        self.database = database
        self.lost = 0
        """Charges that were lost because the database could not be written for too long."""
        self.restore: Callable[[date, Mapping[str, Decimal]], None] | None = None
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._news = Signal()
        self._is_open = False
        self._is_restored = False
        self._problem = ""
        self._lock = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """The number of charges that are not written yet."""
        return len(self._waiting)

    @property
    def problems(self) -> list[str]:
        """A sentence if the database cannot be written."""
        return [self._problem] if self._problem else []

    def add(self, charge: Charge) -> None:
        """Have a charge written; never waits."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append(_row(charge))
        if len(self._waiting) in (1, BATCH):
            self._news.notify()

    async def run(self) -> None:
        """Write what comes until cancelled."""
        retry_s, most_s = RETRY_S
        while True:
            try:
                await self.flush()
                retry_s = RETRY_S[0]
            except Unavailable:
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, most_s)
                continue
            await self._news.wait_until(lambda: bool(self._waiting))
            with suppress(TimeoutError):
                async with asyncio.timeout(BATCH_S):
                    await self._news.wait_until(lambda: len(self._waiting) >= BATCH)

    async def start(self) -> None:
        """Open the database before the server serves; if that fails, `run` tries again."""
        with suppress(Unavailable):  # it is logged, and among the problems
            await self.flush()

    async def flush(self) -> None:
        """Write all that is waiting; raises `Unavailable` if the database cannot be written."""
        async with self._lock:
            try:
                async with asyncio.timeout(WRITE_S):
                    await self._open()
                while self._waiting:
                    batch = [self._waiting[number] for number in range(min(BATCH, len(self._waiting)))]
                    lost = self.lost
                    async with asyncio.timeout(WRITE_S):
                        await self.database.write(batch)
                    for _ in range(len(batch) - (self.lost - lost)):
                        self._waiting.popleft()
            except Exception as error:
                self._is_open = False  # the database may be another one when it is back
                raise self._fail(error) from error
            if self._problem:
                logger.warning("the ledger is written again; %d charges were lost", self.lost)
                self._problem = ""

    async def usage(self, wanted: UsageFilter, groups: Sequence[str]) -> list[dict[str, Any]]:
        """Return the sums of all charges so far; raises `Unavailable`."""
        await self.flush()
        try:
            async with asyncio.timeout(WRITE_S):
                return await self.database.usage(wanted, groups)
        except Exception as error:
            raise self._fail(error) from error

    async def aclose(self) -> None:
        """Write the last charges, if that can be done soon, and close the database."""
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.flush()
        except (Unavailable, TimeoutError):
            if self._waiting:
                logger.error("%d charges are not in the ledger: %s", len(self._waiting), self._problem)
        await self.database.aclose()

    async def _open(self) -> None:
        if self._is_open and not self.database.is_replaced:
            return
        self._is_open = False
        await self.database.disconnect()
        await self.database.open()
        if self.restore is not None and not self._is_restored:
            today = datetime.now(UTC).date()
            self.restore(today, await self.database.spent(today))
            self._is_restored = True
        self._is_open = True

    def _fail(self, error: Exception) -> Unavailable:
        reason = " ".join(str(getattr(error, "orig", None) or error).split()) or type(error).__name__
        problem = f"The ledger {self.database.name} cannot be used: {reason}"
        if not self._problem:
            logger.error("%s; sessions go on, and up to %d charges are kept", problem, MAX_WAITING)
        self._problem = problem
        return Unavailable(problem)


def _row(charge: Charge) -> Mapping[str, Any]:
    amounts = dict(charge.consumption.amounts)
    return {
        "id": new_id("use"),
        "at": charge.at,
        "day": charge.at.date(),
        "key_id": charge.payer.key_id,
        "secret_id": charge.payer.secret_id,
        "owner_id": charge.payer.owner_id,
        "stage": charge.consumption.stage,
        "model": charge.consumption.model,
        **{name: float(amounts.get(name, 0)) for name in AMOUNTS},
        "cost_nanousd": round(charge.cost.usd * NANO),
        "is_estimated": charge.cost.is_estimated,
        "is_priced": charge.cost.is_known,
    }
