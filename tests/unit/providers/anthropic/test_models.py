from __future__ import annotations

from agent.providers.anthropic.models import ModelOptions, options_of


def test_each_family_has_its_own_way_not_to_think() -> None:
    assert options_of("claude-haiku-5-5").thinking == "disabled"
    assert options_of("claude-sonnet-5-5").thinking == "between_tools"
    opus = options_of("claude-opus-5-5")
    assert opus.thinking is None
    assert opus.effort == "low"
    assert opus.least_output_tokens >= 1024


def test_a_dated_id_belongs_to_its_family() -> None:
    assert options_of("claude-haiku-5-5-20261007") == options_of("claude-haiku-5-5")


def test_an_unknown_model_is_sent_nothing_special() -> None:
    assert options_of("claude-nova-9") == ModelOptions()
    assert options_of("llama") == ModelOptions()
