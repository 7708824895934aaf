"""A mixed load on a whole stack, with a bad spell: everything that the boards show happens at least once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx

from agent.policy.policies import DEFAULT_PATH
from tests.support.stack import API_KEY, Stack, clip
from voice_loadtest.caller import CallOptions
from voice_loadtest.records import CallRecord
from voice_loadtest.run import run_load
from voice_loadtest.script import Drop, Interrupt, Speak, Step, Type, Wait

UNPRICED_VOICE = "aura-2-thalia-en"
LONG = "I would like to book a meeting room for five people tomorrow at half past two, if that is still free."
TERM = "Which token does the REST API want?"


def policies_file(folder: Path) -> Path:
    """The shipped policies, half of the sessions on each: a minute must do for a baseline."""
    text = DEFAULT_PATH.read_text(encoding="utf-8")
    weights = "haiku_first = 50\nsonnet_first = 50\n"
    path = folder / "policies.toml"
    kept = text[: text.index("[assignments.free]")]
    path.write_text(f"{kept}[assignments.free]\n{weights}\n[assignments.premium]\n{weights}", encoding="utf-8")
    return path


def prices_file(folder: Path) -> Path:
    """A price book in which the second voice's price has ended, and whose model will."""
    path = folder / "prices.toml"
    path.write_text(
        f"""[[price]]
provider = "deepgram_tts"
models = ["{UNPRICED_VOICE}"]
effective_from = 2020-01-01
effective_until = 2020-02-01
model_ends = 2099-01-01
usd_per_1000_characters = 0.01
source = "made up"
""",
        encoding="utf-8",
    )
    return path


async def mixed_load(stack: Stack) -> list[CallRecord]:
    """Three waves of calls; in the second one Haiku is slow and ElevenLabs fails. About half a minute."""
    records: list[CallRecord] = []
    async with httpx.AsyncClient(base_url=stack.sandbox.url) as sandbox:
        records += await _wave(stack, 0)
        # just within its deadline, or just over it and then with a fallback: too late either way
        slow = {"claude-haiku-5-5": {"p50_ms": 1480.0, "p95_ms": 1490.0}}
        (await sandbox.put("/control/latency", json=slow)).raise_for_status()
        fault = {"provider": "elevenlabs", "kind": "overloaded", "probability": 0.5}
        (await sandbox.post("/control/faults", json=fault)).raise_for_status()
        records += await _wave(stack, 1)
        (await sandbox.put("/control/latency", json={})).raise_for_status()
        (await sandbox.delete("/control/faults")).raise_for_status()
        records += await _wave(stack, 2)
    async with httpx.AsyncClient() as client:
        headers = {"authorization": "Bearer not-a-key-that-anybody-knows"}
        refused = await client.post(f"{stack.url}/v1/sessions", headers=headers)
        assert refused.status_code == 401
    await stack.quiet()
    return records


async def _wave(stack: Stack, number: int) -> list[CallRecord]:
    free, premium = (
        CallOptions(url=stack.url, api_key=key, gap_s=0.1, reply_timeout_s=10.0) for key in (None, API_KEY)
    )
    scripts = _scripts(number)
    waves = await asyncio.gather(
        *(run_load(len(scripts), lambda caller: scripts[caller], options) for options in (free, premium))
    )
    return [record for wave in waves for record in wave.records]


def _scripts(number: int) -> list[Sequence[Step]]:
    billing, order = clip("billing_02"), clip("order_04")
    return [
        [Speak(clip("smalltalk_02")), Speak(clip("smalltalk_03"))],
        [Speak(clip("room_03")), Interrupt(clip("barge_02"), after_s=0.6)],
        [Speak(order), Speak(billing)],
        [Speak(billing), Interrupt(clip("barge_01"), after_s=0.4)],
        [Type(LONG if number else TERM), Speak(order)],
        [Speak(order), Drop()] if number == 2 else [Speak(order), Wait(0.1)],
    ]
