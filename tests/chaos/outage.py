"""Many sessions through an outage and recovery of ElevenLabs: who waited, how soon the breaker opened and closed."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from agent import clock
from agent.load.caller import CallOptions
from agent.load.load import LoadResult, run_load
from agent.load.records import CallRecord
from agent.load.script import Step, Type, Wait
from agent.sandbox.faults import FaultKind, FaultRule
from agent.telemetry.events import BreakerChanged, CallFinished, Cause, Event, FellBack, TurnFinished
from tests.chaos.cell import uncached_policies
from tests.house import House, running_house, sample

_TURN_S = 7.0  # of a caller: what is said, its answer, a pause
LATE_S = 1.2  # the deadline of a voice: whoever waited longer for the first sound than that was late


@dataclass(slots=True)
class Diary:
    """What happened, with times of `agent.clock`. A sink."""

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
class Outage:
    """Seconds. `opened_s` from the beginning of the outage, `closed_s` from its end; None = it did not."""

    turns: int
    answered: int
    late: int
    slowest_s: float
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
        async with running_house(max_sessions=2 * sessions, policies_file=policies) as house:
            house.wiring.sinks.members.append(diary)
            struck, healed, load, text = await _through(house, sessions, before_s, down_s, after_s)
    opened = next((at for at, state, _ in diary.breaker if state == "open"), None)
    closed = next((at for at, state, _ in diary.breaker if state == "closed" and at > healed), None)
    waits = [wait for record in load.records for wait in _waits(record)]
    return Outage(
        turns=diary.turns,
        answered=sum(turn.answered for turn in load.turns),
        late=sum(wait > LATE_S for wait in waits),
        slowest_s=max(waits),
        opened_s=None if opened is None else opened - struck,
        closed_s=None if closed is None else closed - healed,
        probes=tuple(diary.probes),
        probe_usd=sample(text, "voice_agent_cost_usd_total", cause="probe"),
        moves=diary.moves,
        completed=int(sample(text, "voice_agent_sessions_total", outcome="completed")),
    )


async def _through(
    house: House, sessions: int, before_s: float, down_s: float, after_s: float
) -> tuple[float, float, LoadResult, str]:
    fault = asyncio.create_task(_strike(house, before_s, down_s))
    per_caller = int((before_s + down_s + after_s) / _TURN_S)
    options = CallOptions(url=house.url, gap_s=1.0, browser_speech=True)
    load = await run_load(
        sessions, lambda caller: _script(caller, per_caller), options, stagger_s=min(0.1, before_s / sessions)
    )
    struck, healed = await fault
    await house.quiet()
    return struck, healed, load, await house.metrics()


async def _strike(house: House, before_s: float, down_s: float) -> tuple[float, float]:
    """Takes ElevenLabs away for `down_s` seconds: it accepts requests and never answers. (began, ended)"""
    await asyncio.sleep(before_s)
    struck = clock.now()
    house.sandbox.world.faults.add(FaultRule(provider="elevenlabs", kind=FaultKind.STALL))
    await asyncio.sleep(down_s)
    house.sandbox.world.faults.clear()
    return struck, clock.now()


def _script(caller: int, turns: int) -> Sequence[Step]:
    steps: list[Step] = []
    for turn in range(turns):
        steps += [Wait(3.0), Type(f"hello, this is caller {caller}, for the {turn}. time")]
    return steps


def _waits(record: CallRecord) -> list[float]:
    """Seconds from what was typed to the first sound of each turn that had one."""
    return [
        turn.first_audio_at - turn.utterance.ended_at
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
