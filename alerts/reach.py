"""Alerts on callers who do not get in: turned away, gone, or unable to reach the service at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.telemetry import catalog
from agent.telemetry.catalog import PROBE
from alerts.model import Alert, PanelLink, RuleContext, Runbook
from alerts.promql import equal, like, total, unequal, value

REFUSED: Final = 3
USUAL_SESSIONS: Final = 10
PROBE_MINUTES: Final = 15
REAL: Final = (unequal("tier", PROBE),)
"""Without the synthetic caller."""


def reaching(setting: RuleContext) -> Iterator[Alert]:
    """Everything about the way to the service."""
    yield _refused(setting)
    yield _gone(setting)
    yield _unreachable(setting)


def _refused(setting: RuleContext) -> Alert:
    by = ("tier", "reason")
    refused = total(catalog.SESSIONS_REFUSED, setting.span(10), by, [like("reason", "full", "overloaded")])
    return Alert(
        "VoiceAgentCallersRefused",
        f"{refused} >= {REFUSED}",
        "page",
        '{{ $value | printf "%.0f" }} {{ $labels.tier }} callers were turned away in 10 minutes: {{ $labels.reason }}',
        "The processes took no more sessions: all places are taken (full) or the event loop is late (overloaded).",
        PanelLink("ux", 51, "Sessions refused"),
        Runbook(
            "There are more callers than the processes can serve.",
            (
                "`full`: add replicas, or raise the limit of sessions if CPU is left.",
                "`overloaded`: add replicas; a higher limit makes it worse.",
                "Is it real traffic (panel “Live sessions”)? One key that opens many sessions is misuse.",
            ),
            ("docker compose up --scale agent=3 -d", "voice-agent report --since 1h"),
            "A load test is running.",
        ),
        by,
        for_minutes=1,
        keep_firing_minutes=10,
    )


def _gone(setting: RuleContext) -> Alert:
    def silent(window: str) -> str:
        length = setting.window(window)
        usual = total(catalog.SESSIONS, length, where=REAL, ago=setting.window("7d"))
        nobody = f"{value(catalog.ACTIVE_SESSIONS, where=REAL, how='sum')} == 0"
        now = f"{total(catalog.SESSIONS, length, where=REAL)} == 0 and on () {nobody}"
        return f"({usual} >= {USUAL_SESSIONS} and on () {now})"

    return Alert(
        "VoiceAgentCallersGone",
        f"{silent('1h')} or {silent('6h')}",
        "ticket",
        'No call in a time in which there were {{ $value | printf "%.0f" }} a week ago (1 hour, or 6)',
        "No session is open and none ended. Every other alert needs callers: it is silent now.",
        PanelLink("ux", 26, "Live sessions"),
        Runbook(
            "Calls do not reach the service, though they usually do at this hour.",
            (
                "Does a call of your own work? Then look at the edge: DNS, certificate, load balancer, the site.",
                "Are sessions refused for their credential (panel “Sessions refused”)? A secret was changed.",
            ),
            ('voice-agent call --text "hello" https://HOST',),
            "A holiday.",
        ),
        for_minutes=10,
    )


def _unreachable(setting: RuleContext) -> Alert:
    good = [equal("tier", PROBE), equal("outcome", "completed")]
    ever = total(catalog.SESSIONS, setting.window("24h"), (), good)
    lately = total(catalog.SESSIONS, setting.span(PROBE_MINUTES), (), good)
    return Alert(
        "VoiceAgentCallersUnreachable",
        f"{ever} > 0 and on () ({lately} == 0)",
        "page",
        f"Callers cannot reach us: no synthetic call came through for {PROBE_MINUTES} minutes"
        ' ({{ $value | printf "%.0f" }} did in 24 hours)',
        "`voice-agent probe` calls the public address every few minutes, and none of its calls was heard and answered.",
        PanelLink("ux", 26, "Live sessions"),
        Runbook(
            "The way that callers take does not work, or the probe does not run.",
            (
                "Does a call of your own work? Then start the probe again.",
                "It does not: what does it say? DNS, certificate, load balancer, credential, or no reply.",
                "Is it refused for its key? VOICE_AGENT_PROBE_KEY of probe and service must be the same.",
            ),
            ("voice-agent probe https://HOST --key KEY", 'voice-agent call --text "hello" https://HOST'),
            "Never.",
        ),
        for_minutes=1,
        keep_firing_minutes=5,
    )
