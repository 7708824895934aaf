"""Plays dialogues on the whole stack: the real service and its SDKs, the sandbox, the front desk's database."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from tests.support.paths import ROOT
from tests.support.replicas import Replica, environment
from tests.support.stack import running_stack
from tools.dialogues.corpus import DESK, Dialogue, Disturbance
from voice_loadtest.stack.ports import free_ports
from voice_loadtest.typed_caller import TypedCaller
from voice_sandbox.anthropic.tool_use import AGAIN
from voice_sandbox.faults import FaultKind, FaultRule
from voice_sandbox.server import RunningSandbox, run_sandbox
from voice_sandbox.state import SandboxOptions

_QUESTION: Final = ("Shall I book it?", "Shall I cancel it?")
_POLL_S: Final = 0.005
AT_ONCE: Final = 5
SAYS_AGAIN_S: Final = 3.0


@dataclass
class PlayedDialogue:
    """One dialogue, and what came of it."""

    dialogue: Dialogue
    replies: list[str] = field(default_factory=list[str])
    late: list[str] = field(default_factory=list[str])
    """Those after the disturbance; all, where there was none."""
    rows: list[str] = field(default_factory=list[str])
    since: int = 0
    reference: str = ""
    looked: list[str] = field(default_factory=list[str])
    fault: str = ""

    @property
    def wrong(self) -> list[str]:
        """What is not as it has to be; empty where all is well."""
        want, said = self.dialogue, " | ".join(self.replies)
        found = [self.fault] if self.fault else []
        if self.rows != list(want.books):
            found.append(f"rows {self.rows}")
        late = " | ".join(self.late)
        found += [f"not told: {one}" for one in want.told if one.replace("{reference}", self.reference) not in late]
        found += [f"said: {one}" for one in want.never if one in said]
        asked = sum(reply.endswith(_QUESTION) for reply in self.replies)
        if asked != want.questions and want.disturb is None:
            found.append(f"asked {asked} times")
        if any(not reply for reply in self.replies):
            found.append("a turn without a word")
        if want.looks and sorted(self.looked) != sorted(want.looks):
            found.append(f"looked up {self.looked}")
        return found


class Stage:
    """Where dialogues are played: the address of the service, the sandbox, and the folder of the desk."""

    def __init__(self, url: str, sandbox: RunningSandbox, folder: Path) -> None:
        self.url, self.sandbox, self.folder = url, sandbox, folder
        self.killed = asyncio.Event()
        self.waiting = 0  # dialogues that are at their moment, and wait for the kill
        self.held = asyncio.Event()  # those that can wait long are there

    async def play(self, dialogue: Dialogue) -> PlayedDialogue:
        """Plays one dialogue. Raises nothing but for cancellation."""
        played = PlayedDialogue(dialogue)
        caller = TypedCaller(self.url)
        try:
            for line in dialogue.before:
                played.reference = await self._call_before(line)
            await caller.open()
            for number, line in enumerate(dialogue.says, 1):
                text = line.replace("{reference}", played.reference)
                if dialogue.disturb is not None and dialogue.disturb.turn == number:
                    await _Disturbing(self, caller, played).turn(dialogue.disturb, text)
                else:
                    await caller.say(text)
            for line in dialogue.then:
                await caller.say(line)
            await caller.close()
        except Exception as error:  # a dialogue that does not come to its end is wrong, the others go on
            played.fault = f"{type(error).__name__}: {error}; {caller.events[-3:]}"
        played.replies, played.late = caller.replies(), caller.replies(played.since)
        self._books(played)
        played.looked = [one["day"] for one in self._journal(caller.session) if one["tool"] == "check_availability"]
        return played

    async def _call_before(self, lines: str) -> str:
        caller = TypedCaller(self.url)
        await caller.open()
        for line in lines.split(" / "):
            await caller.say(line)
        await caller.close()
        found = [one for one in self._journal(caller.session) if one["tool"] == "book_room"]
        return self._reference(found[-1]["key"]) if found else ""

    def _journal(self, session: str) -> list[dict[str, Any]]:
        file = self.folder / f"{session}.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def _reference(self, key: str) -> str:
        with sqlite3.connect(self.folder / "desk.db") as database:
            found = database.execute("select reference from bookings where wish = ?", (key,)).fetchone()
        return str(found[0]) if found else ""

    def _books(self, played: PlayedDialogue) -> None:
        location, _, rest = played.dialogue.place.partition("|")
        day, _, time = rest.partition("|")
        with sqlite3.connect(self.folder / "desk.db") as database:
            rows = database.execute(
                "select reference, location, day, time, duration, people, cancelled from bookings"
                " where location = ? and day = ? and time = ? order by reference",
                (location, day, time),
            ).fetchall()
        played.rows = ["|".join(map(str, row[1:])) for row in rows]
        played.reference = str(rows[-1][0]) if rows else played.reference


class _Disturbing:
    """One disturbed turn."""

    def __init__(self, stage: Stage, caller: TypedCaller, played: PlayedDialogue) -> None:
        self._stage, self._caller, self._played = stage, caller, played
        self._session = caller.session
        self._faults = stage.sandbox.world.faults
        self._insists = False
        self._hold = stage.folder / f"{self._session}.hold"

    async def turn(self, disturb: Disturbance, text: str) -> None:
        """Says the line, and lets happen what happens, at its moment."""
        caller, stage = self._caller, self._stage
        self._insists = disturb.insists
        if disturb.what == "fallback":
            await self._without_the_model(disturb, text)
            return
        if disturb.what == "kill" and disturb.at in ("thinking", "result"):
            await stage.held.wait()  # a model that is stalled is not waited for as long as a tool
        if disturb.at in ("running", "committed"):
            self._hold.write_text(disturb.at)
        elif disturb.at in ("thinking", "result"):
            self._fault(FaultKind.STALL)
        asked = self._requests()
        if disturb.at == "asked":
            await caller.say(text)
        else:
            caller.slow = disturb.at == "speaking"
            number = await caller.type(text)
            await self._moment(disturb, asked, number)
        since = self._played.since = len(caller.events)
        if disturb.insists:
            self._faults.clear(session=self._session)
            self._fault(FaultKind.TOOL_USE, variant=AGAIN)
        await self._befall(disturb)
        caller.slow = False
        if disturb.what == "barge_in" or disturb.at == "asked":
            return
        # What was cut off is answered by itself. A process that is killed within the 50 ms of a commit has not stored
        # what was said last: then the caller says it again.
        if disturb.what == "kill" and not await caller.begins(since, SAYS_AGAIN_S):
            await caller.say(text)
        else:
            await caller.answered(since)

    async def _befall(self, disturb: Disturbance) -> None:
        caller, stage = self._caller, self._stage
        match disturb.what:
            case "barge_in":
                number = await caller.type(disturb.says)
                caller.slow = False
                self._release()
                await caller.over(number)
            case "reconnect":
                await caller.lose()
                self._release()
                await caller.open()
            case "kill":
                stage.waiting += 1
                await stage.killed.wait()
                self._release()
                await caller.lose()
                await caller.open()
            case "fallback":
                pass

    async def _without_the_model(self, disturb: Disturbance, text: str) -> None:
        caller = self._caller
        if disturb.at == "thinking":
            self._fault(FaultKind.OVERLOADED, count=1)
            await caller.say(text)
        elif disturb.at == "running":
            self._hold.write_text("running")
            number = await caller.type(text)
            await until((self._hold.with_suffix(".held")).exists)
            self._fault(FaultKind.OVERLOADED, count=1)
            self._release_tool()
            await caller.over(number)
        else:
            kind = FaultKind.SERVER_ERROR if disturb.at == "result" else FaultKind.CUT
            self._fault(kind, count=1, after=0 if disturb.at == "result" else 2)
            await caller.say(text)

    async def _moment(self, disturb: Disturbance, asked: int, turn: int) -> None:
        match disturb.at:
            case "running" | "committed":
                await until(self._hold.with_suffix(".held").exists)
            case "thinking" | "result":
                await until(lambda: self._requests() > asked)
            case "speaking":
                await self._caller.until(lambda: any(event["turn"] == turn for event in self._caller.of("audio.start")))
            case "asked":
                pass

    def _fault(self, kind: FaultKind, **rule: Any) -> None:
        self._faults.add(FaultRule(provider="anthropic", kind=kind, session=self._session, **rule))

    def _requests(self) -> int:
        log = self._stage.sandbox.world.log.entries
        return sum(one.session == self._session and one.provider == "anthropic" and _is_answer(one.body) for one in log)

    def _release(self) -> None:
        if not self._insists:
            self._faults.clear(session=self._session)
        self._release_tool()

    def _release_tool(self) -> None:
        self._hold.unlink(missing_ok=True)


def _is_answer(body: Any) -> bool:
    """A request for a reply, and not for notes."""
    return isinstance(body, dict) and "tools" in body


async def until(holds: Callable[[], bool]) -> None:
    """Lets the loop run until something is true; raises TimeoutError after 20 s."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def one_process(folder: Path) -> AsyncGenerator[Stage]:
    """The service in this process."""
    with _surroundings(folder):
        async with running_stack(agents_dir=DESK, agent="front_desk", budgets_file=_patient(folder)) as stack:
            yield Stage(stack.url, stack.sandbox, folder)


def _patient(folder: Path) -> Path:
    """The budgets with deadlines that a busy machine keeps: what is played here is no matter of time."""
    text = (ROOT / "agent" / "budgets.toml").read_text()
    head, _, rest = text.partition("[deadlines_ms]")
    deadlines, _, tail = rest.partition("[objective]")
    file = folder / "budgets.toml"
    file.write_text(f"{head}[deadlines_ms]{re.sub(r'= [0-9]+', '= 10000', deadlines)}[objective]{tail}")
    return file


@contextmanager
def _surroundings(folder: Path) -> Any:
    with patch.dict(os.environ, {"FRONT_DESK_DB": str(folder / "desk.db"), "DIALOGUE_DIR": str(folder)}):
        yield


async def play(dialogues: Sequence[Dialogue], at_once: int = AT_ONCE) -> list[PlayedDialogue]:
    """Plays dialogues, so many at once, and those that are killed together in a process of their own."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        calm = await _play_here([d for d in dialogues if not d.killed], Path(one), at_once)
        killed = await _play_killed([d for d in dialogues if d.killed], Path(two))
    found = {played.dialogue.name: played for played in (*calm, *killed)}
    return [found[dialogue.name] for dialogue in dialogues]


async def _play_here(dialogues: Sequence[Dialogue], folder: Path, at_once: int) -> list[PlayedDialogue]:
    if not dialogues:
        return []
    room = asyncio.Semaphore(at_once)

    async with one_process(folder) as stage:

        async def one(dialogue: Dialogue) -> PlayedDialogue:
            async with room:
                return await stage.play(dialogue)

        return await asyncio.gather(*map(one, dialogues))


async def _play_killed(dialogues: Sequence[Dialogue], folder: Path) -> list[PlayedDialogue]:
    """All of them at their moments, `kill -9`, the service started again, and every caller comes back."""
    if not dialogues:
        return []
    port, ops_port = free_ports(2)
    async with run_sandbox(SandboxOptions(port=0, profile="instant")) as sandbox:
        settings = environment(
            f"sqlite:///{folder / 'ledger.db'}",
            sandbox.url,
            port,
            ops_port,
            agents_dir=DESK,
            agent="front_desk",
            budgets_file=_patient(folder),
        )
        settings |= {"FRONT_DESK_DB": str(folder / "desk.db"), "DIALOGUE_DIR": str(folder)}
        replica = Replica(settings, port, ops_port, folder / "service.log")
        await replica.start()
        stage = Stage(replica.url, sandbox, folder)
        quick = sum(d.disturb is not None and d.disturb.at in ("thinking", "result") for d in dialogues)
        try:
            async with asyncio.TaskGroup() as group:
                calls = [group.create_task(stage.play(dialogue)) for dialogue in dialogues]
                await _all_at(stage, calls, len(dialogues) - quick)
                stage.held.set()
                await _all_at(stage, calls, len(dialogues))
                replica.signal(signal.SIGKILL)
                await replica.ended()
                await replica.start()
                stage.killed.set()
            return [call.result() for call in calls]
        finally:
            if replica.process is not None and replica.process.returncode is None:
                replica.process.kill()
                await replica.process.wait()


async def _all_at(stage: Stage, calls: Sequence[asyncio.Task[PlayedDialogue]], count: int) -> None:
    """Waits until so many dialogues wait for the kill, or have failed before."""
    async with asyncio.timeout(60):
        while stage.waiting + sum(call.done() for call in calls) < count:
            await asyncio.sleep(_POLL_S)
