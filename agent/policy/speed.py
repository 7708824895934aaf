"""The knobs of a policy that buy time: what each may do, what it may cost, and for which tiers it is on.

Off where a policy does not name them. docs/latency.md tells what each wins and costs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, Literal, get_args

from agent.budgets import Tier
from agent.policy.fields import as_table, one_of, only, some_of, switch, whole

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


@dataclass(frozen=True, slots=True)
class FirstWordsRule:
    """How hastily a reply begins.

    openings: frequent openings ("Of course.") are spoken once for each voice and process, and played from the cache.
    phrase_characters: so many characters of a first sentence without a pause may be spoken before the rest is there,
    up to where a phrase begins (16 to 120; 0: only pauses cut it).
    tiers: the callers for whom it is on.
    """

    openings: bool = True
    phrase_characters: int = 24
    tiers: tuple[Tier, ...] = ALL_TIERS


def first_words_of(policy: dict[str, Any], where: str) -> FirstWordsRule | None:
    """What a policy's table says of first words; None where it says nothing. Raises ValueError."""
    value = policy.get("first_words")
    if value is None:
        return None
    where += ".first_words"
    table = as_table(value, where)
    only(table, where, _names(FirstWordsRule))
    given: dict[str, Any] = {"tiers": some_of(table, where, "tiers", ALL_TIERS)}
    if "openings" in table:
        given["openings"] = switch(table, where, "openings")
    if table.get("phrase_characters", 0) != 0:
        given["phrase_characters"] = whole(table, where, "phrase_characters", least=16, most=120)
    elif "phrase_characters" in table:
        given["phrase_characters"] = 0
    rule = FirstWordsRule(**given)
    if rule.openings and policy.get("audio_cache") is not True:
        raise ValueError(f"{where}.openings: takes audio_cache = true, where they are kept")
    return rule


def early_replies_of(policy: dict[str, Any], where: str) -> EarlyReplyRule | None:
    """What a policy's table says of early replies; None where it says nothing. Raises ValueError."""
    value = policy.get("early_replies")
    if value is None:
        return None
    where += ".early_replies"
    table = as_table(value, where)
    only(table, where, _names(EarlyReplyRule))
    given: dict[str, Any] = {"tiers": some_of(table, where, "tiers", ALL_TIERS)}
    if "threshold_percent" in table:
        given["threshold_percent"] = whole(table, where, "threshold_percent", least=30, most=90)
        if policy.get("stt_model") != "flux":
            raise ValueError(f"{where}.threshold_percent: takes stt_model = 'flux'; others take stable_ms")
    if table.get("stable_ms", 0) != 0:
        given["stable_ms"] = whole(table, where, "stable_ms", least=40, most=1000)
    if not {"threshold_percent", "stable_ms"} & given.keys():
        raise ValueError(f"{where}: takes threshold_percent (Flux), stable_ms, or both")
    if "models" in table:
        given["models"] = some_of(table, where, "models", get_args(Asked))
    for key, (least, most) in _WASTE.items():
        if key in table:
            given[key] = whole(table, where, key, least=least, most=most)
    return EarlyReplyRule(**given)


def early_voice_of(policy: dict[str, Any], where: str) -> EarlyVoiceRule | None:
    """What a policy's table says of early voice; None where it says nothing. Raises ValueError."""
    value = policy.get("early_voice")
    if value is None:
        return None
    where += ".early_voice"
    table = as_table(value, where)
    only(table, where, _names(EarlyVoiceRule))
    if policy.get("early_replies") is None or policy.get("stt_model") != "flux":
        raise ValueError(f"{where}: takes early_replies, and stt_model = 'flux', which says how sure it is")
    given: dict[str, Any] = {"tiers": some_of(table, where, "tiers", ALL_TIERS)}
    for key, (least, most) in {"confidence_percent": (30, 90), **_WASTE}.items():
        if key in table:
            given[key] = whole(table, where, key, least=least, most=most)
    return EarlyVoiceRule(**given)


def hedging_of(policy: dict[str, Any], where: str) -> HedgingRule | None:
    """What a policy's table says of second calls; None where it says nothing. Raises ValueError."""
    value = policy.get("hedging")
    if value is None:
        return None
    where += ".hedging"
    table = as_table(value, where)
    only(table, where, _names(HedgingRule))
    given: dict[str, Any] = {"tiers": some_of(table, where, "tiers", ALL_TIERS)}
    for key, (least, most) in _HEDGING.items():
        if key in table:
            given[key] = whole(table, where, key, least=least, most=most)
    if "second" in table:
        given["second"] = one_of(table, where, "second", get_args(Second))
    if "at_once" in table:
        given["at_once"] = some_of(table, where, "at_once", get_args(Asked))
    return HedgingRule(**given)


_WASTE: Final = {"waste_percent": (1, 100), "waste_cents_hour": (0, 100_000)}
_HEDGING: Final = {
    "quantile_percent": (50, 99), "model_percent": (0, 100), "voice_percent": (0, 50), "waste_percent": (1, 100),
}  # fmt: skip


def _names(rule: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(rule))
