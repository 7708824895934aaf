"""The ledger against what was served: real SDKs, the sandbox's counters, and the price book between them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from agent.audio import bytes_for
from agent.ledger.ledger import Ledger
from agent.ledger.meter import MoneySink
from agent.ledger.sink import LedgerSink
from agent.ledger.tables import charges, sessions
from agent.prices import NANO, load_prices
from agent.providers.base import Call, ErrorKind, Message, Prompt, ProviderError, Unit
from agent.providers.claude import Claude
from agent.providers.deepgram_flux import DeepgramFlux
from agent.providers.elevenlabs import ElevenLabs
from agent.providers.openai_tts import OpenAISpeech
from agent.telemetry.events import CallFinished, Cause, SessionInfo, SessionStarted, Sinks, TurnFinished
from agent.telemetry.exposition import Metrics
from tests.ledger.happenings import BUDGETS, NOON, ended, session, turn
from tests.providers.support import instant_sandbox

BOOK = load_prices()
COUNTED = {  # unit → the sandbox's name for it, and how many units that is
    Unit.AUDIO_SAMPLES: ("audio_seconds", 16_000),
    Unit.CHARACTERS: ("characters", 1),
    Unit.INPUT_TOKENS: ("input_tokens", 1),
    Unit.CACHE_WRITE_TOKENS: ("cache_write_tokens", 1),
    Unit.CACHE_READ_TOKENS: ("cache_read_tokens", 1),
    Unit.OUTPUT_TOKENS: ("output_tokens", 1),
}
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


async def test_fifty_sessions_cost_what_the_providers_served(database_url: str) -> None:
    metrics = Metrics()
    ledger = Ledger(database_url, metrics)
    keeper = LedgerSink(ledger)
    sinks = Sinks([MoneySink(BOOK, metrics, BUDGETS, keeper, clock=lambda: NOON), keeper])
    async with instant_sandbox() as sandbox, ledger:
        recogniser = DeepgramFlux(api_key="k", base_url=sandbox.url)
        models = [Claude(api_key="k", base_url=sandbox.url, model=f"claude-{name}-5-5") for name in ("haiku", "sonnet")]
        voice = ElevenLabs(api_key="k", base_url=sandbox.url, model="eleven_flash_v2_5", voice="v")
        second = OpenAISpeech(api_key="k", base_url=f"{sandbox.url}/v1", model="gpt-4o-mini-tts", voice="alloy")
        broken = ElevenLabs(api_key="k", base_url="http://127.0.0.1:9", model="eleven_flash_v2_5", voice="v")

        async def talk(number: int) -> None:
            who = session(f"s{number}")
            teller = Teller(sinks, who)
            sinks.handle(SessionStarted(who))
            await listen(recogniser, who.session_id, teller, 4 + number % 5 * 4)  # up to 20 s: two checkpoints
            model = models[number % 5 == 0]
            await some_of(model.reply(who.session_id, PROMPT, teller), 2 if number % 7 == 0 else None)
            await some_of(voice.speak(who.session_id, "Good morning, how can I help you?", teller), None)
            if number % 6 == 0:
                with pytest.raises(ProviderError, match=ErrorKind.REFUSED):
                    await some_of(broken.speak(who.session_id, "One moment.", teller), None)
                await some_of(second.speak(who.session_id, "One moment.", teller), None)
            if number % 4 == 0:  # barge-in: the characters were sent, and are billed
                await some_of(voice.speak(who.session_id, "We have two rooms left, one with a view.", teller), 1)
            sinks.handle(TurnFinished(who, turn(1)))
            sinks.handle(ended(who))

        for start in range(0, 50, 10):
            await asyncio.gather(*(talk(number) for number in range(start, start + 10)))
        for adapter in (*models, voice, second, broken):
            await adapter.close()
        assert await ledger.flush(timeout_s=60)
        async with ledger.engine.connect() as connection:
            stored = (await connection.execute(select(charges))).all()
            kept = {row.id: row.cost_nano_usd for row in await connection.execute(select(sessions))}
        counters = sandbox.world.counters

        estimated = {row.session_id for row in stored if row.estimated}
        assert estimated == {f"s{number}" for number in range(0, 50, 7)}
        served: Counter[tuple[str, str, str]] = Counter()
        spent: Counter[tuple[str, str, str]] = Counter()
        lines: Counter[tuple[str, str, str]] = Counter()
        for row in stored:
            if row.service == "llm" and row.session_id in estimated:
                continue
            key = (row.provider, row.model, row.unit)
            served[key] += row.quantity
            spent[key] += row.nano_usd
            lines[key] += 1
        for (provider, model, unit), quantity in served.items():
            name, factor = COUNTED[Unit(unit)]
            counted = counters.total(provider, name, model=model)
            if provider == "anthropic":
                counted -= sum(counters.total(provider, name, model=model, session=who) for who in estimated)
            assert quantity == round(counted * factor), (provider, model, unit)
            rate = BOOK.rate(provider, model, Unit(unit), NOON)
            assert rate is not None
            exact = quantity * rate.numerator / rate.denominator
            # whole nano-dollars a unit leave nothing to round; a sample of audio does, by at most half of one a charge
            assert abs(spent[provider, model, unit] - exact) <= (
                0 if rate.denominator == 1 else lines[provider, model, unit] / 2
            )
        assert {
            ("anthropic", "claude-haiku-5-5", "cache_read_tokens"),
            ("openai_tts", "gpt-4o-mini-tts", "characters"),
        } <= set(served)

        # what was cut off: the prompt is known, the output estimated from the text that came
        for who in estimated:
            cut = {row.unit: row for row in stored if row.session_id == who and row.service == "llm"}
            for unit in (Unit.INPUT_TOKENS, Unit.CACHE_READ_TOKENS, Unit.CACHE_WRITE_TOKENS):
                told = cut[unit].quantity if unit in cut else 0
                assert told == counters.total("anthropic", COUNTED[unit][0], session=who)
            assert all(row.estimated and row.cause == "interrupted" for row in cut.values())

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
