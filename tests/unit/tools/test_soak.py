"""Whether a figure grows is judged by its slope and the slope's own error."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tools.soak.run import Soak, printed_in, write
from tools.soak.trend import Trend

TIMES = [5.0 * number for number in range(480)]


def _wandering(seed: int, growth_h: float) -> list[float]:
    """Noise that hangs together for a minute, as calls do, and growth below it."""
    dice, level, values = random.Random(seed), 0.0, list[float]()
    for at in TIMES:
        level = 0.9 * level + dice.gauss(0.0, 0.5)
        values.append(250.0 + level + growth_h * at / 3600)
    return values


def test_a_straight_line_is_found_without_error() -> None:
    line = Trend.of(TIMES, [100 + 3 * at / 3600 for at in TIMES])
    assert line.slope_h == pytest.approx(3.0) and line.error_h == pytest.approx(0.0, abs=1e-6)
    assert line.grows() and line.grows(2.9) and not line.grows(3.1)
    assert not Trend.of(TIMES, [100.0] * len(TIMES)).grows()
    assert not Trend.of(TIMES, [100 - at for at in TIMES]).grows(), "what gets smaller is no fault"


def test_noise_that_hangs_together_is_seldom_called_growth_and_a_leak_is() -> None:
    assert sum(Trend.of(TIMES, _wandering(seed, 0.0)).grows() for seed in range(200)) <= 16
    assert all(Trend.of(TIMES, _wandering(seed, 20.0)).grows() for seed in range(50))


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="23 samples"):
        Trend.of(TIMES[:23], TIMES[:23])


FLAT = {
    "memory_mb": Trend(250.0, 0.1, 0.2),
    "descriptors": Trend(40.0, 0.0, 1.0),
    "tasks": Trend(80.0, 0.0, 1.0),
    "blocks": Trend(1_300_000.0, 0.0, 50_000.0),
}
IDLE = {"memory_mb": 240.0, "descriptors": 30.0, "tasks": 16.0, "blocks": 1_300_000.0}


def _soak(changed: Mapping[str, Trend] | None = None, calls: int = 170, minutes: float = 10.0) -> Soak:
    trends = FLAT | dict(changed or {})
    return Soak(minutes, 8, trends, FLAT, IDLE, dict(IDLE), Counter({"1000": calls}))


def test_what_calls_leave_behind_is_a_fault_and_so_is_an_end_of_another_kind() -> None:
    soak = _soak()
    soak.after = IDLE | {"memory_mb": 250.0, "descriptors": 34.0, "blocks": 1_340_000.0}
    assert soak.faults == [], "connections to providers are kept for the next call, and garbage waits for its collector"
    soak.after = IDLE | {"tasks": 17.0, "descriptors": 35.0, "blocks": 1_300_000.0 + 170 * 1_000}
    soak.ended["1011"] = 1
    assert [fault.split(":")[0] for fault in soak.faults] == ["descriptors", "tasks", "blocks", "calls ended otherwise"]
    assert "| tasks | 80.0 | +0.00 ± 1.00 | +0.00 ± 1.00 | 16.0 | 17.0 |" in soak.text()


def test_pools_may_fill_in_ten_minutes_but_not_in_two_hours() -> None:
    filling = {"memory_mb": Trend(250.0, 26.0, 10.0), "descriptors": Trend(40.0, 3, 1)}
    assert _soak(filling).faults == []
    assert len(_soak(filling, 2_000, 120.0).faults) == 2


@pytest.mark.parametrize(
    ("figure", "a_call", "error_h"),
    [
        ("memory_mb", 0.2, 60.0),  # a session that stays, in a bad hour of the machine
        ("blocks", 1_000.0, 400_000.0),
        ("blocks", 300.0, 100_000.0),  # a third of one
        ("descriptors", 0.2, 30.0),  # of every fifth call
    ],
)
def test_a_leak_is_seen_in_ten_minutes(figure: str, a_call: float, error_h: float) -> None:
    leak = _soak({figure: Trend(FLAT[figure].mean, a_call * 170 * 6, error_h)})
    assert [fault.split(" ")[0] for fault in leak.faults] == [figure]


def test_what_fills_up_to_a_bound_is_told_from_what_leaks_and_both_are_faults() -> None:
    hours = [at / 3600 for at in TIMES]
    for bound_h, goes_on in ((0.25, False), (2.0, True)):
        soak = _soak(minutes=120.0)
        soak.judge(TIMES, [dict.fromkeys(IDLE, 100.0) | {"memory_mb": 250 + 10 * min(hour, bound_h)} for hour in hours])
        (fault,) = soak.faults
        assert fault.startswith("memory_mb grows: +")
        assert fault.endswith(
            "+10.00 ± 0.00 in the last half of the time" if goes_on else "+0.00 ± 0.00 in the last half of the time"
        )


def test_what_a_run_has_printed_comes_into_the_page_later_too(tmp_path: Path) -> None:
    text = _soak().text()
    assert text.endswith("Found: nothing that grows, and nothing that is left of a call.")
    page = tmp_path / "page.md"
    page.write_text("before\n<b>\nold\n<e>\nafter\n")
    write(page, printed_in(f"memory_mb grows\n{text}\nmake: *** Error 1\n"), "<b>", "<e>")
    assert page.read_text() == f"before\n<b>\n{text}\n<e>\nafter\n"
    with pytest.raises(ValueError, match="no run"):
        printed_in("Traceback")
