"""Runs many cells, a few stacks at a time."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tools.chaos.cell import CellRow, run_cells
from tools.chaos.matrix import Cell, Moment, Trouble

_Key = tuple[Moment, str, Trouble]


async def run_matrix(matrix: Sequence[Cell], *, side_by_side: int) -> list[CellRow]:
    """The rows of these cells, in their order. Cells that differ in their tier only share a stack."""
    ordered = sorted(matrix, key=_sortable)
    groups = [list(group) for _, group in groupby(ordered, key=_key)]
    rows: dict[Cell, CellRow] = {}
    for start in range(0, len(groups), side_by_side):
        rows |= await _run_together(groups[start : start + side_by_side])
    return [rows[cell] for cell in matrix]


async def _run_together(groups: Sequence[list[Cell]]) -> dict[Cell, CellRow]:
    """Nobody calls before every stack has started: a start blocks the event loop, and the callers' clocks run on.

    Raises RuntimeError when a task outlives the stacks.
    """
    before = asyncio.all_tasks()
    started = asyncio.Barrier(len(groups))

    async def run(group: list[Cell]) -> list[CellRow]:
        with tempfile.TemporaryDirectory() as folder:
            return await run_cells(group, Path(folder), started)

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(run(group)) for group in groups]
    await asyncio.sleep(0)  # tasks that are already done get to leave the loop's set
    leaked = [task.get_coro() for task in asyncio.all_tasks() - before if not task.done()]
    if leaked:
        raise RuntimeError(f"left running after {[group[0].name for group in groups]}: {leaked}")
    return {row.cell: row for task in running for row in task.result()}


def _key(cell: Cell) -> _Key:
    return cell.moment, cell.place, cell.trouble


def _sortable(cell: Cell) -> tuple[str, str, str]:
    return cell.moment, cell.place, cell.trouble.name
