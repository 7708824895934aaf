"""The scenarios, each with what must happen."""

from __future__ import annotations

from typing import Final

from voice_loadtest.gameday.scenario import BASELINE, HAIKU, POLICY, SONNET, Injection, Scenario, TriedVersion

OUTAGE: Final = "VoiceAgentProviderOutage"
FALLBACKS: Final = "VoiceAgentFallbacks"
FAST_BURN: Final = "VoiceAgentLatencyFastBurn"
SLOW_BURN: Final = "VoiceAgentLatencySlowBurn"
STAGE: Final = "VoiceAgentStageOverBudget"
DEAD_AIR: Final = "VoiceAgentDeadAir"
NO_REPLY: Final = "VoiceAgentNoReply"
ROLL_BACK: Final = "VoiceAgentRollBackExperience"
ROLL_BACK_COST: Final = "VoiceAgentRollBackCost"
SESSION_COST: Final = "VoiceAgentSessionCost"
REFUSED: Final = "VoiceAgentCallersRefused"
FREE_REFUSED: Final = "VoiceAgentFreeCallersRefused"

SUSPECTED: Final = "VoiceAgentPolicySuspected"
BUDGET_LOW: Final = "VoiceAgentErrorBudgetLow"

UNREACHABLE: Final = "VoiceAgentCallersUnreachable"
LOOP_LATE: Final = "VoiceAgentEventLoopLate"
FALLBACK_OUT: Final = "VoiceAgentFallbackOut"
VERSION_WORSE: Final = "VoiceAgentAgentVersionWorse"

_HAIKU_SLOW: Final = {HAIKU: {"p50_ms": 1100.0, "p95_ms": 1350.0}}
_SPLIT: Final = {POLICY: 95, BASELINE: 5}
_SLOW: Final = (FAST_BURN, SLOW_BURN, STAGE, DEAD_AIR, SUSPECTED, BUDGET_LOW)
_DEAR_MODEL: Final = "claude-haiku-4-5"
# 12 times what Haiku 5.5 costs, and no rebate for cached prompts.
_DEAR_PRICE: Final = f"""
[[price]]
provider = "anthropic"
models = ["{_DEAR_MODEL}"]
effective_from = 2025-01-01
usd_per_million_tokens = {{ input = 1.20, cache_write = 1.20, cache_read = 1.20, output = 6.00 }}
source = "the contract of a game day"
"""
_CLONE: Final = "a7Clone9Voice4Of2Ours"
_CLONED: Final = TriedVersion(
    "receptionist",
    stable=1,
    version=2,
    definition=f"""
name = "receptionist"
version = 2
title = "Receptionist"
voices = {{ elevenlabs = "{_CLONE}" }}
prompt = "You answer the telephone of {{{{business}}}}. {{{{extra}}}}"
""",
)
_PROMPT: Final = "The house rules of the front desk are long, and every call carries them. " * 240

SCENARIOS: Final = (
    Scenario(
        "haiku-slow",
        "Haiku slow",
        "Haiku's first words take 1.1 s instead of 0.3. Haiku-first callers wait, the baseline's do not: rolled back,"
        " and calls are fine again while Haiku is still slow.",
        Injection(
            "Haiku's first words take 1100 ms (p95 1350)",
            latency=_HAIKU_SLOW,
        ),
        fires=(ROLL_BACK, FAST_BURN, STAGE),
        may_fire=(SLOW_BURN, DEAD_AIR, SUSPECTED, BUDGET_LOW),
        rolled_back=True,
    ),
    Scenario(
        "haiku-expensive",
        "Haiku is the wrong model, at 12 times the price",
        "VOICE_AGENT_HAIKU_MODEL names a model that costs 12 times as much and gives no rebate for cached prompts, and"
        " Haiku-first goes out to half of the callers. Nobody waits longer, calls just cost more: rolled back for"
        " money.",
        Injection(
            f"an operator gives {POLICY} half of the calls, and Haiku is {_DEAR_MODEL}",
            assign={POLICY: 50, BASELINE: 50},
        ),
        fires=(ROLL_BACK_COST,),
        may_fire=(SESSION_COST,),
        rolled_back=True,
        weights={POLICY: 0, BASELINE: 100},
        settings={"HAIKU_MODEL": _DEAR_MODEL, "EXTRA_PROMPT": _PROMPT},
        prices=_DEAR_PRICE,
        alert_usd=0.02,
        measure="cost",
    ),
    Scenario(
        "version-slow",
        "A new version of an agent speaks with a slow voice",
        "Version 2 of the receptionist has a cloned voice, whose first sound takes 0.9 s instead of 0.24. An operator"
        " gives it half of the sessions. Its callers wait under either policy: the version is rolled back and no"
        " policy is; calls that run keep it.",
        Injection(
            "an operator gives version 2 half of the sessions; its voice takes 900 ms (p95 980)",
            latency={_CLONE: {"p50_ms": 900.0, "p95_ms": 980.0}},
            canary_percent=50,
        ),
        fires=(VERSION_WORSE,),
        may_fire=(FAST_BURN, SLOW_BURN, STAGE, DEAD_AIR, SUSPECTED, BUDGET_LOW),
        rolled_back=True,
        trial=_CLONED,
    ),
    Scenario(
        "voice-mute",
        "ElevenLabs mute",
        "ElevenLabs answers 200 with silence. The chain's next voice speaks, the breaker opens; no policy is to blame:"
        " no rollback.",
        Injection(
            "ElevenLabs answers 200 with silence",
            faults=({"provider": "elevenlabs", "kind": "empty", "variant": "silence"},),
        ),
        fires=(OUTAGE,),
        may_fire=(FALLBACKS, *_SLOW),
    ),
    Scenario(
        "deepgram-down",
        "Deepgram down",
        "Deepgram takes no connection. New calls are heard by Whisper: slower, on every policy alike: no rollback.",
        Injection("Deepgram closes every new connection", faults=({"provider": "deepgram", "kind": "refuse"},)),
        fires=(OUTAGE,),
        may_fire=(FALLBACKS, *_SLOW),
    ),
    Scenario(
        "common-cause",
        "Everything is slow",
        "Both models take 1.1 s for their first words: a network, a machine, a region. Haiku-first is slow, and so is"
        " the baseline in the same time: it is suspected, held by name, and not rolled back.",
        Injection(
            "both models' first words take 1100 ms (p95 1350)",
            latency={model: {"p50_ms": 1100.0, "p95_ms": 1350.0} for model in (HAIKU, SONNET)},
        ),
        fires=(SUSPECTED,),
        may_fire=(FAST_BURN, SLOW_BURN, STAGE, DEAD_AIR, BUDGET_LOW, NO_REPLY),
        held="common_cause",
    ),
    Scenario(
        "forged-slow",
        "Callers who answer late on purpose",
        "Six more callers answer every ping four seconds late. What a client says of its network is capped: no"
        " rollback.",
        Injection("6 more callers, who answer pings 4 s late", forged_callers=6),
        fires=(),
        may_fire=_SLOW,
    ),
    Scenario(
        "traffic-spike",
        "Traffic spike",
        "Twice as many callers as there are places. Whoever is turned away is counted and alerted; whoever is let in is"
        " served in time: no rollback.",
        Injection("16 more callers, and there are 20 places", more_callers=16),
        fires=(REFUSED,),
        may_fire=(FREE_REFUSED,),
        settings={"MAX_SESSIONS": "20"},
    ),
    Scenario(
        "bad-line",
        "One bad phone line in a low-traffic service",
        "One caller of few has a round trip of 1.5 s and waits at every turn. It is one line, and what a client's"
        " network adds is capped: nothing fires, no rollback.",
        Injection("one more caller, on a line with a round trip of 1500 ms", bad_line_ms=1500.0),
        fires=(),
        callers=3,
        weights={POLICY: 100},
        judged_first=False,
    ),
    Scenario(
        "fallback-blip",
        "A fallback that nobody uses trips once",
        "The second voice is asked six times and is late four times, once; then Haiku alone is slow. What nobody uses"
        " first holds no rollback and wakes nobody.",
        Injection(
            "ElevenLabs fails 6 times, Deepgram's voice 4 of the 6 times that it speaks instead; Haiku takes 1100 ms",
            latency=_HAIKU_SLOW,
            faults=(
                {"provider": "elevenlabs", "kind": "server_error", "probability": 0.2, "count": 6},
                {"provider": "deepgram_tts", "kind": "stall", "count": 4},
            ),
        ),
        fires=(ROLL_BACK,),
        may_fire=(FAST_BURN, SLOW_BURN, STAGE, DEAD_AIR, SUSPECTED, BUDGET_LOW, FALLBACKS, FALLBACK_OUT),
        rolled_back=True,
    ),
    Scenario(
        "worker-stalls",
        "A worker that stalls",
        "The process stands still for 1.2 s of every 3. Everybody waits, and no policy is to blame: the process has an"
        " alert of its own, and holds the rollback by name.",
        Injection("the service's process stands still for 1.2 s of every 3", stall_s=1.2),
        fires=(LOOP_LATE,),
        may_fire=(*_SLOW, NO_REPLY, REFUSED, FREE_REFUSED, FALLBACKS, FALLBACK_OUT, OUTAGE),
        held="event_loop_late",
    ),
    Scenario(
        "unreachable",
        "A service that nobody can reach",
        "Two callers and the synthetic one; then no connection comes through, and the service does not notice. Too few"
        " call for their silence to say anything: the probe's does.",
        Injection("the way to the service is cut", cut_off=True),
        fires=(UNREACHABLE,),
        callers=2,
        judged_first=False,
        probed=True,
    ),
    Scenario(
        "split-60",
        "Haiku slow, one call a minute, 95 % of them",
        "As shipped: 5 % of about 60 calls an hour are on the baseline. Haiku alone is slow: the policy is suspected,"
        " the baseline gets more callers for a while, the policy is rolled back.",
        Injection("Haiku's first words take 1100 ms (p95 1350)", latency=_HAIKU_SLOW),
        fires=(SUSPECTED, ROLL_BACK),
        may_fire=(FAST_BURN, SLOW_BURN, STAGE, DEAD_AIR, BUDGET_LOW),
        rolled_back=True,
        turns=2,
        weights=_SPLIT,
        judged_first=False,
        healthy_s=30.0,
        fault_most_s=240.0,
    ),
    Scenario(
        "split-3",
        "Haiku slow, three calls an hour, 95 % of them",
        "As shipped: 5 % of about three calls an hour are on the baseline. It takes the rules hours, and it comes to"
        " the same: suspected, compared, rolled back.",
        Injection("Haiku's first words take 1100 ms (p95 1350)", latency=_HAIKU_SLOW),
        fires=(SUSPECTED, ROLL_BACK),
        may_fire=(FAST_BURN, SLOW_BURN, STAGE, DEAD_AIR, BUDGET_LOW),
        rolled_back=True,
        callers=2,
        pause_s=20.0,
        weights=_SPLIT,
        judged_first=False,
        healthy_s=20.0,
        fault_most_s=1500.0,
    ),
)
