"""A voice is one entry: chains, policies and prices know it by its name there."""

from __future__ import annotations

import ast
from typing import get_args

import pytest

from agent.billing.prices import load_prices
from agent.billing.pricing import utc_now
from agent.core.calls import Unit
from agent.policy.policies import TtsProvider
from agent.providers.voices import VOICES
from agent.settings import Settings
from agent.settings_providers import VoiceName
from tests.support.paths import ROOT

SHARED = {"agent/settings_providers.py", "agent/providers/voices.py"}


def test_every_voice_that_a_policy_may_name_has_an_entry() -> None:
    assert set(VOICES) == set(get_args(VoiceName)) == set(get_args(TtsProvider)) - {"browser"}


@pytest.mark.parametrize("name", sorted(set(VOICES) - {"elevenlabs"}))  # the first one names a key and a stage, too
def test_no_other_shared_place_tells_voices_apart(name: VoiceName) -> None:
    naming = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "agent").rglob("*.py")
        if any(isinstance(node, ast.Constant) and node.value == name for node in ast.walk(ast.parse(path.read_text())))
    }
    adapters = naming - SHARED
    assert naming >= SHARED
    assert len(adapters) == 1 and adapters.pop().startswith("agent/providers/")


@pytest.mark.parametrize("name", VOICES)
async def test_every_voice_is_built_priced_and_closed(name: VoiceName) -> None:
    url = "http://127.0.0.1:1"
    settings = Settings(_env_file=None, sandbox_url=url)  # pyright: ignore[reportCallIssue]  pydantic-settings' own
    entry = VOICES[name]
    model = entry.model_of(settings, "eleven_flash_v2_5")
    voice = entry.build(settings, model)
    assert (voice.provider, voice.model) == (name, model)
    assert entry.speaker(settings)
    assert load_prices().rate(name, model, Unit.CHARACTERS, utc_now()) is not None
    await voice.close()
