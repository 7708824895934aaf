"""`voice-agent check`: does every provider serve us, as we are configured now?"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import click

from agent.billing.configured import configured_prices
from agent.budgets import load_budgets
from agent.cli.console import print_json, stdout_console
from agent.core.calls import ErrorKind, Problem, ProviderError
from agent.policy.policies import DEFAULT_PATH, load_policies
from agent.providers.call import NO_RECORDER
from agent.providers.factory import ProviderFactory, ProviderHooks
from agent.providers.fallback.breaker import Probe
from agent.providers.recorded import Sentence, load_clips
from agent.settings import Settings, load_settings
from agent.settings_providers import CALLED, SERVICES, ProviderName
from agent.turn.vad import VoiceActivity

PROBE_S: Final = 15.0
CLOCK_S: Final = 30.0
"""Seconds by which a clock may be wrong: tokens and signatures are valid from a moment on."""
END_DAYS: Final = 60
_NOWHERE: Final = "http://127.0.0.1:9"  # the discard port: nothing listens there
_HOSTS: Final[Mapping[ProviderName, str]] = {
    "deepgram": "api.deepgram.com",
    "anthropic": "api.anthropic.com",
    "elevenlabs": "api.elevenlabs.io",
    "openai": "api.openai.com",
}
_WITHOUT: Final[Mapping[ProviderName, str]] = {
    **dict.fromkeys(_HOSTS, "simulated under `voice-agent run`"),
    "openai": "left out of the chains, but under `voice-agent run` simulated with the rest",
}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was checked. `state`: ok, warning, failed, or `no key` of what could not be."""

    subject: str
    state: str
    words: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")
def check(as_json: bool) -> None:
    """Ask every configured provider for as little as possible: keys, models, voices, credit, end dates, clock.

    Providers without a key are listed: `voice-agent run` simulates them, and `voice-agent serve` does not start.
    Costs less than a cent. Exits with 1 when something does not serve.
    """
    findings = asyncio.run(findings_of(load_settings()))
    if as_json:
        print_json([{"subject": one.subject, "state": one.state, "words": one.words} for one in findings])
    else:
        colours = {"ok": "green", "warning": "yellow", "failed": "red", "no key": "dim"}
        for one in findings:
            stdout_console().print(f"[{colours[one.state]}]{one.state:8}[/] {one.subject}  {one.words}", soft_wrap=True)
    sys.exit(any(one.state == "failed" for one in findings))


async def findings_of(settings: Settings) -> list[CheckResult]:
    """Checks everything that the shipped or configured policies use and that has a key, or a sandbox."""
    missing: list[ProviderName] = []
    if settings.sandbox_url is None:
        missing = [name for name in SERVICES if not settings.has_key(name)]
        settings = settings.model_copy(update={"sandbox_url": _NOWHERE})  # those are built, and not asked

    def asked(provider: str) -> bool:
        return CALLED[provider][0] not in missing

    clips = load_clips(settings.clips_dir, settings.language)
    hooks = ProviderHooks(NO_RECORDER, lambda _: None, VoiceActivity, clips[Sentence.APOLOGY].pcm)
    factory = ProviderFactory(settings, load_budgets(settings.budgets_file).deadlines, hooks)
    policies = load_policies(settings.policies_file or DEFAULT_PATH).policies.values()
    models = factory.build({(policy.stt_model, policy.voice_model) for policy in policies})
    try:
        async with asyncio.TaskGroup() as group:
            probes = [
                group.create_task(_probed(f"{service} {provider} {model}", host_of(provider, settings), probe))
                for service, provider, model, probe in factory.probes()
                if asked(provider)
            ]
        findings = [task.result() for task in probes]
        findings += [CheckResult(f"quota {name}", _enough(quota.left), f"{quota.left:,.2f} {quota.unit} left")
                     for name, quota in await factory.quotas() if asked(name)]  # fmt: skip
        if "anthropic" not in missing:
            findings += _clock(await factory.clock_ahead_s())
    finally:
        await factory.close()
    prices, now = configured_prices(settings), datetime.now(UTC)
    ends = [(provider, model, prices.ends(provider, model)) for _, provider, model in models if asked(provider)]
    findings += [CheckResult(name, "no key", _WITHOUT[name]) for name in missing]
    return findings + [
        CheckResult(f"end {provider} {model}", "failed" if end <= now else "warning", f"switched off on {end.date()}")
        for provider, model, end in ends
        if end is not None and (end - now).days < END_DAYS
    ]


def host_of(provider: str, settings: Settings) -> str:
    """Where a provider, as calls name it, is asked."""
    name, _ = CALLED[provider]
    return urlsplit(settings.provider(name).base_url or "").netloc or _HOSTS[name]


async def _probed(subject: str, host: str, probe: Probe) -> CheckResult:
    try:
        async with asyncio.timeout(PROBE_S):
            await probe(NO_RECORDER)
    except TimeoutError:
        return CheckResult(subject, "failed", f"{host} did not answer within {PROBE_S:.0f} s: look at the network")
    except ProviderError as error:
        return CheckResult(subject, "failed", failure_of(error, host))
    return CheckResult(subject, "ok", "")


def failure_of(error: ProviderError, host: str) -> str:
    """What failed, told apart by what a person has to do about it."""
    fault = error.fault
    if fault is not None:
        what = "the key was refused" if fault.problem is Problem.KEY else fault.problem.value
        return f"{what}: {fault.words}"
    if error.kind in (ErrorKind.REFUSED, ErrorKind.TIMEOUT):
        return f"{host} cannot be reached: look at the network, its names and its proxy"
    return error.kind.value


def _enough(left: float) -> str:
    return "ok" if left > 0 else "failed"


def _clock(ahead_s: float | None) -> list[CheckResult]:
    if ahead_s is None:
        return []
    state = "ok" if abs(ahead_s) <= CLOCK_S else "failed"
    return [CheckResult("clock", state, f"{ahead_s:+.0f} s against Anthropic's")]
