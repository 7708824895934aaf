"""Which version of an agent new sessions get, what was decided about that, and which agent a session had.

Revision: 0007, after 0006. Replicas of the release before leave the tables alone, and the columns empty: their sessions
count for no version.
"""

from __future__ import annotations

import sqlalchemy as sa
from advanced_alchemy.types import DateTimeUTC
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = sa.JSON().with_variant(JSONB(), "postgresql")
    op.add_column("sessions", sa.Column("agent", sa.String(), nullable=True))
    op.add_column("sessions", sa.Column("agent_version", sa.Integer(), nullable=True))
    op.create_table(
        "agent_assignments",
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", DateTimeUTC(), nullable=False),
        sa.Column("weights", json, nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("restores", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("agent", "revision", name=op.f("pk_agent_assignments")),
    )
    op.create_table(
        "agent_decisions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", DateTimeUTC(), nullable=False),
        sa.Column("alert", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("starts_at", DateTimeUTC(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("evidence", json, nullable=False),
        sa.Column("from_revision", sa.Integer(), nullable=True),
        sa.Column("to_revision", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_decisions")),
        sa.UniqueConstraint("fingerprint", "starts_at", "mode", name=op.f("uq_agent_decisions_fingerprint")),
    )
    op.create_index(op.f("ix_agent_decisions_at"), "agent_decisions", ["at"])


def downgrade() -> None:
    op.drop_table("agent_decisions")
    op.drop_table("agent_assignments")
    op.drop_column("sessions", "agent_version")
    op.drop_column("sessions", "agent")
