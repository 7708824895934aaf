"""The pairwise subset of the chaos matrix; `make chaos` runs all of it."""

from __future__ import annotations

import pytest

from tools.chaos.matrix import cells, pairwise
from tools.chaos.outage import outage
from tools.chaos.report import LIMIT_S
from tools.chaos.running import run_matrix


def test_the_subset_holds_every_pair_and_is_small() -> None:
    subset = pairwise(cells())
    assert len(subset) < len(cells()) / 3
    assert {(cell.place, cell.trouble.name) for cell in subset} == {(cell.place, cell.trouble.name) for cell in cells()}


@pytest.mark.chaos
@pytest.mark.parametrize("part", [0, 1])  # one for each core
async def test_whatever_fails_the_caller_hears_something_in_time(part: int) -> None:
    rows = await run_matrix(pairwise(cells())[part::2], side_by_side=8)
    wrong = {row.cell.name: problems for row in rows if (problems := row.wrong(LIMIT_S))}
    assert wrong == {}


@pytest.mark.chaos
async def test_an_outage_opens_the_breaker_and_recovery_closes_it() -> None:
    seen = await outage(12, before_s=2, down_s=10, after_s=25)
    assert seen.opened_s is not None
    assert seen.closed_s is not None
    assert seen.completed == 12
    assert "ok" in seen.probes
    assert seen.probe_usd > 0
    assert seen.moves["elevenlabs → deepgram_tts (timeout)"] >= 3  # as many as decide something
