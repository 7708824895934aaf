"""The policies that `make bench-latency` compares are what their rows say."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.budgets import Tier
from agent.policy.policies import load_policies
from agent.providers.audio_cache import AudioCache
from tools.bench.latency_results import Measured, TurnWait, joined, save, tables
from tools.bench.latency_scenes import GROUPS, LatencyScene, policies
from tools.bench.openings_only import keep_openings_only

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
        if knob in scene.knobs:
            assert getattr(policy, knob) is not None
        elif knob in scene.without:
            assert getattr(policy, knob) is None
        else:
            assert getattr(policy, knob) == getattr(shipped, knob)


def test_where_nothing_is_said_twice_openings_are() -> None:
    class Cache(AudioCache):
        pass

    keep_openings_only(Cache)
    cache = Cache()
    for text in ("Sure.", "Which day?"):
        cache.put(("elevenlabs", "voice", "model", text), b"12")
    assert len(cache) == 1


def part(scene: LatencyScene, *waited: float) -> Measured:
    measured = Measured(scene, [TurnWait(one, {"stt": 100.0, "llm": 50.0, "tts": 20.0}) for one in waited])
    measured.counted["too early"], measured.calls, measured.usd = 1, ["a session"], 0.01
    measured.load.lag_ms.append(waited[0])
    return measured


def test_parts_of_a_run_are_one_run(tmp_path: Path) -> None:
    group = GROUPS[0]
    for name, waits in (("one.json", (300.0, 400.0)), ("two.json", (500.0,))):
        save([(group, [part(scene, *waits) for scene in group.scenes])], tmp_path / name)
    [(found, measured)] = joined([tmp_path / "one.json", tmp_path / "two.json"])
    assert found is group
    assert [one.scene for one in measured] == list(group.scenes)
    assert measured[0].waited == [300.0, 400.0, 500.0]
    assert measured[0].counted["too early"] == 2
    assert measured[0].usd_a_call == pytest.approx(0.01)
    assert measured[0].load.lag_ms == [300.0, 500.0]
    assert "| 3 | 400 / 500 / 500 | 100 / 50 / 20 / 230 |" in measured[0].row()
    text = tables([(group, measured)])
    assert text.count(group.scenes[0].name) >= 3
    assert max(map(len, text.splitlines())) <= 120  # it goes into a document
