"""Many sessions through an outage and recovery of ElevenLabs: who waited, how soon the breaker opened and closed.

The sandbox has the latency profile `measured`, and tones for a voice.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import click
import httpx

from agent.budgets import load_budgets
from agent.core import clock
from agent.telemetry.events import BreakerChanged, CallFinished, Cause, Event, FellBack, TurnFinished
from tests.support.stack import running_service, sample
from tools.chaos.cell import uncached_policies
from voice_loadtest.caller import CallOptions
from voice_loadtest.records import CallRecord
from voice_loadtest.run import run_load
from voice_loadtest.script import Step, Type, Wait
from voice_sandbox.server import run_sandbox
from voice_sandbox.state import SandboxOptions

# Service, sandbox and callers have a process each: on one event loop each would be late with the others.
_SPAWN: Final = multiprocessing.get_context("spawn")
_TURN_S: Final = 9.0  # of a caller: a pause, what is said, its answer


@dataclass(slots=True)
class Diary:
    """What happened, with times of `agent.core.clock`. A sink."""

    breaker: list[tuple[float, str, str]] = field(default_factory=list[tuple[float, str, str]])
    probes: list[str] = field(default_factory=list[str])
    moves: dict[str, int] = field(default_factory=dict[str, int])
    turns: int = 0

    def handle(self, event: Event) -> None:
        match event:
            case BreakerChanged(provider="elevenlabs"):
                self.breaker.append((clock.now(), event.state, event.reason))
            case CallFinished(cause=Cause.PROBE, call=call) if call.provider == "elevenlabs":
                self.probes.append(str(call.outcome))
            case FellBack(_, move):
                name = f"{move.from_provider} → {move.to_provider} ({move.reason})"
                self.moves[name] = self.moves.get(name, 0) + 1
            case TurnFinished():
                self.turns += 1
            case _:
                pass


@dataclass(frozen=True, slots=True)
class OutageReply:
    """What the callers say of it."""

    turns: int
    answered: int
    by_browser: int  # turns of which the caller's client had to speak something itself
    waits: tuple[tuple[float, float], ...]  # when something was typed, and seconds from then to the first sound


@dataclass(frozen=True, slots=True)
class Outage:
    """Seconds. `opened_s` from the beginning of the outage, `closed_s` from its end; None = it did not.

    A turn is late when its first sound came later than the budget of a spoken turn.
    """

    turns: int
    answered: int
    late_before: int
    late_during: int
    late_after: int
    slowest_s: float
    by_browser: int
    opened_s: float | None
    closed_s: float | None
    probes: tuple[str, ...]
    probe_usd: float
    moves: dict[str, int]
    completed: int


async def outage(sessions: int, *, before_s: float, down_s: float, after_s: float) -> Outage:
    """Runs `sessions` typed calls through an outage of ElevenLabs of `down_s` seconds."""
    diary = Diary()
    with tempfile.TemporaryDirectory() as folder:
        policies = uncached_policies(Path(folder))  # a cached phrase would not meet the outage
        with _sandbox() as sandbox_url, ProcessPoolExecutor(1, _SPAWN) as callers:
            given: dict[str, Any] = {
                "sandbox_url": sandbox_url,
                "log_level": "error",
                "database_url": f"sqlite+aiosqlite:///{folder}/ledger.db",
                "policies_file": policies,
                "max_sessions": 2 * sessions,
                "provider_calls": 2 * sessions,
                "unlimited_addresses": ("127.0.0.1",),
            }
            async with running_service(given) as (url, ops_url, wiring, registry), httpx.AsyncClient() as client:
                wiring.sinks.members.append(diary)
                turns = int((before_s + down_s + after_s) / _TURN_S)
                call_all = partial(_call_all, url, sessions, turns, before_s / sessions)
                strike = asyncio.create_task(_strike(client, f"{sandbox_url}/control/faults", before_s, down_s))
                heard = await asyncio.get_running_loop().run_in_executor(callers, call_all)
                struck, healed = await strike
                await registry.empty()
                text = (await client.get(f"{ops_url}/metrics")).text
    opened = next((at for at, state, _ in diary.breaker if state == "open"), None)
    closed = next((at for at, state, _ in diary.breaker if state == "closed" and at > healed), None)
    budget_s = load_budgets().latency.voice_to_voice / 1000
    late = [at for at, wait in heard.waits if wait > budget_s]
    return Outage(
        turns=heard.turns,
        answered=heard.answered,
        late_before=sum(at < struck for at in late),
        late_during=sum(struck <= at < healed for at in late),
        late_after=sum(at >= healed for at in late),
        slowest_s=max(wait for _, wait in heard.waits),
        by_browser=heard.by_browser,
        opened_s=None if opened is None else opened - struck,
        closed_s=None if closed is None else closed - healed,
        probes=tuple(diary.probes),
        probe_usd=sample(text, "voice_agent_cost_usd_total", cause="probe"),
        moves=diary.moves,
        completed=int(sample(text, "voice_agent_sessions_total", outcome="completed")),
    )


def _call_all(url: str, sessions: int, turns: int, stagger_s: float) -> OutageReply:
    """All calls, in a process of their own."""
    options = CallOptions(url=url, gap_s=1.0, browser_speech=True)
    load = asyncio.run(run_load(sessions, lambda caller: _script(caller, turns), options, stagger_s=stagger_s))
    return OutageReply(
        turns=len(load.turns),
        answered=sum(turn.answered for turn in load.turns),
        by_browser=sum(turn.own_clauses > 0 for turn in load.turns),
        waits=tuple(wait for record in load.records for wait in _waits(record)),
    )


async def _strike(client: httpx.AsyncClient, faults: str, before_s: float, down_s: float) -> tuple[float, float]:
    """Takes ElevenLabs away for `down_s` seconds: it accepts requests and never answers. (began, ended)"""
    await asyncio.sleep(before_s)
    struck = clock.now()
    (await client.post(faults, json={"provider": "elevenlabs", "kind": "stall"})).raise_for_status()
    await asyncio.sleep(down_s)
    (await client.delete(faults)).raise_for_status()
    return struck, clock.now()


@contextmanager
def _sandbox() -> Generator[str]:
    """A sandbox in a process of its own."""
    here, there = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve_sandbox, args=(there,))
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def _serve_sandbox(pipe: Connection) -> None:
    async def serve() -> None:
        async with run_sandbox(SandboxOptions(port=0, profile="measured", voice="tones")) as sandbox:
            pipe.send(sandbox.url)
            await asyncio.Event().wait()

    asyncio.run(serve())


def _script(caller: int, turns: int) -> Sequence[Step]:
    steps: list[Step] = []
    for turn in range(turns):
        steps += [Wait(3.0), Type(f"hello, this is caller {caller}, for the {turn}. time")]
    return steps


def _waits(record: CallRecord) -> list[tuple[float, float]]:
    return [
        (turn.utterance.ended_at, turn.first_audio_at - turn.utterance.ended_at)
        for turn in record.turns
        if turn.first_audio_at is not None and turn.utterance is not None and turn.utterance.ended_at is not None
    ]


@click.command()
@click.option("--sessions", default=100, show_default=True)
@click.option("--before", default=10.0, show_default=True, help="Seconds of health before.")
@click.option("--down", default=20.0, show_default=True, help="Seconds of outage.")
@click.option("--after", default=35.0, show_default=True, help="Seconds of health after.")
def main(sessions: int, before: float, down: float, after: float) -> None:
    """Send many sessions through an outage and recovery of ElevenLabs."""
    result = asyncio.run(outage(sessions, before_s=before, down_s=down, after_s=after))
    for name in Outage.__slots__:
        click.echo(f"{name}: {getattr(result, name)}")


if __name__ == "__main__":
    main()
