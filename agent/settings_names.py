"""Which names of variables are meant for the service, and are spelt wrong: each would silently mean its default."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Final

from agent.core.errors import ConfigurationError

_LIKENESS: Final = 0.55
"""Share of letters in common, without the prefix, from which a name is suggested: BUDGT is BUDGETS_FILE."""
_TYPOS: Final = 2
"""Letters that may be wrong, missing, doubled or swapped in the name of a provider's key."""


def refuse_unknown(names: Iterable[str], prefix: str, known: Collection[str], foreign: Collection[str]) -> None:
    """Raises ConfigurationError for a name that no setting has, with the one that was likely meant.

    `known` are names with the prefix. `foreign` are read, too, but nobody owns what begins like them: only a near miss
    of one is refused, and none where the right name is set as well.
    """
    given = {name.upper() for name in names}
    for name in given:
        if name.startswith(prefix) and name not in known:
            rests = [one.removeprefix(prefix) for one in known]
            near = difflib.get_close_matches(name.removeprefix(prefix), rests, n=1, cutoff=_LIKENESS)
            hint = f"; did you mean {prefix}{near[0]}?" if near else ""
            raise ConfigurationError(f"{name} is not a setting{hint}")
    unset = [name for name in foreign if name not in given]
    for name in given.difference(foreign):
        near = [one for one in unset if abs(len(one) - len(name)) <= _TYPOS and _typos(name, one) <= _TYPOS]
        if near:
            raise ConfigurationError(f"{name} is not a setting; did you mean {near[0]}?")


def _typos(left: str, right: str) -> int:
    """Letters to change, insert, leave out or swap with their neighbour (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for at, letter in enumerate(left, 1):
        older, before, row = before, row, [at]
        for to, other in enumerate(right, 1):
            fewest = min(before[to] + 1, row[to - 1] + 1, before[to - 1] + (letter != other))
            if at > 1 and to > 1 and letter == right[to - 2] and left[at - 2] == other:
                fewest = min(fewest, older[to - 2] + 1)
            row.append(fewest)
    return row[-1]
