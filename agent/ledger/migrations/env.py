"""Alembic's entry: runs the migrations on the connection that `agent.ledger.database.migrate` brings along."""

from __future__ import annotations

from alembic import context

from agent.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a column by copying its table
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
