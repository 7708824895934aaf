"""The shape of events: a log comes back from a store, so every event is checked before it is applied.

An event is a JSON-able dictionary that holds decisions, not only words. Its kind is `heard`, `answered`, `noted`,
`kept`, `withdrawn` or `folded`. Logs of older versions lack the optional fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
        if name not in event:
            raise BadEventError(f"a {event['kind']} event at turn {graph.turns} lacks {name}")
        if not fits(event[name]):
            raise BadEventError(f"a {event['kind']} event at turn {graph.turns} has a malformed {name}")
    for name, fits in _OPTIONAL.get(event["kind"], {}).items():
        if name in event and not fits(event[name]):
            raise BadEventError(f"a {event['kind']} event at turn {graph.turns} has a malformed {name}")
    misfit = _misfit(event, graph)
    if misfit:
        raise BadEventError(f"a {event['kind']} event does not fit the graph at turn {graph.turns}: {misfit}")


def _misfit(event: Event, graph: Graph) -> str:
    """The field that points at something the graph does not have, or ""."""
    if event["kind"] == "folded":
        return "" if 0 <= event["before"] < max(1, graph.turns) else "before"
    if event["kind"] == "kept":
        return "" if 0 <= event["turn"] < max(1, graph.turns) else "turn"
    if event["kind"] == "withdrawn":
        return "" if graph.question(event["turn"]) is not None else "turn"
    if event["kind"] == "noted":
        return _misfit_of_facts(event["facts"], graph)
    if event["kind"] == "heard":
        fresh = event["move"] == "new"
        if event["turn"] != graph.turns:
            return "turn"
        if event["topic"] != len(graph.topics) if fresh else not 0 <= event["topic"] < len(graph.topics):
            return "topic"
        return next((name for name in ("refers_to", "doubts", "unsure") if not _known(event[name], graph)), "")
    if event["turn"] != (graph.last.id if graph.last else 0) or (graph.last is None and graph.turns):
        return "turn"
    if not _known([*event["doubts"], *event["unsure"]], graph):
        return "doubts"
    return _misfit_of_facts(event["acts"], graph)


def _known(numbers: Sequence[int], graph: Graph) -> bool:
    return all(0 <= number < len(graph.states) for number in numbers)


def _misfit_of_facts(facts: Sequence[Mapping[str, Any]], graph: Graph) -> str:
    """States are opened one after the other: each fact is about a known one or the next."""
    known = len(graph.states)
    for fact in facts:
        if not 0 <= fact["state"] <= known or not -1 <= fact.get("absorbs", -1) < known:
            return "state"
        known = max(known, fact["state"] + 1)
    return ""


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


def _record(
    optional: Mapping[str, Callable[[object], bool]] | None = None, **fields: Callable[[object], bool]
) -> Callable[[object], bool]:
    return lambda value: (
        _is_mapping(value)
        and all(name in value and fits(value[name]) for name, fits in fields.items())
        and all(name not in value or fits(value[name]) for name, fits in (optional or {}).items())
    )


_FACT_OPTIONAL: Mapping[str, Callable[[object], bool]] = {
    "label": _is_text,
    "said": _list_of(_record(turn=_is_number, by=_one_of("caller", "agent"), text=_is_text)),
    "before": _is_number,
    "since": _or_none(_is_number),
    "settled": _is_flag,
    "doubt": _is_number,
    "gone": _list_of(_record(name=_is_text, value=_is_text, turn=_is_number, by=_one_of("caller", "agent"))),
}


_FIELDS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "heard": {
        "turn": _is_number,
        "topic": _is_number,
        "text": _is_text,
        "move": _one_of("new", "continue", "reopen"),
        "subject": _or_none(_is_text),
        "intent": _is_text,
        "refers_to": _list_of(_is_number),
        "doubts": _list_of(_is_number),
        "unsure": _list_of(_is_number),
    },
    "answered": {
        "turn": _is_number,
        "text": _is_text,
        "interrupted": _is_flag,
        "acts": _list_of(
            _record(
                state=_is_number,
                kind=_one_of("confirmed", "changed", "ended"),
                text=_is_text,
                agreed=_is_text,
                replaces=_list_of(_is_text),
                settles=_list_of(_is_number),
            )
        ),
        "doubts": _list_of(_is_number),
        "unsure": _list_of(_is_number),
        "settled": _is_flag,
    },
    "noted": {
        "turn": _is_number,
        "facts": _list_of(
            _record(
                _FACT_OPTIONAL,
                state=_is_number,
                name=_is_text,
                attribute=_is_text,
                value=_is_text,
                turn=_is_number,
                by=_one_of("caller", "agent"),
                kind=_one_of("", "confirmed", "changed", "ended"),
                replaces=_list_of(_is_text),
                absorbs=_is_number,
            )
        ),
    },
    "withdrawn": {"turn": _is_number},
    "kept": {"turn": _is_number, "text": _is_text},
    "folded": {"before": _is_number},
}
_OPTIONAL: Mapping[str, Mapping[str, Callable[[object], bool]]] = {"answered": {"acknowledged": _is_flag}}
