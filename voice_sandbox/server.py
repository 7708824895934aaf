"""Runs the sandbox: as a command of its own, and inside a test's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import socket
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click
import uvicorn

from voice_sandbox.latency import PROFILES
from voice_sandbox.receptionist.openings import FOLLOWS
from voice_sandbox.recognizer.early_end import EarlyEnds
from voice_sandbox.recognizer.hearing import HearingChoice
from voice_sandbox.state import SandboxOptions, SandboxState
from voice_sandbox.voice import VoiceChoice


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that answers: `url` is http://host:port, `ws_url` the same for WebSockets."""

    url: str
    ws_url: str
    world: SandboxState


def _config(world: SandboxState) -> uvicorn.Config:
    from voice_sandbox.app import create_app

    return uvicorn.Config(
        create_app(world),
        host=world.options.host,
        port=world.options.port,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        timeout_keep_alive=310,  # clients of voice calls keep connections for 300 s
        timeout_graceful_shutdown=2,
    )


class _InProcess(uvicorn.Server):
    """A server that leaves signals to its host program, says when it answers, and stops without polling."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()
        self.stop = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def main_loop(self) -> None:
        self.answers.set()
        await self.stop.wait()
        for connection in list(self.server_state.connections):
            # a stalled stream has no end of its own; WebSockets get their close frame from shutdown()
            if _is_http(connection):
                connection.transport.abort()


def _is_http(connection: object) -> bool:
    return hasattr(connection, "cycle")  # uvicorn's HTTP protocols have a request-response cycle, its WebSockets none


@contextlib.asynccontextmanager
async def run_sandbox(options: SandboxOptions) -> AsyncGenerator[RunningSandbox]:
    """Runs a sandbox in this event loop until the block ends. `port=0` takes a free port. Raises OSError if it is
    taken.

    The server is a task that ends with the block; open streams are broken off, open WebSockets closed with 1012.
    """
    world = await asyncio.to_thread(SandboxState.create, options)
    server = _InProcess(_config(world))
    listener = _listener(options)
    world.wire.attach(server.server_state.connections)
    port = cast("int", listener.getsockname()[1])
    task = asyncio.create_task(server.serve(sockets=[listener]), name="sandbox")
    ready = asyncio.create_task(server.answers.wait())
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            ready.cancel()
            await task
        yield RunningSandbox(f"http://{options.host}:{port}", f"ws://{options.host}:{port}", world)
    finally:
        server.stop.set()
        await task


def _listener(options: SandboxOptions) -> socket.socket:
    # asyncio turns Nagle's algorithm off only on sockets that name their protocol; with it on, a streamed answer's
    # first chunk waits 40 ms for the acknowledgement of its headers
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((options.host, options.port))
    except OSError:
        listener.close()
        raise
    return listener


def serve(options: SandboxOptions) -> None:
    """Runs the sandbox until SIGINT or SIGTERM. Raises OSError before it says anything where its port is taken."""
    listener = _listener(options)
    gc.disable()  # it would look through thousands of modules again and again, a tenth of the start
    world = SandboxState.create(options)
    server = uvicorn.Server(_config(world))
    world.wire.attach(server.server_state.connections)
    gc.freeze()
    gc.enable()
    _banner(world)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def _banner(world: SandboxState) -> None:
    from rich.console import Console
    from rich.panel import Panel

    options = world.options
    voices = {"piper": "Piper, on this machine", "espeak": "espeak-ng", "tones": "plain tones"}
    voice = voices[world.voice.name]
    if world.voice.name == "tones" and options.voice != "tones":
        voice += ", for espeak-ng is not installed"
    heard = f"{len(world.hearing.library)} known" + (
        "" if world.hearing.name == "clips" else f"; other speech by {world.hearing.name}, on this machine"
    )
    lines = [
        f"[bold]http://{options.host}:{options.port}[/]  Deepgram · Anthropic · ElevenLabs · OpenAI, simulated",
        f"latency  {options.profile}, seed {options.seed}",
        f"voice    {voice}",
        f"clips    {heard}",
        f"control  http://{options.host}:{options.port}/control",
    ]
    Console().print(Panel("\n".join(lines), title="sandbox", title_align="left", expand=False))


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8100, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--profile", default="measured", show_default=True, type=click.Choice(list(PROFILES)), help="Latencies.")
@click.option("--seed", default=1, show_default=True, type=int, help="Seed of latencies and faults.")
@click.option(
    "--clips",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of WAVs with a transcripts.jsonl; may be given more than once.",
)
@click.option(
    "--voice",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "best", "piper", "espeak", "tones"]),
    help="What speaks; auto takes espeak-ng where it is installed, best takes Piper before it.",
)
@click.option(
    "--hearing",
    default="clips",
    show_default=True,
    type=click.Choice(["clips", "auto", "model"]),
    help="What is understood; auto takes the speech model where it is installed: any sentence.",
)
@click.option("--flux-word-times/--no-flux-word-times", default=True, show_default=True, help="Word times on v2.")
@click.option("--early-lead", type=click.FloatRange(0), help="Seconds of an early end; else by the threshold.")
@click.option(
    "--early-taken-back",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of turns in which Flux takes an early end back.",
)
@click.option(
    "--follows-openings",
    default=FOLLOWS,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of replies that begin as the prompt asks.",
)
def sandbox(
    host: str,
    port: int,
    profile: str,
    seed: int,
    clips: tuple[Path, ...],
    voice: VoiceChoice,
    hearing: HearingChoice,
    flux_word_times: bool,
    early_lead: float | None,
    early_taken_back: float,
    follows_openings: float,
) -> None:
    """Run the simulated providers on one port."""
    options = SandboxOptions(
        host=host,
        port=port,
        profile=profile,
        seed=seed,
        clips=clips,
        voice=voice,
        hearing=hearing,
        flux_word_times=flux_word_times,
        early_ends=EarlyEnds(early_lead, early_taken_back),
        follows_openings=follows_openings,
    )
    try:
        serve(options)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        hint = f". Is a sandbox running already? Otherwise choose another port: --port {port + 10}" if taken else ""
        raise click.ClickException(f"{host}:{port} cannot be used: {error.strerror or error}{hint}") from None
