from __future__ import annotations

from voice_sandbox.counters import Counters, RequestLog


def test_sums_per_model_and_session() -> None:
    counters = Counters()
    counters.add("anthropic", "haiku", "s1", requests=1, input_tokens=10)
    counters.add("anthropic", "sonnet", "s1", requests=1, input_tokens=5)
    counters.add("anthropic", "haiku", None, requests=1, input_tokens=1)
    assert counters.total("anthropic", "input_tokens") == 16
    assert counters.total("anthropic", "input_tokens", model="haiku") == 11
    assert counters.total("anthropic", "input_tokens", session="s1") == 15
    assert counters.snapshot("s1") == {
        "anthropic": {"haiku": {"requests": 1, "input_tokens": 10}, "sonnet": {"requests": 1, "input_tokens": 5}}
    }
    assert counters.total("deepgram", "audio_seconds") == 0
    counters.reset()
    assert counters.snapshot() == {}


def test_sessions_are_bounded_and_totals_stay() -> None:
    counters = Counters()
    for i in range(10_050):
        counters.add("elevenlabs", "flash", f"s{i}", characters=1)
    assert counters.total("elevenlabs", "characters") == 10_050
    assert counters.total("elevenlabs", "characters", session="s49") == 0
    assert counters.total("elevenlabs", "characters", session="s50") == 1


def test_models_are_bounded() -> None:
    counters = Counters()
    for i in range(250):
        counters.add("anthropic", f"m{i}", None, requests=1)
    assert len(counters.snapshot()["anthropic"]) == 201
    assert counters.total("anthropic", "requests", model="other") == 50


def test_the_log_keeps_the_latest_200() -> None:
    log = RequestLog()
    for i in range(250):
        log.open("anthropic", "haiku", None, {"number": i})
    assert len(log.entries) == 200
    assert log.entries[0].number == 51
    assert log.entries[-1].body == {"number": 249}
