"""What was once decided wrongly is played by a test or a game day, and the document says by which."""

from __future__ import annotations

import re

from tests.support.paths import ROOT
from voice_loadtest.gameday.scenarios import SCENARIOS

ALERTS = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
GAMEDAY = (ROOT / "docs" / "gameday.md").read_text(encoding="utf-8")
ROW = re.compile(r"^- \*\*(?P<what>.+)\*\*\n(?P<by>(?:  .*\n)+)", re.MULTILINE)
TESTS = re.compile(r"`(tests/[\w/]+\.py)`\s+(test_\w+)")
PLAYED = re.compile(r"game day `([\w-]+)`")


def rows() -> list[tuple[str, str]]:
    """What went wrong, and what plays it."""
    _, _, section = ALERTS.partition("## What went wrong once, and what plays it now")
    return [(row["what"], row["by"]) for row in ROW.finditer(section.partition("\n## ")[0])]


def test_everything_that_went_wrong_is_played_by_something_that_exists() -> None:
    names = {scenario.name for scenario in SCENARIOS}
    assert len(rows()) == 9
    for what, by in rows():
        tests, days = TESTS.findall(by), PLAYED.findall(by)
        assert tests or days, what
        assert {*days} <= names, what
        for path, name in tests:
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), (what, name)


def test_every_game_day_is_described() -> None:
    assert {scenario.name for scenario in SCENARIOS} == {*re.findall(r"^- `([\w-]+)`\.", GAMEDAY, re.MULTILINE)}
