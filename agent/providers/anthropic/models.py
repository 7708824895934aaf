"""What each Claude model accepts, in one table.

Sources: Haiku 5.5 can be told not to think at an effort of high or less, Sonnet 5.5 takes `between_tools` in place of
`disabled` (it refuses `disabled` with status 400) and Opus 5.5 always thinks: docs.apiyi.com, 2026-11-09. Models before
5.5 do not think unless they are told to. Cacheable minimum: platform.claude.com, prompt caching; 4,096 for Haiku 4.5,
nothing is published for the 5.5 family, which is given the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Thinking = Literal["disabled", "between_tools"]
Effort = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How one model is asked for a spoken reply."""

    thinking: Thinking | None = None
    """What keeps it from thinking before it speaks; None sends no `thinking` at all."""
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


def options_of(model: str) -> ModelOptions:
    """The options of a model id. A dated id (`…-20251001`) has those of its family; an unknown one sends nothing
    special.
    """
    exact = MODEL_OPTIONS.get(model)
    if exact is not None:
        return exact
    family, _, date = model.rpartition("-")
    return MODEL_OPTIONS.get(family, _DEFAULT) if len(date) == 8 and date.isdigit() else _DEFAULT
