"""Experience and cost from the ledger, as plain data: what `voice-agent report` shows and prints as JSON.

Turns count by their end, sessions by theirs, charges by their own time, as the counters in Prometheus do.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agent.billing.prices import OWN, PriceBook, usd
from agent.billing.pricing import CACHE, NO_SESSION
from agent.core.calls import Unit
from agent.ledger.tables import charges, fallbacks, sessions, turns
from agent.telemetry.catalog import TURN_BUCKETS
from agent.telemetry.events import Cause, SessionOutcome
from agent.telemetry.timeline import STAGES, WITHOUT_REPLY

_Query = Select[*tuple[Any, ...]]
WASTE: Final = (Cause.RETRY, Cause.INTERRUPTED)  # paid for, and heard by nobody or not to the end


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Median and 95th percentile; None without values."""

    count: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Experience:
    """How calls of one tier felt. Durations are seconds.

    `owed` turns are the denominator of voice-to-voice; `slow` ones breach its budget. A turn without a real reply
    counts as at least the highest bucket edge (10 s), as in the histogram. Breaches are those of owed turns.
    """

    tier: str
    turns: int
    outcomes: Mapping[str, int]
    owed: int
    slow: int
    unanswered: int
    """Owed turns without a real reply: they are the slowest of all."""
    voice_to_voice: Quantiles
    stages: Mapping[str, Quantiles]
    breaches: Mapping[str, int]
    fallbacks: Mapping[str, int]
    """`service from → to (reason)` → moves."""


@dataclass(frozen=True, slots=True)
class PeriodSpending:
    """What calls of one tier cost, in dollars. Tier `none` holds the calls that belong to no session."""

    tier: str
    sessions: int
    session_usd: Quantiles
    total_usd: float
    by_service: Mapping[str, float]
    by_model: Mapping[str, float]
    by_cause: Mapping[str, float]
    waste_usd: float
    estimated_usd: float
    sonnet_ratio: float | None
    """Share of the turns that a Sonnet model answered, of those that any model did."""
    prompt_cache_ratio: float | None
    """Share of the prompt tokens that came out of the prompt cache."""
    audio_cache_ratio: float | None
    """Share of the spoken characters that came out of the audio cache."""
    audio_cache_saved_usd: float
    recogniser_s: float
    """Seconds of audio streamed to recognisers."""
    session_s: float
    """Seconds that the ended sessions lasted; far more recogniser time than this would be paid silence."""
    ended_by_ceiling: int
    """Sessions that a ceiling on money ended."""
    local: Sequence[str] = ()
    """`provider model` that ran on a machine of one's own, at no cost."""
    unpriced: Mapping[str, int] = field(default_factory=dict[str, int])
    """`provider model unit` → quantity without a price."""


@dataclass(frozen=True, slots=True)
class PeriodReport:
    since: datetime
    until: datetime
    experience: tuple[Experience, ...]
    spending: tuple[PeriodSpending, ...]


def quantiles(values: Iterable[float]) -> Quantiles:
    """By nearest rank: the smallest value that has the share of all values at or below it.

    That value lies in the bucket from which Prometheus' `histogram_quantile` interpolates: both take the first one that
    the rank q * n is reached in.
    """
    ordered = sorted(values)
    if not ordered:
        return Quantiles(0, None, None)
    return Quantiles(len(ordered), *(ordered[max(0, math.ceil(q * len(ordered)) - 1)] for q in (0.5, 0.95)))


async def make_report(
    engine: AsyncEngine, book: PriceBook, since: datetime, until: datetime, tier: str | None = None
) -> PeriodReport:
    """Reads what happened from `since` to `until` (end exclusive). Raises SQLAlchemyError or OSError."""
    async with engine.connect() as connection:
        done = await _read(connection, select(turns).where(_within(turns.c.ended_at, since, until)), turns.c.tier, tier)
        ended = await _read(
            connection, select(sessions).where(_within(sessions.c.ended_at, since, until)), sessions.c.tier, tier
        )
        moves = await _read(connection, _grouped_moves(since, until), fallbacks.c.tier, tier)
        spent = await _read(connection, _grouped_charges(since, until), charges.c.tier, tier)
    experience = [_experience(name, *parts) for name, *parts in _by_tier(done, moves)]
    spending = [_spending(name, parts, book, until) for name, *parts in _by_tier(spent, ended, done)]
    return PeriodReport(since, until, tuple(experience), tuple(spending))


def _within(column: Any, since: datetime, until: datetime) -> Any:
    return (column >= since) & (column < until)


async def _read(connection: AsyncConnection, statement: _Query, column: Any, tier: str | None) -> Sequence[Row[Any]]:
    if tier is not None:
        statement = statement.where(column == tier)
    return (await connection.execute(statement)).all()


def _grouped_moves(since: datetime, until: datetime) -> _Query:
    c = fallbacks.c
    keys = (c.tier, c.service, c.from_provider, c.to_provider, c.reason)
    return select(*keys, func.count().label("moves")).where(_within(c.at, since, until)).group_by(*keys)


def _grouped_charges(since: datetime, until: datetime) -> _Query:
    c = charges.c
    keys = (
        c.tier,
        c.service,
        c.provider,
        c.model,
        c.unit,
        c.cause,
        c.estimated,
        c.nano_usd.is_(None).label("unpriced"),
        (func.coalesce(c.price_version, "") == OWN).label("own"),
    )
    sums = (func.sum(c.quantity).label("quantity"), func.coalesce(func.sum(c.nano_usd), 0).label("nano_usd"))
    return select(*keys, *sums).where(_within(c.at, since, until)).group_by(*keys)


def _by_tier(*groups: Sequence[Row[Any]]) -> Iterable[tuple[Any, ...]]:
    """(tier, its rows of the first group, of the second, …), by tier; rows without a tier are those of no session."""
    split: dict[str, list[list[Row[Any]]]] = defaultdict(lambda: [[] for _ in groups])
    for place, group in enumerate(groups):
        for row in group:
            split[row.tier or NO_SESSION][place].append(row)
    return ((name, *split[name]) for name in sorted(split, key=lambda name: (name == NO_SESSION, name)))


def _experience(tier: str, done: Sequence[Row[Any]], moves: Sequence[Row[Any]]) -> Experience:
    owed = [row for row in done if row.owed]
    breaches = Counter(name for row in owed for name in {*row.over_budget, *(("voice_to_voice",) if row.slow else ())})
    return Experience(
        tier=tier,
        turns=len(done),
        outcomes=dict(Counter(row.outcome for row in done).most_common()),
        owed=len(owed),
        slow=sum(row.slow for row in done),
        unanswered=sum(row.outcome in WITHOUT_REPLY for row in owed),
        voice_to_voice=quantiles(_waited(row) for row in owed),
        stages={
            stage: quantiles(value for row in owed if (value := getattr(row, f"{stage}_s")) is not None)
            for stage in STAGES
        },
        breaches=dict(breaches.most_common()),
        fallbacks={
            f"{row.service} {row.from_provider} → {row.to_provider} ({row.reason})": row.moves
            for row in sorted(moves, key=lambda row: -row.moves)
        },
    )


def _waited(row: Row[Any]) -> float:
    """Seconds of voice-to-voice as the histogram has them."""
    waited = row.voice_to_voice_s or 0.0
    return max(waited, TURN_BUCKETS[-1]) if row.outcome in WITHOUT_REPLY else waited


def _spending(tier: str, parts: Sequence[Sequence[Row[Any]]], book: PriceBook, at: datetime) -> PeriodSpending:
    """From the tier's grouped charges, its ended sessions and its turns."""
    spent, ended, done = parts
    by_cause = _sums(spent, "cause")
    answered = [row.model for row in done if row.model is not None]
    sonnet = sum("sonnet" in model for model in answered)
    prompt = {unit: _quantity(spent, unit) for unit in Unit}
    read = prompt[Unit.CACHE_READ_TOKENS]
    from_cache = _quantity(spent, Unit.CHARACTERS, CACHE)
    return PeriodSpending(
        tier=tier,
        sessions=len(ended),
        session_usd=quantiles(usd(row.cost_nano_usd) for row in ended),
        total_usd=usd(sum(int(row.nano_usd) for row in spent)),
        by_service=_sums(spent, "service"),
        by_model=_sums(spent, "provider", "model"),
        by_cause=by_cause,
        waste_usd=sum(by_cause.get(cause, 0.0) for cause in WASTE),
        estimated_usd=usd(sum(int(row.nano_usd) for row in spent if row.estimated)),
        sonnet_ratio=_ratio(sonnet, len(answered)),
        prompt_cache_ratio=_ratio(read, read + prompt[Unit.INPUT_TOKENS] + prompt[Unit.CACHE_WRITE_TOKENS]),
        audio_cache_ratio=_ratio(from_cache, prompt[Unit.CHARACTERS]),
        audio_cache_saved_usd=_saved(spent, book, at),
        recogniser_s=prompt[Unit.AUDIO_SAMPLES] / 16_000,
        session_s=sum(row.duration_s or 0.0 for row in ended),
        local=sorted({f"{row.provider} {row.model}" for row in spent if row.own}),
        ended_by_ceiling=sum(row.outcome == SessionOutcome.COST_CAP for row in ended),
        unpriced=_unpriced(spent),
    )


def _unpriced(spent: Sequence[Row[Any]]) -> dict[str, int]:
    """What was used without a price, by provider, model and unit; one may have been used for several causes."""
    used: Counter[str] = Counter()
    for row in spent:
        if row.unpriced:
            used[f"{row.provider} {row.model} {row.unit}"] += int(row.quantity)
    return dict(used)


def _sums(spent: Sequence[Row[Any]], *columns: str) -> dict[str, float]:
    """Dollars by the values of some columns, dearest first."""
    sums: Counter[str] = Counter()
    for row in spent:
        if not row.unpriced:
            sums[" ".join(str(getattr(row, column)) for column in columns)] += int(row.nano_usd)
    return {name: usd(nano) for name, nano in sums.most_common()}


def _quantity(spent: Sequence[Row[Any]], unit: Unit, provider: str | None = None) -> int:
    return sum(int(row.quantity) for row in spent if row.unit == unit and provider in (None, row.provider))


def _saved(spent: Sequence[Row[Any]], book: PriceBook, at: datetime) -> float:
    """What cached speech would have cost at the prices of `at`; a voice of one's own machine costs nothing."""
    saved, own = 0, {row.model for row in spent if row.own}
    for row in spent:
        rate = book.speech_rate(row.model, at) if row.provider == CACHE and row.model not in own else None
        if rate is not None:
            saved += rate.amount(int(row.quantity))
    return usd(saved)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
