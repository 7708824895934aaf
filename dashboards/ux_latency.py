"""The rows of the UX board about time: voice to voice, and the stages that make it up."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from agent.telemetry import catalog
from alerts.promql import equal, like, quantile, select, value
from dashboards.model import WHO, WINDOW, BoardRow
from dashboards.palette import NO_TURNS, STAGES
from dashboards.panels import Panel, PanelSpec, PanelStyle, Query, graph, heat

BUDGETED: Final = ("stt", "llm", "tts", "network")
WHOLE: Final = equal("budget", "voice_to_voice")


def waiting() -> BoardRow:
    """How long does a caller wait?"""
    return BoardRow("How long does a caller wait?", (_voice_to_voice(), _stage_budgets(), _stages(), _spread()))


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
