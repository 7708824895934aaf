"""The timeline of a game day: one line for everything that happens, with the clock since the callers began."""

from __future__ import annotations

import time
from typing import Final

from rich.console import Console
from rich.text import Text

# what happened → colour
KINDS: Final = {
    "phase": "bold",
    "injected": "magenta",
    "taken back": "magenta",
    "pending": "yellow",
    "withdrawn": "dim",
    "FIRING": "bold red",
    "inhibited": "yellow",
    "resolved": "green",
    "held": "cyan",
    "decided": "bold cyan",
    "assigned": "cyan",
    "now": "dim",
}
_WIDTH: Final = max(map(len, KINDS))


class GameDayTimeline:
    """Prints as it goes. The clock is this process' monotonic one; moments of others are mapped onto it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.begin()

    def begin(self) -> None:
        """Sets the clock to 0."""
        self._began, self._began_wall = time.monotonic(), time.time()

    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def at(self, timestamp: float) -> float:
        """Where a moment of the wall clock lies."""
        return timestamp - self._began_wall

    def add(self, kind: str, text: str, *details: str) -> None:
        """One line, and one more for each detail."""
        minutes, seconds = divmod(self.now(), 60)
        style = KINDS[kind]
        line = Text(f"  {minutes:2.0f}:{seconds:04.1f}  ", style="dim")
        line.append(f"{kind:<{_WIDTH}}  ", style=style)
        line.append(text, style="dim" if style == "dim" else "")
        self._console.print(line, soft_wrap=True)
        for detail in details:
            self._console.print(Text(f"{'':{_WIDTH + 12}}{detail}", style="dim"), soft_wrap=True)
