"""The scenarios, each with what must happen."""

from __future__ import annotations

from typing import Final

from voice_loadtest.gameday.scenario import BASELINE, HAIKU, POLICY, SONNET, Injection, Scenario

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

SUSPECTED: Final = "VoiceAgentPolicySuspected"
BUDGET_LOW: Final = "VoiceAgentErrorBudgetLow"

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
_PROMPT: Final = "The house rules of the front desk are long, and every call carries them. " * 240

SCENARIOS: Final = (
    Scenario(
        "haiku-slow",
        "Haiku slow",
        "Haiku's first words take 1.1 s instead of 0.3. Haiku-first callers wait, the baseline's do not: rolled back,"
        " and calls are fine again while Haiku is still slow.",
        Injection(
            "Haiku's first words take 1100 ms (p95 1350)",
            latency={HAIKU: {"p50_ms": 1100.0, "p95_ms": 1350.0}},
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
)
