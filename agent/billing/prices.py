"""The price book: loads and checks `prices.toml`, and turns a provider call into exact charges.

Money is integer nano-dollars (1 USD = 1,000,000,000), rounded once per charge, half to even. What has no price is
*unpriced*: a charge without an amount, never one of $0.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from agent.core.calls import TOOL, Call, PaidService, Unit
from agent.core.errors import ConfigurationError

DEFAULT_FILE: Final = Path(__file__).with_name("prices.toml")
NANO: Final = 1_000_000_000  # nano-dollars in a dollar
SAMPLES_PER_MINUTE: Final = 16_000 * 60  # Unit.AUDIO_SAMPLES are samples at 16 kHz
ANY_MODEL: Final = "*"
_PROMPT: Final = (Unit.INPUT_TOKENS, Unit.CACHE_WRITE_TOKENS, Unit.CACHE_READ_TOKENS)
_DEAREST: Final = 10_000  # dollars for one of its units: more is a slip of the keyboard
OWN: Final = "own machine"
"""The version of the price of what runs on a machine of one's own: $0."""
_FOREVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Charge:
    """One unit of one call, priced. `nano_usd` and `price_version` are None where the book has no price."""

    service: PaidService
    provider: str
    model: str
    unit: Unit
    quantity: int
    nano_usd: int | None
    price_version: str | None
    estimated: bool


@dataclass(frozen=True, slots=True)
class UnitPrice:
    """A price in force from `start` to `end` (UTC, end exclusive).

    A quantity costs quantity * numerator / denominator nano-dollars. Where the call's whole prompt has more than
    `long_over` tokens, `long_numerator` over the same denominator counts instead.
    """

    start: datetime
    end: datetime
    numerator: int
    denominator: int
    long_over: int | None
    long_numerator: int
    version: str
    source: str
    model_ends: datetime | None = None

    def amount(self, quantity: int, prompt_tokens: int = 0) -> int:
        """Nano-dollars of a quantity, in a call whose whole prompt has so many tokens."""
        long = self.long_over is not None and prompt_tokens > self.long_over
        return half_even(quantity * (self.long_numerator if long else self.numerator), self.denominator)


_OWN_PRICE: Final = UnitPrice(
    datetime.min.replace(tzinfo=UTC), _FOREVER, 0, 1, None, 0, OWN, "runs on a machine of one's own"
)

RateKey = tuple[str, str, Unit]


class PriceBook:
    """All prices with their dates. Frozen after loading; `charge` is pure and safe to share."""

    __slots__ = ("_ends", "_rates", "_unpaid", "models")

    def __init__(self, rates: Mapping[RateKey, tuple[UnitPrice, ...]], unpaid: frozenset[str] = frozenset()) -> None:
        """`unpaid` providers run on machines of one's own: whatever they are asked for costs $0."""
        self._unpaid = unpaid
        self._ends = {key[:2]: rate.model_ends for key, held in rates.items() for rate in held if rate.model_ends}
        self._rates = dict(rates)
        self.models = frozenset((provider, model) for provider, model, _ in rates if model != ANY_MODEL)

    def without_paying(self, providers: frozenset[str]) -> PriceBook:
        """This book where these providers run on machines of one's own."""
        return PriceBook(self._rates, self._unpaid | providers)

    def is_unpaid(self, provider: str) -> bool:
        """Whether it runs on a machine of one's own."""
        return provider in self._unpaid

    def rate(self, provider: str, model: str, unit: Unit, at: datetime) -> UnitPrice | None:
        """The price in force at `at` (timezone-aware), or None.

        A dated model id (`…-20251001`) has the price of its family, where it has none of its own.
        """
        if provider in self._unpaid:
            return _OWN_PRICE
        for name in (model, _family(model), ANY_MODEL):
            found = self._rates.get((provider, name, unit))
            if found is not None:
                return next((rate for rate in found if rate.start <= at < rate.end), None)
        return None

    def charge(self, call: Call, at: datetime) -> tuple[Charge, ...]:
        """The charges of one call at the prices of `at` (timezone-aware): one for each unit it used."""
        usage = call.usage
        prompt = sum(usage.quantities.get(unit, 0) for unit in _PROMPT) if call.service == "llm" else 0
        charges: list[Charge] = []
        for unit, quantity in usage.quantities.items():
            if quantity <= 0:
                continue
            rate = self.rate(call.provider, call.model, unit, at)
            amount, version = (None, None) if rate is None else (rate.amount(quantity, prompt), rate.version)
            charges.append(
                Charge(call.service, call.provider, call.model, unit, quantity, amount, version, usage.estimated)
            )
        return tuple(charges)

    def tool_charge(self, name: str, calls: int, at: datetime, *, estimated: bool = False) -> Charge | None:
        """What so many calls of a tool cost; None for a tool without a price, which costs nothing."""
        rate = self.rate(TOOL, name, Unit.CALLS, at)
        if rate is None or calls <= 0:
            return None
        return Charge(TOOL, TOOL, name, Unit.CALLS, calls, rate.amount(calls), rate.version, estimated)

    @property
    def tools(self) -> frozenset[str]:
        """The tools that have a price."""
        return frozenset(model for provider, model, _ in self._rates if provider == TOOL)

    def ends(self, provider: str, model: str) -> datetime | None:
        """When the vendor switches a model off, as far as it has said so (UTC)."""
        return self._ends.get((provider, model)) or self._ends.get((provider, _family(model)))

    def speech_rate(self, model: str, at: datetime) -> UnitPrice | None:
        """What a character costs with this voice model, whoever sells it; None when nobody does."""
        for provider, name in sorted(self.models):
            if name == model and (rate := self.rate(provider, name, Unit.CHARACTERS, at)) is not None:
                return rate
        return None

    def rates(self) -> Iterator[tuple[RateKey, UnitPrice]]:
        """Every price of the book, by provider, model, unit and date."""
        for key in sorted(self._rates):
            for rate in self._rates[key]:
                yield key, rate


def _family(model: str) -> str:
    family, _, day = model.rpartition("-")
    return family if len(day) == 8 and day.isdigit() else model


def half_even(numerator: int, denominator: int) -> int:
    """numerator / denominator rounded to the nearest whole number, halves to the even one; denominator > 0."""
    whole, rest = divmod(numerator, denominator)
    twice = 2 * rest
    return whole + (twice > denominator or (twice == denominator and whole & 1 == 1))


def usd(nano_usd: int) -> float:
    """Nano-dollars as dollars, for display and metrics; sums are made of nano-dollars."""
    return nano_usd / NANO


# The file


class _Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input: Decimal
    cache_write: Decimal
    cache_read: Decimal
    output: Decimal


class _LongPrompt(_Tokens, frozen=True, forbid_unknown_fields=True):
    over_tokens: int


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    provider: str
    models: tuple[str, ...]
    effective_from: date
    source: str
    effective_until: date | None = None
    usd_per_audio_minute: Decimal | None = None
    usd_per_1000_characters: Decimal | None = None
    usd_per_million_tokens: _Tokens | None = None
    usd_per_call: Decimal | None = None
    model_ends: date | None = None
    long_prompt: _LongPrompt | None = None


class _PriceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    price: tuple[_Entry, ...]


def load_prices(override: Path | None = None) -> PriceBook:
    """Reads the shipped prices and an override file. Raises ConfigurationError with one line of what is wrong."""
    rates = _read(DEFAULT_FILE)
    if override is not None:
        own = _read(override)
        replaced = {(provider, model) for provider, model, _ in own}
        rates = {key: value for key, value in rates.items() if key[:2] not in replaced} | own
    return PriceBook(rates)


def _read(path: Path) -> dict[RateKey, tuple[UnitPrice, ...]]:
    try:
        content = path.read_bytes()
        raw = msgspec.convert(tomllib.loads(content.decode(), parse_float=Decimal), _PriceFile)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    digest = hashlib.sha256(content).hexdigest()[:8]
    found: dict[RateKey, list[UnitPrice]] = {}
    for entry in raw.price:
        try:
            rates = list(_rates_of(entry, digest))
        except ValueError as error:
            raise ConfigurationError(f"{path}: {_name(entry)}: {error}") from None
        for key, rate in rates:
            found.setdefault(key, []).append(rate)
    return {key: _in_order(path, key, rates) for key, rates in found.items()}


def _name(entry: _Entry) -> str:
    return f"{entry.provider} {', '.join(entry.models)} from {entry.effective_from}"


def _rates_of(entry: _Entry, digest: str) -> Iterator[tuple[RateKey, UnitPrice]]:
    """The rates of one entry of the file. Raises ValueError with what it takes."""
    if not entry.provider or not entry.models or not all(entry.models):
        raise ValueError("takes a provider and at least one model")
    if not entry.source.strip():
        raise ValueError("takes a source")
    if entry.effective_until is not None and entry.effective_until <= entry.effective_from:
        raise ValueError("takes an effective_until after effective_from")
    end = _FOREVER if entry.effective_until is None else _midnight(entry.effective_until)
    for unit, (price, long), per in _units_of(entry):
        for amount in (price, long):
            if not amount.is_finite() or not 0 <= amount <= _DEAREST:
                raise ValueError(f"{unit}: a price takes dollars that are not negative and at most {_DEAREST:,}")
        exact, exact_long = Fraction(price) * NANO / per, Fraction(long) * NANO / per
        scale = math.lcm(exact.denominator, exact_long.denominator)
        rate = UnitPrice(
            start=_midnight(entry.effective_from),
            end=end,
            numerator=int(exact * scale),
            denominator=scale,
            long_over=entry.long_prompt.over_tokens if entry.long_prompt else None,
            long_numerator=int(exact_long * scale),
            version=f"{entry.effective_from}/{digest}",
            source=entry.source,
            model_ends=None if entry.model_ends is None else _midnight(entry.model_ends),
        )
        for model in entry.models:
            yield (entry.provider, model, unit), rate


def _units_of(entry: _Entry) -> Iterator[tuple[Unit, tuple[Decimal, Decimal], int]]:
    """(unit, (price, price of a long prompt), how many units the price is for). Raises ValueError."""
    minute, characters, tokens = entry.usd_per_audio_minute, entry.usd_per_1000_characters, entry.usd_per_million_tokens
    if sum(value is not None for value in (minute, characters, tokens, entry.usd_per_call)) != 1:
        raise ValueError(
            "takes exactly one unit: usd_per_audio_minute, usd_per_1000_characters, usd_per_million_tokens or"
            " usd_per_call"
        )
    if (entry.usd_per_call is None) == (entry.provider == TOOL):
        raise ValueError(f"usd_per_call is the unit of the provider {TOOL}, whose models are names of tools")
    if entry.usd_per_call is not None:
        yield Unit.CALLS, (entry.usd_per_call, entry.usd_per_call), 1
    if entry.long_prompt is not None and (tokens is None or entry.long_prompt.over_tokens <= 0):
        raise ValueError("long_prompt takes over_tokens above 0 and goes with usd_per_million_tokens")
    if minute is not None:
        yield Unit.AUDIO_SAMPLES, (minute, minute), SAMPLES_PER_MINUTE
    if characters is not None:
        yield Unit.CHARACTERS, (characters, characters), 1_000
    if tokens is not None:
        long = entry.long_prompt or tokens
        yield Unit.INPUT_TOKENS, (tokens.input, long.input), 1_000_000
        yield Unit.CACHE_WRITE_TOKENS, (tokens.cache_write, long.cache_write), 1_000_000
        yield Unit.CACHE_READ_TOKENS, (tokens.cache_read, long.cache_read), 1_000_000
        yield Unit.OUTPUT_TOKENS, (tokens.output, long.output), 1_000_000


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _in_order(path: Path, key: RateKey, rates: list[UnitPrice]) -> tuple[UnitPrice, ...]:
    """Sorted by start, each open end closed by the next start, newest first. Raises ConfigurationError on overlaps."""
    rates = sorted(rates, key=lambda rate: rate.start)
    closed: list[UnitPrice] = []
    for rate, following in pairwise(rates):
        open_ended = rate.end == _FOREVER
        if rate.start == following.start or (not open_ended and rate.end > following.start):
            provider, model, unit = key
            raise ConfigurationError(
                f"{path}: {provider} {model}: two prices of {unit} overlap on {following.start.date()};"
                " end the earlier one with effective_until or remove one"
            )
        closed.append(dataclasses.replace(rate, end=following.start) if open_ended else rate)
    return (rates[-1], *reversed(closed))
