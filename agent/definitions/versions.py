"""Versions of an agent: which of them new sessions get, by the same weights and rollbacks as policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from agent.core.errors import AgentError
from agent.definitions.definition import AgentDefinition
from agent.policy.policies import picked

VERSIONS_LIMIT: Final = 4
"""Versions of one agent that lie beside each other at most."""
LIVE_LIMIT: Final = 2
"""Versions that new sessions of one agent get at most: one that is tried, and one that it is compared with."""

Role = Literal["stable", "canary"]
ROLES: Final[tuple[Role, ...]] = ("stable", "canary")
"""What a version is to its agent: a metric label."""


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """A version that new sessions of an agent get, and how many percent of them."""

    agent: str
    version: int
    role: Role
    percent: int


@dataclass(frozen=True, slots=True)
class AgentVersions:
    """All versions of one agent. `usual` is that of the file `name.toml`; the others are `name-version.toml`."""

    usual: AgentDefinition
    by_number: Mapping[int, AgentDefinition]

    @property
    def baseline(self) -> str:
        """What everybody gets until something is assigned."""
        return str(self.usual.version)

    def assigned(self, tier: str, weights: Mapping[str, int]) -> Mapping[str, int]:
        """The weights without those of nobody; `tier` is the agent. Raises ValueError (one line) where they are none.

        Unlike the weights of policies they name two versions at most.
        """
        shares = {version: percent for version, percent in weights.items() if percent}
        known = ", ".join(map(str, sorted(self.by_number)))
        for version, percent in shares.items():
            if not version.isdecimal() or int(version) not in self.by_number:
                raise ValueError(f"{tier}: there is no version {version[:20]}: there are {known}")
            if not 1 <= percent <= 100:
                raise ValueError(f"{tier}: version {version} takes a whole number from 0 to 100 (percent)")
        if sum(shares.values()) != 100:
            raise ValueError(f"{tier}: takes weights that sum to 100, these sum to {sum(shares.values())}")
        if len(shares) > LIVE_LIMIT:
            raise ValueError(f"{tier}: takes {LIVE_LIMIT} versions at once, so that each is measured")
        return shares

    def live(self, weights: Mapping[str, int] | None) -> tuple[LiveVersion, ...]:
        """The versions that new sessions get under these weights, the stable one first.

        Weights that name what is not there any more are none: then everybody gets the usual one.
        """
        try:
            shares = self.assigned(self.usual.name, weights or {self.baseline: 100})
        except ValueError:
            shares = {self.baseline: 100}
        stable = stable_of(shares, self.baseline)
        ordered = sorted(shares, key=lambda version: (version != stable, int(version)))
        return tuple(
            LiveVersion(self.usual.name, int(version), "stable" if version == stable else "canary", shares[version])
            for version in ordered
        )

    def pick(self, weights: Mapping[str, int] | None, session_id: str) -> tuple[AgentDefinition, Role]:
        """The version of a new session: the same id always gets the same one while the weights stay.

        It does not hang together with the session's policy, which is drawn from the same id.
        """
        live = self.live(weights)
        number = picked([(str(one.version), one.percent) for one in live], f"agent version/{session_id}")
        return self.by_number[int(number)], self.role(weights, int(number))

    def role(self, weights: Mapping[str, int] | None, version: int) -> Role:
        """What a version is now; one that new sessions do not get any more is what it was tried as."""
        live: dict[int, Role] = {one.version: one.role for one in self.live(weights)}
        return live.get(version, "stable" if version == self.usual.version else "canary")


class VersionError(AgentError):
    """A version that cannot be tried or promoted; its text is one line that says why and what can be done."""


class UnknownAgentError(VersionError):
    """There is no agent of this name."""


def canary_weights(versions: AgentVersions, now: Mapping[str, int] | None, version: int, share: int) -> dict[str, int]:
    """The weights that give `version` so many percent of new sessions, and the rest to the stable one.

    Raises VersionError.
    """
    name, (stable, *tried) = versions.usual.name, versions.live(now)
    if version not in versions.by_number:
        known = ", ".join(map(str, sorted(versions.by_number)))
        raise VersionError(f"{name}: there is no version {version}: there are {known}")
    if tried and tried[0].version != version:
        raise VersionError(
            f"{name}: version {tried[0].version} is tried already: promote it or roll it back before another"
        )
    weights = {str(stable.version): 100 - share, str(version): share}
    if version == stable.version or stable_of(weights, versions.baseline) != str(stable.version):
        raise VersionError(
            f"{name}: version {version} is what others are compared with: `voice-agent agent promote {name} {version}`"
            " gives it to everybody"
        )
    return weights


def promoted(
    versions: AgentVersions, now: Mapping[str, int] | None, version: int | None, holdout: int = 0
) -> dict[str, int]:
    """The weights that give everybody a version, or the one that is tried. Raises VersionError.

    With a `holdout` so many percent of new sessions stay with the stable version, so that both can be compared.
    """
    name, (_, *tried) = versions.usual.name, versions.live(now)
    if version is None and not tried:
        raise VersionError(f"{name}: no version is tried: say which one everybody is to get")
    chosen = tried[0].version if version is None else version
    return canary_weights(versions, now, chosen, 100 - holdout) if holdout else {str(chosen): 100}


def stable_of(shares: Mapping[str, int], baseline: str) -> str:
    """The version that the other one is compared with: the usual one while sessions get it, else the older one.

    It does not hang on the shares: a canary that gets more sessions stays one.
    """
    return min(shares, key=lambda version: (version != baseline, int(version)))


def grouped(definitions: Iterable[AgentDefinition]) -> tuple[dict[str, AgentVersions], list[str]]:
    """All agents by name with their versions, and what is wrong with these."""
    found: dict[str, dict[int, AgentDefinition]] = {}
    usual: dict[str, AgentDefinition] = {}
    problems: list[str] = []
    for one in sorted(definitions, key=lambda one: one.path.stem != one.name):  # the usual ones first
        numbers = found.setdefault(one.name, {})
        if one.version in numbers:
            other = numbers[one.version].path.name
            problems.append(f"{one.path}:{one.line('version')}: version: {one.version} is that of {other}, too")
        numbers[one.version] = one
        if one.path.stem == one.name:
            usual[one.name] = one
    for name, numbers in found.items():
        first = next(iter(numbers.values()))
        if name not in usual:
            problems.append(f"{first.path}:1: there is no {name}.toml, which answers until a version is assigned")
        elif len(numbers) > VERSIONS_LIMIT:
            problems.append(f"{first.path}:1: {name} has more than {VERSIONS_LIMIT} versions")
    return {name: AgentVersions(usual[name], numbers) for name, numbers in found.items() if name in usual}, problems
