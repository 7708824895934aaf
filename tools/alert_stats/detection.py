"""How surely and how soon the verdict finds a policy that makes three times more turns slow than it may."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from alerts.recording.model import MIN_SESSIONS, MIN_TURNS
from alerts.recording.verdict import MIN_SLOW_SESSIONS
from tests.support.promtool_output import SeriesSeen, asked
from tests.support.traffic_model import SimulatedService

HEALTHY: Final = 0.02
BAD: Final = 0.15
ALERT: Final = "VoiceAgentRollBackExperience"


@dataclass(frozen=True, slots=True)
class Run:
    """One seeded service. Minutes count from the change; None is never, in the time that was watched."""

    sample: int | None
    """When the bad share had as many turns and ended calls as the verdict asks for."""
    evidence: int | None
    """When it also had as many calls with two slow turns."""
    verdict: int | None
    """When the verdict first said ROLL BACK."""
    alert: int | None
    """When the alert that rolls back first fired."""
    too_early: bool
    """The verdict said ROLL BACK while all was well."""

    def found_within(self, minutes: int) -> bool:
        """Whether the verdict was there so many minutes after the sample."""
        return _by(self.verdict, self.sample, minutes)

    def follows_evidence(self, minutes: int) -> bool:
        """Whether the verdict was there so many minutes after the evidence."""
        return _by(self.verdict, self.evidence, minutes)


@dataclass(frozen=True, slots=True)
class Detection:
    """Seeded runs of one kind of service."""

    calls_an_hour: float
    correlation: float
    healthy_hours: float
    """How long all was well before; 0 is a policy that was bad from its first call."""
    hours: float
    """How long it was watched after the change."""
    runs: tuple[Run, ...]

    def found_within(self, minutes: int) -> float:
        """Share of the runs that were found so many minutes after their sample was there."""
        return sum(run.found_within(minutes) for run in self.runs) / len(self.runs)

    def follows_evidence(self, minutes: int) -> float:
        """Share of the runs that were found so many minutes after their evidence was there."""
        return sum(run.follows_evidence(minutes) for run in self.runs) / len(self.runs)

    def found(self) -> float:
        """Share of the runs that were found at all."""
        return sum(run.verdict is not None for run in self.runs) / len(self.runs)


def detection(
    calls_an_hour: float, correlation: float, healthy_hours: float, hours: float, seeds: Sequence[int], every: int
) -> Detection:
    """Lets a policy turn bad in a service per seed; rules are evaluated every so many minutes. Raises PromtoolError."""
    changed = int(healthy_hours * 60)
    services = [
        SimulatedService(
            f"seed{seed}",
            seed,
            calls_an_hour,
            changed + int(hours * 60),
            HEALTHY,
            BAD,
            turns_bad=changed,
            correlation=correlation,
        )
        for seed in seeds
    ]
    seen = asked(services, ["verdict", "firing"], every)
    of = {service.name: [series for series in seen if series.labels["tier"] == service.name] for service in services}
    runs = tuple(_run(service, of[service.name], changed) for service in services)
    return Detection(calls_an_hour, correlation, healthy_hours, hours, runs)


def _run(service: SimulatedService, seen: Sequence[SeriesSeen], changed: int) -> Run:
    verdicts = [one.minute for one in seen if one.question == "verdict"]
    alerts = [one.minute for one in seen if one.labels.get("alertname") == ALERT]
    sample = service.enough_since_change(MIN_TURNS, MIN_SESSIONS)
    evidence = service.enough_since_change(MIN_TURNS, MIN_SESSIONS, MIN_SLOW_SESSIONS)
    return Run(
        None if sample is None else sample - changed,
        None if evidence is None else evidence - changed,
        _first_after(verdicts, changed),
        _first_after(alerts, changed),
        any(minute <= changed for minute in verdicts),
    )


def _by(moment: int | None, since: int | None, minutes: int) -> bool:
    return moment is not None and since is not None and moment <= since + minutes


def _first_after(minutes: Iterable[int], changed: int) -> int | None:
    return min((minute - changed for minute in minutes if minute > changed), default=None)
