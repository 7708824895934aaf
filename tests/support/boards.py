"""The generated boards as plain data, and their queries as Grafana would send them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dashboards.__main__ import files

METRIC = re.compile(r"\bvoice_agent[_:][a-z0-9_:]+")


@dataclass(frozen=True)
class Asked:
    """One query of a panel."""

    board: str
    panel: int
    title: str
    letter: str
    expr: str
    instant: bool


def boards() -> dict[str, dict[str, Any]]:
    """uid → board."""
    found = [json.loads(content) for content in files().values()]
    return {board["uid"]: board for board in found}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Without the rows' titles."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> Iterator[Asked]:
    """Every query of every panel."""
    for uid, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield Asked(
                    uid, panel["id"], panel["title"], target["refId"], target["expr"], target.get("instant", False)
                )


def with_variables(expr: str, values: Mapping[str, str]) -> str:
    """Replaces `$name`, the longest names first."""
    for name in sorted(values, key=len, reverse=True):
        expr = expr.replace(f"${name}", values[name])
    assert "$" not in expr.replace('"$1"', ""), f"an unknown variable: {expr}"
    return expr
