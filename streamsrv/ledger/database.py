"""The database of the ledger, by SQLAlchemy: SQLite in a file, or PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, case, func, make_url, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from streamsrv.ledger.tables import AMOUNTS, NANO, charges

GROUPS: Mapping[str, str] = {"day": "day", "key": "key_id", "model": "model", "stage": "stage"}
"""By name of a group of usage, its column."""
CONNECT_S = 5
"""Seconds to wait for the database, or for another server that writes to the same file."""
_MIGRATION_LOCK = 7_306_086_967_001
"""A number of ours, by which servers that start together bring the table up to date one after the other."""


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Which charges count: from the day `start` to the day `end`, both included, of a key or a model; None: all."""

    start: date | None = None
    end: date | None = None
    key: str | None = None
    model: str | None = None


class LedgerDatabase:
    """`url`: `sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://...`. Methods raise what the driver raises."""

    def __init__(self, url: str) -> None:
        parts = make_url(url)
        self.is_sqlite = parts.get_backend_name() == "sqlite"
        self.name = str(parts.database) if self.is_sqlite else f"{parts.host or 'localhost'}/{parts.database or ''}"
        self._file = Path(str(parts.database)) if self.is_sqlite else None
        self._opened: tuple[int, int] | None = None
        self._engine: AsyncEngine = create_async_engine(
            parts, pool_pre_ping=True, pool_size=2, connect_args={"timeout": CONNECT_S}
        )

    async def open(self) -> None:
        """Bring the table up to date; make the file and its folder if they are missing."""
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        async with self._engine.connect() as connection:
            if self.is_sqlite:
                await connection.execute(text("PRAGMA journal_mode=WAL"))
                await connection.commit()
                await connection.execute(text("BEGIN IMMEDIATE"))
            else:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            await connection.run_sync(_migrate)
            await connection.commit()
        self._opened = self._identity()

    @property
    def is_replaced(self) -> bool:
        """Whether the file of SQLite is not the one that was opened: it was removed, or another took its place."""
        return self._identity() != self._opened

    def _identity(self) -> tuple[int, int] | None:
        """Return the device and the number of the file of SQLite; None: there is none."""
        try:
            found = self._file.stat() if self._file is not None else None
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if found else None

    async def disconnect(self) -> None:
        """Let the next request connect anew: SQLite goes on with the old file otherwise."""
        await self._engine.dispose()

    async def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows; those that are there already, from an attempt whose answer was lost, stay as they are."""
        insert = sqlite.insert(charges) if self.is_sqlite else postgresql.insert(charges)
        async with self._engine.begin() as connection:
            await connection.execute(insert.on_conflict_do_nothing(index_elements=["id"]), list(rows))

    async def spent(self, day: date) -> Mapping[str, Decimal]:
        """Return what was spent on a day, in USD by key."""
        query = select(charges.c.key_id, func.sum(charges.c.cost_nanousd)).where(charges.c.day == day)
        async with self._engine.connect() as connection:
            rows = await connection.execute(query.group_by(charges.c.key_id))
            return {key_id: Decimal(int(nano)) / NANO for key_id, nano in rows}

    async def usage(self, wanted: UsageFilter, groups: Sequence[str]) -> list[dict[str, Any]]:
        """Return the sums of the charges for each group (`GROUPS`), in their order."""
        columns = [charges.c[GROUPS[name]].label(name) for name in groups]
        sums = [func.sum(charges.c[name]).label(name) for name in AMOUNTS]
        unpriced = func.sum(case((charges.c.is_priced, 0), else_=1)).label("unpriced_requests")
        cost = func.sum(charges.c.cost_nanousd).label("cost_nanousd")
        query = select(*columns, func.count().label("requests"), *sums, cost, unpriced)
        if wanted.start is not None:
            query = query.where(charges.c.day >= wanted.start)
        if wanted.end is not None:
            query = query.where(charges.c.day <= wanted.end)
        if wanted.key is not None:
            query = query.where(charges.c.key_id == wanted.key)
        if wanted.model is not None:
            query = query.where(charges.c.model == wanted.model)
        async with self._engine.connect() as connection:
            rows = await connection.execute(query.group_by(*columns).order_by(*columns))
            return [dict(row) for row in rows.mappings()]

    async def aclose(self) -> None:
        await self._engine.dispose()


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
