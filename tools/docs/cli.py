"""`docs/reference/cli.md`, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from agent.cli.main import COMMANDS, Entry, load_command
from tools.docs.markdown import entry, page, sentence, wrapped


def reference() -> str:
    """The page."""
    intro = (
        "`voice-agent --help` lists the commands, and every command has a `--help` of its own. A command ends with"
        " status 0 when it did what it was asked, 1 when it could not, and 2 for a wrong option or setting."
    )
    parts = [_group(title, entries) for title, entries in COMMANDS.items()]
    return page("Commands", intro, *parts)


def _group(title: str, entries: Mapping[str, Entry]) -> str:
    texts = [text for name, found in entries.items() for text in _command(load_command(found), name)]
    return f"## {title}\n\n" + "\n\n".join(texts)


def _command(command: click.Command, path: str) -> Iterator[str]:
    arguments = [param.make_metavar(click.Context(command)) for param in command.params if _is_argument(param)]
    words = " ".join(("voice-agent", path, *arguments))
    said = wrapped(" ".join((command.help or "").split()))
    options = "\n".join(_option(param) for param in command.params if isinstance(param, click.Option))
    yield "\n\n".join(filter(None, (f"### `{words}`", said, options)))
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _command(command.commands[name], f"{path} {name}")


def _is_argument(param: click.Parameter) -> bool:
    return isinstance(param, click.Argument)


def _option(option: click.Option) -> str:
    kind = "" if option.is_flag or option.count else _kind(option.type)
    shown = isinstance(option.default, str | int | float) and not option.is_flag and option.show_default
    default = f"Default `{option.default}`." if shown else ""
    names = ", ".join((*option.opts, *option.secondary_opts))
    many = " ..." if option.multiple else ""
    required = "Required." if option.required else ""
    return entry(f"{names} {kind}".strip() + many, sentence(option.help or ""), required, default)


def _kind(kind: click.ParamType[Any, Any]) -> str:
    return "|".join(map(str, kind.choices)) if isinstance(kind, click.Choice) else kind.name.split()[0].upper()
