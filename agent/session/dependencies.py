"""What one session is made of. `agent.server.session_factory` builds these; nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.budgets import Budgets
from agent.core.resumed_state import ResumedState
from agent.policy.routing import Route
from agent.providers.base import LanguageModel, SpeechToText, TextToSpeech
from agent.session.degradation import Chains
from agent.session.early_voice import EarlyVoiceChoice
from agent.session.governor import WasteGovernor
from agent.session.memory import Memory
from agent.session.transport import Capabilities
from agent.telemetry.events import SessionInfo, Sink
from agent.tools.runner import NO_TOOLS, SessionToolSet
from agent.turn.clauses import USUAL_FIRST_WORDS, FirstWords
from agent.turn.dictation import USUAL_PATIENCE, Patience
from agent.turn.turn import Apologies, Filler, Recording
from agent.turn.voice_confirmation import VoiceConfirmation


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds."""

    idle_s: float  # without a word from either side
    session_s: float
    grace_s: float  # for a client that lost its connection
    barge_in_word_s: float  # from a voice over a reply to its first recognised word
    stt_idle_s: float  # without a voice until the recogniser's stream is closed


class Router(Protocol):
    """The routing rule of a policy. `recent` is what the caller said in the turns before, oldest first."""

    def route(self, text: str, recent: Sequence[str]) -> Route: ...


@dataclass(frozen=True, slots=True)
class Pipeline:
    """How a session is answered: the rule, the models by the names that the rule uses, and the voice."""

    router: Router
    models: Mapping[str, LanguageModel]
    tts: TextToSpeech
    first_words: FirstWords = USUAL_FIRST_WORDS
    """How hastily a reply begins."""


MeansFor = Callable[[Capabilities], Pipeline]
"""The means for a client: the last places of the chains are what it can do itself. It may come back as another."""


class SessionLedger(Protocol):
    """The durable side of a session."""

    async def turn_committed(self, session_id: str, turn: int) -> None:
        """Returns when the turn's rows are stored, or when that cannot be waited for; never raises."""
        ...

    def record_tool(self, session_id: str, seq: int, event: bytes, generation: int) -> None:
        """Appends an event (JSON) of the tool log, numbered from 0 within its session; must not wait, nor raise."""
        ...

    async def tools_committed(self) -> None:
        """Returns when what was recorded of tools is stored, or when that cannot be waited for; never raises."""
        ...


class BudgetGuard(Protocol):
    """What the session has cost so far."""

    @property
    def usd(self) -> float: ...

    @property
    def by_service(self) -> dict[str, float]: ...

    @property
    def tokens(self) -> int: ...

    @property
    def step_down(self) -> bool:
        """Whether the cheaper means take over."""
        ...

    @property
    def capped(self) -> bool:
        """Whether the session says goodbye."""
        ...

    @property
    def limit_usd(self) -> float:
        """Dollars at which the session ends."""
        ...

    @property
    def nearly_capped(self) -> bool:
        """Whether the caller should know that the session will end soon."""
        ...


@dataclass(frozen=True, slots=True)
class SessionDependencies:
    """Everything a session needs."""

    info: SessionInfo
    past: ResumedState
    stt: SpeechToText
    pipeline: MeansFor
    step_down_pipeline: MeansFor  # takes over when the session has spent its share
    note_taker: LanguageModel
    memory: Memory
    system_prompt: str
    context_tokens: int
    prompt_cache: bool
    apologies: Apologies
    cost_cap: Recording
    budgets: Budgets
    limits: Limits
    sink: Sink
    ledger: SessionLedger
    spending: BudgetGuard
    show_cost: bool
    chains: Chains
    speak_degraded: bool
    log_transcripts: bool
    patience: Patience = USUAL_PATIENCE
    early_replies: bool = False
    early_models: tuple[str, ...] = ("haiku", "sonnet")
    likely_after_s: float | None = None
    """Words that have stood for so long are judged whether the caller is done; None: the recogniser says so alone."""
    early_governor: WasteGovernor | None = None
    early_voice: EarlyVoiceChoice | None = None
    warm: Callable[[], None] = lambda: None
    """Providers may be needed soon."""
    language: str = "en"
    filler: Filler | None = None
    goodbye: Recording | None = None
    tools: SessionToolSet = NO_TOOLS
    greeting: str | None = None
    """Said to a caller who has just come, before anything was asked."""
    hang_up: str | None = None
    """Said in the place of `goodbye`, in the voice of the session."""
    confirmation: Callable[[], VoiceConfirmation | None] = lambda: None
    ears_simulated: bool = False
    """The recogniser knows recordings alone: a client that can listen itself is asked to, at once."""

    @property
    def greets(self) -> bool:
        """Whether the agent speaks first: to a caller who has just come, and to none who comes back."""
        return self.greeting is not None and self.past == ResumedState()
