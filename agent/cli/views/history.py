"""One call as `voice-agent session export` writes it: for people, and for other programs."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import datetime
from typing import Final

from agent.reports.call_record import CallHistory, Line, ToolRun

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def history_json(history: CallHistory) -> str:
    """JSON, two spaces deep; instants are ISO 8601, in UTC. What could move the cursor of a terminal is escaped."""
    text = json.dumps(
        asdict(history) | {"tools_used": history.tools_used()},
        ensure_ascii=False,
        indent=2,
        default=lambda value: value.isoformat() if isinstance(value, datetime) else str(value),
    )
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def history_text(history: CallHistory) -> str:
    """The call as it went, line by line. What callers and tools said cannot move the cursor of a terminal."""
    h = history
    ended = "still running" if h.ended_at is None else f"{h.ended_at:%H:%M:%S}, {h.outcome}"
    agent = "" if h.agent is None else f", agent {h.agent} v{h.agent_version}"
    lines = [
        f"session {h.session_id}",
        f"caller  {h.subject} ({h.tier}, policy {h.policy} v{h.policy_version}{agent})",
        f"time    {h.started_at:%Y-%m-%d %H:%M:%S} UTC to {ended}",
        f"turns   {h.turns}, {h.slow_turns} slow",
        f"cost    ${h.usd:.4f}" + "".join(f", {name} ${usd:.4f}" for name, usd in h.usd_by_service.items()),
        "",
    ]
    events: list[tuple[datetime, str]] = [(one.at, _said(one)) for one in h.transcript]
    events += [(one.at, _done(one)) for one in h.tools]
    lines += [_CONTROL.sub("", text) for _, text in sorted(events, key=lambda event: event[0])]
    return "\n".join(lines if events else [*lines, "nothing was said"])


def _said(line: Line) -> str:
    mark = " [interrupted]" if line.interrupted else ""
    return f"{line.at:%H:%M:%S} {line.speaker + ':':8}{' '.join(line.text.split())}{mark}"


def _done(run: ToolRun) -> str:
    how = "" if run.ok else " [failed]"
    return f"{run.at:%H:%M:%S} {'tool:':8}{run.name}({run.arguments}) → {' '.join(run.result.split())}{how}"
