"""Runs one cell of the chaos matrix on the whole stack, and says what its caller heard."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from agent.policy.policies import DEFAULT_PATH
from agent.providers.recorded import TEXTS
from agent.telemetry.events import (
    BreakerChanged,
    CallFinished,
    Event,
    FellBack,
    ListeningNoted,
    Overlapped,
    SessionEnded,
    ToolFinished,
)
from tests.support.paths import ROOT
from tests.support.stack import Stack, clip, running_stack, sample
from tools.chaos.caller import CallerLine, on_the_line
from tools.chaos.matrix import PLACES, Cell
from voice_loadtest.stack.policies import uncached

SHORT: Final = "Hello there, good morning."
QUESTION: Final = "what rooms do you have"
HARD: Final = (
    "I would like to know in detail which of your rooms are free on Friday afternoon, what each of them has, "
    "and what it would cost us to book the largest one."
)
LOOKS_UP: Final = "is anything free on Friday?"
SORRY: Final = "I am sorry, that did not work."
DESK: Final = ROOT / "tools" / "chaos" / "desk"
APOLOGIES: Final = frozenset(TEXTS.values())
_PATIENCE_S: Final = 15.0
_LISTEN_S: Final = {"first turn": 4.0, "idle": 4.0, "mid-reply": 9.0}  # to the answer, from its first sound on


@dataclass(slots=True)
class CellOutcome:
    """The events of one session. A sink."""

    calls: Counter[str] = field(default_factory=Counter[str])
    moves: Counter[str] = field(default_factory=Counter[str])
    tools: Counter[str] = field(default_factory=Counter[str])  # calls of tools, by how they ended
    notes: Counter[str] = field(default_factory=Counter[str])  # sounds over replies, and what listening noted
    ended: str = ""
    usd: float = 0.0
    usd_by_service: Mapping[str, float] = field(default_factory=dict[str, float])


class Witness:
    """A sink that keeps events apart by session."""

    def __init__(self) -> None:
        self.sessions: dict[str, CellOutcome] = {}
        self.breakers: list[BreakerChanged] = []

    def of(self, session: str) -> CellOutcome:
        return self.sessions.setdefault(session, CellOutcome())

    def handle(self, event: Event) -> None:
        match event:
            case CallFinished(session=info, call=call) if info is not None:
                self.of(info.session_id).calls[f"{call.provider} {call.outcome}"] += 1
            case FellBack(info, move):
                self.of(info.session_id).moves[f"{move.from_provider} → {move.to_provider} ({move.reason})"] += 1
            case SessionEnded():
                self.of(event.session.session_id).ended = event.outcome.value
                self.of(event.session.session_id).usd = event.cost_usd
                self.of(event.session.session_id).usd_by_service = event.cost_by_service
            case Overlapped(info, kind):
                self.of(info.session_id).notes[kind.value] += 1
            case ListeningNoted(info, noted):
                self.of(info.session_id).notes[noted.value] += 1
            case ToolFinished(session=info, call=tool):
                why = f" ({tool.reason})" if tool.reason else ""
                self.of(info.session_id).tools[f"tool {tool.outcome}{why}"] += 1
            case BreakerChanged():
                self.breakers.append(event)
            case _:
                pass


@dataclass(frozen=True, slots=True)
class CellRow:
    """What became of a cell. Seconds; `answer_s` None = the caller heard nothing."""

    cell: Cell
    heard: str
    answer_s: float | None
    silence_s: float
    served: str
    counted: dict[str, int]
    told: bool  # the client got `degraded`
    outcome: str  # of the session
    close_code: int | None
    missing: tuple[str, ...] = ()  # metrics that should have counted and did not

    def wrong(self, limit_s: float) -> list[str]:
        """What this cell must not be; `limit_s` is the chain's deadline plus the margin."""
        problems: list[str] = []
        if self.answer_s is None:
            problems.append("no answer")
        elif self.answer_s < 0:
            problems.append(f"answered {-self.answer_s:.2f} s before the caller was done")
        elif self.answer_s > limit_s:
            problems.append(f"answered after {self.answer_s:.2f} s")
        if self.silence_s > limit_s:
            problems.append(f"silent for {self.silence_s:.2f} s inside the answer")
        if (self.outcome, self.close_code) != ("completed", 1000):
            problems.append(f"session {self.outcome or 'lost'}, close code {self.close_code}")
        if self.told and self.cell.tier == "free":
            problems.append("a free caller was told")
        failed = any(name.startswith(("tool failed", "tool timeout", "tool unavailable")) for name in self.counted)
        if failed and self.heard != "that it did not work":
            problems.append(f"a failed tool, of which the caller heard: {self.heard}")
        if not self.counted:
            problems.append("nothing was counted")
        problems += [f"metric missing: {name}" for name in self.missing]
        return problems


def uncached_policies(folder: Path) -> Path:
    """Writes the policies without an audio cache and without a holdout: every call is made, and by the same models."""
    policies = folder / "policies.toml"
    policies.write_text(
        uncached(DEFAULT_PATH.read_text()).replace("haiku_first = 95\nsonnet_first = 5", "haiku_first = 100")
    )
    return policies


@asynccontextmanager
async def chaos_house(folder: Path, **settings: Any) -> AsyncGenerator[tuple[Stack, Witness]]:
    """A stack in which every cell meets its fault."""
    async with running_stack(policies_file=uncached_policies(folder), stt_idle_s=3.0, **settings) as stack:
        witness = Witness()
        stack.wiring.sinks.members.append(witness)
        yield stack, witness


async def run_cells(group: list[Cell], folder: Path, started: asyncio.Barrier) -> list[CellRow]:
    """Runs cells that share place, fault and moment, side by side in a stack of their own, once all have started."""
    async with chaos_house(folder, prepare=partial(_desk, folder, group[0].place)) as (stack, witness):
        await started.wait()
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(_run(cell, stack, witness)) for cell in group]
        rows = [task.result() for task in running]
        await stack.quiet()
        happened = deepcopy(witness)  # /metrics is read later: what happens until then may be on it or not
        missing = _missing(await stack.metrics(), happened)
        return [_settled(row, witness.of(session), missing) for session, row in rows]


def _desk(folder: Path, place: str, sandbox: str) -> dict[str, Any]:
    """The settings with the agent of a place whose tools ask this sandbox; none for other places."""
    if PLACES[place].service != "tool":
        return {}
    file = (DESK / f"{place}.toml").read_text().replace("SANDBOX", urlsplit(sandbox).netloc)
    agents = folder / "agents"
    agents.mkdir()
    (agents / f"{place}.toml").write_text(file)
    return {"agents_dir": agents, "agent": place, "tool_private_hosts": ("127.0.0.1",)}


async def _run(cell: Cell, stack: Stack, witness: Witness) -> tuple[str, CellRow]:
    async with on_the_line(stack, premium=cell.tier == "premium") as line:
        if PLACES[cell.place].service == "stt":
            await _spoken(cell, stack, line, witness)
        else:
            await _typed(cell, stack, line)
        answer_s = None if line.first_at is None or line.owed_at is None else line.first_at - line.owed_at
        heard, told, silence_s = _heard(line), line.has("degraded"), line.silence_s
        browser = line.browser_clauses > 0 or line.asked_to_listen
    served = "browser" if browser else ""
    return line.session, CellRow(cell, heard, answer_s, silence_s, served, {}, told, "", line.close_code)


async def _typed(cell: Cell, stack: Stack, line: CallerLine) -> None:
    uses_tool = PLACES[cell.place].service == "tool"
    text = LOOKS_UP if uses_tool else HARD if cell.place == "sonnet" else QUESTION
    faults = stack.sandbox.world.faults
    if cell.moment == "idle":
        await line.type(SHORT)
        # both: the report of this turn must not pass for that of the next
        await line.until(lambda: line.has("audio.end") and line.has("turn.metrics"), _PATIENCE_S)
        line.fresh()
    if cell.moment == "mid-reply" and uses_tool:  # it is asked for over a reply
        await line.type(QUESTION)
        await line.until(lambda: line.first_at is not None, _PATIENCE_S)
        line.fresh()
    rules = cell.rules(line.session)
    late = cell.moment == "mid-reply" and PLACES[cell.place].service == "tts" and rules[-1].after == 0
    if not late:
        for rule in rules:
            faults.add(rule)
    await line.type(text)
    if late:
        await line.until(lambda: line.first_at is not None, _PATIENCE_S)
        for rule in rules:
            faults.add(rule)
    await line.until(lambda: line.first_at is not None, _PATIENCE_S)
    await line.until(lambda: line.reported, _LISTEN_S[cell.moment])
    faults.clear(session=line.session)


async def _spoken(cell: Cell, stack: Stack, line: CallerLine, witness: Witness) -> None:
    """The microphone is open until an answer came. `mid-reply`: the fault meets an open stream's next connection."""
    faults = stack.sandbox.world.faults
    if cell.moment == "idle":
        await line.say(clip("room_01"), 4.0)  # long enough for the recogniser's stream to be closed
        await line.until(lambda: witness.of(line.session).calls["deepgram ok"] > 0, _PATIENCE_S)
        line.fresh()
    elif cell.moment == "mid-reply":
        await line.type(QUESTION)
        await line.until(lambda: line.first_at is not None, _PATIENCE_S)
        line.fresh()
    for rule in cell.rules(line.session):
        faults.add(rule)
    talking = asyncio.create_task(_talk(line))
    try:
        await line.until(lambda: line.asked_to_listen or line.has("transcript.final"), _PATIENCE_S)
        if line.asked_to_listen and not line.has("transcript.final"):
            await line.send(type="text", text="book a room", spoken=True)
        await line.until(lambda: line.first_at is not None, _PATIENCE_S)
    finally:
        talking.cancel()
        await asyncio.wait({talking})
    await line.until(lambda: line.first_at is not None, _PATIENCE_S)
    await line.until(lambda: line.has("turn.metrics"), _LISTEN_S[cell.moment])
    faults.clear(session=line.session)


async def _talk(line: CallerLine) -> None:
    await line.say(clip("room_01"), 12.0)


def _heard(line: CallerLine) -> str:
    parts: list[str] = []
    if line.asked_to_listen:
        parts.append("was asked to let the browser listen")
    said = line.all("reply.text")
    if any(message["text"] in APOLOGIES for message in said):
        parts.append("a recorded apology")
    elif line.audio_s and any(message["text"].startswith(SORRY) for message in said):
        parts.append("that it did not work")
    elif line.audio_s:
        metrics = line.all("turn.metrics")
        cut = bool(metrics) and metrics[-1]["outcome"] in ("cut_short", "typed_failed", "failed")
        parts.append("the beginning of the reply" if cut else "the reply")
    if line.browser_clauses:
        parts.append("clauses spoken by the browser")
    return ", ".join(parts) or "nothing"


def _settled(row: CellRow, seen: CellOutcome, missing: tuple[str, ...]) -> CellRow:
    counted = {name: count for name, count in seen.calls.items() if not name.endswith((" ok", " cancelled"))}
    counted |= dict(seen.moves) | dict(seen.tools)
    names = {name.removesuffix(" ok") for name in seen.calls if name.endswith(" ok")} | {row.served} - {""}
    served = ", ".join(sorted(names))
    return CellRow(
        row.cell, row.heard, row.answer_s, row.silence_s, served, counted, row.told, seen.ended, row.close_code,
        missing,
    )  # fmt: skip


def _missing(text: str, witness: Witness) -> tuple[str, ...]:
    """Events of the stack that the metrics do not show."""
    moves = sum(sum(seen.moves.values()) for seen in witness.sessions.values())
    wanted = {
        "fallbacks_total": moves,
        "sessions_total": len(witness.sessions),
        "breaker_changes_total": len(witness.breakers),
    }
    missing = [name for name, count in wanted.items() if sample(text, f"voice_agent_{name}") < count]
    for session in witness.sessions.values():
        for name in session.tools:
            outcome, _, why = name.removeprefix("tool ").partition(" ")
            if sample(text, "voice_agent_tool_calls_total", outcome=outcome) < 1:
                missing.append(f"tool_calls_total {outcome}")
            if why and sample(text, "voice_agent_tool_faults_total", reason=why.strip("()")) < 1:
                missing.append(f"tool_faults_total {why}")
        for name in session.calls:
            provider, outcome = name.split(" ")
            if sample(text, "voice_agent_api_calls_total", provider=provider, outcome=outcome) < 1:
                missing.append(f"api_calls_total {name}")
    return tuple(missing)
