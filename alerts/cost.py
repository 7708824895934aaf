"""Alerts on money: sessions that cost too much, and spend that is not known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.telemetry import catalog
from agent.telemetry.recorded_metrics import COST_SESSION, COST_VERDICT, ROLL_BACK
from alerts.model import Alert, PanelLink, RuleContext, Runbook
from alerts.promql import grown, like, select, value
from alerts.recording.cost import COST_DEARER, COST_WINDOW, MARGIN
from alerts.recording.model import IN_FORCE, WHO, baseline

_ROLL_BACK: Final = 'voice-agent policy rollback TIER --reason "WHY"'
_USD: Final = '${{ $value | printf "%.3f" }}'
CEILING_MINIMUM: Final = 5  # calls in 10 minutes: one stranger at a ceiling is nobody's concern
KNOB_OFF_SHARE: Final = 0.5  # of an hour: switched off again as soon as it was tried
_AVERAGE: Final = PanelLink("cost", 11, "Average session by policy")


def costs(setting: RuleContext) -> Iterator[Alert]:
    """Everything about money."""
    yield _roll_back()
    yield _session_cost()
    yield _unpriced(setting)
    yield _ceiling(setting)
    yield _knob_off(setting)


def _roll_back() -> Alert:
    return Alert(
        "VoiceAgentRollBackCost",
        f"{select(COST_SESSION)} and on (tier, policy) {select(COST_VERDICT)} == {ROLL_BACK} {IN_FORCE}",
        "page",
        f"Roll back {{{{ $labels.policy }}}} for {{{{ $labels.tier }}}} callers: a session costs {_USD}",
        "The average of the shortest of 1, 6 and 24 hours with enough sessions is over the tier's alert_usd, and more"
        f" than {MARGIN:.0%} more expensive than {baseline()} in 7 days, or than the policy's own week before.",
        _AVERAGE,
        Runbook(
            "The policy spends too much, and a rollback would make sessions cheaper.",
            (
                "Is the baseline's line lower on the panel? Roll back.",
                "Did one model's price or share jump (panel “Providers and models”)? A wrong model id or price entry:"
                " correct it instead.",
                "Are sessions just longer (panel “Cost per minute of call”)? Then it is the callers, not the policy.",
            ),
            ("voice-agent report --since 6h", "voice-agent decisions", _ROLL_BACK, "voice-agent decisions undo ID"),
            "The price book was just changed: the window still mixes both prices.",
        ),
        WHO,
        for_minutes=15,
        keep_firing_minutes=30,
        labels={"action": "rollback", "verdict": "cost"},
    )


def _session_cost() -> Alert:
    enough = f"{value(COST_WINDOW, WHO)} == 1"
    return Alert(
        "VoiceAgentSessionCost",
        f"{select(COST_SESSION)} and on (tier, policy) {select(COST_DEARER)} == 1 and on (tier, policy) {enough}",
        "ticket",
        f"A session of {{{{ $labels.tier }}}} callers on {{{{ $labels.policy }}}} costs {_USD} on average",
        f"Over the tier's alert_usd, and more than {MARGIN:.0%} above {baseline()} in 7 days, or above the policy's own"
        " week before.",
        PanelLink("cost", 10, "Average session"),
        Runbook(
            "Sessions cost more than somebody said they may, and more than they did.",
            (
                "Which of recognition, model and voice grew (panel “Recognition, model, voice”)?",
                "Does reliability cost it (row “What does reliability cost?”): retries, interrupted replies, probes?",
                "Is it one caller with endless sessions? See the dearest sessions of the report.",
            ),
            ("voice-agent report --since 24h", "voice-agent cost explain --minutes 3 --chars 1350 --turns 12"),
            "VoiceAgentRollBackCost fires for the same callers.",
        ),
        WHO,
        for_minutes=30,
        keep_firing_minutes=60,
    )


def _ceiling(setting: RuleContext) -> Alert:
    by = ("scope", "tier")
    shared = (like("scope", "tier_hour", "process_hour"), like("action", "stop", "refused"))
    return Alert(
        "VoiceAgentCeilingReached",
        f"{grown(catalog.SPENDING_LIMITED, setting.span(10), by, shared)} > {CEILING_MINIMUM}",
        "ticket",
        "The ceiling {{ $labels.scope }} of {{ $labels.tier }} callers is reached:"
        ' {{ $value | printf "%.0f" }} calls were ended or refused in 10 minutes',
        "What all callers of a tier may spend in an hour is spent. Each tier has its own: the others notice nothing.",
        PanelLink("cost", 10, "Average session"),
        Runbook(
            "Callers are told that nothing more may be spent in this hour.",
            (
                "Is it `free`? Somebody tries how much you pay for strangers, or you are popular: look at the report"
                " before you raise anything.",
                "Is it `premium`? Members are turned away: raise its ceilings now, then look for the cause.",
                "`process_hour` alone: one replica has all the callers; add one, or balance them better.",
            ),
            ("voice-agent report --since 1h", "docker compose logs --tail 50 agent"),
            "The hour is nearly over and the callers are strangers.",
        ),
        by,
        for_minutes=2,
        keep_firing_minutes=30,
    )


def _unpriced(setting: RuleContext) -> Alert:
    by = ("provider", "model", "unit")
    return Alert(
        "VoiceAgentUnpricedUsage",
        grown(catalog.UNPRICED, setting.window("1h"), by),
        "ticket",
        '{{ $value | printf "%.0f" }} {{ $labels.unit }} of {{ $labels.provider }} {{ $labels.model }} have no price',
        "What has no price is counted apart and never costs $0: every figure on the cost board is too low by it.",
        PanelLink("cost", 24, "Usage without a price"),
        Runbook(
            "A provider was used with a model that the price book does not know.",
            (
                "Is the model id right? A typing error, or an alias that now means another model: correct the setting.",
                "Is it new? Add its price, with source and date, to the price book.",
            ),
            ("voice-agent report --since 24h",),
            "Never by waiting: the dollars of this time can still be added later.",
        ),
        by,
        keep_firing_minutes=30,
    )


def _knob_off(setting: RuleContext) -> Alert:
    by = ("policy", "knob")
    off = f"max by ({', '.join(by)}) (avg_over_time({select(catalog.KNOB_OFF)}[{setting.span(60)}]))"
    return Alert(
        "VoiceAgentKnobStaysOff",
        f"{off} > {KNOB_OFF_SHARE:g}",
        "ticket",
        "{{ $labels.knob }} of {{ $labels.policy }} was off for {{ $value | humanizePercentage }} of the last hour",
        "Its governor switches a knob off for 15 minutes when more of what it guessed was in vain than the policy"
        " allows, or cost more. It has done so again and again.",
        PanelLink("ux", 71, "Knobs switched off by their governor"),
        Runbook(
            "A policy's way to answer sooner wastes more than it may. Callers wait longer, and nothing else is wrong.",
            (
                "Reason `share`, early_replies: do callers pause more than before (panel “What became of early"
                " replies”)? Give the policy a higher `threshold_percent`.",
                "Reason `share`, early_voice: it is in vain as often as early replies are, and dearer. Give the policy"
                " a higher `confidence_percent`.",
                "Reason `share`, hedging: do first calls answer after all (panel “What became of late calls”)? Give the"
                " policy a higher `quantile_percent`.",
                "Reason `dollars`: more calls than the budget was made for. Raise `waste_cents_hour`, or take the knob"
                " out of the policy.",
            ),
            ("voice-agent policy show POLICY", "voice-agent report --since 6h"),
            "One bad hour of a provider: the knob comes back by itself when it is over.",
        ),
        by,
    )
