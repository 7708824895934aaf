"""The policies that `make bench-latency` compares are what their rows say."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.budgets import Tier
from agent.policy.policies import load_policies
from agent.providers.audio_cache import AudioCache
from tools.bench.latency_scenes import GROUPS, LatencyScene, keep_openings_only, policies

SCENES = [scene for group in GROUPS for scene in group.scenes]


@pytest.mark.parametrize("scene", SCENES, ids=str)
def test_everybody_is_on_the_policy_of_the_scene(scene: LatencyScene, tmp_path: Path) -> None:
    book = load_policies(policies(tmp_path, scene))
    for tier in Tier:
        assert [name for name, weight in book.assignments[tier].weights if weight] == [scene.policy]
    policy = book.policies[scene.policy]
    assert policy.stt_model == scene.stt_model
    shipped = load_policies().policies[scene.policy]
    for knob in ("early_replies", "early_voice", "hedging", "first_words"):
        if knob in scene.without:
            assert getattr(policy, knob) is None
        elif knob in scene.knobs:
            assert getattr(policy, knob) is not None
        else:
            assert getattr(policy, knob) == getattr(shipped, knob)


def test_where_nothing_is_said_twice_openings_are() -> None:
    cache = AudioCache()
    keep_openings_only(cache)
    for text in ("Sure.", "Which day?"):
        cache.put(("elevenlabs", "voice", "model", text), b"12")
    assert len(cache) == 1
