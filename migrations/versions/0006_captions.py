"""Images with their descriptions, and the settings of those who have them made.

Revision ID: 0006_captions
Revises: 0005_advisories
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from database import UtcDateTime

revision = "0006_captions"
down_revision = "0005_advisories"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and their indexes."""
    op.create_table(
        "caption_images",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("task_id", sa.String(36), nullable=False),
        sa.Column("owner_id", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.String(1000), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("caption", sa.Text, nullable=False),
        sa.Column("drafted", sa.Text, nullable=False),
        sa.Column("is_decorative", sa.Boolean, nullable=False),
        sa.Column("captioner", sa.String(10), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("error", sa.String(500)),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("made_at", UtcDateTime, nullable=False),
        sa.Column("decided_at", UtcDateTime),
        sa.Column("decided_by", sa.Integer),
        sa.UniqueConstraint("task_id", "position"),
    )
    op.create_index("ix_caption_images_status", "caption_images", ["task_id", "status", "position"])
    op.create_index("ix_caption_images_known", "caption_images", ["owner_id", "digest"])
    op.create_table(
        "caption_changes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("task_id", sa.String(36), nullable=False),
        sa.Column("image_id", sa.Integer, sa.ForeignKey("caption_images.id", ondelete="CASCADE"), nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("before", sa.JSON, nullable=False),
    )
    op.create_index("ix_caption_changes_image_id", "caption_changes", ["image_id"])
    op.create_index("ix_caption_changes_newest", "caption_changes", ["task_id", "user_id", "id"])
    op.create_table(
        "caption_defaults",
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("settings", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    """Remove the tables."""
    for name in ("caption_defaults", "caption_changes", "caption_images"):
        op.drop_table(name)
