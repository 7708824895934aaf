"""The back end of the front desk: rooms and bookings in one SQLite file, `FRONT_DESK_DB` or `var/front_desk.db`.

With `FRONT_DESK_DEMO=1`, as `make run` sets it, a booking takes its room for its own call alone: each call finds the
diary empty, and a demonstration can be made again and again.

`python examples/front_desk/tools.py` prints the bookings.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from agent.tools.tool import ToolContext, ToolError

ROOMS = {"garden room": 6, "library": 12, "studio": 4}
"""Room → how many people it seats; every location has these."""
FIRST_REFERENCE = 4471

_TABLE = """
create table if not exists bookings (
    reference integer primary key, location text not null, day text not null, time text not null,
    duration text not null, people integer not null, room text not null,
    wish text not null unique, cancelled integer not null default 0, date text, call text
)
"""
_ADDED = ("date", "call")
"""Columns that a file of an earlier version lacks."""
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS_AHEAD = {"today": 0, "tonight": 0, "tomorrow": 1, "day after tomorrow": 2}

Location = Annotated[str, Field(min_length=1, max_length=60, description="such as Mountain View")]
Day = Annotated[
    str, Field(min_length=1, max_length=40, description="today, tomorrow, a weekday such as Friday, or 2027-03-31")
]
Time = Annotated[str, Field(min_length=1, max_length=20, description="such as 2:30 PM")]
People = Annotated[int, Field(ge=1, le=12)]


@contextmanager
def _database() -> Generator[sqlite3.Connection]:
    path = Path(os.environ.get("FRONT_DESK_DB", "var/front_desk.db"))
    path.parent.mkdir(parents=True, exist_ok=True)
    # one writer at a time: `immediate` takes the lock before it looks whether a room is free
    connection = sqlite3.connect(path, timeout=2.0, isolation_level=None)
    try:
        connection.execute("begin immediate")
        connection.execute(_TABLE)
        known = {column[1] for column in connection.execute("pragma table_info(bookings)")}
        for name in _ADDED:
            if name not in known:
                connection.execute(f"alter table bookings add column {name} text")
        yield connection
        connection.execute("commit")
    finally:
        connection.close()  # what was not committed is undone


def check_availability(
    call: ToolContext, location: Location, day: Day, time: Time = "any time", people: People = 1
) -> dict[str, object]:
    """Which rooms are free at a location on a day, for so many people."""
    on = date_of(day)
    with _database() as database:
        return {"day": day, "date": str(on), "free": _free(database, call, location, on, time, people)}


def book_room(
    call: ToolContext,
    location: Location,
    day: Day,
    time: Time,
    duration: Annotated[str, Field(min_length=1, max_length=40, description="such as two hours")],
    people: People,
) -> dict[str, object]:
    """Book a room. Returns the reference that the caller needs."""
    on = date_of(day)
    with _database() as database:
        known = "select reference, room from bookings where wish = ?"
        found = database.execute(known, (call.idempotency_key,)).fetchone()
        if found is not None:  # the same wish again: it was fulfilled
            return {"reference": found[0], "room": found[1]}
        free = _free(database, call, location, on, time, people)
        if not free:
            raise ToolError(f"no room for {people} is free at {location} on {day} at {time}")
        (last,) = database.execute("select max(reference) from bookings").fetchone()
        reference = max(FIRST_REFERENCE, last or 0) + 1
        columns = "reference, location, day, date, time, duration, people, room, wish, call"
        values = (reference, location, day, str(on), time, duration, people, free[0], call.idempotency_key)
        database.execute(
            f"insert into bookings ({columns}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (*values, call.session_id),
        )
    call.actions.show_text(f"Booked: {free[0]}, {location}, {on:%A %d %B} at {time}. Reference {reference}.")
    return {"reference": reference, "room": free[0], "date": str(on)}


def cancel_booking(call: ToolContext, reference: Annotated[int, Field(ge=1, le=999_999)]) -> dict[str, object]:
    """Cancel a booking by its reference."""
    with _database() as database:
        found = database.execute("select day, time from bookings where reference = ?", (reference,)).fetchone()
        if found is None:
            raise ToolError(f"there is no booking with the reference {reference}")
        database.execute("update bookings set cancelled = 1 where reference = ?", (reference,))
    call.actions.show_text(f"Cancelled: reference {reference}.")
    return {"cancelled": reference, "day": found[0], "time": found[1]}


def bookings() -> list[tuple[int, str, str, str, str, int, str, bool]]:
    """Every booking: reference, location, date, time, duration, people, room, and whether it was cancelled."""
    columns = "reference, location, coalesce(date, day), time, duration, people, room, cancelled"
    with _database() as database:
        rows = database.execute(f"select {columns} from bookings order by reference").fetchall()  # noqa: S608
    return [(*row[:-1], bool(row[-1])) for row in rows]


def date_of(day: str) -> date:
    """The date that a caller means; a weekday is the next one that comes. Raises ToolError, which tells the model how
    to say it.
    """
    today = datetime.now().astimezone().date()
    words = " ".join(word for word in day.casefold().split() if word not in ("on", "this", "next", "the"))
    if words in _DAYS_AHEAD:
        return today + timedelta(days=_DAYS_AHEAD[words])
    if words in _WEEKDAYS:
        ahead = (_WEEKDAYS.index(words) - today.weekday() - 1) % 7 + 1
        return today + timedelta(days=ahead)
    try:
        return date.fromisoformat(words)
    except ValueError:
        raise ToolError(
            f"{day} is no day that is known here: say today, tomorrow, a weekday, or a date such as {today}, today's"
        ) from None


def _free(
    database: sqlite3.Connection, call: ToolContext, location: str, on: date, time: str, people: int
) -> list[str]:
    """The rooms that are free, smallest first."""
    only = call.session_id if os.environ.get("FRONT_DESK_DEMO") == "1" else None
    taken = database.execute(
        "select room from bookings where not cancelled and lower(location) = lower(?) and date = ?"
        " and (? = 'any time' or lower(time) = lower(?)) and (? is null or call = ?)",
        (location, str(on), time, time, only, only),
    )
    busy = {room for (room,) in taken}
    by_size = sorted(ROOMS.items(), key=lambda one: one[1])
    return [room for room, seats in by_size if seats >= people and room not in busy]


if __name__ == "__main__":
    for row in bookings():
        print(*row, sep="\t")  # noqa: T201
