"""A process that adds charges to a ledger until it is killed, and prints their numbers: `ledger_writer.py URL`.

It adds no faster than the ledger is written, however slow the machine is: at most a batch waits.
"""

import asyncio
import sys
from datetime import UTC, datetime
from decimal import Decimal

from streamsrv.engines.metering.accounts import Charge, Payer
from streamsrv.engines.metering.base import Consumption
from streamsrv.engines.metering.prices import Cost
from streamsrv.ledger.ledger import BATCH
from streamsrv.ledger.opening import open_ledger


def charge(number: int) -> Charge:
    """Charge number `number` costs so many billionths of a dollar."""
    consumption = Consumption("chat", f"model-{number % 3}", (("input_tokens", number), ("output_tokens", 1)))
    return Charge(datetime.now(UTC), Payer("key_ada", "", "sess_1"), consumption, Cost(Decimal(number) / 10**9))


async def main(url: str) -> None:
    ledger = open_ledger(url)
    assert ledger is not None
    writing = asyncio.create_task(ledger.run())
    number = 0
    while not writing.done():
        if ledger.waiting >= BATCH:
            await asyncio.sleep(0.001)
            continue
        number += 1
        ledger.add(charge(number))
        print(number, flush=True)
        await asyncio.sleep(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
