"""Whether a caller chose the policy of a session: such a call is no evidence.

Revision: 0008, after 0007. Replicas of the release before leave the column empty: they know no choice.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("policy_chosen", sa.Boolean(), nullable=True))


def downgrade() -> None:
    op.drop_column("sessions", "policy_chosen")
