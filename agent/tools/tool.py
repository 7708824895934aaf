"""What a tool is: a function that a model may ask for, and the rules under which the service runs it."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any, Final, Protocol

from agent.providers.base import ToolSpec
from agent.tools.arguments import Arguments

CHARACTERS_A_TOKEN: Final = 4
SAID_LIMIT: Final = 200
"""Characters of a value that is read back at most: nobody says yes to what he could not take in."""
CUT: Final = " …[cut]"
_UNSAID: Final = re.compile(r"[`\[\]<>|*_~\\\s]+")
"""Marks with which a text hides words from the voice (code, targets of links, tags): without them all is said."""


class ToolError(Exception):
    """A tool cannot do what it was asked for. The message is for the model: say what is wrong, and what would work."""


class CallActions(Protocol):
    """What a tool may do with the call that it is used in. Nothing here waits."""

    def end_call(self) -> None:
        """Ends the call when what is being said was heard."""
        ...

    def transfer(self, summary: str) -> None:
        """Asks the client to connect the caller with a person, and tells that person what it is about."""
        ...

    def take_note(self, text: str) -> None:
        """Writes something down, which the next prompts have with its turn."""
        ...

    def show_text(self, text: str) -> None:
        """Shows the caller a text: an address, a number, a link."""
        ...


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool knows of the call. A function takes it as a parameter of this type, which no model sees.

    idempotency_key: the same for the same wish of the same call, also when it is tried again; a back end that keeps it
    does nothing twice.
    """

    session_id: str
    idempotency_key: str
    actions: CallActions


@dataclass(frozen=True, slots=True)
class ToolRules:
    """How a tool is run.

    read_only: it changes nothing, so several run at once, a barge-in stops it, and it may be tried again.
    idempotent: it may be tried again with the same idempotency key.
    confirm: what the caller is asked before it runs, with `{argument}` places. It runs after a yes, and never else.
    """

    read_only: bool = False
    idempotent: bool = False
    confirm: str | None = None
    timeout_s: float = 5.0
    result_tokens: int = 400
    calls_per_session: int = 20
    tiers: frozenset[str] = frozenset({"free", "premium"})
    calls_per_minute: int | None = None
    """Of one caller, in all his sessions of this process."""
    nano_usd_per_session: int | None = None
    """What calls of it may cost in a session, by the price book."""

    @property
    def may_repeat(self) -> bool:
        """Whether a call that failed may be made again."""
        return self.read_only or self.idempotent


Run = Callable[[Mapping[str, Any], ToolContext], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: what a model is told of it, the shape of its arguments, and what runs."""

    spec: ToolSpec
    arguments: Arguments
    rules: ToolRules
    run: Run
    behind: str = ""
    """What is asked, in words of the definition: two of the same share a breaker, and two of one name alone do not."""

    @property
    def name(self) -> str:
        return self.spec.name

    def read(self, arguments: str) -> dict[str, Any]:
        """The checked arguments of a call, as plain data. Raises ArgumentError."""
        return self.arguments.read(arguments)

    def read_back(self, arguments: Mapping[str, Any]) -> str:
        """What the caller is asked to say yes to."""
        return _filled(self.rules.confirm or "", arguments)

    def read_back_values(self, arguments: Mapping[str, Any]) -> str:
        """So much of it as has to be heard: a last sentence without a value of its own may be talked over."""
        confirm = self.rules.confirm or ""
        head, _, last = confirm.rpartition(". ")
        return _filled(head if head and not _places(last) else confirm, arguments)

    def unsaid(self, arguments: Mapping[str, Any]) -> str | None:
        """The argument that the question would not say, or not whole; None where the caller hears them all."""
        places = _places(self.rules.confirm or "")
        wrong = (name for name, value in arguments.items() if name not in places or len(_text(value)) > SAID_LIMIT)
        return next(wrong, None)


def confirm_problems(name: str, confirm: str | None, arguments: Arguments) -> Iterable[str]:
    """What is wrong with a read-back: the caller is to hear everything that he says yes to."""
    if confirm is None:
        return
    try:
        parts = [(place, spec, conversion) for _, place, spec, conversion in Formatter().parse(confirm)]
    except ValueError as error:
        yield f"confirm: {error}"
        return
    named = {place for place, _, _ in parts if place is not None}
    if any(spec or conversion for _, spec, conversion in parts):
        yield "confirm: takes {argument} places, and nothing behind the name"
    for place in sorted(named - arguments.names):
        yield f"confirm: {{{place}}} is no argument of {name}"
    for place in sorted(arguments.names - named):
        yield f"confirm: lacks {{{place}}}: the caller has to hear what the yes is about"
    for place in sorted((named & arguments.names) - arguments.always):
        yield f"confirm: {{{place}}} may be missing: it takes a default, or is required"


def _places(confirm: str) -> frozenset[str]:
    return frozenset(place for _, place, _, _ in Formatter().parse(confirm) if place is not None)


def _filled(template: str, arguments: Mapping[str, Any]) -> str:
    """A question with its values: they are put in once, and hold no further places."""
    return template.format_map({name: _UNSAID.sub(" ", _text(value)) for name, value in arguments.items()})


def _text(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def as_content(result: object, most_tokens: int) -> str:
    """What a model is given of a result: text or JSON, cut at its budget (four characters a token)."""
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
    # neither a request nor a database takes halves of characters and NULs
    text = text.encode("utf-8", "replace").decode().replace("\x00", "")
    most = most_tokens * CHARACTERS_A_TOKEN
    return text if len(text) <= most else text[: most - len(CUT)] + CUT
