"""What came of a scripted call, beside what had to: the first difference, in words for whoever wrote the script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agent.definitions.scripts import ExpectedTool, ScriptedCall, ScriptedTurn

SHOWN: Final = 200
"""Characters of a reply that are shown."""


@dataclass(frozen=True, slots=True)
class PlayedTurn:
    """What was said in reply, and the tools that ran, with their arguments."""

    reply: str
    tools: Sequence[tuple[str, Mapping[str, Any]]] = ()


@dataclass(frozen=True, slots=True)
class PlayedCall:
    """A call that was played. `fault`: why it did not come to its end. `opening`: what was said before the first turn,
    such as a greeting.
    """

    call: ScriptedCall
    turns: Sequence[PlayedTurn] = field(default_factory=list[PlayedTurn])
    opening: str = ""
    fault: str = ""

    @property
    def difference(self) -> str | None:
        """The first thing that is not as it has to be; None where all is."""
        return next(self._differences(), None)

    def _differences(self) -> Iterator[str]:
        for number, (turn, played) in enumerate(zip(self.call.turns, self.turns, strict=False), start=1):
            for words in _of_turn(turn, played):
                yield f"turn {number} {turn.says!r}: {words}"
        if self.fault:
            yield f"turn {len(self.turns) + 1}: {self.fault}"
        whole = " ".join((self.opening, *(one.reply for one in self.turns)))
        yield from _of_words(self.call.hears, self.call.never, whole)


def _of_turn(turn: ScriptedTurn, played: PlayedTurn) -> Iterator[str]:
    ran = [name for name, _ in played.tools]
    for name in turn.refuses:
        if name in ran:
            yield f"{name} ran, and has to be refused"
    if turn.tools is not None:
        yield from _of_tools(turn.tools, played.tools)
    yield from _of_words(turn.hears, turn.never, played.reply)


def _of_tools(wanted: Sequence[ExpectedTool], ran: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Each that is wanted is one of those that ran, and the other way round, in any order."""
    left = list(ran)
    for one in wanted:
        fits = next((call for call in left if call[0] == one.name and _holds(call[1], one.arguments)), None)
        if fits is None:
            yield f"expected {_shown(one.name, one.arguments)}; {_ran(ran)}"
            return
        left.remove(fits)
    if left:
        yield f"expected {'nothing more' if wanted else 'no tool'}; {_ran(ran)}"


def _holds(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(name in given and _plain(given[name]) == _plain(value) for name, value in wanted.items())


def _plain(value: Any) -> Any:
    """Texts are compared in any case: how a caller's words are written down is nobody's mistake."""
    return " ".join(value.split()).casefold() if isinstance(value, str) else value


def _of_words(hears: Sequence[str], never: Sequence[str], said: str) -> Iterator[str]:
    plain = _plain(said)
    for phrase in hears:
        if _plain(phrase) not in plain:
            yield f"has to be said: {phrase!r}; was {_cut(said)!r}"
    for phrase in never:
        if _plain(phrase) in plain:
            yield f"must not be said: {phrase!r}; was {_cut(said)!r}"


def _ran(ran: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    return f"ran {', '.join(_shown(*one) for one in ran)}" if ran else "no tool ran"


def _shown(name: str, arguments: Mapping[str, Any]) -> str:
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def _cut(said: str) -> str:
    return said if len(said) <= SHOWN else f"{said[: SHOWN - 1]}…"
