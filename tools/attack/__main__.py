"""`make attack`: plays every attack on a service of its own and writes the list of docs/security.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import psutil

from tests.support.paths import ROOT
from tools.attack.abuse import ABUSE
from tools.attack.attacker import Attacker, AttackResult, Target
from tools.attack.bystander import beside
from tools.attack.floods import FLOODS
from tools.attack.forgeries import FORGERIES
from tools.attack.pager import PENDING_S, SCRAPES_S, Pager
from tools.attack.privileged import PRIVILEGED
from tools.attack.repeats import REPEATS
from tools.attack.shapes import SHAPES
from tools.docs.markdown import wrapped
from voice_loadtest.stack.processes import LocalOptions, alerts_installed, local_stack

Attack = Callable[[Attacker], Awaitable[AttackResult]]
ATTACKS: Final[tuple[Attack, ...]] = (*FLOODS, *PRIVILEGED, *ABUSE, *FORGERIES, *SHAPES, *REPEATS)
PAGE: Final = ROOT / "docs" / "security.md"
MARK: Final = "<!-- attacks: made by `make attack` -->"
INTRO: Final = wrapped(
    "What was tried: what happened (what four innocent callers beside it noticed, and which alerts that page"
    " fired). A row fails where callers are lost, rows of the ledger are dropped or anybody would"
    " be paged. An attack is played again, three times at most, where first words were over 50 ms late: the machine"
    " has other programs, too."
)
ALERTS: Final = "Alerts that page"
CALM_S: Final = 3.0  # of the bystanders alone, for what is usual
MOST_LATER_MS: Final = 50.0
MOST_GROWN_MB: Final = 50.0
MOST_PLAYS: Final = 3
OPERATOR: Final = "operator-of-the-attacked-0f7c21d98be4"
TITLES: Final = {attack.__name__: " ".join((attack.__doc__ or "").split()) for attack in ATTACKS}


@dataclass(frozen=True, slots=True)
class AttackRow:
    """One attack: what happened, and what the innocent callers and the process noticed. `plays` it took."""

    name: str
    happened: str
    held: bool
    later_ms: float
    grown_mb: float
    dropped: float
    pages: tuple[str, ...] = ()
    plays: int = 1

    @property
    def quiet(self) -> bool:
        """Whether nobody noticed anything, and nobody would be woken."""
        return self.later_ms <= MOST_LATER_MS and self.grown_mb <= MOST_GROWN_MB and not (self.dropped or self.pages)

    @property
    def line(self) -> str:
        """The item of the list."""
        noticed = f"first words at most {max(0.0, self.later_ms):.0f} ms later; RSS {self.grown_mb:+.0f} MB"
        noticed += f"; pages {', '.join(self.pages) or 'nobody'}"
        lost = f"; {self.dropped:.0f} rows dropped" if self.dropped else ""
        again = f"; play {self.plays}" if self.plays > 1 else ""
        broke = "" if self.held and self.quiet else "**broke** "
        return wrapped(
            f"**{TITLES[self.name]}**: {broke}{self.happened} ({noticed}{lost}{again})", first="- ", rest="  "
        )


async def play(names: list[str], folder: Path, *, whole: bool) -> bool:
    """Plays attacks one after the other, each from an address of its own, beside innocent premium callers.

    Returns whether all of them held, and nobody noticed anything.
    """
    settings = {"UNLIMITED_ADDRESSES": "", "OPERATOR_TOKEN": OPERATOR, "LOG_LEVEL": "info"}
    rows: list[AttackRow] = []
    paged = alerts_installed()  # with an Alertmanager, whose watchdog says that a wrong token is not its own
    async with local_stack(LocalOptions(folder, profile="instant", alerts=paged, settings=settings)) as house:
        service = next(process for name, process in house.processes if name == "service")
        target = Target(house.url, house.ops_url, OPERATOR, house.sandbox_url, str(folder), service.pid)
        pager, began, number = Pager(house.prometheus_url), time.monotonic(), 0
        for name in names:
            row = await _played(name, number, target, house.api_key, pager)
            while row.held and not row.quiet and row.plays < MOST_PLAYS:
                number += 1  # what only the machine's other programs may have delayed is played again
                row = replace(await _played(name, number, target, house.api_key, pager), plays=row.plays + 1)
            number += 1
            rows.append(row)
            write(rows)  # a run that is broken off leaves what it has found
            print(row.line, flush=True)
        alerts, quiet = await _told(pager, began)
        if whole:
            write(rows, alerts)
    print(alerts, flush=True)
    return quiet and all(row.held and row.quiet for row in rows)


async def _played(name: str, number: int, target: Target, api_key: str, pager: Pager) -> AttackRow:
    async with beside(target, number, api_key) as bystander:
        await asyncio.sleep(CALM_S)
        process = psutil.Process(target.pid)
        rss, lost, paging = process.memory_info().rss, await _dropped(target), await pager.now()
        began = time.monotonic()
        found = await _attack(name, f"127.0.2.{number + 1}", target)
        await asyncio.sleep(SCRAPES_S)
        later = bystander.worst_ms(began) - bystander.median_ms(began)
        grown = (process.memory_info().rss - rss) / 1e6
        held = found.held and not bystander.lost
        pages = tuple(sorted(await pager.since(began) - paging))
        return AttackRow(name, found.happened, held, later, grown, await _dropped(target) - lost, pages)


async def _told(pager: Pager, began: float) -> tuple[str, bool]:
    """The last line of the list, and whether nobody would have been woken by all of this together."""
    if pager.prometheus_url is None:
        return "Prometheus was not installed: nobody looked whether an alert pages.", True
    await asyncio.sleep(PENDING_S)
    told = await pager.told(began)
    names = {severity: ", ".join(found) or "none" for severity, found in told.items()}
    text = (
        f"{ALERTS}, of all these attacks together and at any time of the run: {names['page']}."
        f" Tickets: {names['ticket']}. Warnings: {names['warning']}."
    )
    return text, not told["page"]


async def _dropped(target: Target) -> float:
    return await target.metric("ledger_dropped_total")


async def _attack(name: str, address: str, target: Target) -> AttackResult:
    """Runs an attack in a process of its own: its work is not to be mistaken for the service's."""
    arguments = ["-m", "tools.attack", "--as", address, "--target", json.dumps(asdict(target)), name]
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


def write(rows: list[AttackRow], alerts: str = "") -> None:
    """Puts the rows into the list of the page, behind its mark; what was not played again stays as it is."""
    head, _, old = PAGE.read_text().partition(MARK)
    parts = [part.strip() for part in old.split("\n\n")]
    items = [item.strip() for part in parts for item in re.split(r"^- ", part, flags=re.MULTILINE)]
    kept = {_title(item): item for item in items if _title(item)}
    kept |= {TITLES[row.name]: row.line.removeprefix("- ") for row in rows}
    lines = "\n".join(f"- {kept[title]}" for title in TITLES.values() if title in kept)
    before = next((part for part in parts if part.startswith(ALERTS)), "")
    end = wrapped(alerts) if alerts else before
    PAGE.write_text(f"{head}{MARK}\n\n{INTRO}\n\n{lines}\n" + (f"\n{end}\n" if end else ""))


def _title(item: str) -> str:
    """The title of an item of the list, however it is wrapped; empty where the text is none."""
    found = re.match(r"\*\*(.+?)\*\*", item, re.DOTALL)
    return "" if found is None else " ".join(found[1].split())


def main() -> None:
    """Plays all attacks and writes the page, or plays those that are named."""
    parser = argparse.ArgumentParser(prog="make attack", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"only these, whose lines are replaced: {', '.join(TITLES)}")
    parser.add_argument("--as", dest="address", help=argparse.SUPPRESS)
    parser.add_argument("--target", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.address:
        asyncio.run(_attack_here(given.names[0], given.address, Target(**json.loads(given.target))))
        return
    with tempfile.TemporaryDirectory() as folder:
        good = asyncio.run(play(given.names or list(TITLES), Path(folder), whole=not given.names))
    sys.exit(not good)


if __name__ == "__main__":
    main()
