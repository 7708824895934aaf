"""Sessions, turns, charges, fallbacks and the events of conversation graphs.

Revision: 0001, the first.
"""

from __future__ import annotations

import sqlalchemy as sa
from advanced_alchemy.types import GUID, DateTimeUTC
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    _sessions()
    _turns()
    _charges()
    _fallbacks()
    _memory_events()


def downgrade() -> None:
    for table in ("memory_events", "fallbacks", "charges", "turns", "sessions"):
        op.drop_table(table)


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("started_at", DateTimeUTC(), nullable=False),
        sa.Column("ended_at", DateTimeUTC(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("duration_s", sa.Float(), nullable=True),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("slow_turns", sa.Integer(), nullable=False),
        sa.Column("cost_nano_usd", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_ended_at"), "sessions", ["ended_at"])
    op.create_index(op.f("ix_sessions_started_at"), "sessions", ["started_at"])
    op.create_index(op.f("ix_sessions_subject"), "sessions", ["subject"])


def _turns() -> None:
    op.create_table(
        "turns",
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("ended_at", DateTimeUTC(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("spoken", sa.Boolean(), nullable=False),
        sa.Column("owed", sa.Boolean(), nullable=False),
        sa.Column("slow", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("rule", sa.String(), nullable=True),
        sa.Column("trace_id", sa.String(), nullable=False),
        sa.Column("voice_to_voice_s", sa.Float(), nullable=True),
        sa.Column("stt_s", sa.Float(), nullable=True),
        sa.Column("llm_s", sa.Float(), nullable=True),
        sa.Column("tts_s", sa.Float(), nullable=True),
        sa.Column("send_s", sa.Float(), nullable=True),
        sa.Column("network_s", sa.Float(), nullable=True),
        sa.Column("over_budget", _JSON, nullable=False),
        sa.Column("timeline", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("session_id", "turn", name=op.f("pk_turns")),
    )
    op.create_index(op.f("ix_turns_ended_at"), "turns", ["ended_at"])


def _charges() -> None:
    op.create_table(
        "charges",
        sa.Column("call_id", GUID(binary=False), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("at", DateTimeUTC(), nullable=False),
        sa.Column("session_id", sa.String(), nullable=True),
        sa.Column("turn", sa.Integer(), nullable=True),
        sa.Column("tier", sa.String(), nullable=True),
        sa.Column("policy", sa.String(), nullable=True),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("price_version", sa.String(), nullable=True),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "unit", name=op.f("pk_charges")),
    )
    op.create_index(op.f("ix_charges_at"), "charges", ["at"])
    op.create_index(op.f("ix_charges_session_id"), "charges", ["session_id"])


def _fallbacks() -> None:
    op.create_table(
        "fallbacks",
        sa.Column("id", GUID(binary=False), nullable=False),
        sa.Column("at", DateTimeUTC(), nullable=False),
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("policy", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("from_provider", sa.String(), nullable=False),
        sa.Column("to_provider", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fallbacks")),
    )
    op.create_index(op.f("ix_fallbacks_at"), "fallbacks", ["at"])
    op.create_index(op.f("ix_fallbacks_session_id"), "fallbacks", ["session_id"])


def _memory_events() -> None:
    op.create_table(
        "memory_events",
        sa.Column("session_id", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", DateTimeUTC(), nullable=False),
        sa.Column("event", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("session_id", "seq", name=op.f("pk_memory_events")),
    )
