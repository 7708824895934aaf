"""The tools of the front desk, with a journal, and held where a dialogue asks for it.

`DIALOGUE_DIR` holds the files of the calls: `SESSION.jsonl` has a line for each call that began and that ended. While
`SESSION.hold` is there a call of that session waits: before it does anything, or, where it says `committed`, after it
was done; it makes `SESSION.held` meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.tools.tool import ToolContext
from examples.front_desk import tools
from examples.front_desk.tools import Day, Location, People, Time

_POLL_S = 0.005


async def check_availability(
    call: ToolContext, location: Location, day: Day, time: Time = "any time", people: People = 1
) -> dict[str, object]:
    """Which rooms are free at a location on a day, for so many people."""
    given: dict[str, Any] = {"location": location, "day": day, "time": time, "people": people}
    return await _held(call, "check_availability", given, lambda: tools.check_availability(call, **given))


async def book_room(
    call: ToolContext, location: Location, day: Day, time: Time, duration: str, people: People
) -> dict[str, object]:
    """Book a room. Returns the reference that the caller needs."""
    given: dict[str, Any] = {"location": location, "day": day, "time": time, "duration": duration, "people": people}
    return await _held(call, "book_room", given, lambda: tools.book_room(call, **given))


async def cancel_booking(call: ToolContext, reference: int) -> dict[str, object]:
    """Cancel a booking by its reference."""
    return await _held(call, "cancel_booking", {"reference": reference}, lambda: tools.cancel_booking(call, reference))


async def _held(call: ToolContext, name: str, given: dict[str, Any], does: Callable[[], Any]) -> Any:
    folder = Path(os.environ["DIALOGUE_DIR"])
    hold, held = folder / f"{call.session_id}.hold", folder / f"{call.session_id}.held"
    _note(folder, call, tool=name, key=call.idempotency_key, **given)

    async def wait(moment: str) -> None:
        if hold.exists() and hold.read_text() == moment:
            held.touch()
            while hold.exists():  # noqa: ASYNC110  another process takes it away
                await asyncio.sleep(_POLL_S)

    await wait("running")
    result = await asyncio.to_thread(does)
    await wait("committed")
    return result


def _note(folder: Path, call: ToolContext, **line: Any) -> None:
    with (folder / f"{call.session_id}.jsonl").open("a") as journal:
        journal.write(json.dumps(line) + "\n")
