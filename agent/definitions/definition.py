"""One agent, as its file describes it. Reading checks everything; whatever is wrong is told with file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from agent.budgets import Tier
from agent.definitions.lines import line_of
from agent.definitions.toml import DefinitionError, made_of, read_toml
from agent.definitions.tools import TOOLS_LIMIT, ToolFile, build_tools
from agent.policy.routing import MoreTerms, TermList, Terms
from agent.providers.own import OwnSpeech
from agent.providers.recorded_texts import Sentence
from agent.settings_providers import VoiceName
from agent.tools.egress import Egress
from agent.tools.mcp_server import McpServerFile, McpSpec, McpTool
from agent.tools.tool import Tool
from agent.turn.prompt import EXTRA_LIMIT, VOICE_RULES, VoicePrompt, without_marker

VARIABLES_LIMIT: Final = 1_500
"""Bytes that names and values of a session's variables take together at most: they travel in its token."""
BUILT_IN: Final = ("business", "extra")
"""What every prompt may name: settings of the operator."""
_PLACEHOLDER: Final = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}")
_ONE_LINE: Final = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"  # a provider refuses a call for a control character
_BRACES: Final = re.compile(r"\{\{|\}\}")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400, pattern=_ONE_LINE)]
Term = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=_ONE_LINE)]
Spoken = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=_ONE_LINE)]
SpeakerId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
Value = str | int | float | bool


def language_name(code: str) -> str:
    """The English name of a language (ISO 639-1). Raises ValueError where there is none."""
    from babel import Locale, UnknownLocaleError

    try:
        return Locale(code).english_name or code
    except UnknownLocaleError:
        raise ValueError(f"{code} is no language") from None


class VariableError(ValueError):
    """A variable of a session request that its agent does not take; the message names it, and not its value."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Variable(_Part):
    """A named place of the prompt that a session request fills.

    `public`: any caller may set it. Else it takes an API key: what stands in a prompt is the operator's word.
    """

    type: Literal["text", "integer", "number", "boolean", "choice"] = "text"
    max_length: int = Field(80, ge=1, le=1000)
    min: float | None = Field(None, allow_inf_nan=False)
    max: float | None = Field(None, allow_inf_nan=False)
    choices: tuple[Line, ...] = Field((), max_length=50)
    default: Value | None = None
    public: bool = False

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("`choices` belongs to the type `choice`, which needs some")
        if (self.min is not None or self.max is not None) and self.type not in ("integer", "number"):
            raise ValueError("`min` and `max` belong to numbers")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("`min` is larger than `max`")
        if self.default is not None:
            self.checked("default", self.default)
        return self

    def checked(self, name: str, value: object) -> Value:
        """The value, where it is one that this variable takes. Raises VariableError."""
        if self.type == "boolean":
            if isinstance(value, bool):
                return value
            raise VariableError(f"{name}: takes true or false")
        if self.type in ("integer", "number"):
            return self._number(name, value)
        if not isinstance(value, str):
            raise VariableError(f"{name}: takes a text")
        if self.type == "choice":
            if value in self.choices:
                return value
            raise VariableError(f"{name}: takes one of {', '.join(self.choices)}")
        if not value.isprintable() or len(value) > self.max_length:
            raise VariableError(f"{name}: takes one printable line of at most {self.max_length} characters")
        return value

    def _number(self, name: str, value: object) -> Value:
        kinds = (int,) if self.type == "integer" else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or value != value or abs(value) > 1e15:
            raise VariableError(f"{name}: takes {'a whole number' if self.type == 'integer' else 'a number'}")
        if (self.min is not None and value < self.min) or (self.max is not None and value > self.max):
            low, high = ("…" if end is None else f"{end:g}" for end in (self.min, self.max))
            raise VariableError(f"{name}: takes a number from {low} to {high}")
        return value


class AgentFile(_Part):
    """The keys of a definition."""

    name: Name
    version: int = Field(ge=1, le=1_000_000)
    title: Line | None = None
    prompt: str = Field(min_length=1, max_length=EXTRA_LIMIT)
    greeting: Line | None = None
    hang_up: Line | None = None
    tiers: tuple[Tier, ...] = Field(tuple(Tier), min_length=1)
    routing_terms: tuple[Line, ...] = Field((), max_length=200)
    language: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")] | None = None
    voices: dict[VoiceName, SpeakerId] = Field(default_factory=dict[VoiceName, str])
    speed: float | None = Field(None, ge=0.7, le=1.2)
    keyterms: tuple[Term, ...] = Field((), max_length=100)
    sentences: dict[Sentence, Spoken] = Field(default_factory=dict[Sentence, str])
    pronunciations: dict[Term, Spoken] = Field(default_factory=dict[str, str], max_length=100)
    policies: tuple[str, ...] = Field((), max_length=16)
    usd_per_session: float | None = Field(None, gt=0, le=100)
    tools: tuple[ToolFile, ...] = Field((), max_length=TOOLS_LIMIT)
    mcp: dict[Name, McpServerFile] = Field(default_factory=dict[str, McpServerFile], max_length=4)
    variables: dict[Name, Variable] = Field(default_factory=dict[str, Variable], max_length=20)


@dataclass(frozen=True, slots=True)
class AgentDefinition:
    """An agent that can be called. A session keeps the one that it began with."""

    file: AgentFile
    path: Path
    tools: Mapping[str, Tool | McpTool] = field(default_factory=dict[str, Tool | McpTool])
    """Those of a server are looked up when a session begins: it may offer others by then."""
    servers: tuple[McpSpec, ...] = ()

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def version(self) -> int:
        return self.file.version

    def takes(self, policy: str) -> bool:
        """Whether this policy may serve it."""
        return not self.file.policies or policy in self.file.policies

    def line(self, key: str) -> int:
        """Where a key stands in the file now."""
        try:
            return line_of(self.path.read_text(encoding="utf-8"), (key,))
        except (OSError, UnicodeDecodeError):
            return 1

    def fill(self, given: Mapping[str, object]) -> dict[str, Value]:
        """The variables of a session: what was given, checked, and the defaults of the rest. Raises VariableError."""
        known = self.file.variables
        for name in given:
            if name not in known:
                taken = f"takes {', '.join(known)}" if known else "takes none"
                raise VariableError(f"{name[:40]!r} is not a variable of {self.name}, which {taken}")
        filled: dict[str, Value] = {}
        for name, variable in known.items():
            if name in given:
                filled[name] = variable.checked(name, given[name])
            elif variable.default is not None:
                filled[name] = variable.default
            else:
                raise VariableError(f"{name}: is missing")
        if sum(_bytes_in_token(part) for pair in filled.items() for part in pair) > VARIABLES_LIMIT:
            raise VariableError(f"names and values take more than {VARIABLES_LIMIT} bytes of UTF-8 together")
        return filled

    def needs_key(self, given: Iterable[str]) -> list[str]:
        """Which of these variables only a request with an API key may set."""
        return [name for name in given if (one := self.file.variables.get(name)) is not None and not one.public]

    def prompt(self, business: str, extra: str, variables: Mapping[str, Value]) -> VoicePrompt:
        """The system prompt of a session. What fills a variable cannot ask for the larger model."""
        (extra, also), values = without_marker(extra), {name: str(value) for name, value in variables.items()}
        own, escalates = without_marker(self.file.prompt)
        text = _filled(own, {**values, "business": business.strip(), "extra": extra}).strip()
        spoken = "" if self.file.language is None else f"\n\nSpeak {language_name(self.file.language)}."
        return VoicePrompt(f"{VOICE_RULES}{spoken}\n\n{text}", escalates or also)

    @property
    def speech(self) -> OwnSpeech:
        """What it has of its own at recognisers and voices."""
        file = self.file
        return OwnSpeech(file.language, file.keyterms, tuple(sorted(file.voices.items())), file.speed)

    def terms(self, usual: Terms) -> Terms:
        """The terms that send a turn to the larger model: the service's, and its own."""
        own = self.file.routing_terms
        return MoreTerms(usual, TermList(own)) if own else usual

    def said(self, text: str | None, business: str, variables: Mapping[str, Value]) -> str | None:
        """A fixed sentence with its places filled; None where there is none."""
        values = {"business": business.strip(), **{name: str(value) for name, value in variables.items()}}
        return None if text is None else _filled(text, values)


def read_definition(path: Path, egress: Egress | None = None) -> AgentDefinition:
    """Reads and checks one file; its tools go where `egress` lets them. Raises DefinitionError with all problems."""
    text, declared = read_toml(path)
    made = made_of(AgentFile, path, text, declared)
    egress = egress or Egress()
    servers = {name: McpSpec.of(name, one, path.parent) for name, one in made.mcp.items()}
    tools, wrong = build_tools(made.tools, path.parent, egress, servers)
    wrong += [
        (("mcp", name), f"mcp.{name}: {words}") for name, one in made.mcp.items() if (words := one.problem(egress))
    ]
    problems = [f"{path}:{line_of(text, where)}: {words}" for where, words in (*_problems(made), *wrong)]
    if path.stem not in (made.name, f"{made.name}-{made.version}"):
        files = f"{made.name}.toml" if "-" not in path.stem else f"{made.name}-{made.version}.toml"
        problems.append(f"{path}:{line_of(text, ('name',))}: name: is {made.name!r}, so the file is {files}")
    if problems:
        raise DefinitionError(problems)
    return AgentDefinition(made, path, tools, tuple(servers.values()))


def _problems(made: AgentFile) -> Iterable[tuple[tuple[str, ...], str]]:
    """What no single key can say."""
    known = {*BUILT_IN, *made.variables}
    if made.language is not None:
        try:
            language_name(made.language)
        except ValueError as error:
            yield ("language",), f"language: {error}"
    for name in sorted(known & made.variables.keys() & set(BUILT_IN)):
        yield ("variables", name), f"variables.{name}: is a name that every prompt has already"
    for number, term in enumerate(made.routing_terms):
        try:
            TermList([term])
        except ValueError as error:
            yield ("routing_terms", str(number)), f"routing_terms: {error}"
    places = {"prompt": known, "greeting": known - {"extra"}, "hang_up": known - {"extra"}}
    for key, allowed in places.items():
        text = getattr(made, key)
        if text is None:
            continue
        for name in sorted({found[1] for found in _PLACEHOLDER.finditer(text)} - allowed):
            yield (key,), f"{key}: {{{{{name}}}}} is not one of {', '.join(sorted(allowed))}"
        if _BRACES.search(_PLACEHOLDER.sub("", text)):
            yield (key,), f"{key}: takes {{{{name}}}} with one of {', '.join(sorted(allowed))} between double braces"


def _bytes_in_token(value: Value) -> int:
    return len(json.dumps(str(value), ensure_ascii=False).encode("utf-8", "replace")) - len('""')


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Replaces once: a value that looks like a place stays as it is."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)
