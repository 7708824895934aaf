"""What is known of a session that goes on here: what the ledger reads and the session continues from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ResumedState:
    """What a session was before it goes on here."""

    events: Sequence[Mapping[str, object]] = ()  # of its memory
    turns: int = 0  # the number of its last turn
    slow: int = 0  # turns over the budget
    nano_usd: int = 0  # what it has cost
    policy: str | None = None  # which it keeps to its end
    cut_off: str | None = None  # what the caller said last, where no reply to it was over
    generation: int = 1  # of the process that has it now
    tools: Sequence[Mapping[str, object]] = ()  # events of its tool log
    agent_version: int | None = None  # which it keeps to its end, where it is still there
    over: bool = False  # it has ended for good, or was revoked: nobody goes on with it
