"""Alerts on callers who do not get in: turned away, gone, or unable to reach the service at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.telemetry import catalog
from agent.telemetry.catalog import PROBE
from alerts.model import Alert, PanelLink, RuleContext, Runbook
from alerts.promql import equal, grown, total, unequal, value

REFUSED: Final = 3
REFUSED_STRANGERS: Final = 10
REFUSED_SHARE: Final = 0.2
"""Of all free callers of ten minutes."""
USUAL_SESSIONS: Final = 10
PROBE_MINUTES: Final = 15
REAL: Final = (unequal("tier", PROBE),)
"""Without the synthetic caller."""


def reaching(setting: RuleContext) -> Iterator[Alert]:
    """Everything about the way to the service."""
    yield _refused(setting)
    yield _strangers_refused(setting)
    yield _key_paced(setting)
    yield _gone(setting)
    yield _unreachable(setting)


def _refused(setting: RuleContext) -> Alert:
    """Strangers can ask as often as they like: they page nobody by tries, and only where many others go without."""
    span, tier = setting.span(10), ("tier",)
    by = ("tier", "reason")
    members = f"{total(catalog.CALLERS_REFUSED, span, by, [equal('tier', 'premium')])} >= {REFUSED}"
    free = [equal("tier", "free")]
    refused = total(catalog.CALLERS_REFUSED, span, tier, free)
    ended, active = total(catalog.SESSIONS, span, tier, free), value(catalog.ACTIVE_SESSIONS, tier, free, "sum")
    many = f"{refused} / on (tier) ({refused} + on (tier) {ended} + on (tier) {active}) >= {REFUSED_SHARE:g}"
    strangers = f"{total(catalog.CALLERS_REFUSED, span, by, free)} >= {REFUSED_STRANGERS} and on (tier) {many}"
    return Alert(
        "VoiceAgentCallersRefused",
        f"({members}) or ({strangers})",
        "page",
        '{{ $value | printf "%.0f" }} {{ $labels.tier }} callers were turned away in 10 minutes: {{ $labels.reason }}',
        "The processes took no more sessions: all places are taken (full) or the event loop is late (overloaded). One"
        f" caller counts once, however often it tries. Of free callers at least {REFUSED_STRANGERS} addresses and"
        f" {REFUSED_SHARE:.0%} of all had to go.",
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


def _strangers_refused(setting: RuleContext) -> Alert:
    by = ("reason",)
    refused = total(catalog.CALLERS_REFUSED, setting.span(10), by, [equal("tier", "free")])
    return Alert(
        "VoiceAgentFreeCallersRefused",
        f"{refused} >= {REFUSED}",
        "ticket",
        '{{ $value | printf "%.0f" }} free callers were turned away in 10 minutes: {{ $labels.reason }}',
        "Premium callers have places of their own and are taken while the event loop is later, so they notice nothing"
        " yet.",
        PanelLink("ux", 51, "Sessions refused"),
        Runbook(
            "Free callers do not get in: there are more of them than places, or the event loop is late.",
            (
                "Is it a rush of real callers? Add replicas before premium callers notice.",
                "Are they few addresses with many sessions? Lower the sessions that one address holds.",
            ),
            ("docker compose up --scale agent=3 -d", "voice-agent report --since 1h"),
            "It was one minute, and it is over.",
        ),
        by,
        for_minutes=2,
        keep_firing_minutes=10,
    )


def _key_paced(setting: RuleContext) -> Alert:
    by = ("tier",)
    return Alert(
        "VoiceAgentKeyPaced",
        grown(catalog.SESSIONS_REFUSED, setting.span(10), by, [equal("reason", "key_rate")]),
        "ticket",
        'An API key asked for too many tokens: {{ $value | printf "%.0f" }} of its {{ $labels.tier }} callers got none'
        " in 10 minutes",
        "Each key has a number of tokens a minute. Beyond it the answer is 429 with Retry-After; other keys notice"
        " nothing.",
        PanelLink("ux", 51, "Sessions refused"),
        Runbook(
            "A key is used more than anybody planned: it leaked, its program asks in a loop, or it has more callers.",
            (
                "Does its owner know of it? Raise VOICE_AGENT_TOKENS_PER_MINUTE_OF_KEY.",
                "Does nobody? Take the key out of VOICE_AGENT_API_KEYS, and give its owner a new one.",
            ),
            ("voice-agent report --since 1h", "docker compose logs --tail 50 agent"),
            "A load test is running.",
        ),
        by,
        keep_firing_minutes=30,
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
