"""The UX board: should the routing be rolled back, how long do callers wait, and what goes wrong? No cost on it."""

from __future__ import annotations

from typing import Final

from agent.budgets import load_budgets
from agent.policy.signal_tests import LOST_SESSION_SHARE, SLOW_SESSION_SHARE
from agent.telemetry import catalog, recorded_metrics
from agent.telemetry.recorded_metrics import KEEP, NOT_ENOUGH, ROLL_BACK, WATCH
from alerts.promql import Match, equal, like, quantile, select, share, total, unequal, value
from alerts.recording.model import MIN_SESSIONS, MIN_TURNS, baseline
from alerts.recording.signals import signals
from dashboards.links import SLOW
from dashboards.model import ALERTS, TIER, WHO, Board, BoardRow
from dashboards.palette import OF_LIMIT
from dashboards.panels import Column, Panel, PanelSpec, PanelStyle, Query, bars, figure, rows, states, words
from dashboards.ux_early import early
from dashboards.ux_failures import trouble
from dashboards.ux_latency import WHOLE, waiting
from dashboards.ux_platform import process, providers
from dashboards.ux_tools import tools
from dashboards.ux_understanding import understanding
from dashboards.ux_versions import versions

UID: Final = "voice-agent-ux"
VERDICTS: Final = {
    KEEP: ("KEEP", "green"),
    WATCH: ("WATCH", "yellow"),
    ROLL_BACK: ("ROLL BACK", "red"),
    NOT_ENOUGH: ("NOT ENOUGH DATA", "blue"),
}
ALERT_WORDS: Final = {1: ("ticket", "yellow"), 2: ("page", "red")}


def board() -> Board:
    """Everything about experience."""
    return Board(
        UID,
        "Voice agent: experience",
        "Should I roll back? How long do callers wait, at which stage, and what goes wrong?",
        "now-6h",
        (
            _verdict(),
            waiting(),
            trouble(),
            understanding(),
            _policies(),
            providers(),
            process(),
            tools(),
            versions(),
            early(),
        ),
    )


def _no_verdict() -> str:
    return (
        f"Only {baseline()} is chosen, which the others are compared with: choose another policy. Else Prometheus has"
        " not loaded alerts/generated/recording.yml, or scrapes no agent."
    )


def _verdict() -> BoardRow:
    panels = (_verdict_now(), _signals(), _baseline(), _sample(), _held(), _verdict_over_time(), _alerts())
    return BoardRow("Should I roll back Haiku-first routing?", panels)


def _verdict_now() -> Panel:
    panel = PanelSpec(
        1,
        "Verdict",
        f"KEEP: no signal is over its limit. WATCH: one is, but not significantly, or something else explains it: see"
        f" “What holds it”. ROLL BACK: one is significantly over its limit and {baseline()} is fine in the same time:"
        " run `voice-agent policy rollback`. Both charts to the right red: the policy is not the cause, look for the"
        " provider or the machine further down.",
        _no_verdict(),
        6,
        7,
        traces=SLOW,
    )
    look = PanelStyle("none", 0, None, mappings=words(VERDICTS), steps=((None, "blue"),))
    expr = value(recorded_metrics.VERDICT, ("tier", "policy"), WHO)
    return figure(panel, look, Query(expr, "{{tier}} · {{policy}}", instant=True), size=20)


def _signals() -> Panel:
    panel = PanelSpec(
        2,
        "Signals, share of their limit",
        "Over 100 % a limit is broken: 5 % of turns over 1.5 s, 10 % of sessions with two slow turns, 2 % of turns"
        " without a real reply, 15 % of sessions that were lost. The worst of the tiers and policies chosen above, over"
        " the window that decides. Red: compare with the baseline to the right.",
        _no_verdict(),
        9,
        7,
        traces=SLOW,
    )
    look = PanelStyle("percentunit", 0, 0, 2, OF_LIMIT)
    chosen = (*WHO, unequal("policy", baseline()))
    return bars(panel, look, *(_of_limit(way.name, way.title, chosen) for way in signals(load_budgets())))


def _baseline() -> Panel:
    panel = PanelSpec(
        3,
        "The baseline, same scale",
        f"What a rollback brings back: the same signals of {baseline()}, for the callers of the bar to the left and in"
        " its window. Shorter bars: a rollback helps. Red as well: it does not, the cause lies elsewhere. Few calls:"
        " see “What holds it”.",
        f"No caller on {baseline()} in the window that decides, or only {baseline()} is chosen.",
        9,
        7,
    )
    queries: list[Query] = []
    for way in signals(load_budgets()):
        signal = equal("signal", way.name)
        shares = select(recorded_metrics.BASELINE_SHARE, (*WHO, signal))
        worst = select(recorded_metrics.DECISION_SHARE, (*WHO, unequal("policy", baseline()), signal))
        of = f"max ({shares} and on (tier, policy) topk(1, {worst})) / {value(recorded_metrics.LIMIT, (), [signal])}"
        queries.append(Query(of, way.title, instant=True))
    return bars(panel, PanelStyle("percentunit", 0, 0, 2, OF_LIMIT), *queries)


def _of_limit(name: str, title: str, who: tuple[Match, ...]) -> Query:
    signal = equal("signal", name)
    of = f"{value(recorded_metrics.DECISION_SHARE, (), (*who, signal))} / {value(recorded_metrics.LIMIT, (), [signal])}"
    return Query(of, title, instant=True)


def _sample() -> Panel:
    panel = PanelSpec(
        4,
        "What it rests on",
        f"Turns and ended sessions in the window that decides: the shortest of 1, 6 and 24 hours that holds {MIN_TURNS}"
        f" turns and {MIN_SESSIONS} sessions. Red: too few to judge; wait, or read the calls one by one.",
        _no_verdict(),
        8,
        5,
        traces=SLOW,
    )
    chosen = (*WHO, unequal("policy", baseline()))
    by = ("tier", "window")
    return rows(
        panel,
        {"tier": "Tier", "window": "Window"},
        Column("Turns", value(recorded_metrics.DECISION_TURNS, by, chosen), _at_least(MIN_TURNS), 70),
        Column("Sessions", value(recorded_metrics.DECISION_SESSIONS, by, chosen), _at_least(MIN_SESSIONS), 75),
    )


def _verdict_over_time() -> Panel:
    panel = PanelSpec(
        5,
        "Verdict over time",
        "When it changed, by policy; lines mark deploys and policy changes. Red right after a line: that change is the"
        " suspect.",
        _no_verdict(),
        24,
        6,
    )
    look = PanelStyle("none", None, None, mappings=words(VERDICTS), steps=((None, "blue"),))
    by_policy = value(recorded_metrics.VERDICT, ("tier", "policy"), WHO)
    return states(panel, look, Query(by_policy, "{{tier}} · {{policy}}"))


def _alerts() -> Panel:
    panel = PanelSpec(
        7,
        "Alerts",
        "Which alerts fired, one band each. Red wakes somebody: its runbook is linked in the message.",
        "No alert in this range.",
        24,
        7,
    )
    firing = [equal("alertstate", "firing"), like("severity", "page", "ticket")]
    loud = "on (alertname) group_left ()"
    expr = f"max by (alertname) ({value(ALERTS, ('alertname', 'severity'), firing)})"
    page = value(ALERTS, ("alertname",), [equal("alertstate", "firing"), equal("severity", "page")])
    look = PanelStyle("none", None, None, mappings=words(ALERT_WORDS), steps=((None, "yellow"),))
    return states(panel, look, Query(f"{expr} + {loud} {page} or {expr}", "{{alertname}}"))


def _held() -> Panel:
    panel = PanelSpec(
        6,
        "What holds it",
        "A rollback waits for a reason: common_cause (the baseline suffers as well), comparing (the baseline has too"
        " few callers yet), few_suffer (a few callers only), provider_out, tool_out, event_loop_late. Certainty: 100 %"
        " is beyond doubt. Anything listed: do not roll back, look for that.",
        f"Nothing is significantly over its limit, so nothing has to be held; or only {baseline()} is chosen.",
        16,
        5,
    )
    who = ("tier", "policy")
    chosen = (*WHO, unequal("policy", baseline()))
    score = value(recorded_metrics.DECISION_SCORE, who, chosen)
    held = f"{value(recorded_metrics.DECISION_HELD, ('reason', *who), chosen)} == 1"
    callers = value(catalog.EVIDENCE_CALLERS, who, (*chosen, equal("side", "baseline")))
    by_reason = f"({held}) * on (tier, policy) group_left ()"
    return rows(
        panel,
        {"reason": "Reason", "tier": "Tier", "policy": "Policy"},
        Column("Certainty", f"{by_reason} {score}", PanelStyle("percentunit", 0), 80),
        Column("Baseline callers", f"{by_reason} {callers}", PanelStyle("none", 0), 120),
    )


def _policies() -> BoardRow:
    panel = PanelSpec(
        60,
        "Policies side by side, last 24 hours",
        f"The same figures for every policy, whatever the range above. {baseline()} is the baseline. Few turns: the"
        " difference may be chance.",
        "No spoken turn in the last 24 hours.",
        24,
        8,
    )
    who, day = ("tier", "policy"), "24h"
    owed = total(catalog.TURNS_OWED, day, who, TIER)
    sessions = total(catalog.SESSIONS, day, who, TIER)
    slow_turns = total(catalog.BUDGET_BREACHES, day, who, (*TIER, WHOLE))
    lost = total(catalog.SESSIONS, day, who, (*TIER, like("outcome", "vanished", "failed", "crashed")))
    seconds = PanelStyle("s", steps=((None, "green"), (load_budgets().latency.voice_to_voice / 1000, "red")))
    slow_sessions = total(catalog.SLOW_SESSIONS, day, who, TIER)
    objective = load_budgets().objective.slow_turn_share
    table = rows(
        panel,
        {"tier": "Tier", "policy": "Policy"},
        Column("New sessions", f"{value(catalog.POLICY_WEIGHT, who, TIER)} / 100", PanelStyle("percentunit", 0), 110),
        Column("Turns", f"{owed} > 0", PanelStyle("none", 0)),
        Column("Sessions", f"{sessions} > 0", PanelStyle("none", 0)),
        Column("p50", _present(quantile(0.5, catalog.TURN_LATENCY, day, who, TIER)), PanelStyle("s")),
        Column("p95", _present(quantile(0.95, catalog.TURN_LATENCY, day, who, TIER)), seconds),
        Column("Slow turns", share(slow_turns, owed), _limited(objective)),
        Column("Slow calls", share(slow_sessions, sessions), _limited(SLOW_SESSION_SHARE)),
        Column("Lost calls", share(lost, sessions), _limited(LOST_SESSION_SHARE)),
    )
    return BoardRow("Haiku-first against the baseline", (table, _decisions()))


def _decisions() -> Panel:
    panel = PanelSpec(
        61,
        "Decisions about alerts, last 24 hours",
        "What became of alerts that asked for a rollback. `voice-agent decisions` has the numbers that each rests on."
        " Red: a policy was rolled back; `voice-agent decisions undo` takes it back.",
        "No alert asked for a rollback of what is chosen above in the last 24 hours.",
        24,
        5,
    )
    by = ("tier", "policy", "outcome", "reason")
    many = f"{total(catalog.DECISIONS, '24h', by, WHO)} > 0"
    names = {"tier": "Tier", "policy": "Policy", "outcome": "Outcome", "reason": "Reason"}
    return rows(panel, names, Column("Times", many, PanelStyle("none", 0), 70))


def _present(expr: str) -> str:
    """Without the NaN of an empty histogram."""
    return f"{expr} > 0"


def _at_least(least: int) -> PanelStyle:
    return PanelStyle("none", 0, steps=((None, "red"), (least, "green")))


def _limited(limit: float) -> PanelStyle:
    return PanelStyle("percentunit", 1, steps=((None, "green"), (limit, "red")))
