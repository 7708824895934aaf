"""What the tests of money share: databases, what is said, and the ledger beside what the sandbox counted."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from websockets.asyncio.client import ClientConnection

from agent.billing.prices import PriceBook
from agent.core.calls import Unit
from agent.ledger.tables import charges, sessions, turns
from voice_sandbox.counters import Counters

ROOMS: Final = "what rooms do you have"
TECHNICAL: Final = (
    "My API client gets a timeout from the webhook endpoint, and the OAuth token seems to be expired, what is wrong?"
)
HOUSE_RULES: Final = "\n".join(
    f"Rule {number}: a guest who asks about room {number} is told that it has a view of the garden and a large desk."
    for number in range(160)
)  # about 4,400 tokens: long enough for the prompt cache

SANDBOX_NAMES: Final = {  # unit → the sandbox's name for it, and how many units that is
    Unit.AUDIO_SAMPLES: ("audio_seconds", 16_000),
    Unit.CHARACTERS: ("characters", 1),
    Unit.INPUT_TOKENS: ("input_tokens", 1),
    Unit.CACHE_WRITE_TOKENS: ("cache_write_tokens", 1),
    Unit.CACHE_READ_TOKENS: ("cache_read_tokens", 1),
    Unit.OUTPUT_TOKENS: ("output_tokens", 1),
}
FREE: Final = ("cache", "recorded", "browser")  # providers that the sandbox does not play

Key = tuple[str | None, str, str]
"""(session, provider, model)"""


@dataclass(frozen=True, slots=True)
class Books:
    """What a ledger holds."""

    sessions: Sequence[Any]
    turns: Sequence[Any]
    charges: Sequence[Any]

    @property
    def total(self) -> int:
        """Nano-dollars."""
        return sum(row.nano_usd or 0 for row in self.charges)

    def quantities(self, *, estimated: bool | None = None) -> dict[Key, Counter[str]]:
        """What was asked of real providers, by unit: all of it, or only what is estimated or is not."""
        found: defaultdict[Key, Counter[str]] = defaultdict(Counter)
        for row in self.charges:
            if row.provider not in FREE and estimated in (None, row.estimated):
                found[row.session_id, row.provider, row.model][row.unit] += row.quantity
        return dict(found)


async def read_books(engine: AsyncEngine) -> Books:
    async with engine.connect() as connection:
        found = [(await connection.execute(select(table))).all() for table in (sessions, turns, charges)]
    return Books(*found)


def counted(counters: Counters, ids: Iterable[str]) -> dict[Key, Counter[str]]:
    """What the sandbox served these sessions, in the ledger's units; the session None has all the rest (probes)."""
    found: dict[Key, Counter[str]] = {}
    for session in ids:
        for provider, models in counters.snapshot(session).items():
            for model, quantities in models.items():
                served = Counter[str]()
                for unit, (name, factor) in SANDBOX_NAMES.items():
                    served[unit] = round(quantities.get(name, 0) * factor)
                if +served:
                    found[session, provider, model] = +served
    for provider, models in counters.snapshot().items():
        for model, quantities in models.items():
            rest = Counter[str]()
            for unit, (name, factor) in SANDBOX_NAMES.items():
                of_sessions = sum(served[unit] for (_, *which), served in found.items() if which == [provider, model])
                rest[unit] = round(quantities.get(name, 0) * factor) - of_sessions
            if +rest:
                found[None, provider, model] = +rest
    return found


def check_prices(books: Books, book: PriceBook) -> None:
    """Every charge has the amount that the price book gives for its quantity on its day."""
    prompts: Counter[Any] = Counter()
    for row in books.charges:
        if row.service == "llm" and row.unit != Unit.OUTPUT_TOKENS:
            prompts[row.call_id] += row.quantity
    for row in books.charges:
        rate = book.rate(row.provider, row.model, Unit(row.unit), row.at)
        assert rate is not None, f"{row.provider} {row.model} {row.unit} has no price"
        assert row.nano_usd == rate.amount(row.quantity, prompts[row.call_id])
        assert row.price_version == rate.version


async def say(socket: ClientConnection, message: Mapping[str, Any]) -> None:
    await socket.send(json.dumps(message))


async def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of this type; what comes before it is dropped."""
    async with asyncio.timeout(20):
        while True:
            frame = await socket.recv()
            if isinstance(frame, str) and (message := json.loads(frame))["type"] == kind:
                return message
