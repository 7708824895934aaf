"""What each Claude model accepts, in one table.

Sources: Haiku 5.5 can be told not to think at an effort of high or less, Sonnet 5.5 takes `between_tools` in place of
`disabled` (it refuses `disabled` with status 400) and Opus 5.5 always thinks: docs.apiyi.com, 2026-11-09. Models before
5.5 do not think unless they are told to. Cacheable minimum: platform.claude.com, prompt caching; 4,096 for Haiku 4.5,
nothing is published for the 5.5 family, which is given the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

Thinking = Literal["disabled", "between_tools"]
ThinkingChoice = Literal["disabled", "between_tools", "template", "unsent"]
"""What an operator says of a model: how it is kept from thinking (`template`: by its chat template), or that nothing is
sent."""
Effort = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How one model is asked for a spoken reply."""

    thinking: Thinking | None = None
    """What keeps it from thinking before it speaks; None sends no `thinking` at all."""
    template_thinks: bool = True
    """False: `chat_template_kwargs` tell the model's chat template not to think, as llama.cpp and vLLM take it."""
    effort: Effort | None = None
    """`output_config.effort`; None leaves the model's default."""
    least_output_tokens: int = 1
    """`max_tokens` is raised to this: a model that always thinks needs room for it."""
    cacheable_from_tokens: int = 4096
    """Shortest prefix that the prompt cache takes; a marker on a shorter one is ignored by the provider."""


_DEFAULT: Final = ModelOptions()

MODEL_OPTIONS: Final[Mapping[str, ModelOptions]] = {
    "claude-haiku-5-5": ModelOptions(thinking="disabled"),
    "claude-sonnet-5-5": ModelOptions(thinking="between_tools"),
    "claude-opus-5-5": ModelOptions(effort="low", least_output_tokens=2048),
    "claude-haiku-4-5": ModelOptions(),
    "claude-sonnet-4-6": ModelOptions(cacheable_from_tokens=1024),
    "claude-sonnet-5": ModelOptions(cacheable_from_tokens=1024),
}


def read_choices(parts: Iterable[str]) -> dict[str, ThinkingChoice]:
    """Reads `model=choice`; a model id may hold `=` itself. Raises ValueError that says what is taken."""
    choices: dict[str, ThinkingChoice] = {}
    for part in parts:
        model, _, choice = part.rpartition("=")
        known = next((one for one in get_args(ThinkingChoice) if one == choice), None)
        if not model or known is None:
            raise ValueError(f"takes model=choice, with one of {', '.join(get_args(ThinkingChoice))}; not {part!r}")
        choices[model] = known
    return choices


def with_choice(options: ModelOptions, choice: ThinkingChoice | None) -> ModelOptions:
    """The options of a model with what the operator says of its thinking."""
    match choice:
        case None:
            return options
        case "template":
            return replace(options, thinking=None, template_thinks=False)
        case "unsent":
            return replace(options, thinking=None)
        case _:
            return replace(options, thinking=choice)


def options_of(model: str) -> ModelOptions:
    """The options of a model id. A dated id (`…-20251001`) has those of its family; an unknown one sends nothing
    special.
    """
    exact = MODEL_OPTIONS.get(model)
    if exact is not None:
        return exact
    family, _, date = model.rpartition("-")
    return MODEL_OPTIONS.get(family, _DEFAULT) if len(date) == 8 and date.isdigit() else _DEFAULT
