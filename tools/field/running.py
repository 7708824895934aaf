"""Runs cases: each in a stack of its own, with a second caller on the line who has nothing to do with it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.stack import Stack, running_stack
from tools.chaos.caller import CallerLine, on_the_line
from tools.chaos.cell import CellOutcome, Witness, uncached_policies
from tools.field.callers import PATIENCE_S, QUESTION
from tools.field.case import Case, CaseRow, Scene

_SIDE_BY_SIDE: Final = 4


async def run_cases(cases: Sequence[Case], *, side_by_side: int = _SIDE_BY_SIDE) -> list[CaseRow]:
    """The rows of these cases, in their order. The stacks of a batch start before anybody calls."""
    rows: list[CaseRow] = []
    for start in range(0, len(cases), side_by_side):
        batch = cases[start : start + side_by_side]
        started = asyncio.Barrier(len(batch))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_run(case, started)) for case in batch]
        rows += [task.result() for task in tasks]
    return rows


async def _run(case: Case, started: asyncio.Barrier) -> CaseRow:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings: dict[str, Any] = {"policies_file": uncached_policies(folder)} | dict(case.settings)
        async with running_stack(**settings) as stack:
            witness = Witness()
            stack.wiring.sinks.members.append(witness)
            await started.wait()
            return await _play(case, stack, witness)


async def _play(case: Case, stack: Stack, witness: Witness) -> CaseRow:
    async with (
        on_the_line(stack, premium=True, instant=True) as other,
        on_the_line(stack, premium=False, instant=case.instant) as line,
    ):
        await case.script(Scene(stack, line, case))
        answer_s = None if line.first_at is None or line.owed_at is None else line.first_at - line.owed_at
        text, heard, outcome, silence_s = spoken(line), described(line), _outcome(line), line.silence_s
        other_answer_s = await _bystander(other)
        seen = witness.of(line.session), witness.of(other.session)
        sessions = line.session, other.session
    await stack.quiet()
    await stack.wiring.ledger.migrated.wait()
    await stack.wiring.ledger.flush()
    seen = witness.of(sessions[0]), witness.of(sessions[1])
    changes = {f"{change.provider} {change.model} {change.state}" for change in witness.breakers}
    moved = bool(seen[1].moves) or any(change.endswith("open") for change in changes)
    return CaseRow(
        case=case,
        text=text,
        heard=heard,
        answer_s=answer_s,
        silence_s=silence_s,
        outcome=outcome,
        counted=counted(seen[0]),
        usd=seen[0].usd,
        others=", ".join([*sorted(seen[1].moves), *sorted(changes)]) or "nobody",
        others_answer_s=other_answer_s,
        others_moved=moved,
    )


async def _bystander(line: CallerLine) -> float | None:
    await line.type(QUESTION)
    await line.until(lambda: line.first_at is not None, PATIENCE_S)
    await line.until(lambda: line.has("turn.metrics"), PATIENCE_S)
    return None if line.first_at is None or line.owed_at is None else line.first_at - line.owed_at


def spoken(line: CallerLine) -> str:
    """The text of the reply."""
    return " ".join(message["text"] for message in line.all("reply.text"))


def described(line: CallerLine) -> str:
    """What was heard, and in whose voice."""
    parts = [f"“{spoken(line)}”" if spoken(line) else "nothing"]
    if line.browser_clauses:
        parts.append("spoken by the browser")
    if line.has("listen.browser"):
        parts.append("the browser listened")
    return ", ".join(parts)


def counted(seen: CellOutcome) -> dict[str, int]:
    """Calls that did not end well, and moves along a chain."""
    bad = {name: count for name, count in seen.calls.items() if not name.endswith((" ok", " cancelled"))}
    return bad | dict(seen.moves)


def _outcome(line: CallerLine) -> str:
    metrics = line.all("turn.metrics")
    return str(metrics[-1]["outcome"]) if metrics else ""
