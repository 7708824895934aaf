"""Processes with ceilings, a database of leases between them, and providers that take their time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

from agent.billing.accounts import LeaseWish
from agent.billing.ceilings import Payer, Scope, SpendingCeilings
from agent.billing.prices import load_prices
from agent.budgets import Tier
from agent.core.calls import Call, CallRecorder, Fallback, Unit, Usage
from agent.providers.base import Message, Prompt, TextDelta
from agent.session.guarded import CallPrices
from agent.telemetry.exposition import Metrics
from tests.support.factories import BUDGETS, NOON

PRICES = CallPrices(load_prices())
PROMPT = Prompt(system="You answer the phone. " * 40, memory="", messages=(Message("user", "x" * 1_990),))


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


class Process:
    """One process with its ceilings."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.metrics = Metrics()
        self.ceilings = SpendingCeilings(BUDGETS.ceilings, self.metrics, secret="s" * 32, now=self.clock)

    def limited(self, scope: Scope, tier: Tier, action: str) -> float:
        labels = {"scope": scope.value, "tier": tier.value, "action": action}
        return self.metrics.registry.get_sample_value("voice_agent_spending_limited_total", labels) or 0.0


class SharedLeases:
    """The database of several processes, which may be down."""

    def __init__(self) -> None:
        self.leased: dict[object, int] = {}
        self.down = False

    async def lease(self, wishes: Sequence[LeaseWish]) -> Sequence[int]:
        if self.down:
            raise OSError
        granted: list[int] = []
        for wish in wishes:
            before = self.leased.get(wish.key, 0)
            got = max(wish.owed, min(wish.nano_usd, wish.limit - before)) if wish.nano_usd > 0 else wish.nano_usd
            self.leased[wish.key] = before + got
            granted.append(got)
        return granted


class Recorder:
    def __init__(self) -> None:
        self.calls: list[Call] = []

    def record(self, call: Call) -> None:
        self.calls.append(call)


class Observer(Recorder):
    def __init__(self) -> None:
        super().__init__()
        self.moves: list[Fallback] = []

    def fell_back(self, fallback: Fallback) -> None:
        self.moves.append(fallback)


class Model:
    """A model whose replies take as long as somebody lets them."""

    provider = "anthropic"
    model = "claude-sonnet-5-5"

    def __init__(self) -> None:
        self.asked = 0
        self.told: list[CallRecorder] = []

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        self.asked += 1
        self.told.append(recorder)
        outcome = "cancelled"
        try:
            yield TextDelta("Hello.")
            outcome = "ok"
        finally:
            usage = Usage({Unit.INPUT_TOKENS: 3_000, Unit.OUTPUT_TOKENS: 50}, estimated=outcome == "cancelled")
            recorder.record(Call("llm", self.provider, self.model, "ok", 0.0, 0.1, 0.2, usage))


def stranger(name: str = "free-1", address: str | None = "192.0.2.1") -> Payer:
    return Payer(name, Tier.FREE, address)


def member(name: str = "ada", address: str | None = "192.0.2.9") -> Payer:
    return Payer(name, Tier.PREMIUM, address)
