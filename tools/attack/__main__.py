"""`make attack`: plays every attack on a service of its own and writes the list of docs/security.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.support.paths import ROOT
from tools.attack.attacker import Attacker, AttackResult, Target
from tools.attack.bystander import beside
from tools.attack.floods import FLOODS
from tools.attack.forgeries import FORGERIES
from tools.docs.markdown import wrapped
from voice_loadtest.stack.processes import LocalOptions, local_stack

Attack = Callable[[Attacker], Awaitable[AttackResult]]
ATTACKS: Final[tuple[Attack, ...]] = (*FLOODS, *FORGERIES)
PAGE: Final = ROOT / "docs" / "security.md"
MARK: Final = "<!-- attacks: made by `make attack` -->"
INTRO: Final = "What was tried: what happened (what the innocent caller beside it noticed)."
CALM_S: Final = 3.5  # of the bystander alone, for what is usual
OPERATOR: Final = "operator-of-the-attacked-0f7c21d98be4"
TITLES: Final = {attack.__name__: " ".join((attack.__doc__ or "").split()) for attack in ATTACKS}


@dataclass(frozen=True, slots=True)
class AttackRow:
    """One attack: what happened, and what the innocent caller and the process noticed."""

    name: str
    happened: str
    held: bool
    later_ms: float
    grown_mb: float
    dropped: float

    @property
    def line(self) -> str:
        """The item of the list."""
        noticed = f"first words at most {max(0.0, self.later_ms):.0f} ms later; RSS {self.grown_mb:+.0f} MB"
        lost = f"; {self.dropped:.0f} rows dropped" if self.dropped else ""
        broke = "" if self.held else "**broke** "
        return wrapped(f"**{TITLES[self.name]}**: {broke}{self.happened} ({noticed}{lost})", first="- ", rest="  ")


async def play(names: list[str], folder: Path, *, whole: bool) -> list[AttackRow]:
    """Plays attacks one after the other, each from an address of its own, beside an innocent premium caller."""
    settings = {"UNLIMITED_ADDRESSES": "", "OPERATOR_TOKEN": OPERATOR, "LOG_LEVEL": "info"}
    rows: list[AttackRow] = []
    async with local_stack(LocalOptions(folder, profile="instant", settings=settings)) as house:
        target = Target(house.url, house.ops_url, OPERATOR)
        service = next(process for name, process in house.processes if name == "service")
        for number, name in enumerate(names):
            innocent = Attacker(target, f"127.0.1.{number + 1}")
            async with beside(innocent, house.api_key) as bystander:
                await asyncio.sleep(CALM_S)
                rss, lost = psutil.Process(service.pid).memory_info().rss, await _dropped(target)
                began = time.monotonic()
                found = await _attack(name, f"127.0.2.{number + 1}", target)
                await asyncio.sleep(1.0)
                later = bystander.worst_ms(began) - bystander.median_ms(began)
                grown = (psutil.Process(service.pid).memory_info().rss - rss) / 1e6
                happened = AttackResult(found.happened, found.held and not bystander.lost)
            row = AttackRow(name, happened.happened, happened.held, later, grown, await _dropped(target) - lost)
            rows.append(row)
            if whole:
                write(rows)  # a run that is broken off leaves what it has found
            print(row.line, flush=True)
    return rows


async def _dropped(target: Target) -> float:
    return await target.metric("ledger_dropped_total")


async def _attack(name: str, address: str, target: Target) -> AttackResult:
    """Runs an attack in a process of its own: its work is not to be mistaken for the service's."""
    arguments = ["-m", "tools.attack", "--as", address, "--target", target.url, "--ops", target.ops_url, name]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(120):
            out, error = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return AttackResult("did not end within 120 s", False)
    if process.returncode:
        return AttackResult(f"the attack failed: {(error.decode().strip().splitlines() or ['?'])[-1][:120]}", False)
    return AttackResult(**json.loads(out))


async def _attack_here(name: str, address: str, target: Target) -> None:
    attack = next(one for one in ATTACKS if one.__name__ == name)
    found = await attack(Attacker(target, address))
    print(json.dumps({"happened": found.happened, "held": found.held}))


def write(rows: list[AttackRow]) -> None:
    """Puts the list into the page, behind its mark."""
    head = PAGE.read_text().partition(MARK)[0]
    lines = "\n".join(row.line for row in rows)
    PAGE.write_text(f"{head}{MARK}\n\n{INTRO}\n\n{lines}\n")


def main() -> None:
    """Plays all attacks and writes the page, or plays those that are named."""
    parser = argparse.ArgumentParser(prog="make attack", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"only these: {', '.join(TITLES)}")
    parser.add_argument("--as", dest="address", help=argparse.SUPPRESS)
    parser.add_argument("--target", help=argparse.SUPPRESS)
    parser.add_argument("--ops", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.address:
        asyncio.run(_attack_here(given.names[0], given.address, Target(given.target, given.ops, OPERATOR)))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(play(given.names or list(TITLES), Path(folder), whole=not given.names))
    sys.exit(any(not row.held for row in rows))


if __name__ == "__main__":
    main()
