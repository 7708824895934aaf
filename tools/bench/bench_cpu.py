"""`make bench-cpu`: the processor time of one service process for an idle call, a frame of audio and a turn.

Processor time (user and system, all threads) of the service alone; the sandbox and the callers are other processes. It
is far steadier than waiting times on a machine that does something else as well, though not free of its neighbours:
caches and the second thread of a core are shared. Every kind of call is played in turn, round after round, and the
median of the rounds counts. `--against` plays the same to a second checkout at the same time, on the same core, so that
whatever the machine does besides slows both alike: the ratio is what to believe.

What is left over between kinds is what the finer figures are made of: a turn is what typing callers cost beyond silent
ones, since the microphones of both are on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from tests.support.paths import CLIPS, ROOT
from tools.bench.cpu_costs import Subject, Window, table
from tools.bench.processes import busy, start, wait_for
from voice_loadtest.audio import BYTES_PER_SECOND, SAMPLE_RATE, CallerRecording, load_wav
from voice_loadtest.caller import Caller, CallOptions
from voice_loadtest.pacing import Clockwork
from voice_loadtest.protocol import CLIENT, http_client, open_line, open_session
from voice_loadtest.script import Speak, Step, Type, Wait
from voice_loadtest.stack.policies import uncached
from voice_loadtest.stack.ports import free_port

SPOKEN: Final = ("room_01", "room_03", "smalltalk_01", "order_04")
TYPED: Final = "thank you"
STAGGER_S: Final = 0.1
SETTLE_S: Final = 2.0  # from the last call's beginning to the measurement
ROOM_RMS: Final = 20.0  # of 32,768: a quiet room
TABLE: Final = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- processor time -->", "<!-- end of processor time -->"


class Heard:
    """Turns that are over, and the reply audio that came with them."""

    def __init__(self) -> None:
        self.turns = 0
        self.audio = 0.0

    def turn(self, received_ms: float) -> None:
        self.turns += 1
        self.audio += received_ms / 50.0


def scripts(seconds: float) -> dict[str, Callable[[int], list[Step]]]:
    """What the callers of each kind do, by the number of the caller. Every microphone is on."""
    clips = [load_wav(CLIPS / f"{name}.wav") for name in SPOKEN]
    noise = np.random.default_rng(1).normal(0.0, ROOM_RMS, int(SAMPLE_RATE * 2 * seconds)).astype("<i2").tobytes()
    room = CallerRecording("room", noise, 0, 0)
    said = b"".join(clip.pcm[clip.voice_begins * 2 : clip.voice_ends * 2] for clip in clips)
    speech = CallerRecording.of("speech", said * (1 + int(2 * seconds * BYTES_PER_SECOND) // len(said)))
    talk = 2 + int(seconds)
    return {
        "silent": lambda _: [Wait(10 * seconds)],
        "room": lambda _: [Speak(room)],
        "speech": lambda _: [Speak(speech)],
        "typed": lambda _: [Type(TYPED)] * talk,
        "talking": lambda number: [Speak(clips[(number + turn) % len(clips)]) for turn in range(talk)],
    }


async def measured(subject: Subject, calls: int, seconds: float, heard: Heard) -> Window:
    """What the service uses within so many seconds from now on."""
    began, cpu = asyncio.get_running_loop().time(), busy(subject.process)
    turns, audio = heard.turns, heard.audio
    await asyncio.sleep(seconds)
    wall = asyncio.get_running_loop().time() - began
    memory = subject.process.memory_info().rss
    return Window(busy(subject.process) - cpu, wall, calls, heard.turns - turns, heard.audio - audio, memory)


@asynccontextmanager
async def mute_calls(subject: Subject, calls: int) -> AsyncGenerator[None]:
    """Calls whose client sends nothing but the answers to pings."""

    async def receive(url: str, token: str) -> None:
        line = await open_line(url, token, None)
        try:
            await line.send(msgspec.json.encode({"type": "start", "capabilities": {}, "client": CLIENT}).decode())
            async for frame in line:
                message = msgspec.json.decode(frame) if isinstance(frame, str) else {}
                if message.get("type") == "ping":
                    await line.send(msgspec.json.encode({"type": "pong", "id": message["id"]}).decode())
        finally:
            line.transport.abort()

    async with http_client(subject.url) as client, asyncio.TaskGroup() as group:
        tasks: list[asyncio.Task[None]] = []
        for _ in range(calls):
            grant = await open_session(client, subject.url, None)
            tasks.append(group.create_task(receive(grant.url, grant.token)))
            await asyncio.sleep(STAGGER_S)
        yield
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def playing_calls(
    subject: Subject, calls: int, script: Callable[[int], Sequence[Step]], heard: Heard
) -> AsyncGenerator[None]:
    """Calls that play a script; what is left of it when the block ends is left out."""
    clockwork = Clockwork(0.0)
    async with http_client(subject.url) as client, asyncio.TaskGroup() as group:
        running = group.create_task(clockwork.run())
        options = CallOptions(url=subject.url, gap_s=0.4)
        callers = [
            Caller(options, script(n), clockwork, on_turn=lambda turn, _: heard.turn(turn.audio_received_ms))
            for n in range(calls)
        ]
        tasks: list[asyncio.Task[object]] = []
        for caller in callers:
            await caller.connect(client)
            tasks.append(group.create_task(caller.converse()))
            await asyncio.sleep(STAGGER_S)
        yield
        for caller in callers:
            caller.interrupt()
        await asyncio.wait(tasks)
        running.cancel()


async def play(subject: Subject, kind: str, calls: int, seconds: float, settle_s: float = SETTLE_S) -> Window:
    """Makes calls of one kind and measures them once all of them run."""
    heard = Heard()
    if kind == "nobody":
        return await measured(subject, 1, seconds, heard)
    script = scripts(seconds).get(kind)
    async with mute_calls(subject, calls) if script is None else playing_calls(subject, calls, script, heard):
        await asyncio.sleep(settle_s)
        return await measured(subject, calls, seconds, heard)


KINDS: Final = ("nobody", "mute", "silent", "room", "speech", "typed", "talking")


def policies(checkout: Path, folder: Path) -> str:
    """A file with the shipped policies of a checkout, without the audio cache: every clause is synthesised."""
    shipped = next((checkout / "agent").rglob("policies.toml")).read_text()  # it has moved once
    made = folder / "policies.toml"
    made.write_text(uncached(shipped))
    return str(made)


def known(checkout: Path, wanted: dict[str, str]) -> dict[str, str]:
    """The settings that a checkout has: it refuses to start with any other."""
    declared = "".join(file.read_text() for file in (checkout / "agent").glob("settings*.py"))
    return {name: value for name, value in wanted.items() if name.removeprefix("VOICE_AGENT_").lower() in declared}


@asynccontextmanager
async def service(name: str, checkout: Path, sandbox_url: str, cores: set[int]) -> AsyncGenerator[Subject]:
    """A service of a checkout, without the audio cache, while the block runs."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    with tempfile.TemporaryDirectory() as folder:
        wanted = {
            "VOICE_AGENT_POLICIES_FILE": policies(checkout, Path(folder)),
            "VOICE_AGENT_SANDBOX_URL": sandbox_url, "VOICE_AGENT_PORT": str(port), "VOICE_AGENT_MAX_SESSIONS": "1000",
            "VOICE_AGENT_OPS_PORT": "0", "VOICE_AGENT_UNLIMITED_ADDRESSES": "127.0.0.1",
            "VOICE_AGENT_MAX_CONNECTIONS": "5000", "VOICE_AGENT_FREE_LAG_S": "10", "VOICE_AGENT_ANY_LAG_S": "10",
            "VOICE_AGENT_LOG_LEVEL": "warning", "VOICE_AGENT_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/bench.db",
        }  # fmt: skip
        process = start(["serve"], cores, checkout, **known(checkout, wanted))
        try:
            await asyncio.to_thread(wait_for, f"{url}/health/ready")
            yield Subject(name, url, process)
        finally:
            process.terminate()
            process.wait(15)


async def measure(options: argparse.Namespace) -> list[Subject]:
    """All kinds for all services, round after round."""
    cores = set(range(os.cpu_count() or 1))
    others = cores - {0} or cores
    os.sched_setaffinity(0, others)
    sandbox_url = f"http://127.0.0.1:{(sandbox_port := free_port())}"
    sandbox = start(["sandbox", "--port", str(sandbox_port), "--profile", "instant", "--voice", "tones"], others)
    checkouts = [*([("before", options.against)] if options.against else []), ("now", ROOT)]
    try:
        await asyncio.to_thread(wait_for, f"{sandbox_url}/control/state")
        async with AsyncExitStack() as stack:
            subjects = [
                await stack.enter_async_context(service(name, path, sandbox_url, {0})) for name, path in checkouts
            ]
            for subject in subjects:
                await play(subject, "talking", 3, 6.0)  # imports, connections and caches
                subject.memory = subject.process.memory_info().rss
            for number in range(options.rounds):
                for kind in options.kinds:
                    order = subjects if number % 2 == 0 else subjects[::-1]  # who comes first wakes the core up
                    windows = await asyncio.gather(
                        *(play(subject, kind, options.calls, options.seconds) for subject in order)
                    )
                    for subject, window in zip(order, windows, strict=True):
                        subject.windows.setdefault(kind, []).append(window)
                        print(
                            f"round {number + 1} {kind:8} {subject.name:6} {window.call_share:.3%} of a core a call,"
                            f" {window.turns} turns",
                            file=sys.stderr,
                        )
    finally:
        sandbox.terminate()
        sandbox.wait(15)
    return subjects


def main() -> None:
    """Measures and prints; `--write` puts the table into docs/scale.md."""
    parser = argparse.ArgumentParser(prog="make bench-cpu", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=10, help="at a time")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--against", type=Path, help="another checkout that is measured in the same rounds")
    parser.add_argument("--json", action="store_true", help="print every window as JSON")
    parser.add_argument("--write", action="store_true", help="write docs/scale.md")
    options = parser.parse_args()
    subjects = asyncio.run(measure(options))
    if options.json:
        print(json.dumps({one.name: msgspec.to_builtins(one.windows) for one in subjects}))
    if set(options.kinds) != set(KINDS):
        return
    text = table(subjects, options.rounds, options.calls, options.seconds)
    print(text)
    if options.write:
        page = TABLE.read_text()
        head, _, rest = page.partition(BEGIN)
        TABLE.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
