"""What the generated rules and the real judgement make of the runs of `closed_loop`: when found, when rolled back."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from agent.budgets import Tier
from agent.policy.comparison import Comparison
from agent.policy.decisions import Evidence, Outcome, RollbackAlert, RollbackLimits, judge
from agent.telemetry import catalog
from agent.telemetry.recorded_metrics import ROLL_BACK
from alerts.groups import alert_groups
from alerts.promql import equal, select
from alerts.recording.groups import recording_groups
from alerts.recording.signals import ENOUGH
from tests.support.promtool_output import PromtoolError
from tools.alert_stats.closed_loop import BEGAN, BOOK, JUDGED, Played

FOUND: Final = "VoiceAgentPolicySuspected"
ROLLS: Final = "VoiceAgentRollBackExperience"
LIMITS: Final = RollbackLimits("auto", timedelta(minutes=30), 2)


@dataclass(frozen=True, slots=True)
class DecidedRun:
    """Hours from the start. `found` and `rolled_back` are the beginnings of each time that it was so."""

    found: tuple[float, ...]
    rolled_back: tuple[float, ...]
    common_cause: bool

    def first(self, times: Sequence[float], since: float) -> float:
        """The first after `since`, in hours after it; infinite where there is none."""
        return min((hour - since for hour in times if hour >= since), default=float("inf"))


def decide(runs: Sequence[Played], hours: float, every_min: int) -> list[DecidedRun]:
    """The rules are evaluated every so many minutes. Raises PromtoolError."""
    firing = _firing(runs, hours, every_min)
    return [_decided(run, firing.get(f"run{number}", {}), every_min) for number, run in enumerate(runs)]


def _decided(run: Played, firing: Mapping[str, Sequence[int]], every: int) -> DecidedRun:
    rolled = [minute for minute in firing.get(ROLLS, ()) if _rolls_back(run, minute)]
    found = sorted({*firing.get(FOUND, ()), *firing.get(ROLLS, ())})
    held = any(one.finding.breach and one.finding.comparison is Comparison.COMMON_CAUSE for one in run.moments)
    return DecidedRun(_beginnings(found, every), _beginnings(rolled, every), held)


def _rolls_back(run: Played, minute: int) -> bool:
    """What the service makes of the alert at this minute."""
    at = BEGAN + timedelta(minutes=minute)
    known = [moment for moment in run.moments if moment.hour * 60 <= minute]
    history = [revision for revision in run.history if revision.at <= at]
    alert = RollbackAlert(ROLLS, "f", at, Tier.FREE, JUDGED, "experience")
    facts = Evidence(ROLL_BACK, baseline_enough=True, comparison=known[-1].finding.comparison)
    return judge(alert, facts, BOOK, history, (), LIMITS, at).outcome is Outcome.ROLLED_BACK


def _beginnings(minutes: Sequence[int], every: int) -> tuple[float, ...]:
    seen = set(minutes)
    return tuple(minute / 60 for minute in sorted(seen) if minute - every not in seen)


def _firing(runs: Sequence[Played], hours: float, every: int) -> dict[str, dict[str, list[int]]]:
    """By run and alert: the minutes in which it fired, by Prometheus' own engine."""
    steps = int(hours * 60 / every)
    groups = [group for group in recording_groups() if group["name"] == "voice-agent-verdict"]
    rules = [rule for group in alert_groups() for rule in group["rules"] if rule["alert"] in (FOUND, ROLLS)]
    groups.append({"name": "alerts", "rules": rules})
    question = 'ALERTS{alertstate="firing"}'
    cases = [{"expr": question, "eval_time": f"{step * every}m", "exp_samples": []} for step in range(1, steps + 1)]
    series = [one for number, run in enumerate(runs) for one in _series(run, f"run{number}", steps, every)]
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{every}m",
        "group_eval_order": [group["name"] for group in groups],
        "tests": [{"interval": f"{every}m", "input_series": series, "promql_expr_test": cases}],
    }
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rules.yml").write_text(json.dumps({"groups": groups}), encoding="utf-8")
        (Path(folder) / "test.yml").write_text(json.dumps(test), encoding="utf-8")
        command = ["promtool", "test", "rules", "test.yml"]
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    return _read(done.stdout + done.stderr, done.returncode)


def _read(said: str, returned: int) -> dict[str, dict[str, list[int]]]:
    found: dict[str, dict[str, list[int]]] = {}
    for time, got in re.findall(r"time: (\S+),\s+exp: nil\s+got: (.*)", said):
        for text in re.findall(r"\{(.*?)\} ", got):
            labels = dict(re.findall(r'(\w+)="(.*?)"', text))
            found.setdefault(labels["tier"], {}).setdefault(labels["alertname"], []).append(_minutes(time))
    if (returned == 0) != (not found):
        raise PromtoolError(f"promtool ended with {returned}: {said[-2000:]}")
    return found


def _minutes(duration: str) -> int:
    unit = {"w": 10_080, "d": 1_440, "h": 60, "m": 1}
    return sum(int(number) * unit[letter] for number, letter in re.findall(r"(\d+)([wdhm])", duration))


def _series(run: Played, tier: str, steps: int, every: int) -> list[dict[str, str]]:
    """The service's metrics of a run, in promtool's notation."""
    who = [equal("tier", tier), equal("policy", JUDGED)]
    score = select(catalog.EVIDENCE_SCORE, [equal("signal", "slow_turns"), *who])
    moments = run.moments
    lines = {
        score: [(moment.hour, moment.finding.score) for moment in moments],
        select(catalog.EVIDENCE_COMPARISON, who): [(one.hour, float(one.finding.comparison)) for one in moments],
        select(ENOUGH, [*who, equal("window", "24h")]): [(moment.hour, float(moment.enough)) for moment in moments],
    }
    return [{"series": name, "values": _values(changes, steps, every)} for name, changes in lines.items()]


def _values(changes: Sequence[tuple[float, float]], steps: int, every: int) -> str:
    """A value for each step, as runs of equal ones. Changes are (hour, value)."""
    runs: list[str] = []
    at, value, begun = 0, 0.0, 0
    for step in range(steps + 1):
        now = value
        while at < len(changes) and changes[at][0] * 60 <= step * every:
            now, at = round(changes[at][1], 3), at + 1
        if now != value:
            if step > begun:
                runs.append(f"{value:g}x{step - begun - 1}")
            value, begun = now, step
    return " ".join([*runs, f"{value:g}x{steps - begun}"])
