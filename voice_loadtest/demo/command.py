"""`voice-agent demo`: a mixed load with a bad spell in the middle, so that both boards have a story to tell.

Time is compressed: the windows of the recording rules are divided by 24 (an hour becomes 2½ minutes), while callers
talk at their own speed: minutes of many calls fill what hours of a low-traffic service would.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import httpx

from voice_loadtest.script import Drop, Interrupt, Step, Type, Wait
from voice_loadtest.stack.policies import policies_text
from voice_loadtest.stack.processes import LocalOptions, LocalStack, local_stack
from voice_loadtest.stack.signals import end_on_sigterm
from voice_loadtest.traffic import CallerPool, Tally, clip, conversation, switchboard

FASTER: Final = 24.0
TYPED: Final = (
    "What are your opening hours?",
    "The webhook of your REST API answers with status code 401, which token does it want?",
    "I would like to book a meeting room for five people tomorrow at half past two, if that is still free.",
    "Please book a room for five people tomorrow.",
)
_FIRST_S: Final = 20.0  # shares of the first few turns are all or nothing
HOLDOUT: Final = 40  # percent of the sessions on the baseline: enough of it within minutes
HAIKU: Final = "claude-haiku-5-5"
SLOW_HAIKU: Final = {HAIKU: {"p50_ms": 1200.0, "p95_ms": 2600.0}}
FAILING_VOICE: Final = {"provider": "elevenlabs", "kind": "overloaded", "probability": 0.12}
SPELLS: Final = ((0.22, "healthy"), (0.25, "Haiku slow, ElevenLabs failing"), (0.53, "recovered"))


@click.command()
@click.option(
    "--minutes", type=click.FloatRange(0.1, 60), default=7.0, show_default=True, help="How long callers call."
)
@click.option("--callers", type=click.IntRange(1, 100), default=14, show_default=True, help="Calls at a time.")
@click.option("--port", default=8000, show_default=True, help="Port of the service; 0 takes a free one.")
@click.option("--sandbox-port", default=8100, show_default=True, help="Port of the sandbox.")
@click.option("--prometheus-port", default=9090, show_default=True, help="Port of Prometheus.")
@click.option("--seed", default=1, show_default=True, help="Seed of callers and sandbox.")
@click.option("--exit", "leave", is_flag=True, help="Stop everything when the load is over, instead of waiting.")
def demo(
    minutes: float, callers: int, port: int, sandbox_port: int, prometheus_port: int, seed: int, leave: bool
) -> None:
    """Runs service, sandbox and Prometheus under a mixed load that goes bad in the middle, for both boards."""
    end_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="voice-agent-demo-") as name:
        folder = Path(name)
        policies = folder / "policies.toml"
        policies.write_text(policies_text({"haiku_first": 100 - HOLDOUT, "sonnet_first": HOLDOUT}), encoding="utf-8")
        database = f"sqlite+aiosqlite:///{folder / 'ledger.db'}"
        options = LocalOptions(
            folder=folder,
            port=port,
            sandbox_port=sandbox_port,
            prometheus_port=prometheus_port,
            seed=seed,
            faster=FASTER,
            settings={
                "POLICIES_FILE": str(policies),
                "DATABASE_URL": database,
                "RESUME_GRACE_S": "3",
                "LOG_LEVEL": "error",
            },
        )
        try:
            asyncio.run(_demo(options, minutes * 60, callers, database, leave))
        except KeyboardInterrupt:
            click.echo("\nstopped")


async def _demo(options: LocalOptions, seconds: float, callers: int, database: str, leave: bool) -> None:
    async with local_stack(options) as stack:
        _say(f"service     {stack.url}   sandbox {stack.sandbox_url}")
        _say(f"Prometheus  {stack.prometheus_url or 'not installed: the boards need it'}")
        began = time.time()
        tally = await stack.while_alive(run_demo_load(stack, seconds, callers, options.seed))
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(tally.calls.items()))
        _say(f"done: {tally.calls.total()} calls ({kinds}), {tally.turns} turns, {tally.refused} refused")
        _where_to_look(stack, database, began + _FIRST_S, began + seconds)
        if not leave:
            _say("everything keeps running until Ctrl-C")
            await stack.while_alive(asyncio.Event().wait())


async def run_demo_load(stack: LocalStack, seconds: float, callers: int, seed: int) -> Tally:
    """Keeps `callers` calls going for so many seconds, through the three spells; returns what was called."""
    until = time.monotonic() + seconds
    async with switchboard(stack) as line, asyncio.TaskGroup() as group:
        group.create_task(_spells(stack, seconds))
        group.create_task(line.keep_calling(CallerPool(callers, _call), str(seed), lambda: time.monotonic() < until))
    return line.tally


def _call(dice: random.Random) -> tuple[str, Sequence[Step]]:
    """What one caller does: mostly speaking, sometimes typing, interrupting, or losing the line."""
    fate = dice.random()
    if fate < 0.12:
        return "typed", [Type(text) for text in dice.sample(TYPED, 3)]
    said: list[Step] = [*conversation(dice, 3, 5)]
    if fate < 0.32:
        said[-1:] = [Interrupt(clip(f"barge_{dice.randint(1, 3):02}"), after_s=dice.uniform(0.5, 1.5))]
        return "interrupting", said
    if fate < 0.36:
        return "dropped", [*said[:2], Wait(0.2), Drop()]
    return "spoken", said


async def _spells(stack: LocalStack, seconds: float) -> None:
    """Lets the sandbox be well, ill, and well again."""
    for share, name in SPELLS:
        try:
            await _let_be(stack.sandbox_url, ill="slow" in name)
        except httpx.TransportError:
            return  # it is gone: whoever watches the processes says so
        _say(f"{name} for {share * seconds:.0f} s")
        await asyncio.sleep(share * seconds)


async def _let_be(sandbox_url: str, *, ill: bool) -> None:
    async with httpx.AsyncClient(base_url=sandbox_url) as sandbox:
        (await sandbox.put("/control/latency", json=SLOW_HAIKU if ill else {})).raise_for_status()
        (await sandbox.delete("/control/faults")).raise_for_status()
        if ill:
            (await sandbox.post("/control/faults", json=FAILING_VOICE)).raise_for_status()


def _where_to_look(stack: LocalStack, database: str, since: float, until: float) -> None:
    program = sys.argv[0] if Path(sys.argv[0]).name == "voice-agent" else "voice-agent"  # it need not be on the PATH
    _say(f"the figures as text:  VOICE_AGENT_DATABASE_URL={database} {program} report")
    if stack.prometheus_url is None:
        return
    _say(f"the verdict:          {stack.prometheus_url}/graph?g0.expr=voice_agent%3Averdict")
    _say("the boards:           import dashboards/generated/*.json into a Grafana with this Prometheus as its source,")
    _say(f"                      from {since * 1000:.0f} to {until * 1000:.0f}, with Window = 1m")


def _say(text: str) -> None:
    click.echo(f"  {text}")
