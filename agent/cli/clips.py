"""`voice-agent clips make`: records the fixed sentences with the configured voice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import click

from agent.billing.configured import configured_prices
from agent.billing.pricing import PricingSink
from agent.budgets import load_budgets
from agent.core.calls import Call, ProviderError
from agent.core.errors import ConfigurationError
from agent.definitions.book import files_in, read_all
from agent.definitions.definition import AgentDefinition
from agent.ledger.ledger import Ledger
from agent.ledger.sink import LedgerSink
from agent.policy.policies import DEFAULT_PATH, load_policies
from agent.providers.factory import ProviderFactory, ProviderHooks
from agent.providers.fallback.breaker import BreakerChange
from agent.providers.recorded import TEXTS, record_clips
from agent.providers.recorded_texts import texts_in
from agent.server.agent_clips import needs_own
from agent.server.tool_wiring import egress_of
from agent.settings import PREFIX, Settings, load_settings
from agent.telemetry.events import CallFinished, Cause, Sinks
from agent.telemetry.exposition import Metrics
from agent.turn.vad import VoiceActivity

SESSION = "clips"


class _ClipRecorder:
    """Recording is paid for, but belongs to no session: it has a cause of its own."""

    def __init__(self, sinks: Sinks) -> None:
        self._sinks = sinks
        self.characters = 0

    def record(self, call: Call) -> None:
        self.characters += sum(call.usage.quantities.values())
        self._sinks.handle(CallFinished(None, None, call, Cause.CLIP))


def _nothing(_change: BreakerChange) -> None:
    """Recording asks once; there is no breaker to follow."""


@click.group()
def clips() -> None:
    """The recorded sentences that are played when no provider answers."""


@clips.command()
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Where to; VOICE_AGENT_CLIPS_DIR.")
def make(folder: Path | None) -> None:
    """Record every fixed sentence with the configured voice, and with that of each agent that has its own.

    A voice costs about 350 characters of speech.
    """
    settings = load_settings()
    target = folder or settings.clips_dir
    if target is None:
        raise ConfigurationError(f"{PREFIX}CLIPS_DIR is not set: it takes the folder of the recordings, or --folder")
    agents = [one for one in read_all(files_in(settings.agents_dir), egress_of(settings)).values() if needs_own(one)]
    spoken = asyncio.run(_make(settings, target, agents))
    click.echo(f"{len(TEXTS) * (1 + len(agents))} sentences in {target}, {spoken} characters")
    if settings.provider("elevenlabs").simulated:
        click.echo("they were spoken by the sandbox", err=True)


async def _make(settings: Settings, folder: Path, agents: Sequence[AgentDefinition]) -> int:
    """Returns how many characters were spoken; their charges are in the ledger, where it can be reached."""
    budgets, book = load_budgets(settings.budgets_file), load_policies(settings.policies_file or DEFAULT_PATH)
    ledger = Ledger(settings.database_url, metrics := Metrics())
    recorder = _ClipRecorder(Sinks([PricingSink(configured_prices(settings), metrics, budgets, LedgerSink(ledger))]))
    kit = ProviderFactory(settings, budgets.deadlines, ProviderHooks(recorder, _nothing, VoiceActivity, b""))
    voice_model = next(iter(book.policies.values())).voice_model
    async with ledger:
        try:
            voice = kit.voice("elevenlabs", voice_model)
            await record_clips(voice, folder, SESSION, recorder, texts_in(settings.language))
            for one in agents:
                voice = kit.of(one.speech).voice("elevenlabs", voice_model)
                texts = texts_in(one.file.language or settings.language, one.file.sentences)
                await record_clips(voice, folder / one.name, SESSION, recorder, texts)
        except (ProviderError, OSError) as error:
            raise click.ClickException(str(error)) from None
        finally:
            await kit.close()
            if not await ledger.flush():
                click.echo("the ledger cannot be written: what this cost is missing there", err=True)
    return recorder.characters
