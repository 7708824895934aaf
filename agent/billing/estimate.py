"""What a session costs under a policy: pure arithmetic over the price book. Amounts are whole nano-dollars."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from agent.billing.prices import SAMPLES_PER_MINUTE, PriceBook
from agent.billing.pricing import CACHE
from agent.core.calls import Call, Service, Unit, Usage


@dataclass(frozen=True, slots=True)
class UsageProfile:
    """How a session is used. Shares are between 0 and 1.

    minutes: audio streamed to the recogniser; characters: spoken by the voice; prompt_tokens and reply_tokens: of one
    model call; cached_share: part of a prompt that the prompt cache can hold; escalated_share: turns that go to the
    larger model where the policy escalates; repeated_share: spoken characters that the audio cache has.
    """

    minutes: Fraction
    characters: int
    turns: int
    prompt_tokens: int
    reply_tokens: int
    cached_share: Fraction
    escalated_share: Fraction
    repeated_share: Fraction


@dataclass(frozen=True, slots=True)
class PricedPolicy:
    """The cost decisions of a policy, as (provider, model). `escalated` is None where every turn goes to `first`."""

    name: str
    stt: tuple[str, str]
    first: tuple[str, str]
    escalated: tuple[str, str] | None
    voice: tuple[str, str]
    prompt_cache: bool
    audio_cache: bool


@dataclass(frozen=True, slots=True)
class BillLine:
    """What one model or voice takes. `nano_usd` is None where the price book has no price."""

    service: Service
    provider: str
    model: str
    quantity: str
    nano_usd: int | None
    local: bool = False
    """It runs on a machine of one's own: it costs nothing, whatever its vendor would ask."""

    @property
    def model_name(self) -> str:
        """The model as people call it: cached speech has the name of the voice's model, and what is local says so."""
        name = f"cached {self.model}" if self.provider == CACHE else self.model
        return f"{name} · local" if self.local else name


@dataclass(frozen=True, slots=True)
class Bill:
    name: str
    lines: tuple[BillLine, ...]

    @property
    def nano_usd(self) -> int:
        """The sum of what has a price."""
        return sum(line.nano_usd or 0 for line in self.lines)

    @property
    def complete(self) -> bool:
        """Whether every line has a price."""
        return all(line.nano_usd is not None for line in self.lines)

    def of(self, service: Service) -> int | None:
        """Nano-dollars of one service; None as soon as one of its lines has no price."""
        return total(line.nano_usd for line in self.lines if line.service == service)


def bill(shape: UsageProfile, knobs: PricedPolicy, book: PriceBook, at: datetime) -> Bill:
    """The expected bill of one session at the prices of `at`, by component."""
    samples = round(shape.minutes * SAMPLES_PER_MINUTE)
    heard = _call("stt", knobs.stt, {Unit.AUDIO_SAMPLES: samples})
    cached = round(shape.characters * shape.repeated_share) if knobs.audio_cache else 0
    spoken = shape.characters - cached
    share = shape.escalated_share if knobs.escalated is not None else Fraction(0)
    lines = [
        BillLine("stt", *knobs.stt, f"{float(shape.minutes):g} min", _price(book, heard, at), _local(book, knobs.stt))
    ]
    for model, turns in ((knobs.first, shape.turns * (1 - share)), (knobs.escalated, shape.turns * share)):
        if model is not None and turns > 0:
            lines.append(_thinking(shape, model, turns, knobs.prompt_cache, book, at))
    said = _call("tts", knobs.voice, {Unit.CHARACTERS: spoken})
    lines.append(BillLine("tts", *knobs.voice, f"{spoken:,} chars", _price(book, said, at), _local(book, knobs.voice)))
    if cached:
        lines.append(BillLine("tts", CACHE, knobs.voice[1], f"{cached:,} chars", 0))
    return Bill(knobs.name, tuple(lines))


def _thinking(
    shape: UsageProfile, model: tuple[str, str], turns: Fraction, prompt_cache: bool, book: PriceBook, at: datetime
) -> BillLine:
    """The expected cost of `turns` turns (a fraction where a share of the turns escalates) on one model.

    A model's first turn writes the cacheable part of the prompt, every later one reads it: prompt caches are per model.
    """
    held = round(shape.prompt_tokens * shape.cached_share) if prompt_cache else 0
    fresh = shape.prompt_tokens - held
    common = {Unit.INPUT_TOKENS: fresh, Unit.OUTPUT_TOKENS: shape.reply_tokens}
    first = _price(book, _call("llm", model, common | {Unit.CACHE_WRITE_TOKENS: held}), at)
    later = _price(book, _call("llm", model, common | {Unit.CACHE_READ_TOKENS: held}), at)
    firsts = min(Fraction(1), turns)
    amount = None if first is None or later is None else round(first * firsts + later * (turns - firsts))
    return BillLine("llm", *model, f"{float(turns):g} turns", amount, _local(book, model))


def _local(book: PriceBook, model: tuple[str, str]) -> bool:
    return book.is_unpaid(model[0])


def _call(service: Service, model: tuple[str, str], quantities: dict[Unit, int]) -> Call:
    return Call(service, *model, "ok", 0.0, None, 0.0, Usage(quantities))


def _price(book: PriceBook, call: Call, at: datetime) -> int | None:
    return total(charge.nano_usd for charge in book.charge(call, at))


def total(amounts: Iterable[int | None]) -> int | None:
    """The sum, or None as soon as one amount is unknown."""
    sums = 0
    for amount in amounts:
        if amount is None:
            return None
        sums += amount
    return sums
