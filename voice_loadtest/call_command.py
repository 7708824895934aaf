"""`voice-agent call`: one call from the command line."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from rich.console import Console

    from voice_loadtest.caller import Caller
    from voice_loadtest.records import CallRecord
    from voice_loadtest.report import CallReport
    from voice_loadtest.script import Step

DEFAULT_URL: Final = "http://127.0.0.1:8000"
_COME_BACK_S: Final = 60.0  # a lost line is opened again, and the call goes on
_ANSWERED: Final = 0
_NOT_ANSWERED: Final = 1
_WRONG_USE: Final = 2  # also click's own status for wrong options
_INTERRUPTED: Final = 130  # as shells have it: 128 + SIGINT


@dataclass(frozen=True, slots=True)
class _Choices:
    """The command line. `api_key` is a secret and stays out of the repr."""

    url: str
    wav: tuple[Path, ...]
    text: tuple[str, ...]
    tier: str | None
    api_key: str | None = field(repr=False)
    as_json: bool
    out: Path | None
    interrupt_after: float | None
    network_ms: float
    no_playback_reports: bool
    browser_speech: bool
    gap: float
    play: bool


@click.command()
@click.argument("url", envvar="VOICE_AGENT_URL", default=DEFAULT_URL)
@click.option(
    "--wav",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Say this clip: a WAV file of any rate, µ-law and A-law too. May be given several times.",
)
@click.option("--text", multiple=True, metavar="TEXT", help="Send a typed turn, after the clips. Several times, too.")
@click.option(
    "--tier",
    type=click.Choice(["premium", "free"]),
    help="Call as this tier. Premium needs an API key; the default is premium with a key and free without.",
)
@click.option("--api-key", envvar="VOICE_AGENT_API_KEY", metavar="KEY", help="Better given as VOICE_AGENT_API_KEY.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Save what was heard of the replies.")
@click.option(
    "--interrupt-after",
    type=click.FloatRange(0, 60),
    metavar="SECONDS",
    help="Say every clip but the first so long after the reply began to play.",
)
@click.option("--network-ms", type=click.FloatRange(0, 10_000), default=0.0, help="Add a network with this round trip.")
@click.option("--no-playback-reports", is_flag=True, help="Do not tell the server what was played.")
@click.option("--browser-speech", is_flag=True, help="Declare an own speech synthesis (15 characters a second).")
@click.option("--gap", type=click.FloatRange(0, 60), default=0.6, show_default=True, help="Seconds between turns.")
@click.option("--play", is_flag=True, help="Play the replies aloud, with sox or aplay.")
def call(**given: Any) -> None:
    """Calls the service at URL, plays clips or sends texts, and shows where the time of every turn went.

    The exit status is 0 when every utterance was answered by a real reply, 1 when not, and 2 for wrong use or when
    nothing answers at URL. Without it that is VOICE_AGENT_URL, else the service of VOICE_AGENT_HOST and
    VOICE_AGENT_PORT, in the environment or `.env` (http://127.0.0.1:8000 by default). Ctrl+C hangs up, shows what there
    was, and ends with 130; a second one does not wait.
    """
    choices = _Choices(**given)
    script = _script(choices)
    if choices.tier == "premium" and not choices.api_key:
        raise click.UsageError("--tier premium needs an API key: give VOICE_AGENT_API_KEY or --api-key.")
    sys.exit(asyncio.run(_call(choices, script)))


def _script(choices: _Choices) -> list[Step]:
    # here and below: numpy, httpx and rich are loaded by this command only, not by every command of the program
    from voice_loadtest.audio import CallerRecording, CallerRecordingError, load_wav
    from voice_loadtest.script import Interrupt, Speak, Type

    if not choices.wav and not choices.text:
        raise click.UsageError("Nothing to say: give --wav FILE or --text TEXT.")
    if choices.interrupt_after is not None and len(choices.wav) < 2:
        raise click.UsageError("--interrupt-after needs two --wav: the second one interrupts the reply to the first.")
    clips: list[CallerRecording] = []
    for path in choices.wav:
        try:
            clip = load_wav(path)
        except CallerRecordingError as error:
            raise click.UsageError(str(error)) from None
        if not clip.voiced:
            raise click.UsageError(f"{path}: nothing in it is louder than -50 dBFS, so nobody would hear it.")
        clips.append(clip)
    for text in choices.text:
        if not 1 <= len(text) <= 2_000:
            raise click.UsageError("--text takes 1 to 2,000 characters.")
    after_s = choices.interrupt_after
    spoken = [
        Speak(clip) if after_s is None or not number else Interrupt(clip, after_s) for number, clip in enumerate(clips)
    ]
    return [*spoken, *(Type(text) for text in choices.text)]


async def _call(choices: _Choices, script: list[Step]) -> int:
    from rich.console import Console

    from voice_loadtest.audio import save_wav
    from voice_loadtest.caller import CallOptions
    from voice_loadtest.caller import call as make_call
    from voice_loadtest.protocol import CallError, CallRefusedError, ConnectError
    from voice_loadtest.report import CallReport
    from voice_loadtest.speaker import speaker

    options = CallOptions(
        url=choices.url,
        api_key=None if choices.tier == "free" else choices.api_key,
        playback_reports=not choices.no_playback_reports,
        browser_speech=choices.browser_speech,
        gap_s=choices.gap,
        keep_audio=choices.out is not None,
        come_back_s=_COME_BACK_S,
    )
    console = Console()
    report = CallReport(console, choices.network_ms)
    interruption = _Interruption()
    try:
        async with speaker() if choices.play else contextlib.nullcontext() as sink:
            with interruption.watched():
                record = await make_call(
                    options,
                    script,
                    network_ms=choices.network_ms,
                    on_turn=None if choices.as_json else report.turn,
                    sink=sink,
                    on_caller=interruption.of,
                )
        if choices.out is not None:
            save_wav(choices.out, record.audio)
    except asyncio.CancelledError:
        if not interruption.happened:
            raise
        return _INTERRUPTED
    except (CallError, OSError) as error:
        click.echo(f"voice-agent call: {error}", err=True)
        wrong_use = isinstance(error, ConnectError | OSError) or type(error) is CallError
        refused = isinstance(error, CallRefusedError) and error.status in (400, 401, 403, 404)
        return _WRONG_USE if wrong_use or refused else _NOT_ANSWERED
    _show(choices, record, report, console)
    if interruption.happened:
        return _INTERRUPTED
    return _ANSWERED if record.all_answered else _NOT_ANSWERED


class _Interruption:
    """Ctrl+C: the first one hangs up, the second one ends the command at once."""

    def __init__(self) -> None:
        self.happened = False
        self._caller: Caller | None = None
        self._task = asyncio.current_task()

    def of(self, caller: Caller) -> None:
        self._caller = caller

    @contextlib.contextmanager
    def watched(self) -> Generator[None]:
        """While the block runs, SIGINT comes here."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    def _interrupt(self) -> None:
        again, self.happened = self.happened, True
        if self._caller is not None and not again:
            click.echo("\n" * sys.stderr.isatty(), err=True, nl=False)  # behind the ^C of the terminal
            click.echo("hanging up; Ctrl+C again does not wait", err=True)
            self._caller.interrupt()
        elif self._task is not None:
            self._task.cancel()


def _show(choices: _Choices, record: CallRecord, report: CallReport, console: Console) -> None:
    import msgspec

    if choices.as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(record.as_dict()), indent=2))
        return
    report.end(record)
    if choices.out is not None:
        console.print(f"what was heard is in {choices.out}", style="dim", highlight=False)
