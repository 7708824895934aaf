"""Which agent a session had.

Revision: 0007, after 0006. Replicas of the release before leave the columns empty.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("agent", sa.String(), nullable=True))
    op.add_column("sessions", sa.Column("agent_version", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "agent_version")
    op.drop_column("sessions", "agent")
