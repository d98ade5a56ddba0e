"""Tasks, their history, and the triggers that refuse an illegal transition or a change of the past.

Revision ID: 0002_tasks
Revises: 0001_accounts
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from database import UtcDateTime

revision = "0002_tasks"
down_revision = "0001_accounts"
branch_labels = None
depends_on = None

ALLOWED = (
    ("queued", "running"),
    ("queued", "cancelled"),
    ("running", "queued"),
    ("running", "completed"),
    ("running", "failed"),
    ("running", "cancelled"),
)
BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(100), nullable=False),
        sa.Column("title", sa.String(300), nullable=False),
        sa.Column("params", sa.JSON, nullable=False),
        sa.Column("owner_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("visibility", sa.String(20), nullable=False),
        sa.Column("priority", sa.String(10), nullable=False),
        sa.Column("priority_rank", sa.Integer, nullable=False),
        sa.Column("resource", sa.String(500)),
        sa.Column("idempotency_key", sa.String(200)),
        sa.Column("retry_of", sa.String(36)),
        sa.Column("retried_by", sa.String(36)),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("max_attempts", sa.Integer, nullable=False),
        sa.Column("timeout_s", sa.Float),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("queued_at", UtcDateTime, nullable=False),
        sa.Column("retry_at", UtcDateTime),
        sa.Column("dispatched_at", UtcDateTime),
        sa.Column("started_at", UtcDateTime),
        sa.Column("finished_at", UtcDateTime),
        sa.Column("duration_ms", sa.BigInteger),
        sa.Column("worker", sa.String(200)),
        sa.Column("lease_expires_at", UtcDateTime),
        sa.Column("cancel_requested_at", UtcDateTime),
        sa.Column("cancelled_by", sa.String(100)),
        sa.Column("cancel_reason", sa.String(500)),
        sa.Column("forced", sa.Boolean),
        sa.Column("progress", sa.JSON, nullable=False),
        sa.Column("results", sa.JSON),
        sa.Column("error", sa.Text),
        sa.Column("category", sa.String(40)),
        sa.Column("retryable", sa.Boolean),
        sa.Column("reference", sa.String(40)),
        sa.Column("log_total", sa.Integer, nullable=False),
        sa.Column("log_warnings", sa.Integer, nullable=False),
        sa.Column("log_errors", sa.Integer, nullable=False),
        sa.UniqueConstraint("owner_id", "idempotency_key"),
    )
    op.create_index("ix_tasks_waiting", "tasks", ["state", "priority_rank", "queued_at"])
    op.create_index("ix_tasks_owner_created", "tasks", ["owner_id", "created_at"])
    op.create_index("ix_tasks_created", "tasks", ["created_at"])
    op.create_index("ix_tasks_kind_state", "tasks", ["kind", "state"])
    op.create_index("ix_tasks_resource_state", "tasks", ["resource", "state"])
    op.create_table(
        "task_events",
        sa.Column("id", BIG_ID, primary_key=True, autoincrement=True),
        sa.Column("task_id", sa.String(36), sa.ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("announced_at", UtcDateTime),
    )
    op.create_index("ix_task_events_task", "task_events", ["task_id", "id"])
    op.create_index("ix_task_events_unannounced", "task_events", ["announced_at", "id"])
    op.create_table(
        "task_attempts",
        sa.Column("task_id", sa.String(36), sa.ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("worker", sa.String(200), nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("outcome", sa.String(20)),
        sa.Column("error", sa.Text),
    )
    op.create_table(
        "task_log",
        sa.Column("task_id", sa.String(36), sa.ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("n", sa.Integer, primary_key=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("level", sa.String(10), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_table(
        "task_artifacts",
        sa.Column("task_id", sa.String(36), sa.ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("content_type", sa.String(100), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_triggers()
    else:
        _postgresql_triggers()


def _legal(old: str, new: str) -> str:
    return " OR ".join(f"({old} = '{a}' AND {new} = '{b}')" for a, b in ALLOWED)


def _sqlite_triggers() -> None:
    op.execute(
        f"""CREATE TRIGGER tasks_legal_transition BEFORE UPDATE OF state ON tasks
        WHEN OLD.state <> NEW.state AND NOT ({_legal("OLD.state", "NEW.state")})
        BEGIN SELECT RAISE(ABORT, 'illegal transition of a task'); END"""
    )
    op.execute(
        """CREATE TRIGGER tasks_start_queued BEFORE INSERT ON tasks WHEN NEW.state <> 'queued'
        BEGIN SELECT RAISE(ABORT, 'a task starts as queued'); END"""
    )
    op.execute(
        """CREATE TRIGGER task_log_append_only BEFORE UPDATE ON task_log
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END"""
    )
    op.execute(
        """CREATE TRIGGER task_events_append_only BEFORE UPDATE OF id, task_id, attempt, name, state, data, at ON task_events
        BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END"""
    )


def _postgresql_triggers() -> None:
    op.execute(
        f"""CREATE FUNCTION tasks_legal_transition() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF TG_OP = 'INSERT' THEN
            IF NEW.state <> 'queued' THEN RAISE EXCEPTION 'a task starts as queued'; END IF;
          ELSIF OLD.state <> NEW.state AND NOT ({_legal("OLD.state", "NEW.state")}) THEN
            RAISE EXCEPTION 'illegal transition of a task';
          END IF;
          RETURN NEW;
        END $$"""
    )
    op.execute(
        "CREATE TRIGGER tasks_legal_transition BEFORE INSERT OR UPDATE OF state ON tasks"
        " FOR EACH ROW EXECUTE FUNCTION tasks_legal_transition()"
    )
    op.execute(
        """CREATE FUNCTION task_history_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'the history is append-only'; END $$"""
    )
    op.execute("CREATE TRIGGER task_log_append_only BEFORE UPDATE ON task_log FOR EACH ROW EXECUTE FUNCTION task_history_append_only()")
    op.execute(
        "CREATE TRIGGER task_events_append_only BEFORE UPDATE OF id, task_id, attempt, name, state, data, at ON task_events"
        " FOR EACH ROW EXECUTE FUNCTION task_history_append_only()"
    )


def downgrade() -> None:
    for table in ("task_artifacts", "task_log", "task_attempts", "task_events", "tasks"):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION tasks_legal_transition(); DROP FUNCTION task_history_append_only()")
