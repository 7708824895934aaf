"""When little is left: clients that can do nothing themselves still hear or read something, and silence is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.providers.recorded import TEXTS, Sentence
from tests.support.stack import Stack, clip, running_stack, sample
from voice_loadtest.script import Speak, Type
from voice_loadtest.stack.policies import policies_text
from voice_sandbox.faults import FaultKind, FaultRule

SPOKEN = Speak(clip("room_01"))


def fail(stack: Stack, *providers: str, kind: FaultKind = FaultKind.REFUSE) -> None:
    for provider in providers:
        stack.sandbox.world.faults.add(FaultRule(provider=provider, kind=kind))


@pytest.mark.slow
async def test_a_client_without_a_voice_hears_the_recorded_apology() -> None:
    async with running_stack() as stack:
        fail(stack, "elevenlabs", "deepgram_tts")
        record = await stack.call([SPOKEN])
        (turn,) = record.turns
        # it says that the answer can be read, and that stands there
        read = f"Sure. Which location would you like? {TEXTS[Sentence.CANNOT_SPEAK]}"
        assert (turn.outcome, turn.reply, turn.sounded) == ("apology", read, True)
        await stack.quiet()
        text = await stack.metrics()
        assert sample(text, "voice_agent_reply_audio_seconds_total", source="recorded") > 0.5
        assert sample(text, "voice_agent_sessions_total", outcome="completed") == 1


@pytest.mark.slow
async def test_a_client_without_a_recogniser_is_asked_to_type_and_the_call_goes_on() -> None:
    async with running_stack() as stack:
        fail(stack, "deepgram", "openai_stt")
        record = await stack.call([SPOKEN, Type("hello")], reply_timeout_s=4.0)
        told, *own = record.errors
        assert (told.code, told.fatal) == ("not_listening", False)
        assert [fault.code for fault in own] == ["no_reply"]  # the caller notes that what was said is not answered
        assert [(turn.outcome, turn.answered) for turn in record.turns if not turn.spoken] == [("typed", True)]
        assert record.close_code == 1000


@pytest.mark.slow
async def test_dead_air_is_what_the_caller_waited_for_the_reply_and_within_it() -> None:
    async with running_stack() as stack:
        fail(stack, "elevenlabs", kind=FaultKind.STALL)
        (turn,) = (await stack.call([SPOKEN])).turns
        assert turn.answered
        assert turn.voice_to_voice_ms is not None
        await stack.quiet()
        silent_s = sample(await stack.metrics(), "voice_agent_dead_air_seconds_total", tier="free")
        assert silent_s > 1.2  # the deadline of a voice has passed
        assert silent_s == pytest.approx((turn.voice_to_voice_ms + turn.gap_ms) / 1000, abs=0.4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("provider", "kind", "asked"),
    [("elevenlabs", FaultKind.RATE_LIMITED, 1), ("anthropic", FaultKind.OVERLOADED, 3)],  # twice the other model
)
async def test_a_provider_that_asked_one_session_for_patience_gets_it_from_all(
    provider: str, kind: FaultKind, asked: int, tmp_path: Path
) -> None:
    # by the shipped shares one session in twenty begins with another model
    policies = tmp_path / "policies.toml"
    policies.write_text(policies_text({"haiku_first": 100}), encoding="utf-8")
    async with running_stack(policies_file=policies) as stack:
        rule = FaultRule(provider=provider, kind=kind, count=1, retry_after_s=60.0)
        stack.sandbox.world.faults.add(rule)
        for _ in range(2):
            record = await stack.call([Type("hello")])
            assert record.turns[0].sounded
        assert stack.sandbox.world.counters.total(provider, "requests") == asked
        entries = [entry for entry in stack.sandbox.world.log.entries if entry.provider == provider]
        if provider == "anthropic":
            assert [entry.body["model"].split("-")[1] for entry in entries] == ["haiku", "sonnet", "sonnet"]
        await stack.quiet()
        text = await stack.metrics()
        assert sample(text, "voice_agent_fallbacks_total", reason=kind.value) == 1
        assert sample(text, "voice_agent_fallbacks_total", reason="breaker_open") >= 1
        assert sample(text, "voice_agent_breaker_changes_total") == 0  # one refusal is no outage
