"""Policies, their history and decisions as tables and text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.budgets import Tier
from agent.policy.assignments import Revision, described
from agent.policy.decisions import Decision, Outcome
from agent.policy.describe import evidence_lines, headline, next_step
from agent.policy.policies import Policy, PolicyBook

_COLOURS: Final = {
    Outcome.ROLLED_BACK: "red",
    Outcome.RECOMMENDED: "yellow",
    Outcome.HELD: "dim",
    Outcome.UNDONE: "cyan",
}


def policies_table(book: PolicyBook, in_force: Mapping[Tier, Revision]) -> RenderableType:
    """A row for each policy, and the percent that each tier gives it."""
    table = _table("policy", "model", "listens", "voice")
    for tier in Tier:
        table.add_column(str(tier), justify="right")
    for policy in book.policies.values():
        name = Text(policy.name, style="bold").append(f" v{policy.version}", style="dim")
        if policy.name == book.baseline:
            name.append("\n  baseline", style="cyan")
        climbs = policy.escalation.enabled and policy.first_model != "sonnet"
        table.add_row(
            name,
            f"{policy.first_model} → sonnet" if climbs else policy.first_model,
            policy.stt_model,
            policy.chains.tts[0],
            *(_percent(in_force.get(tier), policy.name) for tier in Tier),
        )
    since = [_since(tier, in_force.get(tier)) for tier in Tier]
    unusable = [
        _unusable(book, revision) for revision in in_force.values() if set(revision.weights) - set(book.policies)
    ]
    return Group(table, *since, *unusable)


def _percent(revision: Revision | None, name: str) -> Text:
    percent = 0 if revision is None else revision.weights.get(name, 0)
    return Text(f"{percent} %", style="bold green") if percent else Text("–", style="dim")


def _since(tier: Tier, revision: Revision | None) -> Text:
    if revision is None:
        return Text(f"{tier:<8} never assigned: the service has not started yet", style="dim")
    return Text(f"{tier:<8} {_by(revision)}", style="dim")


def _unusable(book: PolicyBook, revision: Revision) -> Text:
    names = ", ".join(name for name in revision.weights if name not in book.policies)
    tier = revision.change.tier
    return Text(
        f"{tier:<8} revision {revision.number} names what this policy file does not have: {names}. A service that "
        f"starts with this file gives everybody {book.baseline}, until `policy assign {tier} …` names others",
        style="bold red",
    )


def in_force_line(revision: Revision) -> str:
    """What a tier's new sessions get now, since when and by whom: to be read before it is changed."""
    return f"{revision.change.tier} gets {described(revision.weights)}: {_by(revision)}"


def _by(revision: Revision) -> str:
    change = revision.change
    since = f"revision {revision.number} since {revision.at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{since}: {change.cause} by {change.actor}{_because(change.reason)}"


def policy_text(policy: Policy) -> RenderableType:
    """Every knob."""
    knobs = {
        "first model": policy.first_model,
        "escalation": (
            f"over {policy.escalation.char_threshold} characters, or a technical term in"
            f" {policy.escalation.term_turns} turns"
            if policy.escalation.enabled
            else "off"
        ),
        "recogniser": policy.stt_model,
        "voice": policy.voice_model,
        "audio cache": "on" if policy.audio_cache else "off",
        "prompt cache": "on" if policy.prompt_cache else "off",
        "listening": " → ".join(policy.chains.stt),
        "thinking": " → ".join(policy.chains.llm_from(policy.first_model)),
        "speaking": " → ".join(policy.chains.tts),
    }
    lines = [Text(f"{policy.name} v{policy.version}", style="bold"), Text(policy.description, style="dim")]
    return Group(*lines, *(Text(f"  {name:<14}{value}") for name, value in knobs.items()))


def history_table(revisions: Sequence[Revision]) -> RenderableType:
    """A row for each change."""
    table = _table("when (UTC)", "tier", "revision", "cause", "new sessions get", "by", "why")
    table.columns[2].justify = "right"
    for revision in revisions:
        change = revision.change
        cause = change.cause if change.restores is None else f"{change.cause} to {change.restores}"
        when = f"{revision.at:%Y-%m-%d %H:%M:%S}"
        table.add_row(
            when, change.tier, str(revision.number), cause, described(change.weights), change.actor, change.reason
        )
    return table


def decisions_table(decisions: Sequence[Decision]) -> RenderableType:
    """A row for each decision."""
    table = _table("when (UTC)", "id", "tier or agent", "policy", "verdict", "mode", "outcome", "reason", "after")
    table.columns[-1].justify = "right"
    for one in decisions:
        table.add_row(
            f"{one.at:%Y-%m-%d %H:%M:%S}",
            one.id,
            one.alert.tier,
            f"version {one.alert.policy}" if one.alert.of_agent else one.alert.policy,
            one.alert.verdict,
            one.mode,
            Text(one.outcome.replace("_", " "), style=_COLOURS[one.outcome]),
            one.reason.replace("_", " "),
            f"{one.delay_s:.0f} s",
        )
    return table


def decision_text(decision: Decision) -> RenderableType:
    """What was decided and why, with its numbers."""
    alert = decision.alert
    about = (
        f"{alert.name}, firing since {alert.starts_at:%Y-%m-%d %H:%M:%S} UTC; decided {decision.delay_s:.0f} s later"
    )
    return Group(
        Text(headline(decision), style=f"bold {_COLOURS[decision.outcome]}"),
        Text(f"{about}, mode {decision.mode}", style="dim"),
        *(Text(f"  {line}") for line in evidence_lines(decision.evidence)),
        Text("next: ").append(next_step(decision), style="green"),
    )


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table
