"""docs/field.md: what the callers of the field heard."""

from __future__ import annotations

import os
import platform
from typing import Final

from tools.chaos.report import LIMIT_S
from tools.field.case import GROUPS, CaseRow
from tools.field.running import FieldRun

_HEAD: Final = """# Field

Written by `make field`; do not edit. What providers and callers have been seen to do in public reports, each as a fault
of the sandbox or a scripted caller, on the real SDKs and sockets, with the deadlines of `agent/budgets.toml` and the
latency profile `instant`. `python -m tools.field --only TEXT` plays the cases whose fault holds a text.

- **heard**: the text of the reply and who spoke it. **answer**: from the end of what the caller said to the first
  audible sound, as the caller's ear has it. **measured**: what the service itself says of that (spoken turns only); a
  figure that looks better than the ear's makes a row wrong.
- **counted as**: the outcome of the turn; `slow` is over the budget. **counted**: provider calls that did not end well,
  moves along a chain, sounds over a reply, and what listening noted. **charged**: dollars of the whole session.
- **who else noticed**: what a second caller of the same process met, who asks while the fault is still there: moves of
  that call, and breakers that opened. A fault that is not one caller's may move others; it may leave nobody without a
  reply.

"""


def document(played: FieldRun) -> str:
    """The page."""
    rows = played.rows
    answers = sorted(row.answer_s for row in rows if row.answer_s is not None)
    wrong = sum(bool(row.wrong(LIMIT_S)) for row in rows)
    lines = [
        _HEAD,
        f"{len(rows)} cases, {len(rows) - len(answers)} without an answer, {wrong} wrong.\n"
        f"Answers: median {answers[len(answers) // 2]:.2f} s, longest {answers[-1]:.2f} s; the limit is {LIMIT_S:g} s,"
        " the chain's deadline and 500 ms.\n"
        f"Measured against the sandbox, on {platform.machine()}, {os.cpu_count()} cores,"
        f" Python {platform.python_version()}.\n",
        f"{played.again} rows were played again because this machine was late while they were played.\n",
    ]
    for group in GROUPS:
        mine = [row for row in rows if row.case.group == group]
        if not mine:
            continue
        lines.append(f"\n## {group.capitalize()}\n\n")
        lines.append(
            "| what goes wrong | heard | answer | measured | counted as | counted | charged | who else noticed |\n"
        )
        lines.append("| --- | --- | ---: | ---: | --- | --- | ---: | --- |\n")
        lines += [_line(row) for row in mine]
    return "".join(lines)


def _line(row: CaseRow) -> str:
    answer = "never" if row.answer_s is None else f"{row.answer_s:.2f} s"
    measured = "" if row.measured_s is None else f"{row.measured_s:.2f} s"
    outcome = f"{row.outcome}, slow" if row.slow else row.outcome
    counted = ", ".join(f"{name} {count}" for name, count in sorted(row.counted.items())) or "nothing"
    cells = (row.case.fault, row.heard, answer, measured, outcome, counted, f"${row.usd:.5f}", row.others)
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |\n"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")
