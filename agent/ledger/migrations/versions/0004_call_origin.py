"""Where a call came from, as a keyed hash of its network: what bounds one caller's weight in decisions.

Revision: 0004, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("origin", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "origin")
