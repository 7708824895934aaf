"""What an alert is: when it fires, how loudly, what it says, and the page that tells what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from agent.budgets import Budgets
from alerts.recording.model import scaled, seconds

Severity = Literal["page", "ticket", "warning", "none"]
"""Wake somebody, look at it today, know it, or only prove that alerts arrive."""
Board = Literal["ux", "cost"]

PREFIX: Final = "VoiceAgent"


@dataclass(frozen=True, slots=True)
class RunbookLinks:
    """Where people follow the links of an alert to."""

    dashboards: str = "http://127.0.0.1:3000"
    runbooks: str = "http://127.0.0.1:9090/consoles"


@dataclass(frozen=True, slots=True)
class RuleContext:
    """What the rules are made for."""

    budgets: Budgets
    faster: float = 1.0

    def window(self, name: str) -> str:
        """One of the recorded windows as PromQL has it."""
        return scaled(name, self.faster)

    def span(self, minutes: float) -> str:
        """Any other duration."""
        return seconds(minutes * 60 / self.faster)


@dataclass(frozen=True, slots=True)
class PanelLink:
    """The panel to look at first. A test holds the title against the boards."""

    board: Board
    id: int
    title: str


@dataclass(frozen=True, slots=True)
class Runbook:
    """What whoever is woken reads."""

    meaning: str
    decide: tuple[str, ...]
    """The decision of 30 seconds, as questions in order."""
    commands: tuple[str, ...]
    leave: str
    """When not to act."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. `summary` and `description` are Go templates of Prometheus."""

    name: str
    expr: str
    severity: Severity
    summary: str
    description: str
    panel: PanelLink
    runbook: Runbook
    by: tuple[str, ...] = ()
    """The labels that the expression returns."""
    for_minutes: float = 0
    """How long it must be true before it fires."""
    keep_firing_minutes: float = 0
    """How long it goes on firing after it was last true: a value near the line does not flap."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    def as_dict(self, setting: RuleContext, links: RunbookLinks) -> dict[str, Any]:
        """The alert as Prometheus' rule files have it."""
        rule: dict[str, Any] = {"alert": self.name, "expr": self.expr}
        if self.for_minutes:
            rule["for"] = setting.span(self.for_minutes)
        if self.keep_firing_minutes:
            rule["keep_firing_for"] = setting.span(self.keep_firing_minutes)
        rule["labels"] = {"severity": self.severity, **self.labels}
        rule["annotations"] = {
            "summary": self.summary,
            "description": self.description,
            "runbook_url": f"{links.runbooks}/{self.name}.md",
            "dashboard_url": f"{links.dashboards}/{self._panel_path()}",
        }
        return rule

    def _panel_path(self) -> str:
        variables = (f"&var-{name}={{{{ $labels.{name} }}}}" for name in ("tier", "policy") if name in self.by)
        return f"d/voice-agent-{self.panel.board}?viewPanel={self.panel.id}{''.join(variables)}"
