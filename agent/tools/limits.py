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


@dataclass(frozen=True, slots=True)
class KeptForCall:
    """What one call may cost at most, and how often it may be tried for that."""

    held: Reserved
    nano_usd: int
    tries: int


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
    _under_way: Counter[str] = field(default_factory=Counter[str])
    """What calls that have not ended may still cost: several run at once."""

    def go_on(self, used: Mapping[str, int], tries: Mapping[str, int]) -> None:
        """What processes before have used in this session counts, at today's prices."""
        self._used.update(used)
        self._spent.update({name: self.money.price(name) * count for name, count in tries.items()})

    def used_up(self, tool: Tool) -> bool:
        """Whether the session has used a tool as often as it may."""
        return self._used[tool.name] >= tool.rules.calls_per_session

    def begin(self, tool: Tool) -> str | KeptForCall:
        """Counts a call that is to be made: what was kept for it, or, for the model, why it is not made."""
        if self.used_up(tool) or not self.paces.allows(tool, self.caller):
            return _OFTEN
        price, most = self.money.price(tool.name), tool.rules.nano_usd_per_session
        taken = self._spent[tool.name] + self._under_way[tool.name]
        tries = 2 if tool.rules.may_repeat else 1
        if most is not None and taken + price * tries > most:
            tries = 1  # where the cap has no room for a second one, there is none
        if most is not None and taken + price > most:
            return _DEAR
        held = self.money.reserve(price * tries) if price else _Nothing()
        if held is None:
            return _DEAR
        self._used[tool.name] += 1
        self._under_way[tool.name] += price * tries
        return KeptForCall(held, price * tries, tries)

    def end(self, tool: Tool, kept: KeptForCall, tries: int) -> None:
        """A call has ended, after so many tries."""
        kept.held.release()
        self._under_way[tool.name] -= kept.nano_usd
        paid = self.money.price(tool.name) * tries
        self._spent[tool.name] += paid
        if paid:
            self.money.spend(paid)
