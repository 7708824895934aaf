"""Turns events into samples. The only room that knows both the events and the catalog's metrics of turns and calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from agent.budgets import Budgets, Tier
from agent.core import clock
from agent.core.calls import Call, ErrorKind, ListeningNote, Problem, Service, StopReason, Unit
from agent.core.pace import RecentNames
from agent.telemetry import catalog
from agent.telemetry.catalog import TURN_BUCKETS
from agent.telemetry.events import (
    BargedIn,
    BreakerChanged,
    CallFinished,
    ConnectionWarmed,
    DeadAir,
    Event,
    FellBack,
    Guessed,
    GuessOutcome,
    Hedged,
    InputDropped,
    KnobSwitched,
    ListeningNoted,
    NotesTaken,
    OverlapKind,
    Overlapped,
    PlaybackStarted,
    QueueDropped,
    SessionEnded,
    SessionInfo,
    SessionOutcome,
    SessionRefused,
    SessionStarted,
    ToolFinished,
    TurnFinished,
    TurnRecognised,
    VoiceGuessed,
)
from agent.telemetry.exposition import Metrics
from agent.telemetry.timeline import FILLER, STAGES, WITHOUT_REPLY, ToolCall, TurnOutcome, TurnRecord

OTHER: Final = "other"  # a model that is not configured
CALL_OUTCOMES: Final = ("ok", "cancelled", *ErrorKind)
REFUSALS: Final = (
    "full", "overloaded", "draining", "members_only", "credential", "address", "ceiling", "rate", "key_rate", "host",
    "ended", "ledger",
)  # fmt: skip
NO_ROOM: Final = ("full", "overloaded")
"""Refusals that are about the service, not about who asks."""
SAME_CALLER_S: Final = 600.0
SLOW_TURNS_OF_A_SLOW_SESSION: Final = 2
TOKEN_KINDS: Final = {
    Unit.INPUT_TOKENS: "input",
    Unit.CACHE_WRITE_TOKENS: "cache_write",
    Unit.CACHE_READ_TOKENS: "cache_read",
    Unit.OUTPUT_TOKENS: "output",
}
BREAKER_STATES: Final = ("closed", "half_open", "open")
BREAKER_CHANGES: Final = (
    ("open", "failures"),
    ("open", "slow"),
    ("open", "misconfigured"),
    ("open", "probe_failed"),
    ("half_open", "probe_due"),
    ("closed", "recovered"),
)
CHAIN_REASONS: Final = (*ErrorKind, "breaker_open", "busy", "deadline", "resting", "recovered")
FREE_SOURCES: Final = ("cache", "recorded", "browser", FILLER)
INPUT_KINDS: Final = ("text", "control", "audio", "text_after_end")
SESSION_QUEUES: Final = ("listen", "outbox")
NO_TIER: Final = "unknown"
RUN_TOOLS: Final = frozenset({"ok", "failed", "refused", "timeout", "cancelled"})
NOTED_OUTCOMES: Final = (
    *("kept", "malformed", "unknown_turn", "not_said", "question", "condition", "denied", "refused"),
    *("unconfirmed", "ended", "stale", "too_many"),
)


@dataclass(frozen=True, slots=True)
class Configured:
    """What can occur in this process: the label values that exist from the start."""

    policies: tuple[tuple[Tier, str, int], ...]  # (tier, policy, version)
    models: tuple[tuple[Service, str, str], ...]  # (service, provider, model) of every chain
    rules: tuple[tuple[str, str], ...]  # (model, rule) that routing can choose
    moves: tuple[tuple[Service, str, str], ...] = ()  # (service, from, to) along the chains


class MetricsSink:
    """Counts and observes what happens. Label sets are created at start from what is configured."""

    def __init__(self, metrics: Metrics, budgets: Budgets, configured: Configured, version: str) -> None:
        self._metrics = metrics
        self._known = frozenset(configured.models)
        self._rules = configured.rules
        self._turned_away = RecentNames(SAME_CALLER_S)
        self._initialise(budgets, configured, version)

    def handle(self, event: Event) -> None:
        match event:
            case TurnFinished(session, record):
                self._turn(session, record)
            case CallFinished(call=call):
                self._call(call)
            case FellBack(fallback=move):
                labels = (move.service, move.from_provider, move.to_provider, move.reason)
                self._metrics.add(catalog.FALLBACKS, *labels)
            case BreakerChanged(provider, model, state, reason, fault):
                for problem in Problem:
                    wrong = fault is not None and fault.problem is problem
                    self._metrics.set(catalog.MISCONFIGURED, provider, model, problem, value=float(wrong))
                self._metrics.set(catalog.BREAKER_STATE, provider, model, value=BREAKER_STATES.index(state))
                self._metrics.add(catalog.BREAKER_CHANGES, provider, model, state, reason)
            case BargedIn(session, seconds):
                self._metrics.observe(catalog.BARGE_IN, session.counted_tier, value=seconds)
            case Overlapped(session, kind):
                self._metrics.add(catalog.OVERLAPS, kind, session.counted_tier)
            case ListeningNoted(note=noted):
                self._metrics.add(catalog.LISTENING_NOTES, noted)
            case TurnRecognised(_, provider, confidence):
                self._metrics.observe(catalog.STT_CONFIDENCE, provider, value=confidence)
            case PlaybackStarted(session, _, ear_s, server_s):
                self._metrics.observe(catalog.PLAYBACK_SKEW, session.counted_tier, value=abs(ear_s - server_s))
            case DeadAir(session, seconds):
                self._metrics.add(catalog.DEAD_AIR, session.counted_tier, amount=seconds)
            case InputDropped(kind):
                self._metrics.add(catalog.INPUT_DROPPED, kind)
            case QueueDropped(queue, items):
                self._metrics.add(catalog.QUEUE_DROPS, queue, amount=items)
            case Guessed(session, outcome, lead_s):
                who = session.counted_tier, session.counted_policy
                self._metrics.add(catalog.EARLY_REPLIES, outcome, *who)
                if outcome is GuessOutcome.TAKEN:
                    self._metrics.child(catalog.EARLY_LEAD, *who).observe(lead_s)
            case VoiceGuessed(session, outcome):
                self._metrics.add(catalog.EARLY_VOICES, outcome, session.counted_tier, session.counted_policy)
            case Hedged(session, service, outcome):
                who = session.counted_tier, session.counted_policy
                self._metrics.add(catalog.HEDGES, service, outcome, *who)
            case KnobSwitched(policy, knob, on, reason):
                self._metrics.set(catalog.KNOB_OFF, knob, policy, value=float(not on))
                self._metrics.add(catalog.KNOB_SWITCHES, knob, policy, reason)
            case ConnectionWarmed(provider, reason):
                self._metrics.add(catalog.WARM_UPS, provider, reason)
            case ToolFinished(call=tool):
                self._tool(tool)
            case NotesTaken(_, kept, dropped):
                for outcome, count in {"kept": kept, **dropped}.items():
                    known = outcome if outcome in NOTED_OUTCOMES else "malformed"
                    self._metrics.add(catalog.NOTED_FACTS, known, amount=count)
            case SessionStarted(session):
                self._metrics.add(catalog.ACTIVE_SESSIONS, session.counted_tier)
            case SessionEnded():
                self._session_ended(event)
            case SessionRefused():
                self._refused(event)

    def _tool(self, call: ToolCall) -> None:
        self._metrics.add(catalog.TOOL_CALLS, call.name, call.outcome)
        if call.reason:
            self._metrics.add(catalog.TOOL_FAULTS, call.name, call.reason)
        if call.outcome in RUN_TOOLS:
            self._metrics.observe(catalog.TOOL_SECONDS, call.name, value=call.ended_at - call.started_at)

    def _refused(self, event: SessionRefused) -> None:
        known = event.reason if event.reason in REFUSALS else "credential"
        self._metrics.add(catalog.SESSIONS_REFUSED, event.tier or NO_TIER, known)
        if known not in NO_ROOM or event.tier is None or event.caller is None:
            return
        if self._turned_away.is_new(f"{event.tier} {event.caller}", clock.now()):
            self._metrics.add(catalog.CALLERS_REFUSED, event.tier, known)

    def _turn(self, session: SessionInfo, record: TurnRecord) -> None:
        add, tier, policy = self._metrics.add, session.counted_tier, session.counted_policy
        add(catalog.TURNS, tier, policy, record.outcome)
        for source, seconds in record.audio_s.items():
            add(catalog.REPLY_AUDIO, source, tier, amount=seconds)
        if record.model is not None and record.rule is not None:
            add(catalog.ROUTED_TURNS, record.model, record.rule, tier, policy)
        if record.tool_rounds:
            add(catalog.TOOL_ROUNDS, tier, policy, amount=record.tool_rounds)
        if record.first_cut is not None:
            add(catalog.FIRST_CLAUSES, record.first_cut, tier, policy)
        if record.first_clause_s is not None:
            self._metrics.observe(catalog.FIRST_CLAUSE, tier, policy, value=record.first_clause_s)
        if not record.owed:
            return
        if record.first_sound_s is not None:
            self._metrics.observe(catalog.FIRST_SOUND, tier, policy, value=record.first_sound_s)
        if record.tools and record.outcome not in WITHOUT_REPLY and record.voice_to_voice_s is not None:
            self._metrics.observe(catalog.TOOL_TURN_LATENCY, tier, policy, value=record.voice_to_voice_s)
        add(catalog.TURNS_OWED, tier, policy)
        if record.slow_by_network:
            add(catalog.NETWORK_SLOW, tier, policy)
        if record.asks_again:
            add(catalog.REASKED, tier, policy)
        if record.talked_over:
            add(catalog.TALKED_OVER, tier, policy)
        breached = set(record.over_budget) | ({"voice_to_voice"} if record.slow else set())
        for budget in breached:
            add(catalog.BUDGET_BREACHES, budget, tier, policy)
        self._metrics.observe(catalog.TURN_LATENCY, tier, policy, value=_latency(record), trace_id=record.trace_id)
        if record.outcome not in WITHOUT_REPLY and record.voice_to_voice_s is not None:
            self._metrics.observe(catalog.REPLY_LATENCY, tier, policy, value=record.voice_to_voice_s)
            if record.turn == 1:
                self._metrics.observe(catalog.FIRST_TURN_LATENCY, tier, policy, value=record.voice_to_voice_s)
        for stage, seconds in record.stages.items():
            if seconds is not None:
                self._metrics.observe(
                    catalog.STAGE_SECONDS, stage, tier, policy, value=seconds, trace_id=record.trace_id
                )

    def _call(self, call: Call) -> None:
        key = (call.service, call.provider, call.model)
        labels = key if key in self._known else (call.service, call.provider, OTHER)
        self._metrics.add(catalog.API_CALLS, *labels, call.outcome)
        if call.first_output_at is not None and call.service != "stt":
            self._metrics.observe(catalog.API_LATENCY, *labels, value=call.first_output_at - call.started_at)
        for limit, left in call.headroom.items():
            self._metrics.set(catalog.RATE_LIMIT_LEFT, *labels[1:], limit, value=left)
        if call.stopped is not None:
            self._metrics.add(catalog.STOPPED, labels[2], call.stopped)
        for unit, quantity in call.usage.quantities.items():
            if unit is Unit.AUDIO_SAMPLES:
                self._metrics.add(catalog.STT_AUDIO, call.provider, amount=quantity / 16_000)
            elif unit is Unit.CHARACTERS:
                self._metrics.add(catalog.TTS_CHARACTERS, call.provider, _source(call.provider), amount=quantity)
            else:
                self._metrics.add(catalog.LLM_TOKENS, labels[2], TOKEN_KINDS[unit], amount=quantity)

    def _session_ended(self, event: SessionEnded) -> None:
        tier, policy = event.session.counted_tier, event.session.counted_policy
        self._metrics.add(catalog.ACTIVE_SESSIONS, tier, amount=-1)
        self._metrics.add(catalog.SESSIONS, tier, policy, event.outcome)
        self._metrics.observe(catalog.SESSION_DURATION, tier, policy, value=event.duration_s)
        if event.slow_turns >= SLOW_TURNS_OF_A_SLOW_SESSION:
            self._metrics.add(catalog.SLOW_SESSIONS, tier, policy)

    def _initialise(self, budgets: Budgets, configured: Configured, version: str) -> None:
        child = self._metrics.child
        for budget, seconds in budgets.latency.seconds().items():
            self._metrics.set(catalog.BUDGET_SECONDS, budget, value=seconds)
        for tier, budget in budgets.tiers.items():
            self._metrics.set(catalog.BUDGET_SESSION_COST, tier, value=budget.session_usd)
            self._metrics.set(catalog.BUDGET_SESSION_ALERT, tier, value=budget.alert_usd)
            child(catalog.ACTIVE_SESSIONS, tier)
            child(catalog.DEAD_AIR, tier)
            for source in _voices(configured):
                child(catalog.REPLY_AUDIO, source, tier)
            child(catalog.BARGE_IN, tier)
            for kind in OverlapKind:
                child(catalog.OVERLAPS, kind, tier)
            child(catalog.PLAYBACK_SKEW, tier)
        for noted in ListeningNote:
            child(catalog.LISTENING_NOTES, noted)
        for noted in NOTED_OUTCOMES:
            child(catalog.NOTED_FACTS, noted)
        for kind in INPUT_KINDS:
            child(catalog.INPUT_DROPPED, kind)
        for queue in SESSION_QUEUES:
            child(catalog.QUEUE_DROPS, queue)
        for tier in (*Tier, NO_TIER):
            for reason in REFUSALS:
                child(catalog.SESSIONS_REFUSED, tier, reason)
        for tier in Tier:
            for reason in NO_ROOM:
                child(catalog.CALLERS_REFUSED, tier, reason)
        for tier, policy, number in configured.policies:
            self.prepare(tier, policy, number)
        for service, from_provider, to_provider in configured.moves:
            for reason in CHAIN_REASONS:
                child(catalog.FALLBACKS, service, from_provider, to_provider, reason)
        for _, provider, model in configured.models:
            child(catalog.BREAKER_STATE, provider, model)
            for problem in Problem:
                child(catalog.MISCONFIGURED, provider, model, problem)
            for state, reason in BREAKER_CHANGES:
                child(catalog.BREAKER_CHANGES, provider, model, state, reason)
        for service, provider, model in (*configured.models, *_others(configured.models)):
            for outcome in CALL_OUTCOMES:
                child(catalog.API_CALLS, service, provider, model, outcome)
            if service != "stt":
                child(catalog.API_LATENCY, service, provider, model)
            if service == "llm":
                for kind in TOKEN_KINDS.values():
                    child(catalog.LLM_TOKENS, model, kind)
                for stop in StopReason:
                    child(catalog.STOPPED, model, stop)
            elif service == "tts":
                child(catalog.TTS_CHARACTERS, provider, _source(provider))
            else:
                child(catalog.STT_AUDIO, provider)
                child(catalog.STT_CONFIDENCE, provider)
        self._metrics.set(catalog.BUILD_INFO, version, value=1)

    def prepare(self, tier: Tier, policy: str, version: int) -> None:
        """Creates the series of a policy that a tier can be assigned, so that rates exist before its first session."""
        child = self._metrics.child
        self._metrics.set(catalog.POLICY_INFO, policy, str(version), tier, value=1)
        child(catalog.TURNS_OWED, tier, policy)
        child(catalog.FIRST_CLAUSE, tier, policy)
        child(catalog.TURN_LATENCY, tier, policy)
        child(catalog.REPLY_LATENCY, tier, policy)
        child(catalog.FIRST_TURN_LATENCY, tier, policy)
        child(catalog.REASKED, tier, policy)
        child(catalog.TALKED_OVER, tier, policy)
        child(catalog.TOOL_ROUNDS, tier, policy)
        child(catalog.TOOL_TURN_LATENCY, tier, policy)
        child(catalog.FIRST_SOUND, tier, policy)
        child(catalog.NETWORK_SLOW, tier, policy)
        child(catalog.SLOW_SESSIONS, tier, policy)
        child(catalog.SESSION_DURATION, tier, policy)
        for outcome in TurnOutcome:
            child(catalog.TURNS, tier, policy, outcome)
        for outcome in SessionOutcome:
            child(catalog.SESSIONS, tier, policy, outcome)
        for stage in STAGES:
            child(catalog.STAGE_SECONDS, stage, tier, policy)
        for budget in ("voice_to_voice", "stt", "llm", "tts", "network"):
            child(catalog.BUDGET_BREACHES, budget, tier, policy)
        for model, rule in self._rules:
            child(catalog.ROUTED_TURNS, model, rule, tier, policy)


def _latency(record: TurnRecord) -> float:
    """Voice-to-voice of a turn; one without a real reply is at least at the highest edge, so that quantiles see it."""
    measured = record.voice_to_voice_s or 0.0
    return max(measured, TURN_BUCKETS[-1]) if record.outcome in WITHOUT_REPLY else measured


def _source(provider: str) -> str:
    """Where the sound of a clause comes from: a voice that is paid for, or one of the free sources."""
    return provider if provider in FREE_SOURCES else "voice"


def _voices(configured: Configured) -> set[str]:
    """Whose voice a reply can be in."""
    return {provider for service, provider, _ in configured.models if service == "tts"} | {"recorded", "browser"}


def _others(models: Iterable[tuple[Service, str, str]]) -> set[tuple[Service, str, str]]:
    return {(service, provider, OTHER) for service, provider, _ in models}
