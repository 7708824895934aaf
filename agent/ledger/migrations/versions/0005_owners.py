"""Which process has a session, and until when it has to give a sign.

Revision: 0005, after 0004. The columns may be empty, so that replicas of the release before go on writing.
"""

from __future__ import annotations

import sqlalchemy as sa
from advanced_alchemy.types import DateTimeUTC
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("owner", sa.String(), nullable=True))
    op.add_column("sessions", sa.Column("generation", sa.Integer(), nullable=True))
    op.add_column("sessions", sa.Column("lease_until", DateTimeUTC(), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "lease_until")
    op.drop_column("sessions", "generation")
    op.drop_column("sessions", "owner")
