"""Runs many cells, a few houses at a time."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tests.chaos.cell import Row, run_cells
from tests.chaos.matrix import Cell, Moment, Trouble

_Key = tuple[str, Trouble, Moment]


async def run_matrix(matrix: Sequence[Cell], *, side_by_side: int) -> list[Row]:
    """The rows of these cells, in their order. Cells that differ in their tier only share a house."""
    free = asyncio.Semaphore(side_by_side)

    async def run(group: list[Cell]) -> list[Row]:
        async with free:
            with tempfile.TemporaryDirectory() as folder:
                return await run_cells(group, Path(folder))

    ordered = sorted(matrix, key=_sortable)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(run(list(group))) for _, group in groupby(ordered, key=_key)]
    rows = {row.cell: row for task in running for row in task.result()}
    return [rows[cell] for cell in matrix]


def _key(cell: Cell) -> _Key:
    return cell.place, cell.trouble, cell.moment


def _sortable(cell: Cell) -> tuple[str, str, str]:
    return cell.place, cell.trouble.name, cell.moment
