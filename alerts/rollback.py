"""Alerts on what carries decisions: whether policies are read, and whether alerts that ask for a rollback are taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.telemetry import catalog
from alerts.model import Alert, PanelLink, RuleContext, Runbook
from alerts.promql import grown, like, select

STALE_S: Final = 60
"""Every process reads which policies are in force once a second."""
EVIDENCE_STALE_S: Final = 300
_VERDICT: Final = PanelLink("ux", 1, "Verdict")


def deciding(setting: RuleContext) -> Iterator[Alert]:
    """Everything about the way from an alert to a change of policy."""
    yield _stale()
    yield _evidence_stale()
    yield _not_taken(setting)


def _stale() -> Alert:
    return Alert(
        "VoiceAgentAssignmentStale",
        f"{select(catalog.ASSIGNMENT_AGE)} > {STALE_S}",
        "ticket",
        "{{ $labels.instance }} has not followed the policies of {{ $labels.tier }} callers for"
        ' {{ $value | printf "%.0f" }} s',
        "The process goes on with the policies that it knows. A rollback does not reach its new sessions.",
        PanelLink("ux", 60, "Policies side by side, last 24 hours"),
        Runbook(
            "A process does not follow changes of policy: it cannot read the database, or its policy file lacks a"
            " policy that is in force.",
            (
                "Does its log say `assignment cannot be used`? Bring that policy back into its policies.toml, or assign"
                " what it has.",
                "Do all processes fire? The database is down or locked: bring it back.",
                "Only one? Its way to the database is cut: restart it elsewhere.",
                "Must a rollback reach callers now? Drain the stale process; the others have it.",
            ),
            ("voice-agent policy list", "curl -s HOST/health/ready", "docker compose ps postgres"),
            "A planned restart of the database of a few minutes.",
        ),
        ("instance", "job", "tier"),
        for_minutes=1,
        keep_firing_minutes=5,
    )


def _evidence_stale() -> Alert:
    return Alert(
        "VoiceAgentEvidenceStale",
        f"{select(catalog.EVIDENCE_AGE)} > {EVIDENCE_STALE_S}",
        "ticket",
        '{{ $labels.instance }} has not read the ended calls for {{ $value | printf "%.0f" }} s',
        "What it says of policies stands still. No policy is rolled back by what happens from now on.",
        PanelLink("ux", 6, "What holds it"),
        Runbook(
            "A process cannot read the calls that decisions rest on.",
            (
                "Do all processes fire? The database is down, locked or very slow: bring it back.",
                "Only one? Its way to the database is cut: restart it elsewhere.",
            ),
            ("curl -s HOST/health/ready", "docker compose ps postgres", "docker compose logs --tail 50 agent"),
            "A planned restart of the database of a few minutes.",
        ),
        ("instance", "job"),
        for_minutes=2,
        keep_firing_minutes=5,
    )


def _not_taken(setting: RuleContext) -> Alert:
    results = [like("result", "unauthorized", "malformed", "unavailable")]
    return Alert(
        "VoiceAgentAlertsNotTaken",
        grown(catalog.NOTIFICATIONS, setting.span(10), ("result",), results),
        "page",
        '{{ $value | printf "%.0f" }} notifications of Alertmanager were not taken in 10 minutes: {{ $labels.result }}',
        "unauthorized: a wrong token, or somebody who is not Alertmanager. malformed: no webhook body of version 4."
        " unavailable: Prometheus or the database could not be asked; Alertmanager tries again. Nothing was changed by"
        " any of them.",
        _VERDICT,
        Runbook(
            "Alerts that ask for a rollback reach nobody who decides.",
            (
                "`unauthorized`: is alerts-token of Alertmanager what VOICE_AGENT_ALERTS_TOKEN is? If it is, somebody"
                " forges alerts: close /v1/ops to the outside.",
                "`malformed`: which versions of Alertmanager and service run?",
                "`unavailable`: does VOICE_AGENT_PROMETHEUS_URL answer, and the database?",
                "Does the verdict say ROLL BACK meanwhile? Decide yourself.",
            ),
            ("voice-agent decisions", "docker compose logs --tail 50 agent alertmanager", "voice-agent policy list"),
            "A single `unavailable` while Prometheus restarts.",
        ),
        ("result",),
        for_minutes=2,
        keep_firing_minutes=10,
    )
