"""When the owner that a session has opened it: of two sessions of one subject the one opened last is the live one.

Revision: 0008, after 0006. The column may be empty, so that replicas of the release before go on writing.
"""

from __future__ import annotations

import sqlalchemy as sa
from advanced_alchemy.types import DateTimeUTC
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("opened_at", DateTimeUTC(), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "opened_at")
