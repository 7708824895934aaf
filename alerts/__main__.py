"""`python -m alerts` writes the rule files to `alerts/generated/` and the runbooks to `alerts/runbooks/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
import yaml

from agent.budgets import load_budgets
from alerts import runbooks
from alerts.groups import alert_groups, all_alerts
from alerts.model import RuleContext, RunbookLinks
from alerts.recording.groups import recording_groups

HERE: Final = Path(__file__).parent


def rule_file(groups: list[dict[str, Any]]) -> str:
    """A Prometheus rule file."""
    note = "# Made by `make boards`. Do not edit.\n"
    return note + yaml.safe_dump({"groups": groups}, sort_keys=False, width=10_000)


def files(faster: float = 1.0, links: RunbookLinks | None = None) -> dict[str, str]:
    """The name of every generated rule file and its content."""
    return {
        "recording.yml": rule_file(recording_groups(faster)),
        "rules.yml": rule_file(alert_groups(faster, links=links)),
    }


def pages(links: RunbookLinks | None = None) -> dict[str, str]:
    """The name of every runbook and its content."""
    links = links or RunbookLinks()
    alerts = [alert for group in all_alerts(RuleContext(load_budgets())).values() for alert in group]
    return {"README.md": runbooks.index(alerts)} | {f"{alert.name}.md": runbooks.page(alert, links) for alert in alerts}


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Write only the rules, to this folder.")
@click.option("--faster", type=click.FloatRange(min=1.0), default=1.0, help="Divide all windows by this.")
@click.option("--dashboards", default=RunbookLinks().dashboards, help="Where Grafana is.", show_default=True)
@click.option("--runbooks", default=RunbookLinks().runbooks, help="Where the runbooks are served.", show_default=True)
def main(out: Path | None, faster: float, dashboards: str, runbooks: str) -> None:
    """Writes rules and runbooks."""
    links = RunbookLinks(dashboards.rstrip("/"), runbooks.rstrip("/"))
    _write(out or HERE / "generated", files(faster, links))
    if out is None:
        _write(HERE / "runbooks", pages(links))


def _write(folder: Path, contents: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
