"""The tables of the ledger. Amounts are whole nano-dollars, durations seconds, instants UTC.

There are no foreign keys: a row that arrives after its session was forgotten is left out by the writer, and charges
stay when their session goes. What a caller said stands in `memory_events` only, what tools were given and returned in
`tool_events`.
"""

from __future__ import annotations

from typing import Any, Final

from advanced_alchemy.types import GUID, DateTimeUTC
from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, MetaData, String, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# advanced-alchemy 1.12 has a type for this that SQLAlchemy 2.1 cannot attach to a table.
_JSON: Final = JSON().with_variant(JSONB(), "postgresql")


def _word(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, String(), nullable=nullable)


def _key(name: str) -> Column[Any]:
    return Column(name, String(), primary_key=True)


def _seconds(name: str) -> Column[Any]:
    return Column(name, Float, nullable=True)


sessions: Final = Table(
    "sessions",
    metadata,
    Column("id", String(), primary_key=True),
    Column("subject", String(), nullable=False, index=True),
    _word("tier"),
    _word("policy"),
    Column("policy_version", Integer, nullable=False),
    Column("started_at", DateTimeUTC(), nullable=False, index=True),
    Column("ended_at", DateTimeUTC(), nullable=True, index=True),
    _word("outcome", nullable=True),
    _seconds("duration_s"),
    Column("turns", Integer, nullable=False),
    Column("slow_turns", Integer, nullable=False),
    Column("cost_nano_usd", BigInteger, nullable=False),  # always the sum of the session's charges
    _word("origin", nullable=True),  # a keyed hash of the caller's network, where the subject is nobody's own
    _word("owner", nullable=True),  # the process that has it; null in rows of releases that knew no owners
    Column("generation", Integer, nullable=True),  # counts its owners: rows of an older one are not stored
    Column("lease_until", DateTimeUTC(), nullable=True),  # when an owner that gives no sign has lost it
    Column("opened_at", DateTimeUTC(), nullable=True),  # by its owner; of a subject's sessions the last one is live
    _word("agent", nullable=True),
    Column("agent_version", Integer, nullable=True),
    Column("policy_chosen", Boolean, nullable=True),  # by the caller, and not assigned: null is no
)

turns: Final = Table(
    "turns",
    metadata,
    Column("session_id", String(), primary_key=True),
    Column("turn", Integer, primary_key=True),
    Column("ended_at", DateTimeUTC(), nullable=False, index=True),
    _word("tier"),
    _word("policy"),
    Column("spoken", Boolean, nullable=False),
    Column("owed", Boolean, nullable=False),
    Column("slow", Boolean, nullable=False),
    _word("outcome"),
    _word("model", nullable=True),
    _word("rule", nullable=True),
    _word("trace_id"),
    _seconds("voice_to_voice_s"),
    _seconds("stt_s"),
    _seconds("llm_s"),
    _seconds("tts_s"),
    _seconds("send_s"),
    _seconds("network_s"),
    Column("over_budget", _JSON, nullable=False),  # names of budgets
    Column("timeline", _JSON, nullable=False),  # rows.timeline_of says what stands in it
)

charges: Final = Table(
    "charges",
    metadata,
    Column("call_id", GUID(binary=False), primary_key=True),  # one provider call, one row for each unit it used
    Column("unit", String(), primary_key=True),
    Column("at", DateTimeUTC(), nullable=False, index=True),
    Column("session_id", String(), nullable=True, index=True),
    Column("turn", Integer, nullable=True),
    _word("tier", nullable=True),
    _word("policy", nullable=True),
    _word("service"),
    _word("provider"),
    _word("model"),
    _word("cause"),
    _word("outcome"),  # of the call
    Column("quantity", BigInteger, nullable=False),
    Column("nano_usd", BigInteger, nullable=True),  # null: unpriced
    _word("price_version", nullable=True),
    Column("estimated", Boolean, nullable=False),
)

fallbacks: Final = Table(
    "fallbacks",
    metadata,
    Column("id", GUID(binary=False), primary_key=True),
    Column("at", DateTimeUTC(), nullable=False, index=True),
    Column("session_id", String(), nullable=False, index=True),
    _word("tier"),
    _word("policy"),
    _word("service"),
    _word("from_provider"),
    _word("to_provider"),
    _word("reason"),
)

memory_events: Final = Table(
    "memory_events",
    metadata,
    Column("session_id", String(), primary_key=True),
    Column("seq", Integer, primary_key=True),  # 0, 1, 2 … within a session; append only
    Column("at", DateTimeUTC(), nullable=False),
    Column("event", _JSON, nullable=False),
)

tool_events: Final = Table(
    "tool_events",
    metadata,
    Column("session_id", String(), primary_key=True),
    Column("seq", Integer, primary_key=True),  # 0, 1, 2 … within a session; append only
    Column("at", DateTimeUTC(), nullable=False),
    Column("event", _JSON, nullable=False),  # agent.session.tool_memory says what stands in it
)

webhook_deliveries: Final = Table(
    "webhook_deliveries",
    metadata,
    Column("session_id", String(), primary_key=True),
    Column("generation", Integer, primary_key=True),  # a session that goes on ends once more
    Column("at", DateTimeUTC(), nullable=False),
    Column("next_at", DateTimeUTC(), nullable=True, index=True),  # null: nothing is to be done any more
    Column("attempts", Integer, nullable=False),
    _word("state"),  # outbox.DeliveryState
    _word("summary", nullable=True),  # of the small model; goes with its row
)


def _history(name: str, who: str) -> Table:
    """Assignments as they follow on each other. `who` is the column that `tier` is the key of."""
    return Table(
        name,
        metadata,
        Column(who, String(), key="tier", primary_key=True),
        Column("revision", Integer, primary_key=True),  # 1, 2, 3 … within a tier; the highest is in force; append only
        Column("at", DateTimeUTC(), nullable=False),
        Column("weights", _JSON, nullable=False),  # policy → percent
        _word("cause"),  # policy.assignments.ChangeCause
        _word("actor"),
        _word("reason"),
        Column("restores", Integer, nullable=True),  # the revision whose weights were brought back
    )


def _decided(name: str, who: str, what: str) -> Table:
    """Decisions about alerts. `who` and `what` are the columns that `tier` and `policy` are the keys of."""
    return Table(
        name,
        metadata,
        Column("id", String(), primary_key=True),
        Column("at", DateTimeUTC(), nullable=False, index=True),
        _word("alert"),
        _word("fingerprint"),
        Column("starts_at", DateTimeUTC(), nullable=False),
        _word("mode"),
        Column(who, String(), key="tier", nullable=False),
        Column(what, String(), key="policy", nullable=False),
        _word("verdict"),
        _word("outcome"),
        _word("reason"),
        Column("evidence", _JSON, nullable=False),  # the verdict's numbers when it was decided
        Column("from_revision", Integer, nullable=True),
        Column("to_revision", Integer, nullable=True),
        UniqueConstraint("fingerprint", "starts_at", "mode"),
    )


assignments: Final = _history("assignments", "tier")
agent_assignments: Final = _history("agent_assignments", "agent")
decisions: Final = _decided("decisions", "tier", "policy")
agent_decisions: Final = _decided("agent_decisions", "agent", "version")

spending: Final = Table(
    "spending",
    metadata,
    _key("scope"),  # billing.accounts.Scope
    _key("tier"),
    _key("owner"),  # a keyed digest of a subject or an address; empty for what everybody shares
    Column("until", DateTimeUTC(), primary_key=True),  # the end of its hour or day
    Column("leased_nano_usd", BigInteger, nullable=False),  # by all processes
    Column("limit_nano_usd", BigInteger, nullable=False),
)

tombstones: Final = Table(
    "tombstones",
    metadata,
    _key("kind"),  # session | subject
    _key("name"),  # the session's id; of a subject a digest
    Column("at", DateTimeUTC(), nullable=False, index=True),
)
