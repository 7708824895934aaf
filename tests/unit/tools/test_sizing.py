"""How many processes a stream of calls takes: the simulation agrees with Erlang, and the page with the simulation."""

from __future__ import annotations

import pytest

from tests.support.paths import ROOT
from tools.sizing.__main__ import written
from tools.sizing.queueing import Load, erlang_b, simulate
from tools.sizing.table import OVERFULL, REFUSED, share_of_a_call, size

PAGE = (ROOT / "docs" / "scale.md").read_text()


@pytest.mark.parametrize(("erlangs", "places", "share"), [(1.0, 1, 0.5), (2.0, 2, 0.4), (10.0, 10, 0.2146)])
def test_erlangs_formula_is_that_of_the_books(erlangs: float, places: int, share: float) -> None:
    assert erlang_b(erlangs, places) == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize(("processes", "each"), [(1, 40), (4, 10)])
def test_without_a_loss_the_simulation_agrees_with_erlang(processes: int, each: int) -> None:
    load = Load(0.2, 180.0)
    seen = simulate(load, processes, each, calls=20_000, seed=1)
    assert seen.refused_share == pytest.approx(erlang_b(load.erlangs, 40), rel=0.25)
    assert seen.most == each


def test_a_lost_process_takes_more_room_than_the_calls_alone() -> None:
    sizing = size(Load(0.5, 180.0), 0.0174, losses=60)
    assert sizing.processes > sizing.without_loss
    assert sizing.seen.refused_share <= REFUSED and sizing.seen.overfull_share <= OVERFULL
    fewer = simulate(sizing.load, sizing.processes - 1, sizing.each, calls=10_000, seed=1, strained=int(0.9 / 0.0174))
    assert fewer.overfull_share > OVERFULL or fewer.refused_share > REFUSED


def test_cheaper_calls_take_fewer_processes() -> None:
    load = Load(1.0, 180.0)
    assert size(load, 0.004, losses=20).processes < size(load, 0.0174, losses=20).processes


def test_the_page_is_what_the_command_writes_from_its_own_figures() -> None:
    assert written(PAGE) == PAGE, "make sizing"


def test_a_page_without_the_measured_figure_is_refused() -> None:
    assert share_of_a_call("| a call that talks all the time: of a core | 1.93 % | 0.40 % | 0.21 |") == 0.004
    with pytest.raises(ValueError, match="no row"):
        share_of_a_call("nothing")
