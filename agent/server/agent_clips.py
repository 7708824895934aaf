"""The recorded sentences of agents: in their language, with their words, in their voice where it was recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import structlog

from agent.core.errors import ConfigurationError
from agent.definitions.definition import AgentDefinition
from agent.providers.own import NOTHING_OWN
from agent.providers.recorded import RecordedClip, Sentence, load_clips

Clips = Mapping[Sentence, RecordedClip]
_MOST: Final = 32
"""Sets of recordings in memory at most, each of a megabyte at most; of more agents they are read again."""
_Key = tuple[str, str, tuple[tuple[Sentence, str], ...]]

log = structlog.get_logger()


class AgentClips:
    """The clips of each agent; those of the service where it has nothing of its own."""

    def __init__(
        self, folder: Path | None, language: str, usual: Clips, agents: Iterable[AgentDefinition] = ()
    ) -> None:
        """`language` is the service's. Raises ConfigurationError for a recording of one of these agents."""
        self._folder, self._language, self._usual = folder, language, usual
        self._read: dict[_Key, Clips] = {}
        for agent in agents:
            if needs_own(agent):
                self._read[self._key(agent)] = self._load(agent)

    def of(self, agent: AgentDefinition) -> Clips:
        """What its callers hear. A recording that cannot be read by now is logged: they hear the service's."""
        if not needs_own(agent):
            return self._usual
        key = self._key(agent)
        if key not in self._read:
            while len(self._read) >= _MOST:
                self._read.pop(next(iter(self._read)))
            try:
                self._read[key] = self._load(agent)
            except ConfigurationError as error:
                log.error("recordings of an agent not read", agent=agent.name, problem=str(error))
                self._read[key] = self._usual
        return self._read[key]

    def _load(self, agent: AgentDefinition) -> Clips:
        language, own = agent.file.language or self._language, agent.file.sentences
        folder = None if self._folder is None else self._folder / agent.name
        if folder is None or not folder.is_dir():
            return self._usual if not own and language == self._language else load_clips(None, language, own)
        return load_clips(folder, language, own)

    def _key(self, agent: AgentDefinition) -> _Key:
        return agent.name, agent.file.language or self._language, tuple(sorted(agent.file.sentences.items()))


def needs_own(agent: AgentDefinition) -> bool:
    """Whether an agent has a language, a voice, a pace or sentences of its own, and so recordings."""
    speech = agent.speech
    return bool(agent.file.sentences) or (speech.language, speech.voices, speech.speed) != (
        NOTHING_OWN.language, NOTHING_OWN.voices, NOTHING_OWN.speed,
    )  # fmt: skip
