"""Which policies are in force, and what was decided about them.

Revision: 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from advanced_alchemy.types import DateTimeUTC
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "assignments",
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", DateTimeUTC(), nullable=False),
        sa.Column("weights", _JSON, nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("restores", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("tier", "revision", name=op.f("pk_assignments")),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", DateTimeUTC(), nullable=False),
        sa.Column("alert", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("starts_at", DateTimeUTC(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("evidence", _JSON, nullable=False),
        sa.Column("from_revision", sa.Integer(), nullable=True),
        sa.Column("to_revision", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("fingerprint", "starts_at", "mode", name=op.f("uq_decisions_fingerprint")),
    )
    op.create_index(op.f("ix_decisions_at"), "decisions", ["at"])


def downgrade() -> None:
    op.drop_table("decisions")
    op.drop_table("assignments")
