"""`voice-agent agent test --sandbox`, whatever providers the environment names."""

from __future__ import annotations

from agent.cli.agent_test import on_the_sandbox
from agent.settings import Settings


def test_the_sandbox_gets_neither_keys_nor_names_of_models_of_ones_own() -> None:
    own = Settings.model_construct(
        anthropic_api_key="none",
        haiku_model="qwen3:8b",
        sonnet_model="qwen3:8b",
        model_thinking=("qwen3:8b=disabled",),
        openai_tts_model="kokoro",
        openai_stt_model="whisper",
        openai_voice="af_heart",
    )
    simulated = own.model_copy(update=on_the_sandbox())
    assert simulated.anthropic_api_key is None
    usual = {name: field.default for name, field in Settings.model_fields.items() if name.endswith("_model")}
    assert {name: getattr(simulated, name) for name in usual} == usual
    assert (simulated.model_thinking, simulated.openai_voice) == ((), "alloy")
