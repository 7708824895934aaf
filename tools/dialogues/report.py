"""The page about dialogues."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Final

from tools.dialogues.figures import AT_ONCE, Figures, WaitQuantiles
from tools.dialogues.runner import PlayedDialogue

_HEAD: Final = """# Dialogues with tools

Written by `make dialogues`; do not edit. Calls to the front desk, typed and spoken, from end to end: the real service
and SDKs, real sockets, the sandbox, a SQLite back end. `tests/dialogues/corpus.toml` holds them, `tools/dialogues`
plays them, and `make test` plays a subset.

- **thinking**: the model was asked and has not answered. **asked**: the question that wants a yes was heard.
  **running**: the tool has begun. **committed**: it is done, and has not said so. **result**: the model has its result.
  **speaking**: the answer is being heard.
- **barge_in**: the caller says something over it. **reconnect**: the line is lost, and the caller comes back.
  **kill**: `kill -9` of the service, which starts again; a caller whose last words were not stored yet (commits are
  50 ms apart) says them again. **fallback**: the model fails, and the other one goes on.
- Each has to end with exactly the rows that it says, and with a caller who was told of them.
"""
_WAITS: Final = "## How long callers wait"


def document(rows: Sequence[PlayedDialogue], figures: Figures, calls: int) -> str:
    """The page. `calls` were measured."""
    wrong = sum(bool(row.wrong) for row in rows)
    lines = [
        _HEAD,
        *_waits(figures, calls),
        "## What was played",
        "",
        f"{len(rows)} dialogues, {wrong} wrong.",
        "",
        "| dialogue | what befalls it | when | rows | result |",
        "| --- | --- | --- | ---: | --- |",
        *map(_row, rows),
    ]
    return "\n".join(lines) + "\n"


def with_waits(page: str, figures: Figures, calls: int) -> str:
    """The page with these figures in the place of its own."""
    before, _, after = page.partition(_WAITS)
    return before + "\n".join(_waits(figures, calls)) + "\n" + after[after.index("## What was played") :]


def _waits(figures: Figures, calls: int) -> list[str]:
    return [
        _WAITS,
        "",
        f'The sample call "Books a room", {calls} times, with the measured latencies of the providers: voice-to-voice',
        "of spoken turns, in milliseconds. A turn with tools asks the model twice or more, and closes on its answer,",
        f"not on what is said before. Run on {platform.machine()}, Python {platform.python_version()}.",
        f"{AT_ONCE} calls at a time.",
        "",
        "| turns | count | p50 | p95 |",
        "| --- | ---: | ---: | ---: |",
        _line("with tools", figures.tools),
        _line("the same sentences, to the receptionist, who has no tools", figures.same_words),
        _line("without, of the same calls", figures.others),
        _line("with tools, the tools' own time left out", figures.without_tool_time),
        _line("the tools' own time", figures.tool_time),
        "",
    ]


def _line(name: str, found: WaitQuantiles) -> str:
    return f"| {name} | {found.count} | {found.p50:.0f} | {found.p95:.0f} |"


def _row(row: PlayedDialogue) -> str:
    disturb = row.dialogue.disturb
    what, at = ("", "") if disturb is None else (disturb.what, disturb.at)
    return f"| {row.dialogue.name} | {what} | {at} | {len(row.rows)} | {'; '.join(row.wrong) or 'as it has to be'} |"
