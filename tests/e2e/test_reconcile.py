"""The ledger against what was served: real SDKs, the sandbox's counters, and the price book between them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from agent.billing.prices import NANO, load_prices
from agent.billing.pricing import PricingSink
from agent.core.audio import bytes_for
from agent.core.calls import Call, ErrorKind, ProviderError, Unit
from agent.ledger.ledger import Ledger
from agent.ledger.sink import LedgerSink
from agent.ledger.tables import charges, sessions
from agent.providers.anthropic.claude import Claude
from agent.providers.base import Message, Prompt
from agent.providers.deepgram.flux import DeepgramFlux
from agent.providers.deepgram.tts import DeepgramSpeech
from agent.providers.elevenlabs.tts import ElevenLabs
from agent.providers.openai.tts import OpenAISpeech
from agent.telemetry.events import CallFinished, Cause, SessionInfo, SessionStarted, Sinks, TurnFinished
from agent.telemetry.exposition import Metrics
from tests.support.billing import SANDBOX_NAMES
from tests.support.factories import BUDGETS, NOON, ended, session, turn
from tests.support.providers import instant_sandbox
from voice_sandbox.counters import Counters

BOOK = load_prices()
Key = tuple[str, str, str]
PROMPT = Prompt(
    system="You are the receptionist of a small hotel. " * 500,  # long enough to be cached
    memory="The caller is looking for a room.",
    messages=(Message("user", "I would like to book a room for tomorrow, please."),),
)


@dataclass
class Teller:
    """The meter of a session's calls."""

    sinks: Sinks
    who: SessionInfo

    def record(self, call: Call) -> None:
        cause = (
            Cause.SERVED if call.outcome == "ok" else Cause.INTERRUPTED if call.outcome == "cancelled" else Cause.RETRY
        )
        self.sinks.handle(CallFinished(self.who, 1, call, cause))


async def some_of(pieces: AsyncGenerator[Any], count: int | None) -> None:
    """Takes so many pieces and breaks off, or all."""
    async with aclosing(pieces) as stream:
        async for _ in stream:
            if count is not None:
                count -= 1
                if count <= 0:
                    return


async def listen(recogniser: DeepgramFlux, name: str, teller: Teller, seconds: float) -> None:
    silence = bytes(bytes_for(0.5))
    async with recogniser.open(name, teller) as stream:

        async def send() -> None:
            for _ in range(int(seconds * 2)):
                await stream.send(silence)
            await stream.finish()

        async with asyncio.TaskGroup() as both:
            both.create_task(send())
            async for _ in stream:
                pass


class Providers:
    """Real SDKs against a sandbox, and a voice that nobody answers for."""

    def __init__(self, url: str) -> None:
        self.recogniser = DeepgramFlux(api_key="k", base_url=url)
        self.haiku, self.sonnet = (
            Claude(api_key="k", base_url=url, model=f"claude-{name}-5-5") for name in ("haiku", "sonnet")
        )
        self.voice = ElevenLabs(api_key="k", base_url=url, model="eleven_flash_v2_5", voice="v")
        self.second = DeepgramSpeech(api_key="k", base_url=url, model="aura-2-thalia-en")
        self.third = OpenAISpeech(api_key="k", base_url=f"{url}/v1", model="gpt-4o-mini-tts", voice="alloy")
        self.broken = ElevenLabs(api_key="k", base_url="http://127.0.0.1:9", model="eleven_flash_v2_5", voice="v")

    async def close(self) -> None:
        for adapter in (self.haiku, self.sonnet, self.voice, self.second, self.third, self.broken):
            await adapter.close()


async def talk(number: int, providers: Providers, sinks: Sinks) -> None:
    """A session of one turn: every fifth with Sonnet, some cut off, some with a voice that falls back."""
    who = session(f"s{number}")
    name, teller = who.session_id, Teller(sinks, who)
    sinks.handle(SessionStarted(who))
    await listen(providers.recogniser, name, teller, 4 + number % 5 * 4)  # up to 20 s: two checkpoints
    model = providers.sonnet if number % 5 == 0 else providers.haiku
    await some_of(model.reply(name, PROMPT, teller), 2 if number % 7 == 0 else None)
    await some_of(providers.voice.speak(name, "Good morning, how can I help you?", teller), None)
    if number % 6 == 0:
        with pytest.raises(ProviderError, match=ErrorKind.REFUSED):
            await some_of(providers.broken.speak(name, "One moment.", teller), None)
        await some_of((providers.second if number % 12 else providers.third).speak(name, "One moment.", teller), None)
    if number % 4 == 0:  # barge-in: the characters were sent, and are billed
        await some_of(providers.voice.speak(name, "We have two rooms left, one with a view.", teller), 1)
    sinks.handle(TurnFinished(who, turn(1)))
    sinks.handle(ended(who))


async def test_fifty_sessions_cost_what_the_providers_served(database_url: str) -> None:
    metrics = Metrics()
    ledger = Ledger(database_url, metrics)
    keeper = LedgerSink(ledger)
    sinks = Sinks([PricingSink(BOOK, metrics, BUDGETS, keeper, clock=lambda: NOON), keeper])
    async with instant_sandbox() as sandbox, ledger:
        providers = Providers(sandbox.url)
        for start in range(0, 50, 10):
            await asyncio.gather(*(talk(number, providers, sinks) for number in range(start, start + 10)))
        await providers.close()
        assert await ledger.flush(timeout_s=60)
        async with ledger.engine.connect() as connection:
            stored = (await connection.execute(select(charges))).all()
            kept = {row.id: row.cost_nano_usd for row in await connection.execute(select(sessions))}
        estimated = {row.session_id for row in stored if row.estimated}
        assert estimated == {f"s{number}" for number in range(0, 50, 7)}
        check_exact(stored, estimated, sandbox.world.counters)
        check_cut_off(stored, estimated, sandbox.world.counters)
    assert kept == {name: sum(row.nano_usd for row in stored if row.session_id == name) for name in kept}
    dollars = sum(
        sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "voice_agent_cost_usd_total"
    )
    assert dollars == pytest.approx(sum(row.nano_usd for row in stored) / NANO, rel=1e-12)
    ended_sessions = {"tier": "premium", "policy": "standard"}
    assert metrics.registry.get_sample_value("voice_agent_session_cost_usd_count", ended_sessions) == 50


def check_exact(stored: Sequence[Any], estimated: set[str], counters: Counters) -> None:
    """Quantities are those of the sandbox, amounts those of the price book."""
    served, spent, lines = Counter[Key](), Counter[Key](), Counter[Key]()
    for row in stored:
        if row.service == "llm" and row.session_id in estimated:
            continue
        key = (row.provider, row.model, row.unit)
        served[key] += row.quantity
        spent[key] += row.nano_usd
        lines[key] += 1
    for (provider, model, unit), quantity in served.items():
        name, factor = SANDBOX_NAMES[Unit(unit)]
        counted = counters.total(provider, name, model=model)
        if provider == "anthropic":
            counted -= sum(counters.total(provider, name, model=model, session=who) for who in estimated)
        assert quantity == round(counted * factor), (provider, model, unit)
        rate = BOOK.rate(provider, model, Unit(unit), NOON)
        assert rate is not None
        exact = quantity * rate.numerator / rate.denominator
        # whole nano-dollars a unit leave nothing to round; a sample of audio does, by at most half of one a charge
        most = 0 if rate.denominator == 1 else lines[provider, model, unit] / 2
        assert abs(spent[provider, model, unit] - exact) <= most
    assert {
        ("anthropic", "claude-haiku-5-5", "cache_read_tokens"),
        ("deepgram_tts", "aura-2-thalia-en", "characters"),
        ("openai_tts", "gpt-4o-mini-tts", "characters"),
    } <= set(served)


def check_cut_off(stored: Sequence[Any], estimated: set[str], counters: Counters) -> None:
    """Of a reply that was cut off the prompt is known; the output is estimated from the text that came."""
    for who in estimated:
        cut = {row.unit: row for row in stored if row.session_id == who and row.service == "llm"}
        for unit in (Unit.INPUT_TOKENS, Unit.CACHE_READ_TOKENS, Unit.CACHE_WRITE_TOKENS):
            told = cut[unit].quantity if unit in cut else 0
            assert told == counters.total("anthropic", SANDBOX_NAMES[unit][0], session=who)
        assert all(row.estimated and row.cause == "interrupted" for row in cut.values())
