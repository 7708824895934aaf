"""How often a tool may be used and what it may cost: by a session, by a caller in all his sessions, by ceilings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from agent.core import clock
from agent.core.pace import KeyedBuckets, Rate
from agent.tools.tool import Tool

MOST_CALLERS: Final = 2_000
"""Callers of one tool whose pace is known; of more, the least recent ones are forgotten."""
_OFTEN: Final = "It was not run: it was used too often. Tell the caller that it does not work just now."
_DEAR: Final = "It was not run: no more may be spent on it now. Tell the caller that it does not work just now."


class Reserved(Protocol):
    """Money that is kept for a call."""

    def release(self) -> None:
        """Gives it back."""
        ...


class ToolMoney(Protocol):
    """What a session may spend on tools. Amounts are nano-dollars."""

    def price(self, name: str) -> int:
        """What one call of a tool costs; 0 where it has no price."""
        ...

    def reserve(self, nano_usd: int) -> Reserved | None:
        """Keeps so much; None where a ceiling has no room for it."""
        ...

    def spend(self, nano_usd: int) -> None:
        """So much was spent."""
        ...


class _Nothing:
    def release(self) -> None:
        """Nothing was kept."""


class NoMoney:
    """No tool costs anything."""

    def price(self, name: str) -> int:
        return 0

    def reserve(self, nano_usd: int) -> Reserved | None:
        return _Nothing()

    def spend(self, nano_usd: int) -> None:
        return


class ToolPaces:
    """How fast callers use tools in this process, whichever sessions they have."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, int], KeyedBuckets] = {}  # one for each tool of the definitions

    def allows(self, tool: Tool, caller: str) -> bool:
        """Whether a caller may use a tool once more now; counts it where he may."""
        most = tool.rules.calls_per_minute
        if most is None:
            return True
        key = (tool.name, most)
        if key not in self._buckets:
            self._buckets[key] = KeyedBuckets(Rate(most / 60, most), MOST_CALLERS)
        return self._buckets[key].take(caller, clock.now()) == 0.0


@dataclass(slots=True)
class ToolLimits:
    """The limits of one session. `caller` tells callers apart, and stays here."""

    caller: str = field(repr=False, default="")
    paces: ToolPaces = field(default_factory=ToolPaces)
    money: ToolMoney = field(default_factory=NoMoney)
    _used: Counter[str] = field(default_factory=Counter[str])
    _spent: Counter[str] = field(default_factory=Counter[str])

    def go_on(self, used: Mapping[str, int], tries: Mapping[str, int]) -> None:
        """What processes before have used in this session counts, at today's prices."""
        self._used.update(used)
        self._spent.update({name: self.money.price(name) * count for name, count in tries.items()})

    def used_up(self, tool: Tool) -> bool:
        """Whether the session has used a tool as often as it may."""
        return self._used[tool.name] >= tool.rules.calls_per_session

    def begin(self, tool: Tool) -> str | Reserved:
        """Counts a call that is to be made: what was kept for it, or, for the model, why it is not made."""
        if self.used_up(tool) or not self.paces.allows(tool, self.caller):
            return _OFTEN
        price, most = self.money.price(tool.name), tool.rules.nano_usd_per_session
        if most is not None and self._spent[tool.name] + price > most:
            return _DEAR
        kept = self.money.reserve(price * (2 if tool.rules.may_repeat else 1)) if price else _Nothing()
        if kept is None:
            return _DEAR
        self._used[tool.name] += 1
        return kept

    def end(self, tool: Tool, kept: Reserved, tries: int) -> None:
        """A call has ended, after so many tries."""
        kept.release()
        paid = self.money.price(tool.name) * tries
        self._spent[tool.name] += paid
        if paid:
            self.money.spend(paid)
