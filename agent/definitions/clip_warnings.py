"""What callers of an agent will hear from a recording, and not as its file would have it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agent.definitions.definition import AgentDefinition, language_name
from agent.providers.recorded import recorded_texts
from agent.providers.recorded_texts import TEXTS_OF, Sentence, texts_in


def clip_warnings(agent: AgentDefinition, folder: Path | None, usual: str) -> Iterable[str]:
    """Lines of `file:line: what`; `usual` is the language of the service. Raises ConfigurationError."""
    language, own = agent.file.language or usual, agent.file.sentences
    recorded = {} if folder is None else recorded_texts(folder / agent.name)
    lacking = [one for one in Sentence if one not in own]
    if language not in TEXTS_OF and lacking:
        name, missing = language_name(language), ", ".join(lacking)
        yield (
            f"{agent.path}:{agent.line('language')}: language: nothing is recorded in {name}: callers hear English,"
            f" where `sentences` lacks {missing}"
        )
    wanted = texts_in(language, own)
    unheard = [one for one in own if recorded.get(one, "") not in (wanted[one], None)]
    if unheard:
        yield (
            f"{agent.path}:{agent.line('sentences')}: sentences: not recorded: {', '.join(unheard)}; `voice-agent clips"
            " make` records them"
        )
