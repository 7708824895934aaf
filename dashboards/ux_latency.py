"""The rows of the UX board about time: voice to voice, and the stages that make it up."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from agent.telemetry import catalog
from alerts.promql import equal, like, quantile, select, value
from alerts.recording.burn_rate import BUDGET_LEFT, BURN_RATE
from dashboards.model import TIER, WHO, WINDOW, BoardRow
from dashboards.palette import NO_TURNS, STAGES
from dashboards.panels import Panel, PanelSpec, PanelStyle, Query, graph, heat, on_the_right

BUDGETED: Final = ("stt", "llm", "tts", "network")
WHOLE: Final = equal("budget", "voice_to_voice")


def waiting() -> BoardRow:
    """How long does a caller wait?"""
    panels = (_voice_to_voice(), _stage_budgets(), _stages(), _spread(), _budget_left(), _real_replies())
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
    )
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    look = PanelStyle("s", colours={"p50": "green", "p95": "orange", "p99": "red"})
    queries = [Query(quantile(part, catalog.REPLY_LATENCY, WINDOW, (), WHO), name) for name, part in shares.items()]
    return graph(panel, look, *queries)
