"""The metrics of what is done to answer sooner. `agent.telemetry.catalog` has all of them."""

from __future__ import annotations

from agent.telemetry.metric import BARGE_IN_BUCKETS, counter, gauge, histogram

EARLY_REPLIES = counter(
    "early_replies_total",
    "Replies that were begun before the turn was over, by what became of them: `taken`, `resumed`, `changed`, `failed`,"
    " `dropped`; `switched_off` counts sessions that wasted most of theirs and make no more.",
    "outcome",
    "tier",
    "policy",
)
EARLY_LEAD = histogram(
    "early_reply_lead_seconds",
    "Seconds by which a reply that was taken was begun before the end of its turn.",
    BARGE_IN_BUCKETS,
    "tier",
    "policy",
)
HEDGES = counter(
    "hedges_total",
    "Calls that were late, by what became of their second one: `won`, `lost`, `failed`, `cancelled`; or why there was"
    " none: `over_budget`, `unwell`, `busy`, `ceiling`.",
    "service",
    "outcome",
    "tier",
    "policy",
)
KNOB_OFF = gauge(
    "knob_off", "1 while the governor of this process keeps a knob of a policy switched off.", "knob", "policy"
)
KNOB_SWITCHES = counter(
    "knob_switches_total",
    "Times that a governor has switched a knob off (`share`, `dollars`: what was wasted too much of) or on again"
    " (`cooled_down`).",
    "knob",
    "policy",
    "reason",
)
EARLY_VOICES = counter(
    "early_voices_total",
    "First clauses that were spoken, unheard, before the turn was over, by what became of them: `taken`, `changed` (the"
    " reply began otherwise), `dropped` (its guess was taken back), `failed`.",
    "outcome",
    "tier",
    "policy",
)
FIRST_CLAUSE = histogram(
    "first_clause_seconds",
    "From the first text of the model, as the turn got it, to the first clause that can be spoken.",
    BARGE_IN_BUCKETS,
    "tier",
    "policy",
)
FIRST_CLAUSES = counter(
    "first_clauses_total",
    "First clauses of replies, by what they end with: `opening` (one that is recorded), `pause`, `phrase`, `sentence`,"
    " `rest` (the end of the reply, or the longest that a clause may be).",
    "cut",
    "tier",
    "policy",
)
WARM_UPS = counter(
    "warm_ups_total",
    "Connections that were opened ahead: a process or a call `begun`, or one `broken_off` took its connection with it.",
    "provider",
    "reason",
)
