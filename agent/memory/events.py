"""The shape of events: a log comes back from a store, so every event is checked before it is applied.

An event is a JSON-able dictionary that holds decisions, not only words. Its kind is `heard`, `answered`, `summarised`
or `folded`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard, cast

from agent.memory.nodes import Graph

Event = Mapping[str, Any]


class BadEventError(ValueError):
    """An event does not fit the graph it is applied to, is malformed, or has an unknown kind."""


def check(event: Event, graph: Graph) -> None:
    """Raises BadEventError unless the event is well-formed and every id in it is one of the graph or the next free."""
    if not _is_mapping(event):
        raise BadEventError("an event is not a mapping")
    fields = _FIELDS.get(str(event.get("kind")))
    if fields is None:
        raise BadEventError(f"unknown kind of event: {str(event.get('kind'))[:40]!r}")
    for name, fits in fields.items():
        if name not in event and name not in _OPTIONAL:
            raise BadEventError(f"a {event['kind']} event at turn {graph.turns} lacks {name}")
        if name in event and not fits(event[name]):
            raise BadEventError(f"a {event['kind']} event at turn {graph.turns} has a malformed {name}")
    misfit = _misfit(event, graph)
    if misfit:
        raise BadEventError(f"a {event['kind']} event does not fit the graph at turn {graph.turns}: {misfit}")


def _misfit(event: Event, graph: Graph) -> str:
    """The field that points at something the graph does not have, or ""."""
    if event["kind"] == "folded":
        return "" if 0 <= event["before"] < max(1, graph.turns) else "before"
    if event["kind"] == "summarised":
        return "" if 0 <= event["topic"] < len(graph.topics) else "topic"
    if event["kind"] == "heard":
        fresh = event["move"] == "new"
        if event["turn"] != graph.turns:
            return "turn"
        if event["topic"] != len(graph.topics) if fresh else not 0 <= event["topic"] < len(graph.topics):
            return "topic"
        if any(not 0 <= number < len(graph.states) for number in event["refers_to"]):
            return "refers_to"
    elif event["turn"] != (graph.last.id if graph.last else 0) or (graph.last is None and graph.turns):
        return "turn"
    state, opened = event["state"], event.get("flow") is not None
    if state is None:
        return "flow" if opened else ""
    return "" if (state == len(graph.states) if opened else 0 <= state < len(graph.states)) else "state"


def _is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(value, Mapping)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _or_none(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or fits(value)


def _one_of(*words: str) -> Callable[[object], bool]:
    return lambda value: value in words


def _list_of(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list | tuple) and all(map(fits, cast("list[object]", value)))


def _texts(count: int) -> Callable[[object], bool]:
    each = _list_of(_is_text)
    return lambda value: each(value) and len(cast("list[object]", value)) == count


def _is_slot(value: object) -> bool:
    return _texts(3)(value) and cast("list[str]", value)[2] in ("caller", "agent")


_ON_STATE: Mapping[str, Callable[[object], bool]] = {
    "state": _or_none(_is_number),
    "flow": _or_none(_is_text),
    "focus": _is_flag,
    "slots": _list_of(_is_slot),
    "transitions": _list_of(_texts(2)),
}
_OPTIONAL = frozenset({"flow", "focus"})
_FIELDS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "heard": {
        "turn": _is_number,
        "topic": _is_number,
        "text": _is_text,
        "move": _one_of("new", "continue", "reopen"),
        "subject": _or_none(_is_text),
        "intent": _is_text,
        "refers_to": _list_of(_is_number),
        **_ON_STATE,
    },
    "answered": {"turn": _is_number, "text": _is_text, "interrupted": _is_flag, **_ON_STATE},
    "summarised": {"topic": _is_number, "text": _is_text, "turn": _is_number},
    "folded": {"before": _is_number},
}
