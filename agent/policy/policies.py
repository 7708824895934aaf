"""Policies and their assignment to tiers, loaded from `policies.toml` and checked in full before the service starts."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from agent.budgets import Tier
from agent.core.calls import Service
from agent.core.errors import ConfigurationError
from agent.policy.fields import MOST, as_table, chain, is_whole, one_of, only, switch, whole, words
from agent.policy.speed import (
    EarlyReplyRule,
    EarlyVoiceRule,
    FirstWordsRule,
    HedgingRule,
    early_replies_of,
    early_voice_of,
    first_words_of,
    hedging_of,
)
from agent.settings_providers import VoiceName

Model = Literal["haiku", "sonnet"]
SttModel = Literal["flux", "nova-3", "nova-2"]
VoiceModel = Literal[
    "eleven_flash_v2", "eleven_flash_v2_5", "eleven_turbo_v2", "eleven_turbo_v2_5", "eleven_multilingual_v2",
    "eleven_v3", "eleven_v3_conversational", "eleven_v4", "eleven_v4_turbo",
]  # fmt: skip
SttProvider = Literal["deepgram", "whisper", "browser"]
LlmProvider = Literal["sonnet", "haiku", "recorded"]
TtsProvider = Literal[VoiceName, "browser"]

MODELS: Final[tuple[Model, ...]] = get_args(Model)
TIERS: Final[tuple[Tier, ...]] = tuple(Tier)
POLICY_LIMIT: Final = 8
"""Policies at most: the name is a metric label, and the number of series has a bound."""
DEFAULT_PATH: Final = Path(__file__).with_name("policies.toml")

POLICY_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_KNOBS: Final = {
    "flux_threshold_percent": (50, 90), "flux_timeout_ms": (500, 60_000), "nova_silence_ms": (10, 5_000),
}  # fmt: skip
_BUCKETS: Final = 10_000  # of the hash of a session: weights are met to a hundredth of a percent


class PolicyFileError(ConfigurationError):
    """A policy file that cannot be used; its text is one line that names the file, the key and what the key takes."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """When a turn goes to Sonnet.

    char_threshold: an input of more characters than this escalates.
    term_turns: a technical term in as many last turns, the current one included, escalates.
    """

    enabled: bool
    char_threshold: int
    term_turns: int


@dataclass(frozen=True, slots=True)
class Chains:
    """The providers of each service in the order in which they are tried."""

    stt: tuple[SttProvider, ...]
    llm: tuple[LlmProvider, ...]
    tts: tuple[TtsProvider, ...]

    def llm_from(self, model: Model) -> tuple[LlmProvider, ...]:
        """The chain of a turn that was routed to `model`: that model first, then the others in their order."""
        return (model, *(name for name in self.llm if name != model))


@dataclass(frozen=True, slots=True)
class Endpointing:
    """What ends a turn of the caller.

    silence_ms: silence that does where the recogniser does not end the turn by itself.
    dictation_ms: the same in the middle of a number, a spelling or a sentence, whatever the recogniser says.
    flux_threshold_percent: how sure Flux has to be (`eot_threshold`, 50 to 90).
    flux_timeout_ms: silence after which Flux is sure in any case (`eot_timeout_ms`, 500 to 60000).
    nova_silence_ms: silence that Nova takes for the end (`endpointing`, 10 to 5000).
    None leaves the recogniser's own default, or this service's.
    """

    silence_ms: int = 1200
    dictation_ms: int = 1500
    flux_threshold_percent: int | None = None
    flux_timeout_ms: int | None = None
    nova_silence_ms: int | None = None


USUAL_ENDPOINTING: Final = Endpointing()


@dataclass(frozen=True, slots=True)
class Policy:
    """A named, versioned bundle of knobs. A session keeps its policy to the end; `name` is a metric label."""

    name: str
    version: int
    description: str
    first_model: Model
    escalation: Escalation
    stt_model: SttModel
    voice_model: VoiceModel
    audio_cache: bool
    prompt_cache: bool
    chains: Chains
    endpointing: Endpointing = USUAL_ENDPOINTING
    early_replies: EarlyReplyRule | None = None
    early_voice: EarlyVoiceRule | None = None
    hedging: HedgingRule | None = None
    first_words: FirstWordsRule | None = None

    def first_providers(self) -> tuple[tuple[Service, str], ...]:
        """(service, provider) that serves while all is well; both models of the language model are Anthropic's."""
        return ("stt", self.chains.stt[0]), ("llm", "anthropic"), ("tts", self.chains.tts[0])


@dataclass(frozen=True, slots=True)
class Assignment:
    """The policies of a tier's new sessions: (policy name, percent) in order; the percents sum to 100."""

    tier: Tier
    weights: tuple[tuple[str, int], ...]

    def pick(self, key: str) -> str:
        """The policy name for a session id: the same id always gets the same name while the weights stay."""
        return picked(self.weights, key)


def picked(weights: Iterable[tuple[str, int]], key: str) -> str:
    """One of these names, which have so many percent: the same key always gets the same while the weights stay."""
    digest = blake2b(key.encode(), digest_size=8).digest()
    bucket = int.from_bytes(digest) % _BUCKETS
    reached = 0
    for name, weight in weights:
        reached += weight * (_BUCKETS // 100)
        if bucket < reached:
            return name
    raise AssertionError("weights sum to 100, which is checked where they are put in force")


@dataclass(frozen=True, slots=True)
class PolicyBook:
    """All policies by name, the one that others are measured against, and the assignment of each tier."""

    policies: Mapping[str, Policy]
    baseline: str
    assignments: Mapping[Tier, Assignment]

    def assign(self, tier: Tier, key: str) -> Policy:
        """The policy of a new session: by the tier's weights and a hash of the session id `key`."""
        return self.policies[self.assignments[tier].pick(key)]

    def assigned(self, tier: str, weights: Mapping[str, int]) -> PolicyBook:
        """The same book with other weights for a tier. Raises ValueError (one line) for weights it cannot use."""
        known = Tier(tier)
        assignment = Assignment(known, _checked_weights(f"assignments.{tier}", weights, self.policies))
        return replace(self, assignments=MappingProxyType({**self.assignments, known: assignment}))


def load_policies(path: Path = DEFAULT_PATH) -> PolicyBook:
    """Reads and checks a policy file. Raises PolicyFileError with one line for the first thing that is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        return _book(document)
    except OSError as error:
        raise PolicyFileError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PolicyFileError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    except ValueError as error:  # tomllib.TOMLDecodeError is one
        raise PolicyFileError(f"{path}: {error}") from error


def _book(document: dict[str, Any]) -> PolicyBook:
    only(document, "", ("policy", "baseline", "assignments"))
    tables = document.get("policy")
    if not isinstance(tables, list) or not 1 <= len(tables) <= POLICY_LIMIT:
        raise ValueError(f"policy: takes 1 to {POLICY_LIMIT} tables [[policy]]")
    policies: dict[str, Policy] = {}
    for number, table in enumerate(tables, start=1):
        policy = _policy(as_table(table, f"policy {number}"), f"policy {number}")
        if policy.name in policies:
            raise ValueError(f"policy {number}: name {policy.name!r} is taken; takes one version of a policy at a time")
        policies[policy.name] = policy
    baseline = one_of(document, "", "baseline", tuple(policies))
    tiers = as_table(document.get("assignments"), "assignments")
    only(tiers, "assignments", TIERS)
    assignments: dict[Tier, Assignment] = {}
    for tier in TIERS:
        weights = as_table(tiers.get(tier), f"assignments.{tier}")
        assignments[tier] = Assignment(tier, _checked_weights(f"assignments.{tier}", weights, policies))
    return PolicyBook(MappingProxyType(policies), baseline, MappingProxyType(assignments))


def _policy(table: dict[str, Any], where: str) -> Policy:
    name = table.get("name")
    if not isinstance(name, str) or not POLICY_NAME.fullmatch(name):
        raise ValueError(f"{where}.name: takes lower-case letters, digits and _, at most 32, got {name!r}")
    where = f"policy {name}"
    only(table, where, Policy.__dataclass_fields__)
    policy = Policy(
        name=name,
        version=whole(table, where, "version", least=1),
        description=words(table, where, "description"),
        first_model=one_of(table, where, "first_model", MODELS),
        escalation=_escalation(as_table(table.get("escalation"), f"{where}.escalation"), f"{where}.escalation"),
        stt_model=one_of(table, where, "stt_model", get_args(SttModel)),
        voice_model=one_of(table, where, "voice_model", get_args(VoiceModel)),
        audio_cache=switch(table, where, "audio_cache"),
        prompt_cache=switch(table, where, "prompt_cache"),
        chains=_chains(as_table(table.get("chains"), f"{where}.chains"), f"{where}.chains"),
        endpointing=_endpointing(table.get("endpointing"), f"{where}.endpointing"),
        early_replies=early_replies_of(table, where),
        early_voice=early_voice_of(table, where),
        hedging=hedging_of(table, where),
        first_words=first_words_of(table, where),
    )
    needed: set[Model] = {policy.first_model, "sonnet"} if policy.escalation.enabled else {policy.first_model}
    for model in sorted(needed):
        if model not in policy.chains.llm:
            raise ValueError(f"{where}.chains.llm: must hold {model!r}, which first_model or escalation routes to")
    return policy


def _escalation(table: dict[str, Any], where: str) -> Escalation:
    only(table, where, Escalation.__dataclass_fields__)
    return Escalation(
        enabled=switch(table, where, "enabled"),
        char_threshold=whole(table, where, "char_threshold", least=0),
        term_turns=whole(table, where, "term_turns", least=0),
    )


def _endpointing(value: object, where: str) -> Endpointing:
    """What a policy says of it; the usual where it says nothing."""
    if value is None:
        return USUAL_ENDPOINTING
    table = as_table(value, where)
    only(table, where, Endpointing.__dataclass_fields__)
    least = {"silence_ms": 300, "dictation_ms": 0, **{key: bounds[0] for key, bounds in _KNOBS.items()}}
    given = {key: whole(table, where, key, least=least[key], most=_KNOBS.get(key, (0, MOST))[1]) for key in table}
    return replace(USUAL_ENDPOINTING, **given)


def _chains(table: dict[str, Any], where: str) -> Chains:
    only(table, where, Chains.__dataclass_fields__)
    return Chains(
        stt=chain(table, where, "stt", get_args(SttProvider)),
        llm=chain(table, where, "llm", get_args(LlmProvider)),
        tts=chain(table, where, "tts", get_args(TtsProvider)),
    )


def _checked_weights(
    where: str, weights: Mapping[str, Any], policies: Mapping[str, Policy]
) -> tuple[tuple[str, int], ...]:
    only(weights, where, policies)
    for name, weight in weights.items():
        if not is_whole(weight) or not 0 <= weight <= 100:
            raise ValueError(f"{where}.{name}: takes a whole number from 0 to 100 (percent), got {weight!r}")
    if (total := sum(weights.values())) != 100:
        raise ValueError(f"{where}: takes weights that sum to 100, these sum to {total}")
    return tuple((name, weights[name]) for name in policies if name in weights)  # in the order of the file
