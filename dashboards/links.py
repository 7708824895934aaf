"""Where a panel leads: to the runbooks of the alerts that point at it, and to the traces behind its figures."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard

from agent.budgets import load_budgets
from agent.telemetry import span_attributes
from alerts.groups import all_alerts
from alerts.model import RuleContext, RunbookLinks

TEMPO: Final = "tempo"
"""The uid of the data source of traces (`dashboards/provisioning`)."""
TURN: Final = 'name = "turn"'
SLOW: Final = f'{TURN} && span.{span_attributes.OVER_BUDGET} = "voice_to_voice"'
FELL_BACK: Final = f'{TURN} && event:name = "fallback"'
FAILED_CALL: Final = f"span.{span_attributes.ERROR_TYPE} != nil"
_MOST: Final = 50  # traces in one answer
_SAFE: Final = "${}:"  # Grafana's variables, which it replaces before the link is followed
_WHO: Final = (
    f'span.{span_attributes.TIER} =~ "${{tier:percentencode}}" && '
    f'span.{span_attributes.POLICY} =~ "${{policy:percentencode}}"'
)


def over(*budgets: str) -> str:
    """The turns over any of these budgets, in TraceQL."""
    return f'{TURN} && span.{span_attributes.OVER_BUDGET} =~ "{"|".join(budgets)}"'


def with_outcome(what: str, *outcomes: str) -> str:
    """The turns or sessions with any of these outcomes."""
    return f'name = "{what}" && span.{span_attributes.OUTCOME} =~ "{"|".join(outcomes)}"'


def dearer(usd: float) -> str:
    """The sessions that cost more than this."""
    return f'name = "session" && span.{span_attributes.COST} > {usd:g}'


def behind(matching: str) -> Any:
    """The link to the traces that match, for the tier, policy and range of the board. `matching` is TraceQL."""
    query = {
        "refId": "A",
        "datasource": {"type": "tempo", "uid": TEMPO},
        "queryType": "traceql",
        "query": f"{{ {matching} && {_WHO} }}",
        "limit": _MOST,
    }
    pane = {"datasource": TEMPO, "queries": [query], "range": {"from": "${__from}", "to": "${__to}"}}
    panes = quote(json.dumps({"a": pane}, separators=(",", ":")), safe=_SAFE)
    return _link("Sessions behind this (traces)", f"/explore?schemaVersion=1&orgId=1&panes={panes}")


def runbooks(board: str, panel: int, links: RunbookLinks) -> list[Any]:
    """Links to the runbooks of the alerts that point at a panel; `board` is `ux` or `cost`."""
    return [_link(f"Runbook: {name}", f"{links.runbooks}/{name}.md") for name in _alerts().get((board, panel), ())]


@cache
def _alerts() -> dict[tuple[str, int], tuple[str, ...]]:
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for group in all_alerts(RuleContext(load_budgets())).values():
        for alert in group:
            at = (alert.panel.board, alert.panel.id)
            found[at] = (*found.get(at, ()), alert.name)
    return found


def _link(title: str, url: str) -> Any:
    kind = dashboard.DashboardLinkType.LINK
    return builders.DashboardLink(title).type(kind).url(url).target_blank(True).build()
