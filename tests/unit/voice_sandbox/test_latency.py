from __future__ import annotations

import statistics

import pytest

from voice_sandbox.latency import PROFILES, STAGES, LatencySpread, SimulatedLatency, Stage


@pytest.mark.parametrize("stage", STAGES)
def test_measured_has_the_published_percentiles(stage: Stage) -> None:
    latency = SimulatedLatency("measured", seed=7)
    samples = [latency.sample(stage) * 1000 for _ in range(20_000)]
    centiles = statistics.quantiles(samples, n=100)
    spread = PROFILES["measured"][stage]
    assert centiles[49] == pytest.approx(spread.p50_ms, rel=0.02)
    assert centiles[94] == pytest.approx(spread.p95_ms, rel=0.03)


def test_instant_adds_no_time() -> None:
    latency = SimulatedLatency("instant", seed=1)
    assert {latency.sample(stage) for stage in STAGES} == {0.0}
    assert latency.pace(0.008) == 0.0


def test_a_seed_fixes_each_stage_whatever_the_others_do() -> None:
    first, second, other = (
        SimulatedLatency("measured", 3),
        SimulatedLatency("measured", 3),
        SimulatedLatency("measured", 4),
    )
    alone = [first.sample("llm") for _ in range(5)]
    among_others = [(second.sample("tts"), second.sample("llm"))[1] for _ in range(5)]
    assert alone == among_others
    assert alone != [other.sample("llm") for _ in range(5)]


def test_overrides_go_from_model_to_provider_to_stage() -> None:
    latency = SimulatedLatency("instant", 1)
    latency.override(
        {"claude-haiku-5-5": LatencySpread(900, 900), "anthropic": LatencySpread(50, 50), "tts": LatencySpread(10, 10)}
    )
    assert latency.sample("llm", provider="anthropic", model="claude-haiku-5-5") == pytest.approx(0.9)
    assert latency.sample("llm", provider="anthropic", model="claude-sonnet-5-5") == pytest.approx(0.05)
    assert latency.sample("tts", provider="elevenlabs") == pytest.approx(0.01)
    latency.override({})
    assert latency.sample("tts", provider="elevenlabs") == 0.0


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown latency profile"):
        SimulatedLatency("fast", 1)
    with pytest.raises(ValueError, match="p50_ms"):
        LatencySpread(100, 50)
    with pytest.raises(ValueError, match="at most"):
        SimulatedLatency("instant", 1).override({str(i): LatencySpread(1, 1) for i in range(65)})
