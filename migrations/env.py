"""Runs the migrations on the connection that `Database.upgrade` hands over; no ini file, no offline mode."""

from __future__ import annotations

from alembic import context

from database import Base

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("migrations run through Database.upgrade(): ./taskroom db upgrade")

context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
