"""The pairwise subset of the chaos matrix; `make chaos` runs all of it."""

from __future__ import annotations

import pytest

from tests.chaos.matrix import cells, pairwise
from tests.chaos.report import LIMIT_S
from tests.chaos.running import run_matrix


def test_the_subset_holds_every_pair_and_is_small() -> None:
    subset = pairwise(cells())
    assert len(subset) < len(cells()) / 3
    assert {(cell.place, cell.trouble.name) for cell in subset} == {(cell.place, cell.trouble.name) for cell in cells()}


@pytest.mark.slow
@pytest.mark.timing
async def test_whatever_fails_the_caller_hears_something_in_time() -> None:
    rows = await run_matrix(pairwise(cells()), side_by_side=6)
    wrong = {row.cell.name: problems for row in rows if (problems := row.wrong(LIMIT_S[row.cell.place]))}
    assert wrong == {}
