from __future__ import annotations

from typing import Any

import pytest

from voice_sandbox.faults import Fault, FaultKind, FaultRule, Faults


def rule(**fields: Any) -> FaultRule:
    defaults: dict[str, Any] = {"provider": "anthropic", "kind": FaultKind.STALL}
    return FaultRule(**(defaults | fields))


def test_a_count_is_used_up() -> None:
    faults = Faults(1)
    faults.add(rule(count=2, after=3))
    assert faults.draw("anthropic", None) == Fault(FaultKind.STALL, after=3)
    assert faults.rules[0][1] == 1
    assert faults.draw("anthropic", None) is not None
    assert faults.draw("anthropic", None) is None
    assert faults.rules == []


def test_a_rule_bites_only_its_provider_session_and_model() -> None:
    faults = Faults(1)
    faults.add(rule(session="s1", model="claude-haiku-5-5"))
    assert faults.draw("anthropic", "s2", model="claude-haiku-5-5") is None
    assert faults.draw("anthropic", None, model="claude-haiku-5-5") is None
    assert faults.draw("anthropic", "s1", model="claude-sonnet-5-5") is None
    assert faults.draw("deepgram", "s1", model="claude-haiku-5-5") is None
    assert faults.draw("anthropic", "s1", model="claude-haiku-5-5") is not None


def test_the_dice_are_seeded() -> None:
    def applies(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add(rule(probability=0.3))
        return [faults.draw("anthropic", None) is not None for _ in range(1000)]

    assert applies(5) == applies(5)
    assert applies(5) != applies(6)
    assert 250 < sum(applies(5)) < 350


def test_clearing_takes_back_what_was_named() -> None:
    faults = Faults(1)
    faults.add(rule())
    faults.add(rule(provider="deepgram"))
    faults.add(rule(provider="deepgram", session="s1"))
    assert faults.clear("deepgram", "s1") == 1
    assert faults.clear("deepgram") == 1
    assert faults.clear() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"provider": "openai"},
        {"probability": 0},
        {"probability": 1.5},
        {"count": 0},
        {"after": -1},
        {"retry_after_s": -1},
    ],
)
def test_nonsense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        rule(**fields)


def test_the_number_of_rules_is_limited() -> None:
    faults = Faults(1)
    for _ in range(100):
        faults.add(rule())
    with pytest.raises(ValueError, match="at most 100"):
        faults.add(rule())
