"""Builds the constructed back-reference cases of measure 4 from files of templates: all of our own making."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).with_name("backref_templates.toml")
HELD_OUT = Path(__file__).with_name("backref_templates_held_out.toml")  # by another author, never tuned on
THIRD = Path(__file__).with_name("backref_templates_third.toml")  # written before the resolver's last changes
SEED = 20_260_101
BETWEEN, BEFORE_ASK = (
    (2, 3),
    (7, 9),
)  # unrelated exchanges between items, and before the question: more than the last six


@dataclass(frozen=True, slots=True)
class BackrefCase:
    """A constructed call that ends in a pointer back: the exact values it needs and the rivals' values."""

    kind: str
    form: str
    turns: tuple[tuple[str, str], ...]
    ask: str
    needs: tuple[str, ...]
    rivals: tuple[str, ...]
    sorts: tuple[str, ...]
    """What sort of value each of `needs` is: the name of the list it was drawn from."""


def cases(path: Path = TEMPLATES) -> list[BackrefCase]:
    """All cases of a file of templates: each pointing form said in each of its ways about each kind it fits.

    They are the same ones every time.
    """
    templates = tomllib.loads(path.read_text(encoding="utf-8"))
    chance = random.Random(SEED)
    return list(_cases(templates, chance))


def _cases(templates: dict[str, Any], chance: random.Random) -> Iterator[BackrefCase]:
    for ask in templates["ask"]:
        for kind in ask.get("kinds", list(templates["kinds"])):
            for say in ask["say"]:
                yield _case(templates, ask, kind, say, chance)


def _case(
    templates: dict[str, Any], ask: dict[str, Any], kind_name: str, say: str, chance: random.Random
) -> BackrefCase:
    kind = templates["kinds"][kind_name]
    items = _items(templates["values"], kind["slots"], ask["items"], chance)
    meant = items[ask["means"] - 1 if ask["means"] > 0 else ask["means"]]
    wrong = ""
    if "repairs" in ask:
        taken = {item[ask["repairs"]] for item in items}
        wrong = chance.choice([v for v in templates["values"][kind["slots"][ask["repairs"]]] if v not in taken])
    fillers = chance.sample(templates["filler"], len(templates["filler"]))
    turns: list[tuple[str, str]] = []
    for number, item in enumerate(items):
        spoken = dict(item)
        if wrong and item is meant:
            spoken[ask["repairs"]] = chance.choice(ask["opening"]).format(wrong=wrong, **item)
        opening = kind["turns"][0][0] if number == 0 else chance.choice(kind["more"])
        first, *rest = kind["turns"]
        turns.append((opening.format(**spoken), first[1].format(**item)))
        turns += [(caller.format(**item), agent.format(**item)) for caller, agent in rest]
        least = chance.randint(*(BEFORE_ASK if number == len(items) - 1 else BETWEEN))
        turns += _filler(fillers, least)
    words = {**meant, "noun": kind["noun"], "thing": kind["thing"]}
    if "prelude" in ask:
        turns.append((ask["prelude"][0].format(**words), ask["prelude"][1].format(**words)))
    needs = dict(meant)
    if "corrects" in ask:
        words["new"] = chance.choice(
            [
                v
                for v in templates["values"][kind["slots"][ask["corrects"]]]
                if all(v != item[ask["corrects"]] for item in items)
            ]
        )
        needs[ask["corrects"]] = words["new"]
    rivals = {value for item in items if item is not meant for value in item.values()} - set(needs.values())
    plain = [value for value in rivals if not any(value in need for need in needs.values())]
    told = tuple(value for value in plain if len(value) > 2 or not value.isdigit())
    return BackrefCase(
        kind_name,
        ask["form"],
        tuple(turns),
        say.format(**words),
        tuple(needs.values()),
        (*told, *([wrong] if wrong else [])),
        tuple(kind["slots"][slot] for slot in needs),
    )


def _items(
    values: dict[str, list[str]], slots: dict[str, str], count: int, chance: random.Random
) -> list[dict[str, str]]:
    drawn = {slot: chance.sample(values[pool], count) for slot, pool in slots.items()}
    return [{slot: drawn[slot][number] for slot in slots} for number in range(count)]


def _filler(fillers: list[dict[str, Any]], least: int) -> list[tuple[str, str]]:
    taken: list[tuple[str, str]] = []
    while len(taken) < least and fillers:
        taken += [(caller, agent) for caller, agent in fillers.pop()["turns"]]
    return taken
