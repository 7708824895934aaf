"""`voice-agent agent test`: plays scripted calls of an agent through the real socket, and says what came out other."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from agent.cli.console import print_json
from agent.cli.service_folder import in_service_folder
from agent.definitions.book import files_in, folders, read_versions
from agent.definitions.script_outcome import PlayedCall, PlayedTurn
from agent.definitions.scripts import Script, ScriptedCall, read_script, scripts_in
from agent.definitions.toml import DefinitionError
from agent.server.tool_wiring import egress_of
from agent.settings import Settings, load_settings

KEYS: Final = ("deepgram_api_key", "anthropic_api_key", "elevenlabs_api_key", "openai_api_key")
OWN_MODELS: Final = (
    "haiku_model", "sonnet_model", "model_thinking", "openai_stt_model", "openai_tts_model", "openai_voice"
)  # fmt: skip
"""What names something at a server of one's own: the sandbox knows the vendors' only."""
SIMULATED: Final = (
    "the model was simulated: it knows the front desk of the examples and its tools, and reads no prompt; "
    "what another agent says and does takes a model with a key, or one of your own (docs/local-models.md)"
)
CALL_S: Final = 300.0
"""A call that takes longer has come to a stop."""


@click.command("test")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--agent", "name", metavar="NAME", help="Only the scripts of this agent.")
@click.option("--version", type=click.IntRange(1), help="This version of the agent, instead of the usual one.")
@click.option("--only", default="", metavar="TEXT", help="Only calls whose name contains this.")
@click.option("--sandbox", is_flag=True, help="On simulated providers, whatever keys there are.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def test(
    files: tuple[Path, ...], name: str | None, version: int | None, only: str, *, sandbox: bool, as_json: bool
) -> None:
    """Play scripted calls: these FILES, or all in the folders `calls` beside the definitions.

    The service runs in this process, with a ledger of its own, on the configured providers; the sandbox plays those
    without a key. Tools really run, unless a script gives their results. Exits with 1 when a call comes out other than
    its script says, with 2 when there is nothing to play or a file is wrong.
    """
    with contextlib.nullcontext() if files else in_service_folder():
        settings = load_settings()
        chosen = _chosen(settings, files, name, version, only)
        pinned = {} if version is None or name is None else {name: version}
        rows = asyncio.run(_played(settings, chosen, pinned, sandbox=sandbox, tell=None if as_json else _tell))
    wrong = [row for row in rows if row.played.difference is not None]
    if as_json:
        print_json([row.view() for row in rows])
    else:
        if wrong and (sandbox or settings.anthropic_api_key is None):
            click.echo(SIMULATED)
        click.echo(f"{len(rows) - len(wrong)} of {len(rows)} calls passed")
    sys.exit(bool(wrong))


@dataclass(frozen=True, slots=True)
class Row:
    """One call that was played."""

    agent: str
    version: int
    played: PlayedCall

    def view(self) -> dict[str, Any]:
        """As plain data."""
        what = self.played.difference
        who = {"agent": self.agent, "version": self.version, "call": self.played.call.name}
        return who | {"passed": what is None, "difference": what}


def _chosen(
    settings: Settings, files: Sequence[Path], name: str | None, version: int | None, only: str
) -> list[tuple[Script, ScriptedCall]]:
    """The calls to play. Raises click's errors."""
    found_versions = read_versions(files_in(settings.agents_dir), egress_of(settings))
    agents = {one: versions.usual for one, versions in found_versions.items()}
    if version is not None:
        if name not in found_versions or version not in found_versions[name].by_number:
            raise click.UsageError("--version takes a version of the agent that --agent names")
        agents[name] = found_versions[name].by_number[version]
    problems: list[str] = []
    found: list[tuple[Script, ScriptedCall]] = []
    for path in files or scripts_in(folders(settings.agents_dir)):
        try:
            script = read_script(path, agents)
        except DefinitionError as error:
            problems.extend(error.problems)
            continue
        found += [(script, call) for call in script.file.calls if only in call.name]
    if problems:
        for line in problems:
            click.echo(line, err=True)
        sys.exit(2)
    chosen = [(script, call) for script, call in found if name in (None, script.agent)]
    if not chosen:
        raise click.UsageError("there is no such call: `voice-agent agent check` lists what is wrong with scripts")
    return chosen


def _tell(row: Row) -> None:
    what = row.played.difference
    head = click.style("passed" if what is None else "FAILED", fg="green" if what is None else "red")
    click.echo(f"{head}  {row.agent} {row.version}  {row.played.call.name}")
    if what is not None:
        click.echo(f"        {what}")


async def _played(
    settings: Settings,
    chosen: Iterable[tuple[Script, ScriptedCall]],
    pinned: Mapping[str, int],
    *,
    sandbox: bool,
    tell: Callable[[Row], None] | None,
) -> list[Row]:
    from agent.server.rehearsal import Rehearsal

    rows: list[Row] = []
    rehearsal = Rehearsal(pinned)
    async with _stage(settings, rehearsal, simulated=sandbox) as (url, key, versions):
        for script, call in chosen:
            played = await _play(url, key, rehearsal, script.agent, call)
            rows.append(Row(script.agent, versions[script.agent], played))
            if tell is not None:
                tell(rows[-1])
    return rows


@contextlib.asynccontextmanager
async def _stage(
    settings: Settings, rehearsal: Any, *, simulated: bool
) -> AsyncGenerator[tuple[str, str, dict[str, int]]]:
    """The service, with a sandbox where one is needed: its address, a key of it, and the versions of its agents."""
    from agent.server.app import create_app
    from agent.server.in_process import serving_calls
    from agent.telemetry.log import configure_logging

    key = secrets.token_hex(16)
    async with contextlib.AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="voice-agent-test-"))
        # what a rehearsal does is no figure of the service's, nobody is told of it, and nobody else calls it
        given: dict[str, Any] = dict.fromkeys(
            ("otlp_endpoint", "sentry_dsn", "prometheus_url", "chat_webhook_url", "session_webhook_url", "public_url")
        )
        given |= {
            "database_url": f"sqlite+aiosqlite:///{folder}/ledger.db",
            "rollback_mode": "off",
            "log_level": "error",
            "host": "127.0.0.1",
            "token_secret": _secret(secrets.token_hex(32)),
            "api_keys": (_secret(key),),
            "free_sessions": True,
            "unlimited_addresses": ("127.0.0.1",),
            "free_lag_s": 10.0,
            "any_lag_s": 10.0,
        }
        if simulated:
            given |= on_the_sandbox()
        made = settings.model_copy(update=given)
        if made.sandbox_url is None and _lacks_a_key(made):
            made = made.model_copy(update={"sandbox_url": await stack.enter_async_context(_sandbox())})
        configure_logging(made.log_format, made.log_level)
        app = create_app(made, rehearsal)
        listener = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP))
        listener.bind(("127.0.0.1", 0))
        await stack.enter_async_context(serving_calls(app, made, listener))
        versions = {one.agent: one.version for one in app.state["wiring"].agents.live()}
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", key, versions


def on_the_sandbox() -> dict[str, Any]:
    """The settings with which every provider is one of a sandbox that is still to be started."""
    no_keys = dict.fromkeys(KEYS) | {"sandbox_url": None, "sandbox_local": ()}
    return no_keys | {name: Settings.model_fields[name].default for name in OWN_MODELS}


@contextlib.asynccontextmanager
async def _sandbox() -> AsyncGenerator[str]:
    from voice_sandbox.server import run_sandbox
    from voice_sandbox.state import SandboxOptions

    async with run_sandbox(SandboxOptions(port=0, profile="instant")) as running:
        yield running.url


async def _play(url: str, key: str, rehearsal: Any, agent: str, call: ScriptedCall) -> PlayedCall:
    """Plays one call. A call that does not come to its end is a difference, and the next one goes on."""
    from voice_loadtest.protocol import CallError
    from voice_loadtest.typed_caller import LOST, TypedCaller

    rehearsal.begin(call)
    request = {"agent": agent, "variables": call.variables}
    caller = TypedCaller(url, request, key if call.tier == "premium" or call.variables else None)
    turns: list[PlayedTurn] = []
    fault = ""
    try:
        async with asyncio.timeout(CALL_S):
            await caller.open()
            for turn in call.turns:
                before = len(rehearsal.ran)
                number = await caller.type(turn.says)
                await caller.over(number)
                ran = [(one.name, one.arguments) for one in rehearsal.ran[before:]]
                turns.append(PlayedTurn(caller.reply(number), ran))
            await caller.close()
    except (CallError, *LOST) as error:  # TimeoutError is one
        fault = str(error) or f"it did not come to its end: {type(error).__name__}"
    return PlayedCall(call, turns, caller.reply(0), fault)


def _lacks_a_key(settings: Settings) -> bool:
    return any(getattr(settings, key) is None for key in KEYS[:3])


def _secret(text: str) -> Any:
    from pydantic import SecretStr

    return SecretStr(text)
