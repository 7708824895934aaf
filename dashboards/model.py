"""What both boards share: variables, annotations, links, layout, and the way to JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from agent.budgets import Tier
from agent.telemetry import catalog
from agent.telemetry.catalog import Metric
from alerts.model import RunbookLinks
from alerts.promql import Match, like, select, total, value
from dashboards import panels
from dashboards.links import runbooks

COLUMNS: Final = 24
PREFIX: Final = "voice-agent-"
"""What the uid of each board begins with."""
WINDOW: Final = "$window"
WINDOWS: Final = "1m,5m,15m,30m,1h,3h,6h,24h"
TIER: Final[tuple[Match, ...]] = (like("tier", "$tier"),)
AGENT: Final[tuple[Match, ...]] = (like("agent", "$agent"),)
POLICY: Final[tuple[Match, ...]] = (like("policy", "$policy"),)
WHO: Final = (*TIER, *POLICY)
PAID: Final = WHO
"""Spend, also of calls that belong to no session (tier and policy `none`) while both variables are All."""
ALERTS: Final = Metric("ALERTS", "gauge", "Prometheus' own series of alerts.", ("alertname", "alertstate", "severity"))
INSTANCE: Final = ("instance",)
"""The label that Prometheus gives each process."""
PROCESS_CPU: Final = Metric("process_cpu_seconds_total", "counter", "Of the client library.", INSTANCE)
PROCESS_MEMORY: Final = Metric("process_resident_memory_bytes", "gauge", "Of the client library.", INSTANCE)
EVERYBODY: Final = "|".join((*Tier, "none"))
"""All tiers, and calls of no session; not the synthetic caller, who is nobody's figure."""
_NEW: Final = "1m"  # a value that did not exist so long ago is a change


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A titled row of panels, laid out from the left and wrapped at 24 columns."""

    title: str
    panels: Sequence[panels.Panel]


@dataclass(frozen=True, slots=True)
class Board:
    """One board. `uid` is part of every link to it and never changes."""

    uid: str
    title: str
    text: str
    since: str
    rows: Sequence[BoardRow]


def by_process(metric: Metric) -> Metric:
    """A metric of the service with the label that Prometheus adds to it."""
    return replace(metric, labels=(*metric.labels, *INSTANCE))


def to_json(board: Board, others: Sequence[tuple[str, str]], links: RunbookLinks | None = None) -> str:
    """The classic dashboard JSON. `others` are (title, uid) of the boards that this one links to.

    `links` says where the runbooks of the panels' alerts are served.
    """
    for panel in (panel for row in board.rows for panel in row.panels):
        pages = runbooks(board.uid.removeprefix(PREFIX), panel.id_val or 0, links or RunbookLinks())
        panel.links = [*pages, *(panel.links or [])]
    builder = (
        builders.Dashboard(board.title)
        .uid(board.uid)
        .description(board.text)
        .tags(["voice-agent"])
        .readonly()
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .time(board.since, "now")
        .refresh("30s")
        .variables(_variables())
        .annotations(_annotations())
        .links([_link(title, uid) for title, uid in others])
    )
    model = builder.build()
    model.panels = _layout(board.rows)
    plain = json.loads(JSONEncoder(sort_keys=True).encode(model))
    return json.dumps(_without_placement(plain), indent=1, sort_keys=True) + "\n"


def _variables() -> list[Any]:
    everything = dashboard.VariableOption(text="All", value="$__all")
    tiers = builders.CustomVariable("tier").label("Tier").values(",".join(Tier))
    query = f"label_values({select(catalog.POLICY_INFO)}, policy)"
    policies = builders.QueryVariable("policy").label("Policy").query(query).datasource(panels.DATASOURCE)
    named = f"label_values({select(catalog.AGENT_INFO)}, agent)"
    agents = builders.QueryVariable("agent").label("Agent").query(named).datasource(panels.DATASOURCE)
    hour = dashboard.VariableOption(text="1h", value="1h")
    return [
        builders.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        tiers.include_all(True).all_value(EVERYBODY).multi(False).current(everything),
        policies.include_all(True)
        .all_value(".*")
        .multi(False)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .current(everything),
        agents.include_all(True)
        .all_value(".*")
        .multi(False)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .current(everything),
        builders.IntervalVariable("window").label("Window").values(WINDOWS).current(hour),
    ]


def _annotations() -> list[Any]:
    assigned, decided = ("policy", "version", "tier"), ("tier", "policy", "outcome", "reason")
    return [
        _annotation("Deploys", "blue", _appeared(catalog.BUILD_INFO, ("version",)), "version {{version}}"),
        _annotation(
            "Policy changes",
            "purple",
            _appeared(catalog.POLICY_INFO, assigned),
            "{{policy}} v{{version}} can be assigned to {{tier}}",
        ),
        _annotation(
            "Assignments",
            "orange",
            _changed(catalog.POLICY_WEIGHT, ("tier", "policy")),
            "new {{tier}} sessions get another share of {{policy}}",
        ),
        _annotation(
            "Decisions",
            "yellow",
            f"{total(catalog.DECISIONS, _NEW, decided)} > 0",
            "{{tier}} · {{policy}}: {{outcome}} ({{reason}})",
        ),
        _annotation(
            "Versions of agents",
            "orange",
            _changed(catalog.AGENT_INFO, ("agent", "version")),
            "new sessions of {{agent}} get another share of version {{version}}",
        ),
        _annotation(
            "Decisions about versions",
            "yellow",
            f"{total(catalog.AGENT_DECISIONS, _NEW, ('agent', 'outcome', 'reason'))} > 0",
            "{{agent}}: {{outcome}} ({{reason}})",
        ),
    ]


def _appeared(metric: Metric, by: tuple[str, ...]) -> str:
    """Label values that are new, while others were there before: the first start of all is no change."""
    before = f"{select(metric)} offset {_NEW}"
    return f"({value(metric, by)} unless on ({', '.join(by)}) {before}) and on () count ({before})"


def _changed(metric: Metric, by: tuple[str, ...]) -> str:
    """Label values whose gauge is another than a moment ago."""
    return f"{value(metric, by)} != max by ({', '.join(by)}) ({select(metric)} offset {_NEW})"


def _annotation(name: str, colour: str, expr: str, text: str) -> builders.AnnotationQuery:
    target = prometheus.Dataquery().ref_id("Anno").expr(expr).range()
    return (
        builders.AnnotationQuery()
        .name(name)
        .datasource(panels.DATASOURCE)
        .enable(True)
        .icon_color(colour)
        .expr(expr)
        .target(target)
        .step("1m")
        .title_format(name)
        .text_format(text)
    )


def _link(title: str, uid: str) -> builders.DashboardLink:
    link = builders.DashboardLink(title).type(dashboard.DashboardLinkType.LINK).url(f"/d/{uid}")
    return link.include_vars(True).keep_time(True).icon("dashboard")


def _layout(rows: Sequence[BoardRow]) -> list[Any]:
    """Gives every panel its place, from top to bottom."""
    placed: list[Any] = []
    bottom = 0
    for number, row in enumerate(rows):
        title = dashboard.RowPanel(
            id_val=1000 + number,
            title=row.title,
            collapsed=False,
            grid_pos=dashboard.GridPos(x=0, y=bottom, w=COLUMNS, h=1),
        )
        placed.append(title)
        left, top, bottom = 0, bottom + 1, bottom + 1
        for panel in row.panels:
            spot = panel.grid_pos or dashboard.GridPos()
            if left + spot.w > COLUMNS:
                left, top = 0, bottom
            panel.grid_pos = dashboard.GridPos(x=left, y=top, w=spot.w, h=spot.h)
            left, bottom = left + spot.w, max(bottom, top + spot.h)
            placed.append(panel)
    return placed


def _without_placement(found: Any) -> Any:
    """The SDK puts `placement: inControlsMenu` on links and annotations, which hides them in a menu."""
    if isinstance(found, dict):
        return {
            key: _without_placement(inner)
            for key, inner in found.items()
            if not (key == "placement" and inner == "inControlsMenu")
        }
    return [_without_placement(inner) for inner in found] if isinstance(found, list) else found
