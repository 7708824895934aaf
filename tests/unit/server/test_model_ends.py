"""The ends of models that vendors have named: told of what speaks, not of what only could."""

from dataclasses import replace

from agent.billing.prices import load_prices
from agent.core.calls import Service
from agent.policy.policies import DEFAULT_PATH, PolicyBook, load_policies
from agent.server.startup import warn_of_ends
from agent.telemetry.exposition import Metrics
from agent.telemetry.metrics import Configured

MODELS: tuple[tuple[Service, str, str], ...] = (
    ("tts", "openai_tts", "tts-1"),
    ("stt", "openai_stt", "whisper-1"),
    ("tts", "deepgram_tts", "aura-2"),
)


def test_only_a_voice_that_a_chain_names_is_told_to_end() -> None:
    shipped = load_policies(DEFAULT_PATH)
    assert _told(shipped) == {("openai_stt", "whisper-1")}

    name, policy = next(iter(shipped.policies.items()))
    own = replace(policy, chains=replace(policy.chains, tts=("elevenlabs", "openai_tts")))
    with_openai = replace(shipped, policies={**shipped.policies, name: own})
    assert _told(with_openai) == {("openai_stt", "whisper-1"), ("openai_tts", "tts-1")}


def _told(policies: PolicyBook) -> set[tuple[str, str]]:
    metrics = Metrics()
    warn_of_ends(load_prices(), Configured((), MODELS, ()), policies, metrics)
    lines = metrics.render("")[0].decode().splitlines()
    shown = [line for line in lines if line.startswith("voice_agent_model_end_timestamp_seconds{")]
    return {(provider, model) for _, provider, model in MODELS for line in shown if f'"{provider}"' in line}
