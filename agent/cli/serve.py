"""`voice-agent serve` and `voice-agent run`: the service under uvicorn, alone or with a sandbox beside it."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn, cast

import click

from agent.cli.console import program
from agent.cli.front_desk import take_front_desk
from agent.cli.own_service import http_address
from agent.cli.sandbox_process import SandboxProcess
from agent.core.errors import ConfigurationError
from agent.ledger.sqlite_lock import check_free
from agent.settings import PREFIX, Settings, load_settings, variables
from agent.settings_providers import SERVICES, ProviderName
from voice_sandbox.local_packages import installed

if TYPE_CHECKING:
    from litestar import Litestar

    from agent.server.drain import DrainingServer

_SANDBOX_PORT: Final = 8100
KEYS: Final = ("DEEPGRAM_API_KEY", "ANTHROPIC_API_KEY", "ELEVENLABS_API_KEY")


def run_server(settings: Settings, opened: Callable[[], None] = lambda: None) -> None:
    """Serves until SIGINT or SIGTERM; `opened` is called when its ports are open.

    Raises ConfigurationError before it listens.
    """
    from agent.ledger.database import only_process
    from agent.server.memory import collecting_later
    from agent.server.operations_listener import bind_operations

    with collecting_later(), only_process(settings.database_url):
        make_server(settings, bind_operations(settings.ops_host, settings.ops_port), opened).run()


def make_server(
    settings: Settings, operations: socket.socket, opened: Callable[[], None] = lambda: None
) -> DrainingServer:
    """The service under uvicorn, with its operators' listener. Raises ConfigurationError."""
    import uvicorn

    from agent.server.app import create_app
    from agent.server.connections import raise_descriptor_limit
    from agent.server.drain import DrainingServer
    from agent.server.operations_listener import serving_operations
    from agent.server.protocols import MAX_FRAME, guarded
    from agent.telemetry.log import configure_logging

    configure_logging(settings.log_format, settings.log_level)
    app = create_app(settings)
    raise_descriptor_limit()
    http, websocket = guarded(app.state["gate"], settings.request_timeout_s)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=http,
        ws=websocket,
        loop="uvloop",
        ws_max_size=MAX_FRAME,
        ws_per_message_deflate=False,  # PCM does not shrink, and trying costs 17 to 36 µs a frame
        access_log=False,
        server_header=False,  # which program answers is nobody's business
        log_config=None,
        lifespan="on",
    )
    running = serving_operations(app.state["operations_app"], operations)
    return DrainingServer(config, app.state["wiring"].registry, settings.drain_s, running, opened)


def make_loaded_server(settings: Settings, operations: socket.socket) -> DrainingServer:
    """The same, with the providers' SDKs loaded: a process that takes over from another one is ready at once."""
    server = make_server(settings, operations)
    cast("Litestar", server.config.app).state["wiring"].providers.sdks.load()
    return server


def _run(settings: Settings, workers: int, targets: Path, announce: Callable[[], None] = lambda: None) -> None:
    if workers == 1:
        run_server(settings, announce)
        return
    announce()
    from agent.server.workers import run_workers

    run_workers(settings, workers, targets, make_loaded_server)


WORKERS: Final = click.option(
    "--workers", type=click.IntRange(1, 128), default=1, show_default=True, help="Processes; several take PostgreSQL."
)
TARGETS: Final = click.option(
    "--targets",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/targets"),
    show_default=True,
    help="Folder of a file for Prometheus for each of several processes: what to scrape.",
)


@click.command()
@WORKERS
@TARGETS
def serve(workers: int, targets: Path) -> None:
    """Run the service. Settings come from the environment and `.env`."""
    settings = load_settings()
    check_start(settings, workers)
    _run(settings, workers, targets)


@click.command()
@click.option("--profile", default="measured", show_default=True, help="Latency profile of the sandbox.")
@click.option("--seed", default=1, show_default=True, help="Seed of the sandbox.")
@click.option(
    "--sandbox-port",
    type=click.IntRange(0, 65535),
    help="Port of the sandbox: this one, and 0 takes a free one.  [default: 8100, or another one if that is taken]",
)
@click.option("--clips", multiple=True, help="Folder of WAVs with transcripts.jsonl that the sandbox also understands.")
@click.option(
    "--local/--no-local",
    default=True,
    show_default=True,
    help="Hear any speech and speak naturally, on this machine's processor, where `make local` installed that.",
)
@WORKERS
@TARGETS
def run(
    profile: str, seed: int, sandbox_port: int | None, clips: tuple[str, ...], local: bool, workers: int, targets: Path
) -> None:
    """Run the service, with the sandbox for every provider that has no key."""
    known = variables()
    missing = [name for name in KEYS if name not in known]
    if not missing or f"{PREFIX}SANDBOX_URL" in known:
        settings = load_settings()
        check_start(settings, workers)
        _run(settings, workers, targets, partial(_announce, settings, missing))
        return
    port = _free_port(sandbox_port)
    url = f"http://127.0.0.1:{port}"
    os.environ[f"{PREFIX}SANDBOX_URL"] = url
    take_front_desk(known)
    here = installed() if local else []
    os.environ[f"{PREFIX}SANDBOX_LOCAL"] = ",".join(here)
    settings = load_settings()
    check_start(settings, workers)
    command = [sys.executable, "-m", "agent", "sandbox", "--port", str(port), "--profile", profile, "--seed", str(seed)]
    for folder in clips:
        command += ["--clips", folder]
    if local:
        command += ["--hearing", "auto", "--voice", "best"]
    signal.signal(signal.SIGTERM, _ends)  # also while it starts, and after uvicorn: the sandbox goes with it
    sandbox = SandboxProcess(command, url, _say)
    try:
        _import_service()  # while the sandbox starts
        if not here:  # else calls wait until it is known what runs here, and the page need not
            sandbox.wait()
        sandbox.look_after()
        _run(settings, workers, targets, partial(_announce, settings, missing, sandbox if here else None, local))
    finally:
        sandbox.end()


def _import_service() -> None:
    """The modules of the service: about 1 s of processor time, and a fifth more with the garbage collector."""
    gc.disable()  # until the service has settled
    import agent.server.app as app

    del app


def check_start(settings: Settings, workers: int) -> None:
    """What can be known before anything is started: raises ConfigurationError for it, with one line."""
    settings.session_secret()
    settings.check_rollbacks()
    check_ports(settings)
    if workers == 1:  # several are refused an SQLite file anyway
        check_free(settings.database_url)


def check_ports(settings: Settings) -> None:
    """Raises ConfigurationError with the setting of an address that the service could not listen on."""
    wanted = (("PORT", settings.host, settings.port), ("OPS_PORT", settings.ops_host, settings.ops_port))
    with contextlib.ExitStack() as held:
        for name, host, port in wanted:
            if port == 0:
                continue
            try:
                family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
                probe = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as the service listens
                probe.bind(address)
                probe.listen(1)  # else the other one could bind it, too
            except OSError as error:
                raise ConfigurationError(
                    f"{PREFIX}{name}: {host}:{port} cannot be used: {error.strerror}{_instead(name, port, error)}"
                ) from None


def _instead(name: str, port: int, error: OSError) -> str:
    """What to do about an address that is taken; nothing where it is something else."""
    if error.errno != errno.EADDRINUSE:
        return ""
    other = port + 10 if port + 10 < 65_536 else port - 10
    return f". Is it running already? Otherwise choose another one: {PREFIX}{name}={other} make run"


def _ends(_number: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM where uvicorn does not handle it: every `finally` is reached."""
    sys.exit(128 + signal.SIGTERM)


def _say(line: str) -> None:
    click.secho(f"  {line}", fg="red", bold=True, err=True)


def _line(name: str, text: str, colour: str | None = None) -> None:
    click.echo(f"  {click.style(f'{name:<12}', fg=colour)} {text}", err=True)


def _announce(
    settings: Settings, missing: list[str], loading: SandboxProcess | None = None, wanted: bool = True
) -> None:
    base = http_address(settings.host, settings.port)
    click.echo(f"\n  {click.style('voice agent', bold=True)}", err=True)
    _line("talk to it", click.style(base, fg="cyan"))
    _line("call it", click.style(f"{program()} call {base} --text 'I would like to book a room'", fg="green"))
    _line("metrics", f"{http_address(settings.ops_host, settings.ops_port)}/metrics")
    if settings.agents_dir is not None:
        _line("agent", f"{settings.agent}, of {settings.agents_dir}")
    _say_what_runs_here(settings, wanted=wanted)
    _say_what_is_real(settings)
    local = {"stt": "DEEPGRAM_API_KEY", "tts": "ELEVENLABS_API_KEY"}
    missing = [name for name in missing if name not in {local[service] for service in settings.sandbox_local}]
    if missing:
        which = "the other providers" if settings.sandbox_local else "every provider"
        _line("simulated", f"{which} without a key; to make them real set", "yellow")
        _line("", ", ".join(missing))
    click.echo(err=True)
    if loading is not None:
        threading.Thread(target=_say_what_failed, args=(loading,), name="loading", daemon=True).start()


def _say_what_runs_here(settings: Settings, *, wanted: bool = True) -> None:
    _say_own_servers(settings)
    local = settings.sandbox_local
    if settings.sandbox_url is None:
        return
    if "stt" in local:
        _line("hears", "any English sentence, on this machine's processor", "green")
    elif settings.provider("deepgram").simulated:
        left_out = not wanted and "stt" in installed()
        why = "speech recognition is left out by --no-local" if left_out else "`make local` lets it hear you, too"
        _line("hears", f"the sample callers only: {why}", "yellow")
    if "tts" in local:
        _line("speaks", "with Piper, on this machine's processor", "green")


def _say_what_is_real(settings: Settings) -> None:
    """The vendors that are asked, and paid, and why they are."""
    real = [name for name in SERVICES if settings.has_key(name) and not settings.provider(name).local]
    if real:
        told = ", ".join(f"{name} ({name.upper()}_API_KEY)" for name in real)
        _line("real", f"{told}: `{program()} check` tells whether it answers", "green")


def _say_own_servers(settings: Settings) -> None:
    """Providers at addresses of one's own: what is local is called so, and costs nothing."""
    models = " and ".join(dict.fromkeys((settings.haiku_model, settings.sonnet_model)))
    own: tuple[tuple[str, ProviderName, str], ...] = (
        ("hears", "deepgram", "with a recogniser"),
        ("thinks", "anthropic", f"with {models}"),
        ("speaks", "elevenlabs", "with a voice"),
        ("later places", "openai", "a recogniser and a voice"),
    )
    for title, name, what in own:
        with contextlib.suppress(ConfigurationError):  # no key and no sandbox: there is none
            end = settings.provider(name)
            if end.local and not end.simulated:
                _line(title, f"{what} at {end.base_url}, a machine of your own: local, $0", "green")


def _say_what_failed(sandbox: SandboxProcess) -> None:
    """Once speech of this machine is loaded, or is not."""
    try:
        failed: dict[str, str] = sandbox.wait().get("failed", {})
    except ConfigurationError as error:
        _say(str(error))
        return
    for service, why in failed.items():
        what = {"stt": "speech recognition", "tts": "the voice"}.get(service, service)
        _say(f"NOT LOADED   {what} of this machine: it is simulated instead")
        click.echo(f"               {why}", err=True)


def _free_port(wanted: int | None) -> int:
    """The port that was asked for, and no other one; where none was, the usual one or any that is free."""
    why = ""
    for port in (_SANDBOX_PORT, 0) if wanted is None else (wanted,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                probe.listen(1)  # else another program's listener could go unseen
            except OSError as error:
                why = f"--sandbox-port: 127.0.0.1:{port} cannot be used: {error.strerror}; give another one, or none"
                continue
            return probe.getsockname()[1]
    raise ConfigurationError(why)
