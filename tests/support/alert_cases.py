"""What each alert rule is given: series on which it is silent first and then fires, and what it says then."""

from __future__ import annotations

from dataclasses import dataclass

WHO = {"tier": "free", "policy": "haiku_first"}
PROCESS = {"instance": "a:8000", "job": "voice-agent"}
WHO_TEXT = 'tier="free",policy="haiku_first"'


@dataclass(frozen=True)
class Case:
    """One alert on given series: silent at `quiet`, firing at `fires` with these labels and this summary."""

    alert: str
    series: tuple[tuple[str, str], ...]
    quiet: str
    fires: str
    labels: dict[str, str]
    summary: str
    faster: float = 1.0


def judged(signal: str, share: float, lower: float, limit: float) -> tuple[tuple[str, str], ...]:
    """A signal over its limit from minute 5 on, in a window with enough data."""
    return (
        (f'voice_agent:decision:share{{signal="{signal}",{WHO_TEXT}}}', f"0x5 {share}x60"),
        (f'voice_agent:decision:lower{{signal="{signal}",{WHO_TEXT}}}', f"0x5 {lower}x60"),
        (f'voice_agent:signal:limit{{signal="{signal}"}}', f"{limit}x70"),
        (f'voice_agent:decision:window{{{WHO_TEXT},window="1h"}}', "1x70"),
    )


ROLL_BACK = (
    (f'voice_agent:decision:score{{signal="slow_turns",{WHO_TEXT}}}', "0x5 1.3x60"),
    (f"voice_agent:verdict{{{WHO_TEXT}}}", "1x5 2x60"),
)
DEAR = (
    (f"voice_agent:cost:session_usd{{{WHO_TEXT}}}", "0.21x100"),
    (f"voice_agent:cost_verdict{{{WHO_TEXT}}}", "1x5 2x95"),
    (f"voice_agent:cost:dearer{{{WHO_TEXT}}}", "0x5 1x95"),
    (f'voice_agent:cost:window{{{WHO_TEXT},window="1h"}}', "1x100"),
)
STAGES = tuple(
    (f'voice_agent_stage_seconds_{part}{{stage="{stage}",{WHO_TEXT}}}', f"0+{grown}x90")
    for stage, seconds in (("llm", 0.8), ("tts", 0.3))
    for part, grown in (("sum", seconds), ("count", 1))
)
BUDGETS = tuple((f'voice_agent_budget_seconds{{budget="{name}"}}', "0.4x90") for name in ("llm", "tts"))

CASES = (
    Case(
        "VoiceAgentWebhookLate",
        (("voice_agent_webhook_oldest_seconds", "0x10 960x30"),),
        "12m", "20m", {}, "a finished session has been waiting for 16m 0s to be told to the webhook",
    ),
    Case(
        "VoiceAgentWebhookGaveUp",
        (('voice_agent_webhook_attempts_total{result="gave_up"}', "0x20 2x30"),),
        "20m", "22m", {}, "2 finished sessions were given up: the webhook was never told of them",
    ),
    Case(
        "VoiceAgentKnobStaysOff",
        (('voice_agent_knob_off{knob="hedging",policy="haiku_first"}', "0x30 1x15 0x2 1x15 0x2 1x20"),),
        "45m", "80m", {"knob": "hedging", "policy": "haiku_first"},
        "hedging of haiku_first was off for 72.13% of the last hour",
    ),
    Case(
        "VoiceAgentLatencyFastBurn",
        ((f'voice_agent:burn{{speed="fast",{WHO_TEXT}}}', "_x5 0.24x40"),),
        "6m", "12m", WHO,
        "24% of the turns of free callers on haiku_first took over 1.5 s in 30m (objective 5%)",
    ),
    Case(
        "VoiceAgentLatencySlowBurn",
        ((f'voice_agent:burn{{speed="slow",{WHO_TEXT}}}', "_x5 0.09x60"),),
        "15m", "30m", WHO,
        "9% of the turns of free callers on haiku_first took over 1.5 s in 6h (objective 5%)",
    ),
    Case(
        "VoiceAgentStageOverBudget",
        (*STAGES, *BUDGETS, (f'voice_agent:burn{{speed="fast",{WHO_TEXT}}}', "_x40 0.24x50")),
        "39m", "60m", {"stage": "llm", **WHO},
        "The llm stage takes 2.0 times its budget on average for free callers on haiku_first",
    ),
    Case(
        "VoiceAgentNetworkSlow",
        (
            ('voice_agent:network:slow_share{tier="free",window="1h"}', "0.02x5 0.12x80"),
            ('voice_agent:network:slow_lower{tier="free",window="1h"}', "0.01x5 0.07x80"),
            ('voice_agent:network:slow_lower{tier="free",window="24h"}', "0.2x85"),
            (f'voice_agent:sessions_slow:increase{{{WHO_TEXT},window="24h"}}', "4x85"),
        ),
        "18m", "40m", {"tier": "free"},
        "12% of the turns of free callers took over 1.5 s by their network alone (objective 5%)",
    ),
    Case(
        "VoiceAgentRollBackExperience",
        ROLL_BACK, "8m", "20m", WHO,
        "Roll back haiku_first for free callers: a signal is significantly over its limit (1.3 times the bound)",
    ),
    Case(
        "VoiceAgentPolicySuspected",
        (*ROLL_BACK[:-1], (f"voice_agent:verdict{{{WHO_TEXT}}}", "1x70")),
        "5m", "20m", WHO,
        "haiku_first is significantly over a limit for free callers, and is compared with the baseline"
        " (1.3 times the bound)",
    ),
    Case(
        "VoiceAgentNoReply",
        judged("no_reply", 0.08, 0.05, 0.02),
        "8m", "20m", WHO,
        "8% of the turns of free callers on haiku_first got no whole reply (limit 2%)",
    ),
    Case(
        "VoiceAgentCallsLost",
        judged("lost_sessions", 0.3, 0.25, 0.15),
        "12m", "40m", WHO,
        "30% of the calls of free callers on haiku_first vanished, failed or crashed (limit 15%)",
    ),
    Case(
        "VoiceAgentDeadAir",
        (
            ('voice_agent_dead_air_seconds_total{tier="free"}', "0+20x200"),
            (f'voice_agent:turns_owed:increase{{{WHO_TEXT},window="1h"}}', "200x200"),
            (f'voice_agent:sessions:increase{{{WHO_TEXT},window="1h"}}', "20x200"),
        ),
        "10m", "150m", {"tier": "free"},
        "free callers hear 6.0 s of silence for every reply that they are owed (limit 3 s)",
    ),
    Case(
        "VoiceAgentMisconfigured",
        (('voice_agent_misconfigured{provider="elevenlabs",model="eleven_flash_v2_5",problem="voice"}', "0x5 1x60"),),
        "4m", "10m", {"provider": "elevenlabs", "model": "eleven_flash_v2_5", "problem": "voice"},
        "elevenlabs refuses eleven_flash_v2_5 until somebody acts: voice",
    ),
    Case(
        "VoiceAgentModelEnds",
        (('voice_agent_model_end_timestamp_seconds{provider="openai_tts",model="tts-1"}', "5184600x60"),),
        "8m", "30m", {"provider": "openai_tts", "model": "tts-1"},
        "openai_tts switches tts-1 off in 59.99 days",
    ),
    Case(
        "VoiceAgentCallersRefused",
        (('voice_agent_callers_refused_total{tier="premium",reason="full"}', "0x10 2+2x40"),),
        "9m", "40m", {"tier": "premium", "reason": "full"},
        "20 premium callers were turned away in 10 minutes: full",
    ),
    Case(
        "VoiceAgentFreeCallersRefused",
        (('voice_agent_callers_refused_total{tier="free",reason="overloaded"}', "0x10 2+2x40"),),
        "9m", "40m", {"reason": "overloaded"},
        "20 free callers were turned away in 10 minutes: overloaded",
    ),
    Case(
        "VoiceAgentKeyPaced",
        (('voice_agent_sessions_refused_total{tier="premium",reason="key_rate"}', "0x10 5x40"),),
        "10m", "15m", {"tier": "premium"},
        "An API key asked for too many tokens: 5 of its premium callers got none in 10 minutes",
    ),
    Case(
        "VoiceAgentCallersGone",
        (
            (f'voice_agent_sessions_total{{{WHO_TEXT},outcome="completed"}}', "0+5x300 1500x1000"),
            ('voice_agent_active_sessions{tier="free"}', "1x300 0x1000"),
        ),
        "1000m", "1250m", {},
        "No call in a time in which there were 30 a week ago (1 hour, or 6)",
        faster=10.0,
    ),
    Case(
        "VoiceAgentRollBackCost", DEAR, "15m", "40m", WHO,
        "Roll back haiku_first for free callers: a session costs $0.210",
    ),
    Case(
        "VoiceAgentCeilingReached",
        (('voice_agent_spending_limited_total{scope="tier_hour",tier="free",action="refused"}', "0x10 5 8+4x40"),
         ('voice_agent_spending_limited_total{scope="session",tier="free",action="stop"}', "0+50x60"),
         ('voice_agent_spending_limited_total{scope="tier_hour",tier="premium",action="economy"}', "0+50x60")),
        "11m", "30m", {"scope": "tier_hour", "tier": "free"},
        "The ceiling tier_hour of free callers is reached: 40 calls were ended or refused in 10 minutes",
    ),
    Case(
        "VoiceAgentSessionCost", DEAR, "30m", "60m", WHO,
        "A session of free callers on haiku_first costs $0.210 on average",
    ),
    Case(
        "VoiceAgentUnpricedUsage",
        (('voice_agent_unpriced_usage_total{provider="openai_tts",model="other",unit="characters"}', "_x10 500x60"),),
        "5m", "20m", {"provider": "openai_tts", "model": "other", "unit": "characters"},
        "500 characters of openai_tts other have no price",
    ),
    Case(
        "VoiceAgentProviderOutage",
        (
            ('voice_agent:provider_outage{service="tts",provider="elevenlabs"}', "0x5 1x40"),
            ('voice_agent_policy_provider{policy="haiku_first",service="tts",provider="elevenlabs"}', "1x50"),
            (f"voice_agent_policy_weight_percent{{{WHO_TEXT}}}", "95x50"),
        ),
        "5m", "12m", {"service": "tts", "provider": "elevenlabs"},
        "elevenlabs (tts) is out: no model of it works",
    ),
    Case(
        "VoiceAgentFallbackOut",
        (
            ('voice_agent:provider_outage{service="tts",provider="openai_tts"}', "0x5 1x40"),
            ('voice_agent_policy_provider{policy="economy",service="tts",provider="openai_tts"}', "1x50"),
            ('voice_agent_policy_weight_percent{tier="free",policy="economy"}', "0x50"),
        ),
        "8m", "20m", {"service": "tts", "provider": "openai_tts"},
        "openai_tts (tts) is out; no policy in force has it first",
    ),
    Case(
        "VoiceAgentFallbacks",
        (
            ('voice_agent:fallbacks:share{service="tts",from_provider="elevenlabs"}', "0x5 0.1x40"),
            ('voice_agent:fallbacks:sample{service="tts",from_provider="elevenlabs"}', "100x50"),
        ),
        "8m", "20m", {"service": "tts", "from_provider": "elevenlabs"},
        "10% of the turns moved on from elevenlabs (tts) in an hour (limit 2%)",
    ),
    Case(
        "VoiceAgentLedgerDropped",
        (('voice_agent_ledger_dropped_total{table="turns"}', "_x10 7x60"),),
        "5m", "20m", {"table": "turns"},
        "7 rows of the ledger (turns) were lost in the last hour",
    ),
    Case(
        "VoiceAgentLedgerFailing",
        (("voice_agent_ledger_write_failures_total", "0x10 1+1x40"),), "9m", "30m", {},
        "The ledger cannot be written: 5 attempts failed in 5 minutes",
    ),
    Case(
        "VoiceAgentEventLoopLate",
        (('voice_agent_event_loop_lag_seconds{instance="a:8000",job="voice-agent"}', "0.01x10 0.3x40"),),
        "12m", "30m", PROCESS,
        "a:8000 is 0.30 s late on average in 5 minutes (free callers are refused from 0.2 s)",
    ),
    Case(
        "VoiceAgentQueueDrops",
        (('voice_agent_queue_drops_total{queue="listen"}', "0x20 5x40"),),
        "19m", "25m", {"queue": "listen"}, "5 items were dropped from the full queue listen in 10 minutes",
    ),
    Case(
        "VoiceAgentBackgroundWorkFails",
        (('voice_agent_background_failures_total{work="providers"}', "0x20 2x40"),),
        "19m", "25m", {"work": "providers"}, "2 times in 30 minutes providers broke off and was begun again",
    ),
    Case(
        "VoiceAgentLocalSpeechFailed",
        (('voice_agent_local_speech_failed{instance="a:8000",service="stt"}', "0x5 1x40"),),
        "5m", "9m", {"instance": "a:8000", "service": "stt"},
        "stt of its own machine does not run at a:8000: it is simulated, or missing",
    ),
    Case(
        "VoiceAgentLocalSpeechRestarts",
        (('voice_agent_local_speech_restarts_total{service="tts"}', "0x5 1x40 4x40"),),
        "40m", "60m", {"service": "tts"},
        "3 times in 30 minutes tts of the machine itself began anew",
    ),
    Case(
        "VoiceAgentProcessDown",
        (('up{instance="a:8000",job="voice-agent"}', "1x5 0x40"),), "6m", "12m", PROCESS,
        "a:8000 does not answer Prometheus",
    ),
    Case(
        "VoiceAgentMetricsAbsent",
        (('voice_agent_build_info{version="1"}', "1x5"),), "8m", "20m", {},
        "No process of the voice agent is scraped: 0 series of voice_agent_build_info",
    ),
    Case(
        "VoiceAgentVerdictAbsent",
        (('voice_agent_build_info{version="1"}', "1x60"),), "3m", "12m", {},
        "1 processes are scraped, and no policy has a verdict",
    ),
    Case(
        "VoiceAgentAssignmentStale",
        (('voice_agent_assignment_age_seconds{instance="a:8000",job="voice-agent",tier="free"}', "1x9 30+60x40"),),
        "10m", "12m", {**PROCESS, "tier": "free"}, "a:8000 has not followed the policies of free callers for 150 s",
    ),
    Case(
        "VoiceAgentEvidenceStale",
        (('voice_agent_evidence_age_seconds{instance="a:8000",job="voice-agent"}', "5x9 30+60x40"),),
        "14m", "20m", PROCESS,
        "a:8000 has not read the ended calls for 630 s",
    ),
    Case(
        "VoiceAgentAlertsNotTaken",
        (
            ('voice_agent_alert_notifications_total{result="unauthorized"}', "0x10 1+1x40"),
            ('voice_agent_alert_notifications_total{result="not_for_us"}', "1x60"),
        ),
        "10m", "30m", {"result": "unauthorized"},
        "15 notifications of Alertmanager were not taken in 15 minutes: unauthorized",
    ),
    Case(
        "VoiceAgentAlertsForged",
        (
            ('voice_agent_alert_notifications_total{result="unauthorized"}', "0x10 1x40"),
            ('voice_agent_alert_notifications_total{result="not_for_us"}', "0+0.2x60"),
        ),
        "10m", "15m", {"result": "unauthorized"},
        "1 notifications with a wrong token in 10 minutes; Alertmanager has the right one",
    ),
    Case(
        "VoiceAgentReplicasVanished",
        (
            ('voice_agent_build_info{version="1",instance="a"}', "1x60"),
            ('voice_agent_build_info{version="1",instance="b"}', "1x10 _x60"),
        ),
        "15m", "40m", {},
        "1 replicas fewer than within the last hour: gone from service discovery",
    ),
    Case(
        "VoiceAgentCallersUnreachable",
        (('voice_agent_sessions_total{tier="probe",policy="probe",outcome="completed"}', "0+0.2x60 12x60"),),
        "70m", "90m", {},
        "Callers cannot reach us: no synthetic call came through for 15 minutes (12 did in 24 hours)",
    ),
    Case(
        "VoiceAgentErrorBudgetLow",
        (
            ('voice_agent:slo:budget_left{tier="free"}', "0.4x10 0.05x60"),
            ('voice_agent:slo:turns{tier="free"}', "500x70"),
        ),
        "20m", "60m", {"tier": "free"},
        "5% of the error budget of 28 days is left for free callers",
    ),
    Case(
        "VoiceAgentWatchdog", (), "0m", "5m", {},
        "Alerts arrive: this one always fires (value 1)",
    ),
)  # fmt: skip
