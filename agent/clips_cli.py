"""`voice-agent clips make`: records the fixed sentences with the configured voice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from agent.budgets import load_budgets
from agent.errors import ConfigurationError
from agent.policy.policies import DEFAULT_PATH, load_policies
from agent.providers.base import Call, ProviderError
from agent.providers.breaker import BreakerChange
from agent.providers.kit import Kit, KitLinks
from agent.providers.recorded import TEXTS, record_clips
from agent.settings import PREFIX, Settings, load_settings
from agent.turn.voice_activity import VoiceActivity

SESSION = "clips"


class _Characters:
    """Recording is paid for, but belongs to no session: what it used is said at the end."""

    def __init__(self) -> None:
        self.sent = 0

    def record(self, call: Call) -> None:
        self.sent += sum(call.usage.quantities.values())


def _nothing(_change: BreakerChange) -> None:
    """Recording asks once; there is no breaker to follow."""


@click.group()
def clips() -> None:
    """The recorded sentences that are played when no provider answers."""


@clips.command()
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where to; VOICE_AGENT_CLIPS_DIR.")
def make(folder: Path | None) -> None:
    """Record every fixed sentence with the configured voice. Costs about 140 characters of speech."""
    settings = load_settings()
    target = folder or settings.clips_dir
    if target is None:
        raise ConfigurationError(f"{PREFIX}CLIPS_DIR is not set: it takes the folder of the recordings, or --folder")
    used = asyncio.run(_make(settings, target))
    click.echo(f"{len(TEXTS)} sentences in {target}, {used} characters")
    if settings.provider("elevenlabs").simulated:
        click.echo("they were spoken by the sandbox", err=True)


async def _make(settings: Settings, folder: Path) -> int:
    book = load_policies(settings.policies_file or DEFAULT_PATH)
    voice_model = next(iter(book.policies.values())).voice_model
    meter = _Characters()
    links = KitLinks(meter, _nothing, VoiceActivity, b"")
    kit = Kit(settings, load_budgets(settings.budgets_file).deadlines, links)
    try:
        await record_clips(kit.voice(voice_model), folder, SESSION, meter)
    except (ProviderError, OSError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        await kit.close()
    return meter.sent
