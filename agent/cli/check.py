"""`voice-agent check`: does every provider serve us, as we are configured now?"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import click

from agent.billing.configured import configured_prices
from agent.budgets import load_budgets
from agent.cli.console import print_json, stdout_console
from agent.core.calls import ProviderError
from agent.policy.policies import DEFAULT_PATH, load_policies
from agent.providers.call import NO_RECORDER
from agent.providers.factory import ProviderFactory, ProviderHooks
from agent.providers.fallback.breaker import Probe
from agent.providers.recorded import Sentence, load_clips
from agent.settings import Settings, load_settings
from agent.turn.vad import VoiceActivity

PROBE_S: Final = 15.0
CLOCK_S: Final = 30.0
"""Seconds by which a clock may be wrong: tokens and signatures are valid from a moment on."""
END_DAYS: Final = 60


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was checked. `state`: ok, warning or failed."""

    subject: str
    state: str
    words: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def check(as_json: bool) -> None:
    """Ask every configured provider for as little as possible: keys, models, voices, credit, end dates, clock.

    Costs less than a cent. Exits with 1 when something does not serve.
    """
    findings = asyncio.run(findings_of(load_settings()))
    if as_json:
        print_json([{"subject": one.subject, "state": one.state, "words": one.words} for one in findings])
    else:
        colours = {"ok": "green", "warning": "yellow", "failed": "red"}
        for one in findings:
            stdout_console().print(f"[{colours[one.state]}]{one.state:8}[/] {one.subject}  {one.words}", soft_wrap=True)
    sys.exit(any(one.state == "failed" for one in findings))


async def findings_of(settings: Settings) -> list[CheckResult]:
    """Checks everything that the shipped or configured policies use."""
    clips = load_clips(settings.clips_dir, settings.language)
    hooks = ProviderHooks(NO_RECORDER, lambda _: None, VoiceActivity, clips[Sentence.APOLOGY].pcm)
    factory = ProviderFactory(settings, load_budgets(settings.budgets_file).deadlines, hooks)
    policies = load_policies(settings.policies_file or DEFAULT_PATH).policies.values()
    models = factory.build({(policy.stt_model, policy.voice_model) for policy in policies})
    try:
        async with asyncio.TaskGroup() as group:
            probes = [
                group.create_task(_probed(f"{service} {provider} {model}", probe))
                for service, provider, model, probe in factory.probes()
            ]
        findings = [task.result() for task in probes]
        findings += [CheckResult(f"quota {name}", _enough(quota.left), f"{quota.left:,.2f} {quota.unit} left")
                     for name, quota in await factory.quotas()]  # fmt: skip
        findings += _clock(await factory.clock_ahead_s())
    finally:
        await factory.close()
    prices, now = configured_prices(settings), datetime.now(UTC)
    ends = [(provider, model, prices.ends(provider, model)) for _, provider, model in models]
    return findings + [
        CheckResult(f"end {provider} {model}", "failed" if end <= now else "warning", f"switched off on {end.date()}")
        for provider, model, end in ends
        if end is not None and (end - now).days < END_DAYS
    ]


async def _probed(subject: str, probe: Probe) -> CheckResult:
    try:
        async with asyncio.timeout(PROBE_S):
            await probe(NO_RECORDER)
    except TimeoutError:
        return CheckResult(subject, "failed", f"no answer within {PROBE_S:.0f} s")
    except ProviderError as error:
        fault = error.fault
        return CheckResult(subject, "failed", error.kind.value if fault is None else f"{fault.problem}: {fault.words}")
    return CheckResult(subject, "ok", "")


def _enough(left: float) -> str:
    return "ok" if left > 0 else "failed"


def _clock(ahead_s: float | None) -> list[CheckResult]:
    if ahead_s is None:
        return []
    state = "ok" if abs(ahead_s) <= CLOCK_S else "failed"
    return [CheckResult("clock", state, f"{ahead_s:+.0f} s against Anthropic's")]
