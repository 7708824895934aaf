"""What watches: the scrape, the rules and the boards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from tools.kubernetes.workload import LABELS, NAME, Manifest, labelled

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "alerts" / "generated"
BOARDS: Final = ROOT / "dashboards" / "generated"


def scrape() -> Manifest:
    """The Prometheus operator's: every pod's operations port. `job` is the service's name, as in the KEDA query."""
    endpoint = {"port": "ops", "path": "/metrics", "interval": "15s"}
    return labelled(
        "ServiceMonitor",
        "monitoring.coreos.com/v1",
        spec={"selector": {"matchLabels": dict(LABELS)}, "endpoints": [endpoint]},
    )


def rules() -> Manifest:
    """Recording rules and alerts, for Prometheus to mount."""
    files = {file.name: file.read_text(encoding="utf-8") for file in sorted(RULES.glob("*.yml"))}
    return labelled("ConfigMap", "v1", f"{NAME}-rules", data=files)


def board(file: Path) -> Manifest:
    """A board, for Grafana's sidecar to find; without the spaces of the file, to be small enough."""
    text = json.dumps(json.loads(file.read_text(encoding="utf-8")), separators=(",", ":"), ensure_ascii=False)
    found = labelled("ConfigMap", "v1", f"{NAME}-board-{file.stem}", data={file.name: text})
    found["metadata"]["labels"]["grafana_dashboard"] = "1"
    return found


def boards() -> list[Manifest]:
    """All boards."""
    return [board(file) for file in sorted(BOARDS.glob("*.json"))]
