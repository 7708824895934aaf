"""The knobs of a policy that buy time: what each may do, what it may cost, and for which tiers it is on.

Off where a policy does not name them. docs/latency.md tells what each wins and costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, get_args

from agent.budgets import Tier
from agent.policy.fields import as_table, is_whole, one_of, only, some_of, switch, whole

Second = Literal["same", "fallback"]
Asked = Literal["haiku", "sonnet"]
ALL_TIERS: Final = tuple(Tier)


@dataclass(frozen=True, slots=True)
class EarlyReplyRule:
    """When the model is asked before the end of a turn is certain.

    threshold_percent: how sure Flux is then (`eager_eot_threshold`, 30 to 90). Lower is earlier, and more often in
    vain. None: Flux is not asked for early ends; other recognisers know none.
    stable_ms: words that have stood for so long, in silence, and look complete are taken for the end (40 to 1000; 0:
    never). For every recogniser; docs/latency.md says who judges.
    models: those that may be asked early. A guess in vain of the dear one costs twenty of the cheap one.
    waste_percent: of the latest guesses in vain, and waste_cents_hour: paid for those in an hour by one process; above
    either the governor switches the knob off for a while.
    tiers: the callers for whom it is on.
    """

    threshold_percent: int | None = None
    stable_ms: int = 0
    models: tuple[Asked, ...] = ("haiku", "sonnet")
    waste_percent: int = 60
    waste_cents_hour: int = 100
    tiers: tuple[Tier, ...] = ALL_TIERS


@dataclass(frozen=True, slots=True)
class EarlyVoiceRule:
    """When the first clause of an early reply is spoken, unheard, before the end of the turn is certain.

    confidence_percent: how sure Flux is then that the turn is over (30 to 90).
    waste_percent: of the latest clauses spoken in vain, and waste_cents_hour: paid for those in an hour by one process;
    above either the governor switches the knob off for a while.
    tiers: the callers for whom it is on.
    """

    confidence_percent: int = 60
    waste_percent: int = 30
    waste_cents_hour: int = 50
    tiers: tuple[Tier, ...] = ALL_TIERS


@dataclass(frozen=True, slots=True)
class HedgingRule:
    """When a call that is late is made a second time beside the first.

    quantile_percent: a call is late when it takes longer than so many of its model's or voice's latest did (50 to 99).
    voice_quantile_percent: the same for voices alone; None: `quantile_percent`. Their second calls are dear, so that it
    pays to make them for the very latest only.
    model_percent, voice_percent: second calls at most, for each hundred first ones (0 to 100 and to 50; 0: none).
    at_once: the models that are asked twice from the beginning, as far as `model_percent` reaches: for the cheap one.
    second: whom the second call of a model goes to: `same`, or `fallback`, the next model of the chain. A voice is
    always asked itself: a reply does not change its voice for being late.
    waste_percent: of the latest second calls in vain; above, the governor switches the knob off for a while.
    tiers: the callers for whom it is on.
    """

    quantile_percent: int = 95
    model_percent: int = 5
    voice_percent: int = 2
    second: Second = "same"
    at_once: tuple[Asked, ...] = ()
    waste_percent: int = 90
    tiers: tuple[Tier, ...] = ALL_TIERS
    voice_quantile_percent: int | None = None


@dataclass(frozen=True, slots=True)
class FirstWordsRule:
    """How hastily a reply begins.

    openings: frequent openings ("Of course.") are spoken once for each voice and process, and played from the cache.
    ask_openings: the prompt asks the model to begin with a few of them where they fit; takes `openings`.
    phrase_characters: so many characters of a first sentence without a pause may be spoken before the rest is there,
    up to where a phrase begins (16 to 120; 0: only pauses cut it).
    tiers: the callers for whom it is on.
    """

    openings: bool = True
    ask_openings: bool = False
    phrase_characters: int = 24
    tiers: tuple[Tier, ...] = ALL_TIERS


def first_words_of(policy: dict[str, Any], where: str) -> FirstWordsRule | None:
    """What a policy's table says of first words; None where it says nothing. Raises ValueError."""
    knob = _knob(policy, where, "first_words", FirstWordsRule)
    if knob is None:
        return None
    given = knob.numbers({"phrase_characters": (16, 120)}, zeros=("phrase_characters",))
    for name in ("openings", "ask_openings"):
        if name in knob.table:
            given[name] = switch(knob.table, knob.where, name)
    rule = FirstWordsRule(tiers=knob.tiers(), **given)
    if rule.openings and policy.get("audio_cache") is not True:
        raise ValueError(f"{knob.where}.openings: takes audio_cache = true, where they are kept")
    if rule.ask_openings and not rule.openings:
        raise ValueError(f"{knob.where}.ask_openings: takes openings = true: others are not recorded")
    return rule


def early_replies_of(policy: dict[str, Any], where: str) -> EarlyReplyRule | None:
    """What a policy's table says of early replies; None where it says nothing. Raises ValueError."""
    knob = _knob(policy, where, "early_replies", EarlyReplyRule)
    if knob is None:
        return None
    given = knob.numbers({"threshold_percent": (30, 90), "stable_ms": (40, 1000), **_WASTE}, zeros=("stable_ms",))
    if "threshold_percent" in given and policy.get("stt_model") != "flux":
        raise ValueError(f"{knob.where}.threshold_percent: takes stt_model = 'flux'; others take stable_ms")
    if "threshold_percent" not in given and not given.get("stable_ms"):
        raise ValueError(f"{knob.where}: takes threshold_percent (Flux), stable_ms, or both")
    if "models" in knob.table:
        given["models"] = some_of(knob.table, knob.where, "models", get_args(Asked))
    return EarlyReplyRule(tiers=knob.tiers(), **given)


def early_voice_of(policy: dict[str, Any], where: str) -> EarlyVoiceRule | None:
    """What a policy's table says of early voice; None where it says nothing. Raises ValueError."""
    knob = _knob(policy, where, "early_voice", EarlyVoiceRule)
    if knob is None:
        return None
    if policy.get("early_replies") is None or policy.get("stt_model") != "flux":
        raise ValueError(f"{knob.where}: takes early_replies, and stt_model = 'flux', which says how sure it is")
    return EarlyVoiceRule(tiers=knob.tiers(), **knob.numbers({"confidence_percent": (30, 90), **_WASTE}))


def hedging_of(policy: dict[str, Any], where: str) -> HedgingRule | None:
    """What a policy's table says of second calls; None where it says nothing. Raises ValueError."""
    knob = _knob(policy, where, "hedging", HedgingRule)
    if knob is None:
        return None
    given = knob.numbers(_HEDGING)
    if "second" in knob.table:
        given["second"] = one_of(knob.table, knob.where, "second", get_args(Second))
    if "at_once" in knob.table:
        given["at_once"] = some_of(knob.table, knob.where, "at_once", get_args(Asked))
    return HedgingRule(tiers=knob.tiers(), **given)


_Bounds = tuple[int, int]
_WASTE: Final[dict[str, _Bounds]] = {"waste_percent": (1, 100), "waste_cents_hour": (0, 100_000)}
_HEDGING: Final[dict[str, _Bounds]] = {
    "quantile_percent": (50, 99), "voice_quantile_percent": (50, 99), "model_percent": (0, 100),
    "voice_percent": (0, 50), "waste_percent": (1, 100),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Knob:
    """The table of one knob and its place in the file."""

    table: dict[str, Any]
    where: str

    def tiers(self) -> tuple[Tier, ...]:
        return some_of(self.table, self.where, "tiers", ALL_TIERS)

    def numbers(self, bounds: Mapping[str, _Bounds], zeros: tuple[str, ...] = ()) -> dict[str, Any]:
        """The whole numbers that are given; those of `zeros` may be 0 beside their bounds."""
        given: dict[str, Any] = {}
        for key, (least, most) in bounds.items():
            if key not in self.table:
                continue
            off = key in zeros and is_whole(self.table[key]) and self.table[key] == 0
            given[key] = 0 if off else whole(self.table, self.where, key, least=least, most=most)
        return given


def _knob(policy: dict[str, Any], where: str, name: str, rule: type[Any]) -> _Knob | None:
    value = policy.get(name)
    if value is None:
        return None
    where = f"{where}.{name}"
    table = as_table(value, where)
    only(table, where, tuple(field.name for field in fields(rule)))
    return _Knob(table, where)
