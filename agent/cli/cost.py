"""`voice-agent cost`: calculators over the price book and the policies. They need no database."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, Final, TypeVar

import click

from agent.billing.configured import configured_prices
from agent.billing.estimate import PricedPolicy, UsageProfile, bill
from agent.billing.prices import usd
from agent.billing.pricing import utc_now
from agent.cli.console import print_json, stdout_console
from agent.cli.views.cost import article_view, bills_table
from agent.cli.views.period import DIM
from agent.core.errors import ConfigurationError
from agent.policy.policies import DEFAULT_PATH, Policy, PolicyFileError, load_policies
from agent.providers.deepgram.build import FLUX_MODEL
from agent.providers.voices import VOICES
from agent.reports import published_figures
from agent.settings import Settings, load_settings

_F = TypeVar("_F", bound=Callable[..., Any])
BROWSER_VOICE = ("browser", "speech-synthesis")


def knobs_of(policy: Policy, settings: Settings) -> PricedPolicy:
    """The cost decisions of a policy as models, from the first place of each of its chains."""
    haiku, sonnet = ("anthropic", settings.haiku_model), ("anthropic", settings.sonnet_model)
    recogniser = settings.stt_model or policy.stt_model
    nova_or_flux = FLUX_MODEL if recogniser == "flux" else recogniser
    stt = {
        "deepgram": ("deepgram", nova_or_flux),
        "whisper": ("openai_stt", settings.openai_stt_model),
        "browser": ("browser", "recogniser"),
    }
    first = policy.chains.tts[0]
    voice = BROWSER_VOICE if first == "browser" else (first, VOICES[first].model_of(settings, policy.voice_model))
    escalates = policy.first_model == "haiku" and policy.escalation.enabled
    return PricedPolicy(
        name=policy.name,
        stt=stt[policy.chains.stt[0]],
        first=haiku if policy.first_model == "haiku" else sonnet,
        escalated=sonnet if escalates else None,
        voice=voice,
        prompt_cache=policy.prompt_cache,
        audio_cache=policy.audio_cache,
    )


def _policies(settings: Settings) -> dict[str, Policy]:
    try:
        return dict(load_policies(settings.policies_file or DEFAULT_PATH).policies)
    except PolicyFileError as error:
        raise ConfigurationError(str(error)) from None


USUAL: Final = UsageProfile(
    minutes=Fraction(3),
    characters=1350,
    turns=12,
    prompt_tokens=4000,
    reply_tokens=50,
    cached_share=Fraction(3, 4),
    escalated_share=Fraction(18, 100),
    repeated_share=Fraction(0),
)
"""The session that `cost explain` calculates where nothing else is said."""


def price_change(before: Mapping[str, int], after: Mapping[str, int]) -> str:
    """What a usual session costs under two assignments (policy → percent), as a sentence. Raises ConfigurationError."""
    settings = load_settings()
    known, book, at = _policies(settings), configured_prices(settings), utc_now()
    names = {name for weights in (before, after) for name, percent in weights.items() if percent}
    bills = {name: bill(USUAL, knobs_of(known[name], settings), book, at) for name in names if name in known}
    if names - bills.keys() or not all(made.complete for made in bills.values()):
        return "what a session costs then cannot be calculated: a policy or a price is not known"
    old, new = (
        sum(usd(bills[name].nano_usd) * percent for name, percent in weights.items() if percent) / 100
        for weights in (before, after)
    )
    change = f" ({new / old - 1:+.0%})" if old else ""
    own = dict.fromkeys(line.model_name for made in bills.values() for line in made.lines if line.local)
    free = f"; at no cost: {', '.join(own)}" if own else ""
    guessing = left_out(known[name] for name in bills)
    told = f"; {guessing}" if guessing else ""
    return f"a session of {USUAL.turns} turns costs about ${new:.4f} instead of ${old:.4f}{change}{free}{told}"


def left_out(policies: Iterable[Policy]) -> str:
    """What calculated bills of these policies lack; nothing where none of them asks twice or before it has to."""
    names = [one.name for one in policies if one.hedging or one.early_replies or one.early_voice]
    if not names:
        return ""
    return (
        f"without the second calls and guesses of {', '.join(sorted(names))}: with every knob of speed they were"
        " measured at about 5 % of a call (docs/latency.md)"
    )


@click.group()
def cost() -> None:
    """What sessions cost, by calculation."""


_SHARE: Final = click.FloatRange(0, 1)


def _number(name: str, kind: click.FloatRange | click.IntRange, usual: Fraction | int, text: str) -> Callable[[_F], _F]:
    shown = float(usual) if isinstance(usual, Fraction) else usual
    return click.option(name, type=kind, default=shown, show_default=True, help=text)


@cost.command()
@click.option(
    "--minutes",
    type=click.FloatRange(0, 1440),
    default=float(USUAL.minutes),
    show_default=True,
    help="Audio streamed up.",
)
@_number("--chars", click.IntRange(0), USUAL.characters, "Characters spoken.")
@_number("--turns", click.IntRange(0), USUAL.turns, "Replies of the model.")
@click.option(
    "--prompt-tokens",
    type=click.IntRange(0),
    default=USUAL.prompt_tokens,
    show_default=True,
    help="Prompt of one reply.",
)
@click.option(
    "--reply-tokens", type=click.IntRange(0), default=USUAL.reply_tokens, show_default=True, help="Output of one reply."
)
@click.option(
    "--cached",
    type=_SHARE,
    default=float(USUAL.cached_share),
    show_default=True,
    help="Part of a prompt that can be cached.",
)
@click.option(
    "--sonnet",
    type=_SHARE,
    default=float(USUAL.escalated_share),
    show_default=True,
    help="Turns that escalate, where they can.",
)
@click.option(
    "--repeated",
    type=_SHARE,
    default=float(USUAL.repeated_share),
    show_default=True,
    help="Characters out of the audio cache.",
)
@click.option("--policy", "left", default="sonnet_first", show_default=True, help="Left column.")
@click.option("--against", "right", default="haiku_first", show_default=True, help="Right column.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def explain(left: str, right: str, as_json: bool, **numbers: float) -> None:
    """The bill of one session by component, for two policies side by side, at today's prices."""
    settings = load_settings()
    known, book = _policies(settings), configured_prices(settings)
    if any(math.isnan(value) for value in numbers.values()):
        raise click.UsageError("nan is not a number of anything")
    shape = _shape({option: Fraction(str(value)) for option, value in numbers.items()})
    at = utc_now()
    bills = [bill(shape, knobs_of(_policy(name, known), settings), book, at) for name in (left, right)]
    if as_json:
        print_json(bills)
        return
    stdout_console().print(bills_table(shape, *bills))
    if guessing := left_out({name: _policy(name, known) for name in (left, right)}.values()):
        stdout_console().print(guessing, style=DIM, soft_wrap=True, highlight=False)


def _policy(name: str, known: dict[str, Policy]) -> Policy:
    policy = known.get(name)
    if policy is None:
        raise click.UsageError(f"there is no policy {name}; there are {', '.join(known)}")
    return policy


def _shape(exact: dict[str, Fraction]) -> UsageProfile:
    return UsageProfile(
        minutes=exact["minutes"],
        characters=int(exact["chars"]),
        turns=int(exact["turns"]),
        prompt_tokens=int(exact["prompt_tokens"]),
        reply_tokens=int(exact["reply_tokens"]),
        cached_share=exact["cached"],
        escalated_share=exact["sonnet"],
        repeated_share=exact["repeated"],
    )


@cost.command("article")
def article_command() -> None:
    """The published before and after: which sessions its totals allow, and what a plain one costs then and now."""
    settings = load_settings()
    known = _policies(settings)
    policy = known.get("haiku_first") or next(iter(known.values()))
    today = bill(published_figures.PLAIN_SHAPE, knobs_of(policy, settings), configured_prices(settings), utc_now())
    stdout_console().print(article_view(today))
