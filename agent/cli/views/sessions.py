"""A list of sessions in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from agent.cli.views.period import DIM, OVER, dollars
from agent.reports.sessions import SessionSummary

SHORT_ID: Final = 8  # characters, as the talk page shows them; commands take them for the whole


def sessions_table(found: Sequence[SessionSummary]) -> Table:
    """A line a session; ids are shortened to what still tells the listed ones apart."""
    table = Table(show_edge=False, pad_edge=False)
    for name in ("began, UTC", "session", "tier", "caller"):
        table.add_column(name, no_wrap=name != "caller", overflow="fold")
    for name in ("turns", "slow", "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("outcome", overflow="fold")
    length = _telling_apart([one.session_id for one in found])
    for one in found:
        table.add_row(
            f"{one.started_at:%m-%d %H:%M:%S}",
            one.session_id[:length],
            one.tier,
            one.subject,
            str(one.turns),
            Text(str(one.slow_turns), style=OVER if one.slow_turns else DIM),
            dollars(one.usd),
            one.outcome or Text("running, or not written", style=DIM),
        )
    return table


def _telling_apart(ids: Sequence[str]) -> int:
    longest = max(map(len, ids), default=SHORT_ID)
    return next((n for n in range(SHORT_ID, longest) if len({name[:n] for name in ids}) == len(ids)), longest)
