"""Runs cases: each in a stack of its own, with a second caller on the line who has nothing to do with it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.stack import Stack, running_stack
from tools.chaos.caller import CallerLine, on_the_line
from tools.chaos.cell import CellOutcome, Witness, uncached_policies
from tools.chaos.report import LIMIT_S
from tools.field.callers import QUESTION, answered
from tools.field.case import Case, CaseRow, Scene
from tools.field.handset import handset
from tools.field.sounds import record_phrases
from voice_loadtest.audio import CallerRecording

_SIDE_BY_SIDE: Final = 4
_LONGEST_S: Final = 60.0  # of one case
_ATTEMPTS: Final = 3
_LOOK_S, _LATE_S = 0.02, 0.12
_LONGEST_TEXT, _HEAD, _TAIL = 130, 70, 40  # characters of a reply that are shown

Sounds = Mapping[str, CallerRecording]


@dataclass(slots=True)
class FieldRun:
    """The rows of a run, and how many were played again because this machine had been late."""

    rows: list[CaseRow]
    again: int = 0


async def run_cases(cases: Sequence[Case], *, side_by_side: int = _SIDE_BY_SIDE) -> FieldRun:
    """The rows of these cases, in their order.

    A recogniser takes a late frame for silence: what is wrong in a batch during which the event loop was late is played
    again.
    """
    played = FieldRun([])
    with tempfile.TemporaryDirectory() as name:
        clips = Path(name)
        sounds = await record_phrases(clips)
        for start in range(0, len(cases), side_by_side):
            batch = cases[start : start + side_by_side]
            rows, late_s = await _batch(batch, clips, sounds)
            for _ in range(_ATTEMPTS):
                wrong = [row.case for row in rows if row.wrong(LIMIT_S)]
                if not wrong or late_s < _LATE_S:
                    break
                played.again += len(wrong)
                again, late_s = await _batch(wrong, clips, sounds)
                fresh = {id(row.case): row for row in again}
                rows = [fresh.get(id(row.case), row) for row in rows]
            played.rows += rows
    return played


async def _batch(batch: Sequence[Case], clips: Path, sounds: Sounds) -> tuple[list[CaseRow], float]:
    """Rows of cases side by side, and how late the event loop was. The stacks start before anybody calls."""
    started = asyncio.Barrier(len(batch) + 1)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run(case, started, clips, sounds)) for case in batch]
        await started.wait()
        late_s, rows = 0.0, asyncio.gather(*tasks)
        while not rows.done():
            due = time.perf_counter() + _LOOK_S
            await asyncio.sleep(_LOOK_S)
            late_s = max(late_s, time.perf_counter() - due)
    return rows.result(), late_s


async def _run(case: Case, started: asyncio.Barrier, clips: Path, sounds: Sounds) -> CaseRow:
    with tempfile.TemporaryDirectory() as name:
        policies = uncached_policies(Path(name))
        for before, after in case.policies:
            policies.write_text(policies.read_text().replace(before, after))
        settings: dict[str, Any] = {"policies_file": policies} | dict(case.settings)
        async with running_stack(clips=(clips,), **settings) as stack:
            witness = Witness()
            stack.wiring.sinks.members.append(witness)
            await started.wait()
            return await _play(case, stack, witness, sounds)


async def _play(case: Case, stack: Stack, witness: Witness, sounds: Sounds) -> CaseRow:
    async with (
        on_the_line(stack, premium=True, instant=True) as other,
        on_the_line(stack, premium=False, instant=case.instant) as line,
    ):
        async with asyncio.timeout(_LONGEST_S):
            await case.script(Scene(stack, line, case, sounds))
        answer_s = None if line.first_at is None or line.owed_at is None else line.first_at - line.owed_at
        text, heard, silence_s, turns = spoken(line), described(line), line.silence_s, len(line.all("transcript.final"))
        metrics: dict[str, Any] = (line.all("turn.metrics") or [{}])[-1]
        measured_ms = metrics.get("voice_to_voice_ms")
        other_answer_s = await _bystander(other, sounds["room_03"] if case.spoken else None)
        sessions = line.session, other.session
    await stack.quiet()
    await stack.wiring.ledger.migrated.wait()
    await stack.wiring.ledger.flush()
    seen = witness.of(sessions[0]), witness.of(sessions[1])
    changes = {f"{change.provider} {change.model} {change.state} ({change.reason})" for change in witness.breakers}
    moved = bool(seen[1].moves) or any(change.state == "open" for change in witness.breakers)
    return CaseRow(
        case=case,
        text=text,
        heard=heard,
        answer_s=answer_s,
        measured_s=None if measured_ms is None else measured_ms / 1000,
        silence_s=silence_s,
        outcome=str(metrics.get("outcome", "")),
        slow="voice_to_voice" in metrics.get("over_budget", ()),
        turns=turns,
        counted=counted(seen[0]),
        usd=seen[0].usd,
        usd_by_service=seen[0].usd_by_service,
        others=", ".join([*sorted(seen[1].moves), *sorted(changes)]) or "nobody",
        others_answer_s=other_answer_s,
        others_moved=moved,
    )


async def _bystander(line: CallerLine, says: CallerRecording | None) -> float | None:
    """Seconds until the other caller, who says or types something, is answered."""
    if says is None:
        await line.type(QUESTION)
        await answered(line)
    else:
        async with handset(line) as phone:
            await phone.say(says)
            await answered(line)
    return None if line.first_at is None or line.owed_at is None else line.first_at - line.owed_at


def spoken(line: CallerLine) -> str:
    """The text of the reply."""
    return " ".join(message["text"] for message in line.all("reply.text"))


def described(line: CallerLine) -> str:
    """What was heard, and in whose voice."""
    text = spoken(line)
    short = text if len(text) <= _LONGEST_TEXT else f"{text[:_HEAD]} […] {text[-_TAIL:]}"
    parts = [f"“{short}”" if text else "nothing"]
    if line.fillers:
        parts.append("after “One moment, please.”")
    if line.browser_clauses:
        parts.append("spoken by the browser")
    if line.asked_to_listen:
        parts.append("the browser listened")
    return ", ".join(parts)


def counted(seen: CellOutcome) -> dict[str, int]:
    """Calls that did not end well, moves along a chain, sounds over replies, and what listening noted."""
    bad = {name: count for name, count in seen.calls.items() if not name.endswith((" ok", " cancelled"))}
    return bad | dict(seen.moves) | dict(seen.notes)
