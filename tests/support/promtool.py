"""Runs rules against made-up series with promtool, and says what a series is at given times."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed: Debian's package prometheus has it"
)


def counters(per_minute: Mapping[str, float], minutes: int) -> list[dict[str, str]]:
    """Input series that start at 0 and grow by so much a minute: selector → growth."""
    return [{"series": series, "values": f"0+{grown:g}x{minutes}"} for series, grown in per_minute.items()]


def check(
    folder: Path, rules: str, series: Sequence[dict[str, str]], expected: Mapping[tuple[str, str], Mapping[str, float]]
) -> None:
    """Fails unless each (time, expression) gives exactly the expected samples: series → value."""
    cases: list[dict[str, Any]] = [
        {
            "expr": expr,
            "eval_time": at,
            "exp_samples": [{"labels": labels, "value": value} for labels, value in samples.items()],
        }
        for (at, expr), samples in expected.items()
    ]
    run_promtool(
        folder, {"rules.yml": rules}, [{"interval": "1m", "input_series": list(series), "promql_expr_test": cases}]
    )


def run_promtool(folder: Path, rules: Mapping[str, str], tests: Sequence[Mapping[str, Any]]) -> None:
    """Runs tests, as promtool has them, on rule files (name → content); fails with what promtool says."""
    for name, content in rules.items():
        (folder / name).write_text(content, encoding="utf-8")
    test = {"rule_files": list(rules), "evaluation_interval": "1m", "tests": list(tests)}
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump(test, width=10_000), encoding="utf-8")
    command = ["promtool", "test", "rules", str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
