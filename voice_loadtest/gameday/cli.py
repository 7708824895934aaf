"""`voice-agent gameday`: scenarios of a bad day, each on a stack of its own, with what must happen asserted."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import httpx
from rich.console import Console
from rich.text import Text

from voice_loadtest.gameday.assertions import after
from voice_loadtest.gameday.runner import PROBE_KEY, Play, PlayedGameDay
from voice_loadtest.gameday.scenario import FASTER, TIER, Scenario
from voice_loadtest.gameday.scenarios import SCENARIOS
from voice_loadtest.gameday.timeline import GameDayTimeline
from voice_loadtest.stack.policies import policies_text
from voice_loadtest.stack.processes import LocalOptions, local_stack
from voice_loadtest.stack.signals import end_on_sigterm

SCRAPE_S: Final = 0.5
DWELL_S: Final = 1800.0  # the service's default
BUDGETS: Final = Path(__file__).parents[2] / "agent" / "budgets.toml"
_BY_NAME: Final = {scenario.name: scenario for scenario in SCENARIOS}


@click.command()
@click.argument("names", nargs=-1, metavar="[SCENARIO]...", type=click.Choice(list(_BY_NAME)))
@click.option("--list", "listed", is_flag=True, help="Say what the scenarios are, and run none.")
@click.option("--seed", default=1, show_default=True, help="Seed of callers and sandbox.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep logs, ledger and what Prometheus stored, in this folder.",
)
def gameday(names: Sequence[str], listed: bool, seed: int, keep: Path | None) -> None:
    """Plays bad days on service, sandbox, Prometheus and Alertmanager, and asserts alerts, rollbacks and recovery.

    Without a SCENARIO all of them, one after the other, in up to an hour. The exit status is 1 when an assertion
    failed.
    """
    end_on_sigterm()
    console = Console(highlight=False)
    chosen = [_BY_NAME[name] for name in names] or SCENARIOS
    if listed:
        for scenario in chosen:
            _heading(console, scenario)
        return
    console.print(
        f"Time is compressed {FASTER:g} times: an hour of the rules is a minute here. Holds and waits of Prometheus and"
        " Alertmanager, and the service's dwell, are divided by the same; callers talk at their own speed. In brackets:"
        " the time that the rules mean.",
        style="dim",
    )
    played: list[PlayedGameDay] = []
    try:
        for scenario in chosen:
            _heading(console, scenario)
            played.append(asyncio.run(_play(scenario, console, seed, keep)))
            _checks(console, played[-1])
    except KeyboardInterrupt:
        console.print("\nstopped")
        sys.exit(130)
    _summary(console, played)
    sys.exit(0 if all(one.passed for one in played) else 1)


async def _play(scenario: Scenario, console: Console, seed: int, keep: Path | None) -> PlayedGameDay:
    with _folder(scenario, keep) as folder:
        options = LocalOptions(
            folder=folder,
            seed=seed,
            faster=FASTER,
            scrape_s=SCRAPE_S,
            alerts=True,
            settings=_settings(scenario, folder),
        )
        async with local_stack(options) as stack, httpx.AsyncClient(timeout=10.0) as client:
            return await stack.while_alive(Play(scenario, stack, client, GameDayTimeline(console)).run(seed))


@contextmanager
def _folder(scenario: Scenario, keep: Path | None) -> Generator[Path]:
    """Where everything of one scenario is; gone afterwards unless it is kept."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="voice-agent-gameday-") as name:
            yield Path(name)
        return
    keep.mkdir(parents=True, exist_ok=True)
    yield Path(tempfile.mkdtemp(prefix=f"{scenario.name}-", dir=keep)).resolve()


def _settings(scenario: Scenario, folder: Path) -> dict[str, str]:
    policies = folder / "policies.toml"
    policies.write_text(policies_text(scenario.weights), encoding="utf-8")
    settings = {
        "POLICIES_FILE": str(policies),
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'ledger.db'}",
        "ROLLBACK_MODE": "auto",
        "ROLLBACK_DWELL_S": f"{DWELL_S / FASTER:g}",
        "RESUME_GRACE_S": "3",
        "LOG_LEVEL": "error",
        **({"PROBE_KEY": PROBE_KEY} if scenario.probed else {}),
        **scenario.settings,
    }
    if scenario.trial is not None:
        agents = folder / "agents"
        agents.mkdir()
        file = agents / f"{scenario.trial.agent}-{scenario.trial.version}.toml"
        file.write_text(scenario.trial.definition, encoding="utf-8")
        settings["AGENTS_DIR"] = str(agents)
    if scenario.prices:
        prices = folder / "prices.toml"
        prices.write_text(scenario.prices, encoding="utf-8")
        settings["PRICES_FILE"] = str(prices)
    if scenario.alert_usd is not None:
        budgets = folder / "budgets.toml"
        budgets.write_text(_budgets(scenario.alert_usd), encoding="utf-8")
        settings["BUDGETS_FILE"] = str(budgets)
    return settings


def _budgets(alert_usd: float) -> str:
    """The shipped budgets with another alert threshold of the tier."""
    before, tier, after = BUDGETS.read_text(encoding="utf-8").partition(f"[tiers.{TIER}]")
    return before + tier + re.sub(r"alert_usd = .*", f"alert_usd = {alert_usd:g}", after, count=1)


def _heading(console: Console, scenario: Scenario) -> None:
    console.print(Text.assemble("\n", (scenario.title, "bold underline"), (f"   {scenario.name}", "dim")))
    console.print(Text(scenario.story))
    console.print()


def _checks(console: Console, played: PlayedGameDay) -> None:
    console.print()
    for one in played.checks:
        mark, style = ("✓", "green") if one.passed else ("✗", "bold red")
        console.print(Text.assemble((f"  {mark} ", style), one.text), soft_wrap=True)
    tally = played.tally
    console.print(
        f"    {tally.calls.total()} calls, {tally.turns} turns, {tally.refused} refused, in {played.seconds:.0f} s",
        style="dim",
    )


def _summary(console: Console, played: Sequence[PlayedGameDay]) -> None:
    console.print(
        f"\n  {'scenario':<16}{'assertions':<12}{'detected after':>16}{'then rolled back after':>24}", style="dim"
    )
    for one in played:
        good = sum(check.passed for check in one.checks)
        mark, style = ("✓", "green") if one.passed else ("✗", "bold red")
        times = f"{_seconds(one.detected_s):>16}{_seconds(one.rolled_back_s):>24}"
        line = Text.assemble((f"{mark} ", style), f"{one.scenario.name:<16}{f'{good}/{len(one.checks)}':<12}", times)
        console.print(line, soft_wrap=True)


def _seconds(seconds: float | None) -> str:
    return "–" if seconds is None else after(seconds)
