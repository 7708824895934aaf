"""The rows of the UX board about time: voice to voice, and the stages that make it up."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from agent.budgets import load_budgets
from agent.telemetry import catalog, span_attributes
from alerts.promql import equal, like, quantile, select, share, total, value
from alerts.recording.burn_rate import BUDGET_LEFT, BURN_RATE
from dashboards.links import SLOW, over
from dashboards.model import TIER, WHO, WINDOW, BoardRow
from dashboards.palette import NO_TURNS, STAGES, TIERS
from dashboards.panels import Panel, PanelSpec, PanelStyle, Query, graph, heat, on_the_right

BUDGETED: Final = ("stt", "llm", "tts", "network")
WHOLE: Final = equal("budget", "voice_to_voice")


def waiting() -> BoardRow:
    """How long does a caller wait?"""
    whole = (_voice_to_voice(), _stage_budgets(), _stages(), _spread())
    apart = (_real_replies(), _first_turns(), _by_network(), _budget_left())
    panels = (*whole, *apart)
    return BoardRow("How long does a caller wait?", panels)


def _voice_to_voice() -> Panel:
    panel = PanelSpec(
        10,
        "Voice to voice, p50 and p95",
        "From the caller's last sound to the first sound of the reply. Dashed: the budget for p95. Diamonds are single"
        " turns: click one for its trace. Over the line: see which stage is over its budget to the right.",
        NO_TURNS,
        12,
        9,
        traces=SLOW,
    )
    look = PanelStyle("s", colours={"p50": "green", "p95": "orange", "budget": "red"}, dashed=("budget",))
    return graph(
        panel,
        look,
        Query(quantile(0.5, catalog.TURN_LATENCY, WINDOW, (), WHO), "p50"),
        Query(quantile(0.95, catalog.TURN_LATENCY, WINDOW, (), WHO), "p95", exemplar=True),
        Query(value(catalog.BUDGET_SECONDS, (), [WHOLE]), "budget"),
    )


def _stage_budgets() -> Panel:
    panel = PanelSpec(
        11,
        "Stage p95, share of its budget",
        "The stages' budgets are stricter than the whole: over 100 % here is common and matters only while voice to"
        " voice is over its line. Then the highest line is the stage to fix: see its provider further down.",
        NO_TURNS,
        12,
        9,
        traces=over(*BUDGETED),
    )
    p95 = quantile(0.95, catalog.STAGE_SECONDS, WINDOW, ("stage",), (*WHO, like("stage", *BUDGETED)))
    budget = f'label_replace({value(catalog.BUDGET_SECONDS, ("budget",))}, "stage", "$1", "budget", "(.*)")'
    look = PanelStyle("percentunit", steps=((None, "transparent"), (1.0, "red")), line=True, colours=STAGES)
    return graph(panel, look, Query(f"{p95} / on (stage) {budget}", "{{stage}}"))


def _stages() -> Panel:
    panel = PanelSpec(
        12,
        "Where a typical turn's time goes",
        "Median of each stage, stacked: recognition, model, voice, sending, network. A band that grew since the last"
        " deploy is where to look.",
        NO_TURNS,
        12,
        8,
        traces=over(*BUDGETED),
    )
    p50 = quantile(0.5, catalog.STAGE_SECONDS, WINDOW, ("stage",), WHO)
    return graph(panel, PanelStyle("s", stacked=True, colours=STAGES), Query(p50, "{{stage}}"))


def _spread() -> Panel:
    panel = PanelSpec(
        13,
        "How waits are spread",
        "Turns by voice-to-voice time; darker is more. A second band high up is a group of callers that p50 hides:"
        " compare tiers and policies above. The top row holds turns that never got a real reply.",
        NO_TURNS,
        12,
        8,
        traces=SLOW,
    )
    counts = f"sum by (le) (increase({select(catalog.TURN_LATENCY, WHO, 'bucket')}[$__rate_interval]))"
    return heat(panel, PanelStyle("s"), Query(counts, "{{le}}", form=PromQueryFormat.HEATMAP))


def _budget_left() -> Panel:
    panel = PanelSpec(
        15,
        "Error budget left, 28 days",
        "Of the 5 % of the turns that may be slow in 28 days, how much is left by tier, and how fast it is used: at a"
        " burn of 1 it lasts for the 28 days. Near 0: make changes slowly; below it the promise is broken.",
        NO_TURNS,
        12,
        7,
        traces=SLOW,
    )
    left = value(BUDGET_LEFT, ("tier",), TIER)
    burn = value(BURN_RATE, ("tier", "window"), TIER)
    built = graph(
        panel,
        PanelStyle("percentunit", 0, None, 1, steps=((None, "transparent"), (0.1, "red")), line=True),
        Query(left, "{{tier}}: left"),
        Query(burn, "{{tier}}: burn {{window}}"),
    )
    return on_the_right(built, "burn", "none")


def _real_replies() -> Panel:
    panel = PanelSpec(
        16,
        "Real replies: p50, p95, p99",
        "Voice to voice of turns that got a real reply. The figure above also counts apologies and failures, as 10 s:"
        " far apart means that replies are missing, not slow. p99 alone high: single callers, read their calls.",
        NO_TURNS,
        12,
        7,
        traces=SLOW,
    )
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    look = PanelStyle("s", colours={"p50": "green", "p95": "orange", "p99": "red"})
    queries = [Query(quantile(part, catalog.REPLY_LATENCY, WINDOW, (), WHO), name) for name, part in shares.items()]
    return graph(panel, look, *queries)


def _first_turns() -> Panel:
    panel = PanelSpec(
        18,
        "First turn of a call",
        "Voice to voice of first turns that got a real reply, beside all real replies (dashed): connections and caches"
        " are cold then, and callers decide whether to stay. Far above the others: connections are not kept warm.",
        NO_TURNS,
        12,
        7,
        traces=f"{SLOW} && span.{span_attributes.TURN} = 1",
    )
    colours = {"first: p50": "green", "first: p95": "orange", "all: p95": "blue"}
    return graph(
        panel,
        PanelStyle("s", colours=colours, dashed=("all: p95",)),
        Query(quantile(0.5, catalog.FIRST_TURN_LATENCY, WINDOW, (), WHO), "first: p50"),
        Query(quantile(0.95, catalog.FIRST_TURN_LATENCY, WINDOW, (), WHO), "first: p95"),
        Query(quantile(0.95, catalog.REPLY_LATENCY, WINDOW, (), WHO), "all: p95"),
    )


def _by_network() -> Panel:
    panel = PanelSpec(
        17,
        "Slow by the network alone",
        "Share of owed turns that would have been in time without their round trip (at most 0.25 s of it counts), and"
        " that round trip at p95. Over the dashed 5 %: callers are far away or on bad lines; no rollback mends that.",
        NO_TURNS,
        12,
        7,
        traces=over("network"),
    )
    slow, owed = (total(metric, WINDOW, ("tier",), WHO) for metric in (catalog.NETWORK_SLOW, catalog.TURNS_OWED))
    trip = quantile(0.95, catalog.STAGE_SECONDS, WINDOW, (), (*WHO, equal("stage", "network")))
    limit = load_budgets().objective.slow_turn_share
    colours = {**TIERS, "round trip, p95": "light-blue"}
    built = graph(
        panel,
        PanelStyle("percentunit", steps=((None, "transparent"), (limit, "red")), line=True, colours=colours),
        Query(share(slow, owed), "{{tier}}"),
        Query(trip, "round trip, p95"),
    )
    return on_the_right(built, "round trip, p95", "s")
