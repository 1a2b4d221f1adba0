"""The table of the ledger: a row for each request to a model that was paid for."""

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Float, MetaData, String, Table

AMOUNTS = (
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "output_tokens",
    "seconds",
    "connected_seconds",
    "characters",
)
"""The columns of what was consumed, by the units of `Consumption`."""
NANO = 1_000_000_000
"""Costs are whole billionths of a dollar, so that sums are exact in every database."""

metadata = MetaData()
charges = Table(
    "charges",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("day", Date, nullable=False, index=True),
    Column("key_id", String(64), nullable=False),
    Column("secret_id", String(64), nullable=False),
    Column("owner_id", String(64), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("model", String(200), nullable=False),
    *(Column(name, Float, nullable=False) for name in AMOUNTS),
    Column("cost_nanousd", BigInteger, nullable=False),
    Column("is_estimated", Boolean, nullable=False),
    Column("is_priced", Boolean, nullable=False),
)
