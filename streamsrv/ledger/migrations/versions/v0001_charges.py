"""The table of charges."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_AMOUNTS = ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "seconds", "connected_seconds",
            "characters")  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "charges",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("secret_id", sa.String(64), nullable=False),
        sa.Column("owner_id", sa.String(64), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        *(sa.Column(name, sa.Float, nullable=False) for name in _AMOUNTS),
        sa.Column("cost_nanousd", sa.BigInteger, nullable=False),
        sa.Column("is_estimated", sa.Boolean, nullable=False),
        sa.Column("is_priced", sa.Boolean, nullable=False),
    )
    op.create_index("ix_charges_day", "charges", ["day"])


def downgrade() -> None:
    op.drop_table("charges")
