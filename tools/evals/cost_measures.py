"""Measure 7: what the model's input costs over calls of several lengths, whole or as memory sends it.

Calls are dialogues of SGD dev one after the other. Every request is charged by the sandbox's prompt cache, which
follows the provider's rules (prefix up to a breakpoint, 20 blocks back, the model's minimum), at the price book's
prices. Notes are the lexical ones; what the small model's notes cost is bounded by their share of the session.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.billing.prices import PriceBook, load_prices
from agent.core.calls import Unit
from agent.memory import Conversation, context
from agent.memory.context import RECALL_TOKENS
from agent.memory.notes import NOTES_RULES, NOTES_SCHEMA
from agent.memory.words import tokens_of
from agent.providers.anthropic.claude import messages_of
from agent.providers.anthropic.models import options_of
from agent.providers.base import Message, Prompt
from agent.session.memory import FIRST_NOTES_USD, NOTES_SHARE
from agent.turn.prompt import build_prompt
from tools.evals import data
from voice_sandbox.anthropic.prompt_cache import PromptCache, blocks_of

LENGTHS = (6, 12, 40, 200, 480)
CONTEXT_TOKENS = 6_000  # the shipped setting
SECONDS_A_TURN = 15.0
MODELS = ("claude-haiku-5-5", "claude-sonnet-4-6")  # a cache from 4,096 tokens and one from 1,024
Sender = Callable[[Conversation, str, str, int], Prompt]
"""(the call so far, system prompt, utterance, shortest prefix that the cache takes) -> the request."""


@dataclass(slots=True)
class Cost:
    """Sums over the requests of one call."""

    requests: int = 0
    uncached: int = 0
    read: int = 0
    written: int = 0

    @property
    def tokens(self) -> float:
        """Mean input tokens of a request, cached or not."""
        return (self.uncached + self.read + self.written) / max(1, self.requests)

    def usd(self, model: str) -> float:
        """Dollars of the input at the shipped prices of today."""
        book, now = load_prices(), datetime.now(UTC)
        counts = {
            Unit.INPUT_TOKENS: self.uncached,
            Unit.CACHE_READ_TOKENS: self.read,
            Unit.CACHE_WRITE_TOKENS: self.written,
        }
        total = 0
        for unit, count in counts.items():
            rate = book.rate("anthropic", model, unit, now)
            if rate is None:
                raise LookupError(f"no price of {unit} for {model}")
            total += rate.amount(count)
        return total / 1e9


def _ours(call: Conversation, system: str, utterance: str, least: int) -> Prompt:
    made = context(
        call,
        system=system,
        utterance=utterance,
        budget_tokens=CONTEXT_TOKENS,
        recall_tokens=RECALL_TOKENS,
        cache_from_tokens=least,
    )
    return Prompt(made.system, made.memory, tuple(Message(m.role, m.text) for m in made.messages))


def _flat(limit: int | None, *, cache: bool) -> Sender:
    def send(call: Conversation, system: str, utterance: str, least: int) -> Prompt:
        past = call.graph.questions[:-1]
        kept = past if limit is None else past[max(0, len(past) - limit) :]
        messages: list[Message] = []
        for question in kept:
            messages += [Message("user", question.text), Message("assistant", question.answer or "[no words]")]
        return Prompt(system, "", (*messages, Message("user", utterance)), cache=cache)

    return send


SENDERS: Mapping[str, Sender] = {
    "whole history": _flat(None, cache=False),
    "whole history, cached": _flat(None, cache=True),
    "last six": _flat(6, cache=True),
    "memory": _ours,
}


def exchanges(count: int) -> list[tuple[str, str]]:
    """That many exchanges of SGD dev dialogues, one after the other; again from the start where they run out."""
    talk = [(turn.caller, turn.agent) for dialogue in data.sgd_subjects() for turn in dialogue]
    return [talk[place % len(talk)] for place in range(count)]


def cost(send: Sender, model: str, turns: int, system: str | None = None) -> Cost:
    """What the requests of one call of so many turns are charged for."""
    prompt = build_prompt("the front desk").text if system is None else system
    now = 0.0
    cache = PromptCache(clock=lambda: now)
    least = options_of(model).cacheable_from_tokens
    call, result = Conversation(), Cost()
    for caller, agent in exchanges(turns):
        call.heard(caller)
        request = send(call, prompt, caller, least)
        system_block = {"type": "text", "text": request.system, "cache_control": {"type": "ephemeral"}}
        body = {"system": [system_block] if request.cache else request.system, "messages": messages_of(request)}
        usage = cache.charge(model, least, blocks_of(body))
        result.requests += 1
        result.uncached += usage.uncached
        result.read += usage.read
        result.written += usage.written_5m
        call.answered(agent, interrupted=False)
        now += SECONDS_A_TURN
    return result


@dataclass(frozen=True, slots=True)
class NotesShare:
    """What notes would cost of a session when none is held back, and how it is when they keep to their share."""

    uncapped: float
    """Share of the session's cost, notes included, that all due requests would take."""
    capped: float
    taken: int
    due: int


NOTES_ANSWER_TOKENS = 120  # two facts in JSON
KNOWN_TOKENS = 12  # of one fact in the list of what is noted
FACTS_A_REQUEST = 2


def notes_share(
    first_model: str, turns: int, voice: tuple[str, str] = ("elevenlabs", "eleven_flash_v2_5")
) -> NotesShare:
    """The small model's share of what a session of so many turns costs, at the shipped prices of today.

    Recogniser, voice, the answering model (as `memory` sends to it) and its answers count as the session. How many
    facts a request brings is assumed, since no model is asked here.
    """
    book, now, small = load_prices(), datetime.now(UTC), MODELS[0]
    talk = exchanges(turns)
    model = cost(SENDERS["memory"], first_model, turns).usd(first_model) / turns
    rates = {unit: _rate(book, "anthropic", small, unit, now) for unit in (Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS)}
    heard = _rate(book, "deepgram", "flux-general-en", Unit.AUDIO_SAMPLES, now) * SECONDS_A_TURN * 16_000
    spoken = _rate(book, "elevenlabs", "eleven_flash_v2_5", Unit.CHARACTERS, now)
    told = _rate(book, "anthropic", first_model, Unit.OUTPUT_TOKENS, now)
    fixed = tokens_of(NOTES_RULES) + tokens_of(json.dumps(NOTES_SCHEMA))
    spent = {"session": 0.0, "all": 0.0, "capped": 0.0}
    last, due, taken = FIRST_NOTES_USD, 0, 0
    calls = (Conversation(), Conversation())
    for caller, agent in talk:
        for call in calls:
            call.heard(caller)
            call.answered(agent, interrupted=False)
        spent["session"] += model + heard + spoken * len(agent) + told * tokens_of(agent)
        for call, kind in zip(calls, ("all", "capped"), strict=True):
            request = call.notes_due()
            allowed = kind == "all" or spent["capped"] + last <= NOTES_SHARE * (spent["session"] + spent["capped"])
            if request is None or not allowed:
                continue
            number = due if kind == "all" else taken
            known = min(60, FACTS_A_REQUEST * number) * KNOWN_TOKENS
            price = rates[Unit.INPUT_TOKENS] * (fixed + known + tokens_of(request.prompt))
            price += rates[Unit.OUTPUT_TOKENS] * NOTES_ANSWER_TOKENS
            spent[kind] += price
            due, taken = due + (kind == "all"), taken + (kind == "capped")
            last = price if kind == "capped" else last
            call.noted(request, [])
    total = spent["session"]
    return NotesShare(spent["all"] / (total + spent["all"]), spent["capped"] / (total + spent["capped"]), taken, due)


def _rate(book: PriceBook, provider: str, model: str, unit: Unit, at: datetime) -> float:
    """Dollars of one unit. Raises LookupError when the book has no price."""
    rate = book.rate(provider, model, unit, at)
    if rate is None:
        raise LookupError(f"no price of {unit} for {provider} {model}")
    return rate.amount(1_000_000) / 1e15
