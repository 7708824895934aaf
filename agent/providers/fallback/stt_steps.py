"""The recognisers of one session in the order of asking, and who is left alone for the moment."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager

from agent.core import clock
from agent.providers.base import SpeechToText
from agent.providers.fallback.chain import ChainStep, StepSkippedError
from agent.providers.fallback.stt_rules import ListeningRules


class SttSteps:
    """The recognisers of one session, in the order of asking. Remembers between streams who failed a moment ago.

    A stream takes a slot of its provider while it is connected (vendors bound the streams of an account); a step that
    takes segments takes one for each. A step that has none is `busy`, and passed over for this turn.
    """

    def __init__(
        self,
        steps: Sequence[ChainStep[SpeechToText]],
        *,
        last: str = "none",
        rules: ListeningRules | None = None,
        priority: bool = False,
    ) -> None:
        """`last` names what follows the last step in fallbacks: `browser` where the client can listen.

        With `priority` the slots that are kept for callers who go first are open to it.
        """
        self.priority = priority
        self.provider = steps[0].provider.provider
        self.model = steps[0].provider.model
        self.steps = tuple(steps)
        self.last = last
        self.rules = rules or ListeningRules()
        self.deaf_s = self.rules.deaf_s
        self._rest_until: dict[str, float] = {}

    @property
    def served(self) -> bool:
        """Whether the breaker of any step lets callers through."""
        return any(allows(step) for step in self.steps)

    def choose(self, tried: Collection[str]) -> ChainStep[SpeechToText] | None:
        """The step to ask now: the first that is not resting, else the first that is; None when all were tried."""
        open_to = [step for step in self.steps if step.name not in tried and allows(step)]
        return next((step for step in open_to if not self._backing_off(step)), open_to[0] if open_to else None)

    def better(self, step: ChainStep[SpeechToText]) -> ChainStep[SpeechToText] | None:
        """The first step before this one that is well."""
        before = self.steps[: self.steps.index(step)]
        return next((one for one in before if allows(one) and not self._backing_off(one)), None)

    def after(self, step: ChainStep[SpeechToText]) -> ChainStep[SpeechToText] | None:
        """The step that can give a second opinion on this one."""
        return next((one for one in self.steps[self.steps.index(step) + 1 :] if allows(one)), None)

    def alone(self, step: ChainStep[SpeechToText]) -> bool:
        """Whether nobody else can be asked: a first step without a second, or with none that is well."""
        return step is self.steps[0] and self.after(step) is None

    def clear_suspicion(self, step: ChainStep[SpeechToText]) -> None:
        """The suspicion was wrong: the step is asked again at once, and believed for longer."""
        self._rest_until.pop(step.name, None)
        self.deaf_s *= 2

    def rest(self, step: ChainStep[SpeechToText]) -> None:
        """Leaves a step alone for some seconds."""
        self._rest_until[step.name] = clock.now() + self.rules.rest_s

    @asynccontextmanager
    async def slot(self, step: ChainStep[SpeechToText]) -> AsyncGenerator[None]:
        """One of the streams that the provider allows. Raises StepSkippedError `busy` where there is none."""
        if step.slots is None:
            yield
            return
        if not await step.slots.take(first=self.priority, within_s=0.0):
            self.rest(step)
            raise StepSkippedError("busy")
        try:
            yield
        finally:
            step.slots.give()

    def _backing_off(self, step: ChainStep[SpeechToText]) -> bool:
        return clock.now() < self._rest_until.get(step.name, 0.0)


def allows(step: ChainStep[SpeechToText]) -> bool:
    """Whether the breaker of a step lets callers through."""
    return step.breaker is None or step.breaker.allows
