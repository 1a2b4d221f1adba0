"""Alembic runs this: it brings the table up to date over the connection that `database.py` gives it."""

from alembic import context

from streamsrv.ledger.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
