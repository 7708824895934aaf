"""The row of the UX board about early replies: what they win, and how often they were in vain. What they cost stands on
the cost board.
"""

from __future__ import annotations

from agent.telemetry import catalog
from alerts.promql import quantile, share, total
from dashboards.model import WHO, WINDOW, BoardRow
from dashboards.panels import Panel, PanelSpec, PanelStyle, Query, graph

NONE_MADE = "No reply was begun early in this range: no policy in force has `early_replies`."


def early() -> BoardRow:
    """What do early replies win?"""
    return BoardRow("What do early replies win?", (_lead(), _outcomes()))


def _lead() -> Panel:
    panel = PanelSpec(
        65,
        "Begun before the end of the turn, by",
        "Of the replies that were taken: how long before the end of its turn the model was asked. This much of the"
        " model's time nobody waited for. Falling to nothing: the threshold of the policy is too high to be early.",
        NONE_MADE,
        12,
        8,
    )
    parts = {"p50": 0.5, "p95": 0.95}
    queries = (Query(quantile(at, catalog.EARLY_LEAD, WINDOW, (), WHO), name) for name, at in parts.items())
    return graph(panel, PanelStyle("s", colours={"p50": "green", "p95": "orange"}), *queries)


def _outcomes() -> Panel:
    panel = PanelSpec(
        66,
        "What became of early replies",
        "Shares of all that were begun. Resumed: the caller went on. Changed: the turn ended with other words. Most of"
        " them in vain: raise the threshold of the policy, since each is a call of the model.",
        NONE_MADE,
        12,
        8,
    )
    of = total(catalog.EARLY_REPLIES, WINDOW, (), WHO)
    each = total(catalog.EARLY_REPLIES, WINDOW, ("outcome",), WHO)
    colours = {"taken": "green", "resumed": "yellow", "changed": "orange", "failed": "red", "dropped": "blue"}
    return graph(
        panel, PanelStyle("percentunit", 0, None, 1, colours=colours), Query(share(each, of, ()), "{{outcome}}")
    )
