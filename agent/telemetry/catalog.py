"""Every metric of the service, declared once. The service, the boards, the alert rules and the docs read this file.

The privacy rule: a label value is always one of a few words that are known when the process starts (a tier, a policy, a
stage, a provider, a model, an outcome, a reason). It is never an id, a text, a path or an address.

Names are Prometheus names in base units. Counters end in `_total`. Buckets have an edge on every default budget.
"""

from __future__ import annotations

from typing import Final

from agent.telemetry.catalog_speed import EARLY_LEAD as EARLY_LEAD
from agent.telemetry.catalog_speed import EARLY_REPLIES as EARLY_REPLIES
from agent.telemetry.catalog_speed import EARLY_VOICES as EARLY_VOICES
from agent.telemetry.catalog_speed import FIRST_CLAUSE as FIRST_CLAUSE
from agent.telemetry.catalog_speed import FIRST_CLAUSES as FIRST_CLAUSES
from agent.telemetry.catalog_speed import HEDGES as HEDGES
from agent.telemetry.catalog_speed import KNOB_OFF as KNOB_OFF
from agent.telemetry.catalog_speed import KNOB_SWITCHES as KNOB_SWITCHES
from agent.telemetry.catalog_speed import WARM_UPS as WARM_UPS
from agent.telemetry.metric import BARGE_IN_BUCKETS as BARGE_IN_BUCKETS
from agent.telemetry.metric import CALL_BUCKETS as CALL_BUCKETS
from agent.telemetry.metric import COMMIT_BUCKETS as COMMIT_BUCKETS
from agent.telemetry.metric import CONFIDENCE_BUCKETS as CONFIDENCE_BUCKETS
from agent.telemetry.metric import COST_BUCKETS as COST_BUCKETS
from agent.telemetry.metric import PREFIX as PREFIX
from agent.telemetry.metric import SESSION_BUCKETS as SESSION_BUCKETS
from agent.telemetry.metric import SKEW_BUCKETS as SKEW_BUCKETS
from agent.telemetry.metric import STAGE_BUCKETS as STAGE_BUCKETS
from agent.telemetry.metric import TURN_BUCKETS as TURN_BUCKETS
from agent.telemetry.metric import Metric as Metric
from agent.telemetry.metric import counter as _counter
from agent.telemetry.metric import gauge as _gauge
from agent.telemetry.metric import histogram as _histogram

PROBE: Final = "probe"
"""Tier and policy of the synthetic caller: what it does counts for nobody else."""

# Sessions
SESSIONS = _counter("sessions_total", "Sessions that ended.", "tier", "policy", "outcome")
SESSIONS_REFUSED = _counter("sessions_refused_total", "Sessions that were not opened.", "tier", "reason")
CALLERS_REFUSED = _counter(
    "callers_refused_total",
    "Callers who were turned away for want of room, each once in ten minutes: strangers by address, others by subject.",
    "tier",
    "reason",
)
ACTIVE_SESSIONS = _gauge("active_sessions", "Sessions that are open now.", "tier")
SESSION_DURATION = _histogram("session_duration_seconds", "Length of a session.", SESSION_BUCKETS, "tier", "policy")
SLOW_SESSIONS = _counter("slow_sessions_total", "Ended sessions that had two slow turns or more.", "tier", "policy")

# Turns
TURNS = _counter("turns_total", "Turns that ended.", "tier", "policy", "outcome")
_OWED = "Spoken turns that were owed a reply: the denominator of voice-to-voice."
TURNS_OWED = _counter("turns_owed_total", _OWED, "tier", "policy")
TURN_LATENCY = _histogram(
    "turn_latency_seconds",
    "Voice-to-voice: the caller's last voiced sample to the first reply sample at the caller. A turn without a real"
    " reply enters with at least the highest bucket edge.",
    TURN_BUCKETS,
    "tier",
    "policy",
)
REPLY_LATENCY = _histogram(
    "reply_latency_seconds",
    "Voice-to-voice of turns with a real reply only: without apologies, which enter the other with 10 s.",
    TURN_BUCKETS,
    "tier",
    "policy",
)
FIRST_TURN_LATENCY = _histogram(
    "first_turn_latency_seconds",
    "Voice-to-voice of the first turn of a call, where it got a real reply: connections and caches are cold then.",
    TURN_BUCKETS,
    "tier",
    "policy",
)
STAGE_SECONDS = _histogram(
    "stage_seconds", "Segments of the critical path of a spoken turn.", STAGE_BUCKETS, "stage", "tier", "policy"
)
_OVER = "Spoken turns or sessions over a budget."
BUDGET_BREACHES = _counter("budget_breaches_total", _OVER, "budget", "tier", "policy")
NETWORK_SLOW = _counter(
    "network_slow_turns_total",
    "Owed turns over the voice-to-voice budget that were within it without their network time.",
    "tier",
    "policy",
)
REASKED = _counter(
    "reasked_turns_total", "Spoken turns in which the caller asked to hear the last reply again.", "tier", "policy"
)
TALKED_OVER = _counter(
    "talked_over_turns_total",
    "Turns that ended too early: the caller spoke on within 0.3 s of the reply's first sound, and took the turn back.",
    "tier",
    "policy",
)
DEAD_AIR = _counter("dead_air_seconds_total", "Seconds in which a reply was owed and nothing played.", "tier")
REPLY_AUDIO = _counter(
    "reply_audio_seconds_total",
    "Seconds of reply that were sent, by whose voice it was: a place of the voice chain (also where the cache plays"
    " it), `recorded`, or `browser` (estimated).",
    "source",
    "tier",
)
_PAUSED = "First voiced sample over a reply to audio.pause sent."
BARGE_IN = _histogram("barge_in_seconds", _PAUSED, BARGE_IN_BUCKETS, "tier")
OVERLAPS = _counter(
    "overlaps_total",
    "Sounds over a reply, by what they were: `interruption`, `backchannel`, `echo` (of the loudspeaker), `noise`.",
    "kind",
    "tier",
)
LISTENING_NOTES = _counter(
    "listening_notes_total",
    "What happened while callers were listened to, without being anybody's failure: turns that were ended here, streams"
    " closed in silence, frames that stopped, words that nobody said, voices without words, turns held open for the"
    " rest of a number, sounds over a reply that paused it because every voice network of the process was in use.",
    "note",
)
TOOL_CALLS = _counter("tool_calls_total", "Tools that models asked for, by how it ended.", "tool", "outcome")
_FAULTS = "Calls of tools that failed, by what was wrong, where that is known: docs/agents.md has the list."
TOOL_FAULTS = _counter("tool_faults_total", _FAULTS, "tool", "reason")
TOOL_SECONDS = _histogram("tool_seconds", "Time that tools took which were run.", TURN_BUCKETS, "tool")
AGENT_INFO = _gauge(
    "agent_info", "Percent of an agent's new sessions that get a version of it.", "agent", "version", "role"
)
_BY_AGENT: Final = ("agent", "role", "tier")
AGENT_SESSIONS = _counter("agent_sessions_total", "Sessions that ended, by agent.", *_BY_AGENT, "outcome")
AGENT_COST = _counter("agent_cost_usd_total", "Dollars that ended sessions cost, by agent.", *_BY_AGENT)
AGENT_TURNS = _counter("agent_turns_owed_total", "Turns that were owed a reply, by agent.", *_BY_AGENT, "slow")
AGENT_NO_REPLY = _counter("agent_turns_without_reply_total", "Owed turns that got none, by agent.", *_BY_AGENT)
_ANSWERED = "Voice-to-voice of turns with a real reply, by agent."
AGENT_LATENCY = _histogram("agent_reply_latency_seconds", _ANSWERED, TURN_BUCKETS, *_BY_AGENT)
AGENT_SCORE = _gauge(
    "agent_evidence_score",
    "How sure it is that a signal of a version that is tried is over its limit: 1 is significantly.",
    "agent",
    "version",
    "signal",
)
AGENT_COMPARISON = _gauge(
    "agent_evidence_comparison",
    "A version that is tried against the stable one of the same time; the numbers are those of `evidence_comparison`.",
    "agent",
    "version",
)
AGENT_DECISIONS = _counter("agent_decisions_total", "Decisions about versions of agents.", "agent", "outcome", "reason")
AGENT_FILE_PROBLEMS = _gauge("agent_file_problems", "What is wrong with changed files of agents, not in force.")
_NOT_TAKEN = "Messages of MCP servers that were not taken: `too_large`, or `malformed` (no message of the protocol)."
MCP_NOT_TAKEN = _counter("mcp_messages_not_taken_total", _NOT_TAKEN, "server", "reason")
MCP_UP = _gauge("mcp_server_up", "1 while an MCP server that an agent names is connected.", "server")
TOOL_ROUNDS = _counter("tool_rounds_total", "Times that a model was asked again with results.", "tier", "policy")
_ANSWER = "Voice-to-voice of turns that used tools, up to the answer: a filler or a lead-in does not end it."
TOOL_TURN_LATENCY = _histogram("tool_turn_latency_seconds", _ANSWER, TURN_BUCKETS, "tier", "policy")
_SOUND = "The caller's last voiced sample to the first sound of the service, be it a filler or a lead-in."
FIRST_SOUND = _histogram("first_sound_seconds", _SOUND, TURN_BUCKETS, "tier", "policy")
STT_CONFIDENCE = _histogram(
    "stt_confidence_ratio",
    "How sure a recogniser was of a turn's words on average, by its own estimate.",
    CONFIDENCE_BUCKETS,
    "provider",
)
PLAYBACK_SKEW = _histogram(
    "playback_skew_seconds",
    "Client's voice-to-voice minus the server's, absolute.",
    SKEW_BUCKETS,
    "tier",
)
ROUTED_TURNS = _counter("routed_turns_total", "Turns by model and routing rule.", "model", "rule", "tier", "policy")
NOTED_FACTS = _counter(
    "noted_facts_total",
    "Facts that the small model wrote down, by what the checks did: `kept`, or the reason for which they were dropped.",
    "outcome",
)

# Providers
API_CALLS = _counter("api_calls_total", "Provider calls that ended.", "service", "provider", "model", "outcome")
API_LATENCY = _histogram(
    "api_latency_seconds",
    "Request to first useful output of a provider call.",
    CALL_BUCKETS,
    "service",
    "provider",
    "model",
)
FALLBACKS = _counter("fallbacks_total", "Moves along a chain.", "service", "from_provider", "to_provider", "reason")
BREAKER_STATE = _gauge(
    "breaker_state", "0 closed, 1 half open (probes only), 2 open: callers are not sent there.", "provider", "model"
)
BREAKER_CHANGES = _counter("breaker_changes_total", "Changes of a breaker.", "provider", "model", "state", "reason")
MISCONFIGURED = _gauge(
    "misconfigured",
    "1 while a provider refuses a model for a reason that does not pass by itself, by what is wrong.",
    "provider",
    "model",
    "problem",
)
PLACES_LEFT = _gauge(
    "provider_places_left_share", "Share of the places at a provider that this process has free.", "provider"
)
LOCAL_FAILED = _gauge("local_speech_failed", "1 while speech of the machine itself should run and does not.", "service")
LOCAL_RESTARTS = _counter(
    "local_speech_restarts_total", "Times that speech of the machine itself failed and was begun anew.", "service"
)
RATE_LIMIT_LEFT = _gauge(
    "rate_limit_left_share",
    "Share of a provider's own limit that is left, as its latest answer said.",
    "provider",
    "model",
    "limit",
)
STOPPED = _counter("llm_stops_total", "Replies by the reason that their model gave for its stop.", "model", "reason")
MODEL_END = _gauge(
    "model_end_timestamp_seconds", "When a configured model ends, by the price book (Unix time).", "provider", "model"
)
LLM_TOKENS = _counter("llm_tokens_total", "Tokens by kind.", "model", "kind")
TTS_CHARACTERS = _counter(
    "tts_characters_total", "Characters of reply text by the source of their sound.", "provider", "source"
)
STT_AUDIO = _counter("stt_audio_seconds_total", "Seconds of audio streamed to a recogniser.", "provider")

# What the numbers are compared with
BUDGET_SECONDS = _gauge("budget_seconds", "Latency budgets at the 95th percentile.", "budget")
BUDGET_SESSION_COST = _gauge("budget_session_cost_usd", "Cost objective of a session.", "tier")
BUDGET_SESSION_ALERT = _gauge("budget_session_alert_usd", "Average cost of a session from which alerts fire.", "tier")

# Policies and decisions
POLICY_INFO = _gauge("policy_info", "1 for each policy that a tier can be assigned.", "policy", "version", "tier")
POLICY_WEIGHT = _gauge("policy_weight_percent", "Percent of a tier's new sessions that get a policy.", "tier", "policy")
ASSIGNMENT_AGE = _gauge(
    "assignment_age_seconds",
    "Seconds since this process last put in force what the database says of a tier; from its start where it has not.",
    "tier",
)
_ASKED = "Decisions about alerts that ask for a rollback."
DECISIONS = _counter("decisions_total", _ASKED, "tier", "policy", "outcome", "reason")
NOTIFICATIONS = _counter(
    "alert_notifications_total", "Alerts that Alertmanager sent, by what became of them.", "result"
)
WEBHOOK_ATTEMPTS = _counter("webhook_attempts_total", "Attempts to tell the webhook, by what came of it.", "result")
WEBHOOK_WAITING = _gauge("webhook_waiting", "Finished sessions that the webhook is still to be told.")
WEBHOOK_OLDEST = _gauge("webhook_oldest_seconds", "For how long the oldest of them has been waiting.")
CHAT_MESSAGES = _counter("chat_messages_total", "Messages about decisions to the chat.", "result")

EVIDENCE_SCORE = _gauge(
    "evidence_score",
    "How sure it is that a signal of a policy is over its limit, by its ended calls: 1 is significantly.",
    "signal",
    "tier",
    "policy",
)
EVIDENCE_COMPARISON = _gauge(
    "evidence_comparison",
    "A watched policy against the baseline of the same time: 0 not watched, 1 comparing, 2 the policy alone is bad,"
    " 3 common cause, 4 too few callers of the baseline for a day, 5 only a few callers suffer.",
    "tier",
    "policy",
)
EVIDENCE_CALLERS = _gauge(
    "evidence_callers",
    "Distinct callers that the comparison rests on: `policy` with bad turns, `baseline` in the same time.",
    "side",
    "tier",
    "policy",
)
EVIDENCE_AGE = _gauge("evidence_age_seconds", "Seconds since this process last read the ended calls.")
POLICY_PROVIDER = _gauge(
    "policy_provider", "1 for the first provider of each service of a policy.", "policy", "service", "provider"
)

# The process
LOOP_LAG = _gauge("event_loop_lag_seconds", "Longest delay of the event loop in the last second.")
TASKS = _gauge("tasks", "Tasks of the event loop: some for the process, and some for each open session.")
MEMORY_BLOCKS = _gauge(
    "memory_blocks", "Blocks of memory that Python objects hold: what is kept for too long shows here first."
)
BACKGROUND_FAILURES = _counter(
    "background_failures_total", "Work beside calls that broke off on a fault of ours, and was begun again.", "work"
)
QUEUE_DROPS = _counter("queue_drops_total", "Items dropped because a bounded queue was full.", "queue")
CONNECTIONS = _gauge("connections", "Open TCP connections of the public listener, from the accept on.")
CONNECTIONS_REFUSED = _counter(
    "connections_refused_total", "Connections that were not taken, by what was full.", "reason"
)
CONNECTIONS_CUT = _counter("connections_cut_total", "Connections closed for what they did or did not send.", "reason")
DESCRIPTORS_USED = _gauge("descriptors_used_share", "Share of the process's file descriptors that are in use.")
INPUT_DROPPED = _counter(
    "input_dropped_total",
    "What clients sent and nobody took, by kind: `text`, `control` and `audio` came too fast, `text_after_end` when the"
    " call had just ended (the client still has it, for its next one).",
    "kind",
)
BUILD_INFO = _gauge("build_info", "1, labelled with the version.", "version")

# Money
SESSION_COST = _histogram("session_cost_usd", "Cost of an ended session in dollars.", COST_BUCKETS, "tier", "policy")
COST = _counter(
    "cost_usd_total",
    "Dollars paid for provider calls. Calls of no session have tier and policy `none`.",
    "service",
    "provider",
    "model",
    "tier",
    "policy",
    "cause",
)
UNPRICED = _counter(
    "unpriced_usage_total", "Units used that the price book has no price for.", "provider", "model", "unit"
)
AUDIO_CACHE_SAVED = _counter(
    "audio_cache_saved_usd_total", "Dollars that speech out of the audio cache would have cost.", "model"
)
SPENDING_LIMITED = _counter(
    "spending_limited_total",
    "Calls that a ceiling made cheaper (`economy`), ended (`stop`) or did not let begin (`refused`).",
    "scope",
    "tier",
    "action",
)
SPENDING_USED = _gauge(
    "spending_used_share", "Share of an hour's ceiling that this process has spent or reserved.", "scope", "tier"
)
SPENDING_LEASES = _counter(
    "spending_leases_total", "Exchanges with the database about shared ceilings, by result.", "result"
)
SPENDING_ACCOUNTS = _gauge("spending_accounts", "Accounts of ceilings in memory.")
LEDGER_DROPPED = _counter("ledger_dropped_total", "Rows of the ledger that were lost, by table.", "table")
LEDGER_FENCED = _counter(
    "ledger_fenced_total", "Rows that were not stored because another process has their session, by table.", "table"
)
LEDGER_QUEUE = _gauge("ledger_queue_rows", "Rows that wait to be written to the ledger.")
LEDGER_COMMIT = _histogram("ledger_commit_seconds", "Time to write and commit one batch of rows.", COMMIT_BUCKETS)
LEDGER_FAILURES = _counter("ledger_write_failures_total", "Batches that could not be written and are tried again.")


def all_metrics() -> tuple[Metric, ...]:
    """Every declared metric, in the order of the file."""
    return tuple(value for value in globals().values() if isinstance(value, Metric))
