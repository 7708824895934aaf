"""`voice-agent agent`: looks after the definitions of agents."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent.cli.console import print_json, stdout_console
from agent.definitions.book import files_in, read_all
from agent.definitions.clip_warnings import clip_warnings
from agent.definitions.definition import AgentDefinition, DefinitionError, read_definition
from agent.server.tool_wiring import egress_of
from agent.settings import load_settings
from agent.tools.egress import Egress


@click.group()
def agent() -> None:
    """Look after the definitions of agents: what one says, asks for and may do."""


@agent.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
def check(files: tuple[Path, ...]) -> None:
    """Check definitions: these FILES, or all that the service would read. Exits with 1 when something is wrong."""
    settings = load_settings()
    egress = egress_of(settings)
    if files:
        problems = [line for path in files for line in _problems(path, egress)]
        count = len(files)
    else:
        try:
            found = files_in(settings.agents_dir)
            problems, count = [line for path in found for line in _problems(path, egress)], len(found)
            if not problems and settings.agent not in read_all(found, egress):
                problems.append(f"VOICE_AGENT_AGENT:1: there is no agent {settings.agent}")
        except DefinitionError as error:
            problems, count = list(error.problems), 0
    for line in problems:
        click.echo(line, err=True)
    if problems:
        sys.exit(1)
    definitions = read_all(files or files_in(settings.agents_dir), egress).values()
    warnings = [line for one in definitions for line in clip_warnings(one, settings.clips_dir, settings.language)]
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{count} definitions are fine")


@agent.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def list_agents(as_json: bool) -> None:
    """List the agents that sessions can ask for."""
    settings = load_settings()
    agents = read_all(files_in(settings.agents_dir), egress_of(settings))
    if as_json:
        print_json([_summary(one, usual=one.name == settings.agent) for one in agents.values()])
        return
    for one in agents.values():
        mark = "*" if one.name == settings.agent else " "
        takes = ", ".join(one.file.variables) or "-"
        stdout_console().print(f"{mark} {one.name} {one.version}  variables: {takes}  {one.path}", soft_wrap=True)


def _problems(path: Path, egress: Egress) -> tuple[str, ...]:
    try:
        read_definition(path, egress)
    except DefinitionError as error:
        return error.problems
    return ()


def _summary(one: AgentDefinition, *, usual: bool) -> dict[str, object]:
    return {
        "name": one.name, "version": one.version, "title": one.file.title, "usual": usual,
        "variables": list(one.file.variables), "path": str(one.path),
    }  # fmt: skip
