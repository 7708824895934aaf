"""The cost board: what a session costs, where the money goes, and what reliability costs. No latency on it."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from agent.budgets import load_budgets
from agent.telemetry import catalog
from alerts.promql import average, equal, like, select, share, total, unequal, value
from alerts.recording.model import baseline
from dashboards.cost_agents import agents
from dashboards.cost_reliability import reliability
from dashboards.links import dearer
from dashboards.model import PAID, POLICY, TIER, WHO, WINDOW, Board, BoardRow
from dashboards.palette import NO_CALLS, NO_SESSIONS, RULES, STAGES, TIERS
from dashboards.panels import Column, Panel, PanelSpec, PanelStyle, Query, Steps, bars, figure, graph, heat, rows

UID: Final = "voice-agent-cost"
RANGE: Final = "$__range"
USD: Final = "currencyUSD"
MONTH_S: Final = 30 * 86_400


def board() -> Board:
    """Everything about money."""
    return Board(
        UID,
        "Voice agent: cost",
        "What does a session cost, where does it go, and does saving hurt the callers who pay?",
        "now-24h",
        (_unit_cost(), _over_time(), reliability(), _where(), agents()),
    )


def objective() -> Steps:
    """Colours of a session's cost: yellow from 80 % of the objective, red from it on."""
    usd = min(tier.session_usd for tier in load_budgets().tiers.values())
    return ((None, "green"), (0.8 * usd, "yellow"), (usd, "red"))


def _dearer() -> str:
    """The sessions over the objective, in TraceQL."""
    return dearer(min(tier.session_usd for tier in load_budgets().tiers.values()))


def _unit_cost() -> BoardRow:
    usd = min(tier.session_usd for tier in load_budgets().tiers.values())
    panels = (
        _average(usd),
        _by_tier(usd),
        _gap(),
        _over_objective(),
        _sonnet(),
        _month(),
        _unpriced(),
        _answered(),
        _completed(),
    )
    return BoardRow(f"What does a session cost, against ${usd:g}?", panels)


def _average(usd: float) -> Panel:
    panel = PanelSpec(
        1,
        "Average session",
        f"Mean cost of the sessions that ended in this range; the objective is ${usd:g}. Red: see below which of"
        " recognition, model and voice it is; voice characters and recognition minutes decide the bill, not the model.",
        NO_SESSIONS,
        6,
        5,
        traces=_dearer(),
    )
    expr = average(catalog.SESSION_COST, RANGE, (), WHO)
    return figure(panel, PanelStyle(USD, 4, steps=objective()), Query(expr, "average", instant=True))


def _by_tier(usd: float) -> Panel:
    panel = PanelSpec(
        2,
        "By tier",
        f"Free against premium, whatever the tier above. The objective is ${usd:g} for each. Premium far above free:"
        " longer calls or more escalations to Sonnet; see cost by tier and service below.",
        NO_SESSIONS,
        6,
        5,
        traces=_dearer(),
    )
    look = PanelStyle(USD, 4, 0, 2 * usd, steps=objective())
    return bars(panel, look, Query(average(catalog.SESSION_COST, RANGE, ("tier",), POLICY), "{{tier}}", instant=True))


def _answered() -> Panel:
    panel = PanelSpec(
        16,
        "Per answered turn",
        "What a turn with a real reply costs, everything included. A session that only gets apologies is cheap; this is"
        " not. Rising while the average session falls: callers pay with their replies.",
        NO_CALLS,
        12,
        4,
    )
    answered = total(catalog.TURNS, RANGE, (), (*WHO, like("outcome", "replied", "interrupted", "typed")))
    return _per(panel, answered, "a turn")


def _completed() -> Panel:
    panel = PanelSpec(
        17,
        "Per completed call",
        "What a call that the caller ended himself costs, with what was spent on all the others. Far above the average"
        " session: many calls are lost or fail; see how sessions end on the board of experience.",
        NO_SESSIONS,
        12,
        4,
    )
    completed = total(catalog.SESSIONS, RANGE, (), (*WHO, equal("outcome", "completed")))
    return _per(panel, completed, "a call")


def _per(panel: PanelSpec, whole: str, name: str) -> Panel:
    look = PanelStyle(USD, 4, None, steps=((None, "blue"),))
    expr = share(total(catalog.COST, RANGE, (), WHO), whole)
    return figure(panel, look, Query(expr, name, instant=True), background=False)


def _gap() -> Panel:
    panel = PanelSpec(
        3,
        "Premium − free",
        "What a premium session costs more than a free one; negative when it costs less. It must stay below what a"
        " membership pays for a session.",
        "One of the tiers has no ended session in this range.",
        6,
        5,
    )
    premium, free = (
        average(catalog.SESSION_COST, RANGE, (), (*POLICY, equal("tier", tier))) for tier in ("premium", "free")
    )
    look = PanelStyle(USD, 4, None, steps=((None, "blue"),))
    return figure(panel, look, Query(f"{premium} - {free}", "gap", instant=True), background=False)


def _over_objective() -> Panel:
    panel = PanelSpec(
        4,
        "Over objective",
        "Share of ended sessions that cost more than the objective. Red with a low average: a few very long calls; a"
        " hard cap per tier in budgets.toml ends them politely.",
        NO_SESSIONS,
        6,
        5,
        traces=_dearer(),
    )
    over = total(catalog.BUDGET_BREACHES, RANGE, (), (*WHO, equal("budget", "session_cost")))
    expr = share(over, total(catalog.SESSIONS, RANGE, (), WHO))
    steps = ((None, "green"), (0.25, "yellow"), (0.5, "red"))
    return figure(panel, PanelStyle("percentunit", 0, steps=steps), Query(expr, "over", instant=True))


def _sonnet() -> Panel:
    panel = PanelSpec(
        5,
        "Turns on Sonnet",
        "Share of turns that were routed to Sonnet. Red: Haiku-first saves little; see the rule that sends them there"
        " below, and shorten the list of technical terms or raise the length.",
        NO_CALLS,
        8,
        4,
    )
    sonnet = total(catalog.ROUTED_TURNS, RANGE, (), (*WHO, equal("model", "sonnet")))
    expr = share(sonnet, total(catalog.ROUTED_TURNS, RANGE, (), WHO))
    steps = ((None, "green"), (0.35, "yellow"), (0.5, "red"))
    return figure(panel, PanelStyle("percentunit", 0, steps=steps), Query(expr, "sonnet", instant=True))


def _month() -> Panel:
    panel = PanelSpec(
        6,
        "A month at this rate",
        "Projection: what was spent in this range, as 30 days of it. Choose a range of a day or"
        " more: an hour at noon is not a month. Counts every provider call, also probes.",
        NO_CALLS,
        8,
        4,
    )
    expr = f"{total(catalog.COST, RANGE, (), PAID)} / $__range_s * {MONTH_S}"
    return figure(
        panel, PanelStyle(USD, 0, steps=((None, "blue"),)), Query(expr, "month", instant=True), background=False
    )


def _unpriced() -> Panel:
    panel = PanelSpec(
        7,
        "Unpriced usage",
        "Kinds of usage that the price book has no price for: they are missing from every figure here. Red: add the"
        " model to prices.toml; the list is under what reliability costs.",
        NO_CALLS,
        8,
        4,
    )
    grown = total(catalog.UNPRICED, RANGE, ("provider", "model", "unit"))
    look = PanelStyle("none", 0, steps=((None, "green"), (1, "red")))
    return figure(panel, look, Query(f"count ({grown} > 0) or vector(0)", "kinds", instant=True))


def _over_time() -> BoardRow:
    return BoardRow(
        "How does it move?", (_average_over_time(), _by_policy(), _shares(), _rules(), _per_minute(), _spread())
    )


def _average_over_time() -> Panel:
    panel = PanelSpec(
        10,
        "Average session",
        "By tier. Dashed: the objective. A step up at a line: that deploy or policy change; without a line: longer"
        " calls (see cost per minute) or a more expensive provider (see the table).",
        NO_SESSIONS,
        12,
        8,
        traces=_dearer(),
    )
    look = PanelStyle(USD, 4, colours={**TIERS, "objective": "red"}, dashed=("objective",))
    return graph(
        panel,
        look,
        Query(average(catalog.SESSION_COST, WINDOW, ("tier",), WHO), "{{tier}}"),
        Query(value(catalog.BUDGET_SESSION_COST, (), TIER, "min"), "objective"),
    )


def _by_policy() -> Panel:
    panel = PanelSpec(
        11,
        "Average session by policy",
        f"What each policy costs; {baseline()} is the baseline. A policy above it saves nothing: roll it back.",
        NO_SESSIONS,
        12,
        8,
        traces=_dearer(),
    )
    return graph(
        panel, PanelStyle(USD, 4), Query(average(catalog.SESSION_COST, WINDOW, ("policy",), TIER), "{{policy}}")
    )


def _shares() -> Panel:
    panel = PanelSpec(
        12,
        "Recognition, model, voice",
        "Share of the spend. Voice and recognition carry most of it at today's prices: a growing band is the lever to"
        " pull first (audio cache, closing idle recognisers, prompt cache, in this order).",
        NO_CALLS,
        8,
        8,
    )
    spent = total(catalog.COST, WINDOW, ("service",), WHO)
    expr = share(spent, total(catalog.COST, WINDOW, (), WHO), on=())
    return graph(panel, PanelStyle("percentunit", None, 0, 1, stacked=True, colours=STAGES), Query(expr, "{{service}}"))


def _rules() -> Panel:
    panel = PanelSpec(
        13,
        "Turns on Sonnet, by rule",
        "policy: the policy asks Sonnet first. length: more than 80 characters. term: a technical term. system: the"
        " prompt. A rule that jumped is a changed prompt or term list.",
        "No turn was routed to Sonnet in this range.",
        8,
        8,
    )
    sonnet = total(catalog.ROUTED_TURNS, WINDOW, ("rule",), (*WHO, equal("model", "sonnet")))
    expr = share(sonnet, total(catalog.ROUTED_TURNS, WINDOW, (), WHO), on=())
    look = PanelStyle("percentunit", stacked=True, colours=RULES)
    return graph(panel, look, Query(f"{expr} > 0", "{{rule}}"))


def _per_minute() -> Panel:
    panel = PanelSpec(
        14,
        "Cost per minute of call",
        "Spend over the minutes of the sessions that ended. Steady while the average session rises: calls got longer,"
        " nothing got more expensive.",
        NO_SESSIONS,
        8,
        8,
    )
    minutes = f"{total(catalog.SESSION_DURATION, WINDOW, ('tier',), WHO, 'sum')} / 60"
    expr = share(total(catalog.SESSION_COST, WINDOW, ("tier",), WHO, "sum"), f"({minutes})")
    return graph(panel, PanelStyle(USD, 4, colours=TIERS), Query(expr, "{{tier}}"))


def _spread() -> Panel:
    panel = PanelSpec(
        15,
        "How sessions are spread",
        "Ended sessions by cost; darker is more. A band far above the rest is a few callers who cost the most: the"
        " governor in budgets.toml steps them down.",
        NO_SESSIONS,
        24,
        7,
        traces=_dearer(),
    )
    counts = f"sum by (le) (increase({select(catalog.SESSION_COST, WHO, 'bucket')}[$__rate_interval]))"
    return heat(panel, PanelStyle(USD, 3), Query(counts, "{{le}}", form=PromQueryFormat.HEATMAP))


def _where() -> BoardRow:
    return BoardRow("Where does it go?", (_tier_service(), _providers()))


def _tier_service() -> Panel:
    panel = PanelSpec(
        30,
        "Session by tier and service",
        "What makes one tier more expensive than the other: the average session of this range, by service. Free should"
        " never cost more in voice than premium.",
        NO_SESSIONS,
        9,
        9,
    )
    spent = total(catalog.COST, RANGE, ("tier", "service"), (*WHO, unequal("tier", "none")))
    expr = share(spent, total(catalog.SESSIONS, RANGE, ("tier",), WHO), on=("tier",))
    look = PanelStyle(USD, 4, steps=((None, "blue"),))
    return bars(panel, look, Query(f"sort_desc({expr})", "{{tier}} · {{service}}", instant=True))


def _providers() -> Panel:
    panel = PanelSpec(
        31,
        "Providers and models",
        "Everything that was paid for in this range. A line that you do not expect: a fallback that became the rule, or"
        " a model that changed; compare with the providers' invoices. What is local costs $0: no line.",
        NO_CALLS,
        15,
        9,
    )
    spent = total(catalog.COST, RANGE, ("provider", "model"), PAID)
    paid = f"({spent} > 0)"
    keys = {"provider": "Provider", "model": "Model"}
    return rows(
        panel,
        keys,
        Column("Dollars", paid, PanelStyle(USD, 4), 95),
        Column("Share", share(paid, total(catalog.COST, RANGE, (), PAID), on=()), PanelStyle("percentunit", 1), 75),
        Column("A session", share(paid, total(catalog.SESSIONS, RANGE, (), WHO), on=()), PanelStyle(USD, 5), 95),
    )
