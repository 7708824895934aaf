"""docs/chaos.md: what the callers of the chaos matrix heard."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import Final

from agent.budgets import load_budgets
from tools.chaos.cell import CellRow
from tools.chaos.matrix import PLACES

MARGIN_S: Final = 0.5
LIMIT_S: Final = load_budgets().deadlines.chain / 1000 + MARGIN_S

_HEAD: Final = """# Chaos

Written by `make chaos`; do not edit. Every provider fails in every way that the sandbox knows, on the real SDKs and
sockets, with the deadlines of `agent/budgets.toml` and the latency profile `instant`. The caller's client has declared
that it can speak and listen itself. What this is part of is in [reliability.md](reliability.md).

- **first turn**: the fault is there when the session begins. **idle**: it comes after a good turn, while nobody speaks.
  **mid-reply**: it comes after the first outputs of the reply; for a voice that answers with a status, at a later
  clause; for recognisers, while a reply plays and the caller speaks over it; for a tool, it is asked for over a reply.
- **answer**: from the end of what the caller said (typed, for models and voices) to the first audible sound of the
  reply to it. A client that is asked to listen itself does so at once, and its text is answered.
  **silence**: the longest silence inside the answer.
- **counted**: provider calls that did not end well, and moves along a chain. **told**: the client got `degraded`.
- **http_tool**, **mcp_tool**: a tool that only reads, of a second at most, whose HTTP endpoint or MCP server fails. The
  answer is what follows on the tool; what is said before ("Let me look.") is none. Where a tool failed the caller has
  to hear so. What lies well is believed: the caller hears it as the back end said it, and nothing else happens.
- The places before the one that is tested are refusing connections (Deepgram for `openai_stt`, ElevenLabs for
  `deepgram_tts`).

"""


def document(rows: Sequence[CellRow]) -> str:
    """The page."""
    answers = sorted(row.answer_s for row in rows if row.answer_s is not None)
    wrong = sum(bool(row.wrong(LIMIT_S)) for row in rows)
    lines = [
        _HEAD,
        f"{len(rows)} cells, {len(rows) - len(answers)} without an answer, {wrong} outside the limit of {LIMIT_S:g} s ",
        "(the chain's deadline and 500 ms), for the answer and for each silence inside it. ",
        f"Answers: median {answers[len(answers) // 2]:.2f} s, longest {answers[-1]:.2f} s. ",
        f"Run on {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}.\n\n",
    ]
    for place in PLACES:
        lines.append(f"## {place}\n\n")
        lines.append("| fault | when | tier | heard | answer | silence | served | counted | told |\n")
        lines.append("| --- | --- | --- | --- | ---: | ---: | --- | --- | --- |\n")
        lines += [_line(row) for row in rows if row.cell.place == place]
        lines.append("\n")
    return "".join(lines).rstrip("\n") + "\n"


def _line(row: CellRow) -> str:
    cell = row.cell
    answer = "never" if row.answer_s is None else f"{row.answer_s:.2f} s"
    counted = ", ".join(f"{name} {count}" for name, count in sorted(row.counted.items())) or "nothing"
    told = "yes" if row.told else "no"
    return (
        f"| {cell.trouble.name} | {cell.moment} | {cell.tier} | {row.heard} | {answer} | {row.silence_s:.2f} s "
        f"| {row.served} | {counted} | {told} |\n"
    )
