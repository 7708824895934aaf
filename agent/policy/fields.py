"""The values of a table of a policy file, each checked where it is read: a wrong one raises ValueError with one line
that names its place (`where`), its key and what the key takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeGuard, TypeVar

_Name = TypeVar("_Name", bound=str)
MOST: Final = 1_000_000


def only(table: Mapping[str, Any], where: str, known: Iterable[str]) -> None:
    """Raises ValueError for a key that is not one of `known`."""
    for key in table:
        if key not in (takes := tuple(known)):
            raise ValueError(f"{where + '.' if where else ''}{key}: unknown key; takes {choice(takes)}")


def as_table(value: object, where: str) -> dict[str, Any]:
    """The value as a table. Raises ValueError for anything else."""
    if not isinstance(value, dict):
        raise ValueError(f"{where}: takes a table, got {'nothing' if value is None else repr(value)}")
    return value


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def whole(table: dict[str, Any], where: str, key: str, least: int, most: int = MOST) -> int:
    """A whole number within these bounds. Raises ValueError."""
    value = table.get(key)
    if not is_whole(value) or not least <= value <= most:
        raise ValueError(f"{where}.{key}: takes a whole number from {least} to {most}, got {value!r}")
    return value


def switch(table: dict[str, Any], where: str, key: str) -> bool:
    """True or false. Raises ValueError."""
    value = table.get(key)
    if not isinstance(value, bool):
        raise ValueError(f"{where}.{key}: takes true or false, got {value!r}")
    return value


def words(table: dict[str, Any], where: str, key: str) -> str:
    """A text that is not blank. Raises ValueError."""
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}.{key}: takes a text, got {value!r}")
    return value


def one_of(table: dict[str, Any], where: str, key: str, known: tuple[_Name, ...]) -> _Name:
    """One of these names. Raises ValueError."""
    value = table.get(key)
    if value not in known:
        raise ValueError(f"{where + '.' if where else ''}{key}: takes {choice(known)}, got {value!r}")
    return value


def chain(table: dict[str, Any], where: str, key: str, known: tuple[Any, ...]) -> tuple[Any, ...]:
    """A list of these names without one twice, and not empty. Raises ValueError."""
    value = table.get(key)
    if not isinstance(value, list) or not value or any(name not in known for name in value):
        raise ValueError(f"{where}.{key}: takes a list of {choice(known)}, got {value!r}")
    if len(set(value)) < len(value):
        raise ValueError(f"{where}.{key}: names a provider twice: {value!r}")
    return tuple(value)


def choice(names: Iterable[str]) -> str:
    """Names as a message lists them."""
    return " | ".join(names)


def some_of(table: dict[str, Any], where: str, key: str, known: tuple[_Name, ...]) -> tuple[_Name, ...]:
    """A list of these names as `chain` takes it; all of them where the table does not have the key."""
    return chain(table, where, key, known) if key in table else known
