"""Recording rules that count: what each signal is a share of, in every window, and the lower end of its interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.budgets import Budgets
from agent.policy.signal_tests import LOST_SESSION_SHARE, NO_REPLY_SHARE, SLOW_SESSION_SHARE
from agent.telemetry import catalog
from agent.telemetry.catalog import Metric
from agent.telemetry.recorded_metrics import BASELINE_ENOUGH, LIMIT, recorded
from alerts.promql import Match, average, equal, like, select, share, total, value
from alerts.recording.model import (
    BASELINE_WINDOW,
    COUNTED,
    DECISION_WINDOWS,
    NOTHING,
    WHO,
    WINDOWS,
    RecordingRule,
    Sample,
    baseline,
    scaled,
    wilson_lower,
)

TURNS_OWED = recorded("turns_owed:increase", "Spoken turns that were owed a reply.", *COUNTED)
TURNS_SLOW = recorded("turns_slow:increase", "Owed turns over the voice-to-voice budget.", *COUNTED)
TURNS_WITHOUT_REPLY = recorded("turns_without_reply:increase", "Apologies, failures, replies cut short.", *COUNTED)
SESSIONS = recorded("sessions:increase", "Sessions that ended.", *COUNTED)
SESSIONS_SLOW = recorded("sessions_slow:increase", "Sessions with two slow turns or more.", *COUNTED)
SESSIONS_LOST = recorded("sessions_lost:increase", "Sessions that vanished, failed or crashed.", *COUNTED)
SESSION_COST = recorded("session_cost_usd:avg", "Average cost of the sessions that ended, in dollars.", *COUNTED)

SHARE = recorded("signal:share", "A signal: bad ones of all.", "signal", *COUNTED)
SAMPLE = recorded("signal:sample", "How many it is a share of.", "signal", *COUNTED)
LOWER = recorded("signal:lower", "Lower end of the signal's Wilson interval.", "signal", *COUNTED)
ENOUGH = recorded("enough_data", "1 where a window holds enough turns and sessions.", *COUNTED)


@dataclass(frozen=True, slots=True)
class Signal:
    """One way in which callers notice that something is wrong: the share of bad ones, and what it may be."""

    name: str
    title: str
    bad: Metric
    of: Metric
    limit: float


def signals(budgets: Budgets) -> tuple[Signal, ...]:
    """The experience signals of the verdict, in the order of the board."""
    return (
        Signal("slow_turns", "Slow turns", TURNS_SLOW, TURNS_OWED, budgets.objective.slow_turn_share),
        Signal("slow_sessions", "Slow calls", SESSIONS_SLOW, SESSIONS, SLOW_SESSION_SHARE),
        Signal("no_reply", "No reply", TURNS_WITHOUT_REPLY, TURNS_OWED, NO_REPLY_SHARE),
        Signal("lost_sessions", "Lost calls", SESSIONS_LOST, SESSIONS, LOST_SESSION_SHARE),
    )


def counts(faster: float) -> Iterator[RecordingRule]:
    """How much was counted in every window."""
    baseline_only = (equal("policy", baseline()),)
    counted: tuple[tuple[Metric, Metric, tuple[Match, ...]], ...] = (
        (TURNS_OWED, catalog.TURNS_OWED, ()),
        (TURNS_SLOW, catalog.BUDGET_BREACHES, (equal("budget", "voice_to_voice"),)),
        (TURNS_WITHOUT_REPLY, catalog.TURNS, (like("outcome", "apology", "failed", "cut_short"),)),
        (SESSIONS, catalog.SESSIONS, ()),
        (SESSIONS_SLOW, catalog.SLOW_SESSIONS, ()),
        (SESSIONS_LOST, catalog.SESSIONS, (like("outcome", "vanished", "failed", "crashed"),)),
    )
    for window in (*WINDOWS, BASELINE_WINDOW):
        length = scaled(window, faster)
        labels = (("window", window),)
        who = baseline_only if window == BASELINE_WINDOW else ()
        for metric, counter, where in counted:
            grown = total(counter, length, WHO, (*where, *who))
            yield RecordingRule(metric, grown if who else f"{grown} or {NOTHING}", labels)
        if window in (*DECISION_WINDOWS, BASELINE_WINDOW):
            yield RecordingRule(SESSION_COST, average(catalog.SESSION_COST, length, WHO), labels)


def shares(ways: Sequence[Signal], least: Sample) -> Iterator[RecordingRule]:
    """The signals, and where there is enough data to judge them."""
    for way in ways:
        labels = (("signal", way.name),)
        bad, of = select(way.bad), select(way.of)
        yield RecordingRule(SHARE, f"clamp_max({share(bad, of)}, 1)", labels)
        yield RecordingRule(SAMPLE, f"{of} > 0", labels)
        yield RecordingRule(LIMIT, f"vector({way.limit:g})", labels)
    for window in DECISION_WINDOWS:
        share_of, of = (select(metric, [equal("window", window)]) for metric in (SHARE, SAMPLE))
        yield RecordingRule(LOWER, wilson_lower(share_of, of, window))
    deciding, last_week = like("window", *DECISION_WINDOWS), equal("window", BASELINE_WINDOW)
    yield RecordingRule(ENOUGH, _enough(least, select(TURNS_OWED, [deciding]), select(SESSIONS, [deciding])))
    tier = ("tier",)
    turns, sessions = (value(metric, tier, [last_week]) for metric in (TURNS_OWED, SESSIONS))
    yield RecordingRule(BASELINE_ENOUGH, _enough(least, turns, sessions))


def _enough(least: Sample, turns: str, sessions: str) -> str:
    return f"({turns} >= bool {least.turns}) * ({sessions} >= bool {least.sessions})"
