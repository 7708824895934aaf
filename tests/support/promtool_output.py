"""What the generated rules say of simulated services, and when, by Prometheus' own engine (`promtool test rules`).

promtool evaluates the rules over the series and answers questions at given minutes. Each question here expects nothing,
so promtool reports whatever there is, and that is read. Only the groups on experience are loaded: what the services
do not have (money, providers, processes) is not judged.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from agent.telemetry.recorded_metrics import ROLL_BACK, VERDICT
from alerts.groups import alert_groups
from alerts.recording.groups import recording_groups
from alerts.recording.verdict import WINDOW
from tests.support.traffic_model import JUDGED, SCRAPE_MINUTES, SimulatedService

GROUPS: Final = ("voice-agent-counts", "voice-agent-signals", "voice-agent-verdict", "voice-agent-callers")
CORES: Final = 2
QUESTIONS: Final = {
    "firing": f'ALERTS{{alertstate="firing", policy="{JUDGED}"}}',
    "verdict": f'{VERDICT.name}{{policy="{JUDGED}"}} == {ROLL_BACK}',
    "enough": f'{WINDOW.name}{{policy="{JUDGED}"}} == 1',
}


@dataclass(frozen=True, slots=True)
class SeriesSeen:
    """One series that a question found at one minute."""

    question: str
    minute: int
    labels: Mapping[str, str]


class PromtoolError(RuntimeError):
    """promtool could not run the rules, or said something that is not a report of samples."""


def asked(services: Sequence[SimulatedService], questions: Sequence[str], every: int) -> list[SeriesSeen]:
    """What each question finds every so many minutes, which is how often rules are evaluated. Raises PromtoolError."""
    parts = [services[start::CORES] for start in range(min(CORES, len(services)))]
    run = partial(_run, questions=questions, every=every)
    with ThreadPoolExecutor(CORES) as pool:
        return [seen for part in pool.map(run, parts) for seen in part]


def _run(services: Sequence[SimulatedService], questions: Sequence[str], every: int) -> list[SeriesSeen]:
    minutes = max(service.minutes for service in services)
    groups = [group for group in (*recording_groups(), *alert_groups()) if group["name"] in GROUPS]
    cases: list[dict[str, Any]] = [
        {"expr": QUESTIONS[question], "eval_time": f"{minute}m", "exp_samples": []}
        for question in questions
        for minute in range(every, minutes + 1, every)
    ]
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{every}m",
        "group_eval_order": [group["name"] for group in groups],
        "tests": [
            {
                "interval": f"{SCRAPE_MINUTES}m",
                "input_series": [series for service in services for series in service.series()],
                "promql_expr_test": cases,
            }
        ],
    }
    with tempfile.TemporaryDirectory() as folder:
        # JSON is YAML, and is written and read many times faster
        (Path(folder) / "rules.yml").write_text(json.dumps({"groups": groups}), encoding="utf-8")
        (Path(folder) / "test.yml").write_text(json.dumps(test), encoding="utf-8")
        command = ["promtool", "test", "rules", "test.yml"]
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    said = done.stdout + done.stderr
    found = list(_read(said))
    if (done.returncode == 0) != (not found):
        raise PromtoolError(f"promtool ended with {done.returncode}: {said[-2000:]}")
    return found


def _read(said: str) -> Iterator[SeriesSeen]:
    name_of = {expr: name for name, expr in QUESTIONS.items()}
    for expr, time, got in re.findall(r"expr: (\".*\"), time: (\S+),\s+exp: nil\s+got: (.*)", said):
        for labels in re.findall(r"\{(.*?)\} ", got):
            yield SeriesSeen(name_of[json.loads(expr)], _minutes(time), dict(re.findall(r'(\w+)="(.*?)"', labels)))


def _minutes(duration: str) -> int:
    """promtool's way to write a time: 1d2h3m."""
    unit = {"w": 10_080, "d": 1_440, "h": 60, "m": 1}
    return sum(int(number) * unit[letter] for number, letter in re.findall(r"(\d+)([wdhm])", duration))
