"""Alerts on what carries decisions: whether policies are read, and whether alerts that ask for a rollback are taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.telemetry import catalog
from alerts.model import Alert, PanelLink, RuleContext, Runbook
from alerts.promql import equal, grown, like, select, total

STALE_S: Final = 60
"""Every process reads which policies are in force once a second."""
EVIDENCE_STALE_S: Final = 300
_VERDICT: Final = PanelLink("ux", 1, "Verdict")


def deciding(setting: RuleContext) -> Iterator[Alert]:
    """Everything about the way from an alert to a change of policy."""
    yield _stale()
    yield _evidence_stale()
    yield _not_taken(setting)
    yield _forged(setting)


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


_VALID: Final = ("decided", "repeated", "resolved", "not_for_us", "off")


STRAY: Final = 1.5
"""One wrong token is somebody who tried the address; an Alertmanager whose token is wrong comes every five minutes."""


def _nothing_valid(setting: RuleContext) -> str:
    """The watchdog comes every five minutes: where nothing valid did in three times that, our token is wrong."""
    return f"{total(catalog.NOTIFICATIONS, setting.span(15), (), [like('result', *_VALID)])} == 0"


def _not_taken(setting: RuleContext) -> Alert:
    by, span = ("result",), setting.span(15)
    broken = grown(catalog.NOTIFICATIONS, span, by, [like("result", "malformed", "unavailable")])
    wrong = f"{total(catalog.NOTIFICATIONS, span, by, [equal('result', 'unauthorized')])} > {STRAY:g}"
    return Alert(
        "VoiceAgentAlertsNotTaken",
        f"({broken}) or ({wrong} and on () {_nothing_valid(setting)})",
        "page",
        '{{ $value | printf "%.0f" }} notifications of Alertmanager were not taken in 15 minutes: {{ $labels.result }}',
        "unauthorized: wrong tokens, two at least, and no notification with the right one in 15 minutes. malformed: no"
        " webhook body of version 4. unavailable: Prometheus or the database could not be asked; Alertmanager tries"
        " again. Nothing was changed by any of them.",
        _VERDICT,
        Runbook(
            "Alerts that ask for a rollback reach nobody who decides.",
            (
                "`unauthorized`: make alerts-token of Alertmanager what VOICE_AGENT_ALERTS_TOKEN is.",
                "`malformed`: which versions of Alertmanager and service run?",
                "`unavailable`: does VOICE_AGENT_PROMETHEUS_URL answer, and the database?",
            ),
            ("voice-agent decisions", "docker compose logs --tail 50 agent alertmanager"),
            "A restart of Prometheus or the database of a few minutes.",
        ),
        by,
        for_minutes=1,
        keep_firing_minutes=15,
    )


def _forged(setting: RuleContext) -> Alert:
    wrong = grown(catalog.NOTIFICATIONS, setting.span(10), ("result",), [equal("result", "unauthorized")])
    return Alert(
        "VoiceAgentAlertsForged",
        f"{wrong} unless on () {_nothing_valid(setting)}",
        "ticket",
        '{{ $value | printf "%.0f" }} notifications with a wrong token in 10 minutes; Alertmanager has the right one',
        "Somebody who is not our Alertmanager sends alerts. They are refused and change nothing.",
        _VERDICT,
        Runbook(
            "A stranger, or a second Alertmanager, posts to /v1/ops/alerts.",
            (
                "Is it one of yours (staging, an old one)? Give it its own service.",
                "Is it from outside? Close /v1/ops to the outside.",
            ),
            ("docker compose logs --tail 50 agent alertmanager",),
            "A single one: somebody tried the address once.",
        ),
        ("result",),
        for_minutes=1,
        keep_firing_minutes=15,
    )
