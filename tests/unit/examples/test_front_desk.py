"""The front desk's tools: dates instead of words, and whose bookings take a room."""

from __future__ import annotations

import sqlite3
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from agent.tools.tool import ToolContext, ToolError
from examples.front_desk import tools

WISH: dict[str, Any] = {"location": "Palo Alto", "day": "tomorrow", "time": "4 PM", "people": 12}


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRONT_DESK_DB", str(tmp_path / "desk.db"))
    monkeypatch.delenv("FRONT_DESK_DEMO", raising=False)
    return tmp_path / "desk.db"


def call(session: str, key: str = "") -> ToolContext:
    return ToolContext(session, key or session, Mock())


def free(session: str) -> object:
    return tools.check_availability(call(session), **WISH)["free"]


def today() -> date:
    return datetime.now().astimezone().date()


def test_a_booking_has_the_date_that_its_words_meant() -> None:
    tools.book_room(call("a"), **WISH, duration="an hour")
    [(_, _, booked, *_)] = tools.bookings()
    assert booked == str(today() + timedelta(days=1))


def test_a_room_is_taken_whichever_words_mean_its_day() -> None:
    tools.book_room(call("a"), **WISH, duration="an hour")
    weekday = f"{today() + timedelta(days=1):%A}"
    wish: dict[str, Any] = {**WISH, "day": weekday}
    assert tools.check_availability(call("b"), **wish)["free"] == []


@pytest.mark.parametrize(
    ("said", "days"), [("today", 0), ("Tonight", 0), ("tomorrow", 1), ("the day after tomorrow", 2)]
)
def test_words_for_days(said: str, days: int) -> None:
    assert tools.date_of(said) == today() + timedelta(days=days)


@pytest.mark.parametrize("ahead", range(1, 8))
@pytest.mark.parametrize("before", ["", "on ", "this ", "next "])
def test_a_weekday_is_the_next_one_that_comes(ahead: int, before: str) -> None:
    then = today() + timedelta(days=ahead)
    assert tools.date_of(f"{before}{then:%A}") == then


def test_a_date_is_taken_and_anything_else_is_refused_with_todays_date() -> None:
    assert tools.date_of("2027-03-31") == date(2027, 3, 31)
    with pytest.raises(ToolError, match=str(today())):
        tools.date_of("soon")


def test_a_room_that_is_booked_is_taken_for_everybody() -> None:
    tools.book_room(call("a"), **WISH, duration="an hour")
    assert free("b") == []
    with pytest.raises(ToolError, match="is free"):
        tools.book_room(call("b"), **WISH, duration="an hour")


def test_in_a_demonstration_it_is_taken_for_its_own_call_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONT_DESK_DEMO", "1")
    tools.book_room(call("a"), **WISH, duration="an hour")
    assert free("a") == []
    assert free("b") == ["library"]
    tools.book_room(call("b"), **WISH, duration="an hour")
    assert len({reference for reference, *_ in tools.bookings()}) == 2


def test_a_file_of_an_earlier_version_is_read_on(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute(
            "create table bookings (reference integer primary key, location text not null, day text not null,"
            " time text not null, duration text not null, people integer not null, room text not null,"
            " wish text not null unique, cancelled integer not null default 0)"
        )
        row = (4472, "Palo Alto", "tomorrow", "4 PM", "an hour", 12, "library", "a")
        database.execute("insert into bookings values (?, ?, ?, ?, ?, ?, ?, ?, 0)", row)
    tools.book_room(call("b"), **WISH, duration="an hour")
    assert [reference for reference, *_ in tools.bookings()] == [4472, 4473]
