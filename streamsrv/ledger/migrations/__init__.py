"""The versions of the ledger's table, for Alembic."""
