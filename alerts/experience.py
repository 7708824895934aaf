"""Alerts on what callers notice: slow turns, no reply, dead air, calls that are lost or refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.policy.signal_tests import LOST_SESSION_SHARE, NO_REPLY_SHARE
from agent.telemetry import catalog
from agent.telemetry.catalog import Metric
from agent.telemetry.recorded_metrics import DECISION_LOWER, DECISION_SCORE, DECISION_SHARE, LIMIT, ROLL_BACK, VERDICT
from alerts.model import Alert, PanelLink, RuleContext, Runbook
from alerts.promql import average, equal, select, share, total, value
from alerts.recording.burn_rate import BUDGET_LEFT, BURN, FAST, PERIOD_TURNS, SLOW, Burn
from alerts.recording.model import DECISION_WINDOWS, IN_FORCE, MIN_SESSIONS, MIN_TURNS, WHO, baseline
from alerts.recording.network import NETWORK_LOWER, NETWORK_SHARE
from alerts.recording.signals import SESSIONS, SESSIONS_SLOW, TURNS_OWED
from alerts.recording.verdict import MIN_SLOW_SESSIONS, WINDOW

DEAD_AIR_S: Final = 3.0
"""Seconds of silence for each turn that is owed a reply: more than any chain may take."""
LOW_BUDGET: Final = 0.1
LEAST_BUDGET_TURNS: Final = 400
"""A budget of 20 slow turns: fewer are overdrawn by two bad calls."""

_WHO: Final = "{{ $labels.tier }} callers on {{ $labels.policy }}"
_SHARE: Final = "{{ $value | humanizePercentage }}"
_ROLL_BACK: Final = 'voice-agent policy rollback TIER --reason "WHY"'
_VERDICT: Final = PanelLink("ux", 1, "Verdict")


def experience(setting: RuleContext) -> Iterator[Alert]:
    """Everything about experience."""
    yield _fast_burn(setting)
    yield _slow_burn(setting)
    yield _stage(setting)
    yield _network(setting)
    yield _roll_back()
    yield _suspected()
    yield _no_reply()
    yield _lost()
    yield _dead_air(setting)
    yield _budget_low()


def _burning(burn: Burn) -> str:
    return value(BURN, WHO, [equal("speed", burn.speed)])


def _fast_burn(setting: RuleContext) -> Alert:
    budgets = setting.budgets
    objective, limit_s = budgets.objective.slow_turn_share, budgets.latency.voice_to_voice / 1000
    return Alert(
        "VoiceAgentLatencyFastBurn",
        _burning(FAST),
        "page",
        f"{_SHARE} of the turns of {_WHO} took over {limit_s:g} s in {FAST.long} (objective {objective:.0%})",
        f"Over {FAST.factor * objective:.0%} in {FAST.long} and in {FAST.short}, significantly over the objective, in"
        " several calls. Callers wait right now.",
        PanelLink("ux", 10, "Voice to voice, p50 and p95"),
        Runbook(
            "One turn in five or more is over the voice-to-voice budget, now, for several callers.",
            (
                "Is a provider out (VoiceAgentProviderOutage)? Then a rollback mends nothing: go to its page.",
                "Does the verdict say ROLL BACK? Roll the tier back.",
                "Does VoiceAgentStageOverBudget name a stage? Look at that provider's first useful output (row “Is it a"
                " provider?”).",
                "Is the event loop late (row “Is it the service itself?”)? Add replicas.",
            ),
            ("voice-agent policy list", _ROLL_BACK, "voice-agent report --since 1h"),
            "The baseline is as slow as the policy: the cause lies elsewhere.",
        ),
        WHO,
        for_minutes=2,
        keep_firing_minutes=10,
    )


def _slow_burn(setting: RuleContext) -> Alert:
    budgets = setting.budgets
    objective, limit_s = budgets.objective.slow_turn_share, budgets.latency.voice_to_voice / 1000
    return Alert(
        "VoiceAgentLatencySlowBurn",
        _burning(SLOW),
        "ticket",
        f"{_SHARE} of the turns of {_WHO} took over {limit_s:g} s in {SLOW.long} (objective {objective:.0%})",
        f"Over {SLOW.factor * objective:.1%} in {SLOW.long} and in {SLOW.short}, significantly over the objective, in"
        " several calls.",
        PanelLink("ux", 10, "Voice to voice, p50 and p95"),
        Runbook(
            "Turns have been slower than the objective for hours. Nobody needs to be woken.",
            (
                "Which stage grew (panel “Where a typical turn's time goes”)?",
                "Did it begin with a deploy or a change of policy (lines on the board)? Undo that.",
                "Is the baseline slow as well? Then it is a provider, the network or the machine.",
            ),
            ("voice-agent report --since 6h", "voice-agent policy history"),
            "A fast burn fires for the same callers: work on that one.",
        ),
        WHO,
        for_minutes=15,
        keep_firing_minutes=30,
    )


def _stage(setting: RuleContext) -> Alert:
    by = ("stage", *WHO)
    budget = f'label_replace({value(catalog.BUDGET_SECONDS, ("budget",))}, "stage", "$1", "budget", "(.*)")'
    ratio = f"{average(catalog.STAGE_SECONDS, setting.window('30m'), by)} / on (stage) group_left () {budget}"
    return Alert(
        "VoiceAgentStageOverBudget",
        f"topk by (tier, policy) (1, {ratio}) > 1 and on (tier, policy) {value(BURN, WHO)}",
        "warning",
        'The {{ $labels.stage }} stage takes {{ $value | printf "%.1f" }} times its budget on average'
        f" for {_WHO}",
        "The stage that is furthest over its budget in the last 30 minutes, while voice-to-voice burns. Stages alone"
        " alert nobody: healthy providers exceed single stage budgets all the time.",
        PanelLink("ux", 11, "Stage p95, share of its budget"),
        Runbook(
            "Names where the time goes while a latency alert fires.",
            (
                "stt, llm or tts: compare the provider's first useful output with yesterday's.",
                "network: many callers on bad lines, or a region; nothing here mends it.",
                "Only llm, and only one policy: a rollback helps.",
            ),
            ("voice-agent report --since 1h", "voice-agent policy list"),
            "By itself: it says where, the latency alert says whether.",
        ),
        by,
        for_minutes=2,
        keep_firing_minutes=10,
    )


def _network(setting: RuleContext) -> Alert:
    budgets = setting.budgets
    objective, limit_s = budgets.objective.slow_turn_share, budgets.latency.voice_to_voice / 1000

    def shortest(metric: Metric) -> str:
        windows = (f"max by (tier) ({select(metric, [equal('window', window)])})" for window in DECISION_WINDOWS)
        return " or on (tier) ".join(windows)

    several = f"{value(SESSIONS_SLOW, ('tier',), [equal('window', '24h')], 'sum')} >= {MIN_SLOW_SESSIONS}"
    return Alert(
        "VoiceAgentNetworkSlow",
        f"({shortest(NETWORK_SHARE)}) and on (tier) ({shortest(NETWORK_LOWER)}) > {objective:g}"
        f" and on (tier) {several}",
        "ticket",
        f"{_SHARE} of the turns of {{{{ $labels.tier }}}} callers took over {limit_s:g} s by their network alone"
        f" (objective {objective:.0%})",
        "Turns that would have been in time without their round trip, significantly over the objective in the shortest"
        f" of 1, 6 and 24 hours with {MIN_TURNS} turns and {MIN_SESSIONS} sessions, in {MIN_SLOW_SESSIONS} calls.",
        PanelLink("ux", 17, "Slow by the network alone"),
        Runbook(
            "Callers are far away or on bad lines: the service is quick enough, and the way to it is not.",
            (
                "Did the way change (edge, region, load balancer, carrier)? Undo that.",
                "Is the event loop late (row “Is it the service itself?”)? A late process measures late lines.",
                "Is it a new group of callers, or a client that answers late? No policy mends it: do not roll back.",
            ),
            ("voice-agent report --since 6h", "voice-agent report session ID"),
            "It was like this all the time, and the callers are where they are: move the service nearer to them.",
        ),
        ("tier",),
        for_minutes=15,
        keep_firing_minutes=30,
    )


def _roll_back() -> Alert:
    judged = f"max by (tier, policy) ({select(DECISION_SCORE)}) and on (tier, policy) {select(VERDICT)} == {ROLL_BACK}"
    return Alert(
        "VoiceAgentRollBackExperience",
        f"{judged} {IN_FORCE}",
        "page",
        "Roll back {{ $labels.policy }} for {{ $labels.tier }} callers: a signal is significantly over its limit"
        ' ({{ $value | printf "%.1f" }} times the bound)',
        f"The test of its ended calls is over its bound, {baseline()} is fine in the same time, none of its providers"
        " is out and no event loop is late.",
        _VERDICT,
        Runbook(
            "The policy makes callers wait, leaves them without a reply or loses them, and the baseline does not.",
            (
                "Is the red bar of “Signals, share of their limit” short in “The baseline, same scale”? Roll back.",
                "Is it long in both? Do not: it is a provider or the machine.",
                "Was it decided already (voice-agent decisions)? Then check that experience recovers.",
            ),
            ("voice-agent decisions", "voice-agent policy list", _ROLL_BACK, "voice-agent decisions undo ID"),
            "A provider is out, or the tier was just changed: the window still holds the time before.",
        ),
        WHO,
        for_minutes=5,
        keep_firing_minutes=15,
        labels={"action": "rollback", "verdict": "experience"},
    )


def _suspected() -> Alert:
    breach = f"max by (tier, policy) ({select(DECISION_SCORE)}) >= 1"
    return Alert(
        "VoiceAgentPolicySuspected",
        f"{breach} unless on (tier, policy) {select(VERDICT)} == {ROLL_BACK} {IN_FORCE}",
        "ticket",
        "{{ $labels.policy }} is significantly over a limit for {{ $labels.tier }} callers, and is compared with the"
        ' baseline ({{ $value | printf "%.1f" }} times the bound)',
        "Significantly over a limit, but something else may explain it: the baseline suffers as well, has too few"
        " callers yet, a provider is out, or an event loop is late.",
        PanelLink("ux", 6, "What holds it"),
        Runbook(
            "A policy is bad, and it is not known yet whether the policy is to blame.",
            (
                "Does “What holds it” say common cause? Do not roll back: look for the recogniser, network or machine.",
                "Does it say that it compares? In mode auto the baseline gets half of the new calls by itself. Else"
                " give it more callers, and wait.",
                "Do only a few callers suffer? Read their calls: it is their lines, or somebody who plays a trick.",
            ),
            ("voice-agent decisions", "voice-agent policy history", "voice-agent report --since 1h"),
            "VoiceAgentProviderOutage fires for one of its providers.",
        ),
        WHO,
        for_minutes=1,
        keep_firing_minutes=15,
    )


def _significant(signal: str) -> str:
    where = [equal("signal", signal)]
    sure = f"{value(DECISION_LOWER, WHO, where)} > on () group_left () {value(LIMIT, (), where)}"
    return (
        f"{value(DECISION_SHARE, WHO, where)} and on (tier, policy) ({sure})"
        f" and on (tier, policy) {value(WINDOW, WHO)} == 1"
    )


def _no_reply() -> Alert:
    return Alert(
        "VoiceAgentNoReply",
        _significant("no_reply"),
        "page",
        f"{_SHARE} of the turns of {_WHO} got no whole reply (limit {NO_REPLY_SHARE:.0%})",
        "Apologies, failures and replies cut short, significantly over the limit in the shortest of 1, 6 and 24 hours"
        " with enough turns and sessions.",
        PanelLink("ux", 24, "How turns end"),
        Runbook(
            "Callers hear an apology, half a reply or nothing: whole chains fail.",
            (
                "Which service falls back or fails (panels “Fallbacks, share of turns” and “Failed calls”)?",
                "Are keys valid and quotas left? Kinds `misconfigured`, `rate_limited` and `refused` say no.",
                "Only one policy? Roll the tier back.",
            ),
            ("voice-agent report --since 1h", "voice-agent policy list", _ROLL_BACK),
            "VoiceAgentProviderOutage fires: its page says what helps.",
        ),
        WHO,
        for_minutes=5,
        keep_firing_minutes=15,
    )


def _lost() -> Alert:
    return Alert(
        "VoiceAgentCallsLost",
        _significant("lost_sessions"),
        "ticket",
        f"{_SHARE} of the calls of {_WHO} vanished, failed or crashed (limit {LOST_SESSION_SHARE:.0%})",
        "Sessions that were not completed, significantly over the limit in the shortest of 1, 6 and 24 hours with"
        " enough turns and sessions.",
        PanelLink("ux", 25, "How sessions end"),
        Runbook(
            "Connections are lost and nobody comes back, or sessions end in an error.",
            (
                "`failed`: an error of the service; read its log and Sentry.",
                "`crashed`: a process was killed, or gave no sign for VOICE_AGENT_SESSION_LEASE_S; look for restarts.",
                "`vanished` after a deploy of the edge or a load balancer: idle timeouts, WebSocket upgrades.",
                "`vanished` on one policy only: callers give up; look at the latency and the dead air.",
            ),
            ("voice-agent report --since 6h", "voice-agent report session ID"),
            "A deploy that drained sessions: those are counted apart.",
        ),
        WHO,
        for_minutes=15,
        keep_firing_minutes=30,
    )


def _dead_air(setting: RuleContext) -> Alert:
    tier = ("tier",)

    def judged(window: str) -> str:
        counted = [equal("window", window)]
        turns, sessions = (value(metric, tier, counted, "sum") for metric in (TURNS_OWED, SESSIONS))
        silent = share(total(catalog.DEAD_AIR, setting.window(window), tier), turns)
        return f"({silent} and {turns} >= {MIN_TURNS} and {sessions} >= {MIN_SESSIONS})"

    shortest = " or on (tier) ".join(judged(window) for window in DECISION_WINDOWS)
    return Alert(
        "VoiceAgentDeadAir",
        f"({shortest}) > {DEAD_AIR_S:g}",
        "ticket",
        '{{ $labels.tier }} callers hear {{ $value | printf "%.1f" }} s of silence for every reply that they are owed'
        f" (limit {DEAD_AIR_S:g} s)",
        "Waiting for the first sound and gaps within replies, over the shortest of 1, 6 and 24 hours with"
        f" {MIN_TURNS} turns and {MIN_SESSIONS} sessions.",
        PanelLink("ux", 22, "Dead air per session"),
        Runbook(
            "A reply was owed and nothing played: long waits, or replies that stutter.",
            (
                "Is voice to voice slow as well? Then work on that alert.",
                "Voice to voice is fine: replies stutter. Look at the voice provider's failures and at the event loop.",
            ),
            ("voice-agent report --since 1h",),
            "A single call with a long silence: the sample rules that out, so do not look for it.",
        ),
        tier,
        for_minutes=5,
        keep_firing_minutes=15,
    )


def _budget_low() -> Alert:
    return Alert(
        "VoiceAgentErrorBudgetLow",
        f"{value(BUDGET_LEFT, ('tier',))} < {LOW_BUDGET:g}"
        f" and on (tier) {value(PERIOD_TURNS, ('tier',))} >= {LEAST_BUDGET_TURNS}",
        "ticket",
        "{{ $value | humanizePercentage }} of the error budget of 28 days is left for {{ $labels.tier }} callers",
        "The promise is that at most 5 % of the turns of 28 days are slow. At 0 it is broken.",
        PanelLink("ux", 15, "Error budget left, 28 days"),
        Runbook(
            "Slow turns of the last weeks have used up most of what may be slow.",
            (
                "Is it still burning (panel “Error budget left, 28 days”)? Work on that alert.",
                "Was it one incident? Then go slowly with changes until it has passed out of the 28 days.",
            ),
            ("voice-agent report --since 28d", "voice-agent policy history"),
            f"A new service is not judged before it has had {LEAST_BUDGET_TURNS} turns: few turns make a small budget.",
        ),
        ("tier",),
        for_minutes=30,
        keep_firing_minutes=60,
    )
