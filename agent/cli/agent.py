"""`voice-agent agent`: looks after the definitions of agents."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from agent.cli.agent_test import test
from agent.cli.agent_versions import canary, promote, roll_back, status
from agent.cli.console import print_json, stdout_console
from agent.cli.front_desk import FOLDER, take_front_desk
from agent.cli.service_folder import in_service_folder
from agent.definitions.book import every, files_in, folders, read_all, read_versions
from agent.definitions.clip_warnings import clip_warnings
from agent.definitions.definition import AgentDefinition, read_definition
from agent.definitions.scripts import is_script, read_script, scripts_in
from agent.definitions.toml import DefinitionError
from agent.server.tool_wiring import egress_of
from agent.settings import load_settings
from agent.tools.egress import Egress


@click.group()
def agent() -> None:
    """Look after agents: check, list and test their definitions, try versions of them.

    They are those of VOICE_AGENT_AGENTS_DIR and the shipped ones. In a checkout without a key for the model they are
    those of examples/front_desk, as under `make run`. From a folder without `.env` and ledger it is the checkout's
    service that they are about.
    """
    with in_service_folder():
        taken = take_front_desk()
    if taken:
        folder = FOLDER.relative_to(Path.cwd()) if FOLDER.is_relative_to(Path.cwd()) else FOLDER
        click.echo(f"agents of {folder}, as under `make run`; VOICE_AGENT_AGENTS_DIR names another folder", err=True)


@agent.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
def check(files: tuple[Path, ...]) -> None:
    """Check definitions and scripts of calls: these FILES, or all that there are. Exits with 1 when one is wrong."""
    with contextlib.nullcontext() if files else in_service_folder():
        _check(files)


def _check(files: tuple[Path, ...]) -> None:
    settings = load_settings()
    egress = egress_of(settings)
    try:
        definitions = files_in(settings.agents_dir)
        scripts = [path for path in files if is_script(path)] if files else scripts_in(folders(settings.agents_dir))
        checked = [path for path in files if path not in scripts] if files else definitions
        problems = [line for path in checked for line in _problems(path, egress)]
        if not problems and (scripts or not files):
            agents = read_all({*definitions, *checked}, egress)
            problems += _script_problems(scripts, agents)
            if not files and settings.agent not in agents:
                problems.append(f"VOICE_AGENT_AGENT:1: there is no agent {settings.agent}")
    except DefinitionError as error:
        problems, checked, scripts = list(error.problems), [], []
    for line in problems:
        click.echo(line, err=True)
    if problems:
        sys.exit(1)
    for one in (read_definition(path, egress) for path in checked):
        for warning in clip_warnings(one, settings.clips_dir, settings.language):
            click.echo(f"warning: {warning}", err=True)
    also = f", {len(scripts)} scripts of calls, too" if scripts else ""
    click.echo(f"{len(checked)} definitions are fine{also}")


for command in (test, canary, promote, roll_back, status):
    agent.add_command(command)


@agent.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def list_agents(as_json: bool) -> None:
    """List the agents that sessions can ask for."""
    with in_service_folder():
        settings = load_settings()
        agents = every(read_versions(files_in(settings.agents_dir), egress_of(settings)))
    if as_json:
        print_json([_summary(one, usual=one.name == settings.agent) for one in agents])
        return
    for one in agents:
        mark = "*" if one.name == settings.agent else " "
        takes = ", ".join(one.file.variables) or "-"
        stdout_console().print(f"{mark} {one.name} {one.version}  variables: {takes}  {one.path}", soft_wrap=True)


def _problems(path: Path, egress: Egress) -> tuple[str, ...]:
    try:
        read_definition(path, egress)
    except DefinitionError as error:
        return error.problems
    return ()


def _script_problems(scripts: Iterable[Path], agents: Mapping[str, AgentDefinition]) -> list[str]:
    problems: list[str] = []
    for path in scripts:
        try:
            read_script(path, agents)
        except DefinitionError as error:
            problems.extend(error.problems)
    return problems


def _summary(one: AgentDefinition, *, usual: bool) -> dict[str, object]:
    return {
        "name": one.name, "version": one.version, "title": one.file.title, "usual": usual,
        "variables": list(one.file.variables), "path": str(one.path),
    }  # fmt: skip
