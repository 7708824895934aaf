"""Which model answers a turn: a rule that is dumb on purpose, and the list of technical terms that it looks for.

Sonnet if the input is over the policy's number of characters (80), or a technical term stands in the last turns (3, the
current one included), or the system prompt explicitly escalates; else the policy's first model. No model judges.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from agent.core.errors import ConfigurationError
from agent.policy.policies import Model, Policy

Rule = Literal["default", "length", "term", "system", "policy"]
"""Why a turn got its model, in the order in which the rules are asked: "policy" (the policy leaves no choice: it starts
with Sonnet, or does not escalate), "length", "term", "system", and "default" where none of them applies."""

DEFAULT_TERMS: Final = Path(__file__).with_name("technical_terms.txt")
FILE_LIMIT: Final = 256 * 1024
"""Bytes of a term file at most."""
TERM_LIMIT: Final = 5_000
"""Terms of a file at most."""
WORDS_LIMIT: Final = 6
"""Words of a term at most."""

_WORD: Final = re.compile(r"[^\W_]+|[+#]")


class TermFileError(ConfigurationError):
    """A term file that cannot be used; its text is one line that names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class Route:
    """The model that answers a turn and the rule that chose it."""

    model: Model
    rule: Rule


class TermList:
    """Technical terms, found as whole words in any case, in the singular and the plural.

    Words are runs of letters and digits, "+" and "#"; what stands between them does not matter: "node.js" is also found
    as "Node JS". One pass over the text with one look-up a word, so the time is linear in the text and does not depend
    on the number of terms.
    """

    __slots__ = ("_by_first_word", "_count")

    def __init__(self, terms: Iterable[str]) -> None:
        """Takes the terms as they stand in a file. Raises ValueError for one without letters or of too many words."""
        tails: dict[str, set[tuple[str, ...]]] = {}
        self._count = 0
        for term in terms:
            words = _words(term)
            if not words or len(words) > WORDS_LIMIT:
                raise ValueError(f"term {term!r}: takes 1 to {WORDS_LIMIT} words")
            self._count += 1
            for last in _forms(words[-1]):
                first, *rest = (*words[:-1], last)
                tails.setdefault(first, set()).add(tuple(rest))
        self._by_first_word = {first: tuple(sorted(rests, key=len)) for first, rests in tails.items()}

    def __len__(self) -> int:
        return self._count

    def found_in(self, text: str) -> bool:
        """Whether one of the terms stands in the text."""
        words = _words(text)
        return any(
            tuple(words[at : at + len(rest)]) == rest
            for at, word in enumerate(words, start=1)
            for rest in self._by_first_word.get(word, ())
        )


def load_terms(extra: Path | None = None) -> TermList:
    """The service's own terms and those of an operator's file (one a line; # starts a comment line).

    Raises TermFileError for a file that is missing, over `FILE_LIMIT` bytes or `TERM_LIMIT` terms, not UTF-8, or that
    holds a line that is no term.
    """
    terms = _read(DEFAULT_TERMS)
    return TermList(terms if extra is None else [*terms, *_read(extra)])


class Terms(Protocol):
    """Terms that send a turn to the larger model."""

    def found_in(self, text: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class MoreTerms:
    """The service's terms, and those of one agent."""

    usual: Terms
    own: Terms

    def found_in(self, text: str) -> bool:
        """Whether a term of either stands in the text."""
        return self.usual.found_in(text) or self.own.found_in(text)


def route(policy: Policy, *, text: str, recent_turns: Sequence[str], system_escalates: bool, terms: Terms) -> Route:
    """Chooses the model of a turn.

    text: what the caller just said. recent_turns: what the caller said in the turns before, oldest first, without
    `text`; without the agent's replies too, whose terms would keep a conversation on Sonnet once it is there.
    """
    escalation = policy.escalation
    if policy.first_model == "sonnet" or not escalation.enabled:
        return Route(policy.first_model, "policy")
    if len(text.strip()) > escalation.char_threshold:
        return Route("sonnet", "length")
    if escalation.term_turns > 0:
        earlier = recent_turns[-(escalation.term_turns - 1) :] if escalation.term_turns > 1 else ()
        if terms.found_in(text) or any(terms.found_in(turn) for turn in earlier):
            return Route("sonnet", "term")
    if system_escalates:
        return Route("sonnet", "system")
    return Route(policy.first_model, "default")


@dataclass(frozen=True, slots=True)
class PolicyRouter:
    """The routing rule of one policy, as a session asks it."""

    policy: Policy
    terms: Terms
    system_escalates: bool

    def route(self, text: str, recent: Sequence[str]) -> Route:
        """The model of a turn. `recent` is what the caller said in the turns before, oldest first."""
        return route(
            self.policy, text=text, recent_turns=recent, system_escalates=self.system_escalates, terms=self.terms
        )


def possible_routes(policies: Iterable[Policy]) -> tuple[tuple[Model, Rule], ...]:
    """Every (model, rule) that `route` can choose under these policies: the label values of its metric."""
    found: set[tuple[Model, Rule]] = set()
    for policy in policies:
        if policy.first_model == "sonnet" or not policy.escalation.enabled:
            found.add((policy.first_model, "policy"))
        else:
            found |= {("sonnet", "length"), ("sonnet", "term"), ("sonnet", "system"), (policy.first_model, "default")}
    return tuple(sorted(found))


def _words(text: str) -> list[str]:
    # found before their case is folded: that of some letters (İ) would add a mark, which ends a word
    return [word.casefold() for word in _WORD.findall(text)]


def _forms(word: str) -> set[str]:
    """A word with its plural, or its singular where it is one: "query" and "queries", "class" and "classes"."""
    forms = {word}
    if not word[-1].isalpha():
        return forms
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        forms.add(f"{word[:-1]}ies")
    elif word.endswith(("s", "x", "z", "ch", "sh")):
        forms.add(f"{word}es")
    else:
        forms.add(f"{word}s")
    if word.endswith("ies") and len(word) > 4:
        forms.add(f"{word[:-3]}y")
    elif word.endswith(("ses", "xes", "zes", "ches", "shes")):
        forms.update((word[:-1], word[:-2]))
    elif word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        forms.add(word[:-1])
    return forms


def _read(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT + 1)
    except OSError as error:
        raise TermFileError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > FILE_LIMIT:
        raise TermFileError(f"{path}: takes at most {FILE_LIMIT} bytes")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise TermFileError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    terms: list[str] = []
    for number, line in enumerate(lines, start=1):
        term = line.strip()
        if not term or term.startswith("#"):
            continue
        if not 1 <= len(_words(term)) <= WORDS_LIMIT:
            raise TermFileError(f"{path}: line {number}: takes a term of 1 to {WORDS_LIMIT} words")
        terms.append(term)
    if len(terms) > TERM_LIMIT:
        raise TermFileError(f"{path}: takes at most {TERM_LIMIT} terms, has {len(terms)}")
    return terms
