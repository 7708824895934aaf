"""Healthy providers with measured latencies: how often a chain moves although nothing is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from tests.support.stack import clip, running_stack
from tools.chaos.outage import Diary
from voice_loadtest.caller import CallOptions
from voice_loadtest.run import run_load
from voice_loadtest.script import Speak, Step, Type

SPOKEN = ("room_01", "order_01", "smalltalk_01", "billing_01")


async def healthy(turns: int, sessions: int, spoken_every: int) -> Diary:
    """Takes `turns` turns in `sessions` sessions at once; each `spoken_every`-th session speaks, the others type."""
    diary = Diary()
    each = -(-turns // sessions)

    def script(caller: int) -> Sequence[Step]:
        if caller % spoken_every == 0:
            return [Speak(clip(SPOKEN[turn % len(SPOKEN)])) for turn in range(each)]
        return [Type(f"hello, number {turn}") for turn in range(each)]

    async with running_stack("measured", max_sessions=4 * sessions) as stack:
        stack.wiring.sinks.members.append(diary)
        await run_load(sessions, script, CallOptions(url=stack.url, gap_s=0.3), stagger_s=0.1)
        await stack.quiet()
    return diary


@click.command()
@click.option("--turns", default=2000, show_default=True)
@click.option("--sessions", default=25, show_default=True, help="Sessions at once.")
@click.option("--spoken-every", default=5, show_default=True, help="Each so-manieth session speaks.")
def main(turns: int, sessions: int, spoken_every: int) -> None:
    """Count how often the chains of healthy providers move."""
    diary = asyncio.run(healthy(turns, sessions, spoken_every))
    moved = sum(diary.moves.values())
    click.echo(f"{diary.turns} turns, {moved} moves ({moved / max(diary.turns, 1):.3%}): {diary.moves}")
    raise SystemExit(moved >= 0.001 * diary.turns)


if __name__ == "__main__":
    main()
