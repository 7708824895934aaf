"""What a session is made of: its policy decides. Built once when a session opens; no turn comes back here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec
import structlog

from agent.billing.budget_guard import SessionSpending
from agent.billing.ceilings import Payer, Purse, SpendingCeilings
from agent.billing.pricing import PricingSink
from agent.budgets import Budgets, Tier, TierBudget
from agent.core.calls import Service
from agent.core.resumed_state import ResumedState
from agent.definitions.book import AgentBook, OutsideTools
from agent.definitions.definition import AgentDefinition, Value, VariableError
from agent.definitions.versions import Role
from agent.ledger.ledger import Ledger
from agent.memory import BadEventError, Conversation
from agent.memory.flows import Flows
from agent.policy.policies import MODELS, Policy
from agent.policy.routing import PolicyRouter, TermList, Terms
from agent.policy.speed import EarlyReplyRule
from agent.policy.watcher import AssignmentWatcher
from agent.providers.base import TextToSpeech
from agent.providers.deepgram.build import RecogniserKnobs
from agent.providers.factory import ProviderFactory
from agent.providers.fallback.breaker import Breaker
from agent.providers.fallback.hedged import HedgePlan
from agent.providers.fallback.stt import SttFallback
from agent.providers.fallback.stt_rules import ListeningRules, local_rules
from agent.providers.pronounced import PronouncedVoice
from agent.providers.recorded import RecordedClip, Sentence
from agent.server.agent_clips import AgentClips
from agent.server.given_policy import policy_of
from agent.session.apologies import SessionApologies
from agent.session.claims import Claims
from agent.session.dependencies import Limits, Pipeline, SessionDependencies
from agent.session.early_voice import EarlyVoiceChoice
from agent.session.governor import Governors, WasteBudget, WasteGovernor
from agent.session.guarded import (
    CallPrices,
    GuardedLanguageModel,
    GuardedSpeechToText,
    GuardedTextToSpeech,
    GuardedToolMoney,
)
from agent.session.memory import Memory
from agent.session.transport import Capabilities
from agent.settings import Settings
from agent.telemetry.events import Hedged, HedgeOutcome, Knob, SessionInfo, Sink
from agent.tools.limits import ToolLimits, ToolPaces
from agent.tools.runner import TOOL_BREAKER, TOOL_PROVIDER, SessionToolSet
from agent.turn.asked_openings import AskedOpenings, asked_openings
from agent.turn.clauses import FirstWords
from agent.turn.dictation import Patience
from agent.turn.turn import Filler, Recording
from agent.turn.voice_confirmation import load_confirmation

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Routing:
    """What of an agent decides about the model of a turn."""

    terms: Terms
    escalates: bool
    agent: AgentDefinition
    asked: AskedOpenings | None
    """What its prompt asks replies to begin with."""


@dataclass(frozen=True, slots=True)
class SessionFactory:
    """The parts of a process that sessions share."""

    settings: Settings
    budgets: Budgets
    watch: AssignmentWatcher
    flows: Flows
    terms: TermList
    agents: AgentBook
    outside: OutsideTools
    providers: ProviderFactory
    ledger: Ledger
    money: PricingSink
    sink: Sink
    clips: AgentClips
    ceilings: SpendingCeilings
    prices: CallPrices
    governors: Governors
    paces: ToolPaces = field(default_factory=ToolPaces)

    def make(self, claims: Claims, session_id: str, client: Capabilities, past: ResumedState) -> SessionDependencies:
        """Everything that the session of these claims needs. A session that goes on keeps its policy and its cost."""
        settings, tier = self.settings, claims.tier
        book = self.watch.book
        agent, role, variables = self._agent(claims, session_id, past)
        policy = policy_of(claims, past.policy, book, agent, session_id, free=settings.all_simulated)
        budget = budget_for(self.budgets.tiers[tier], agent)
        patience = Patience(policy.endpointing.silence_ms / 1000, policy.endpointing.dictation_ms / 1000)
        self.money.resume(session_id, past.nano_usd)
        self.providers.warmth.soon()
        clips = self.clips.of(agent)
        purse = self.ceilings.purse(Payer(claims.subject, tier, claims.address, claims.key), past.nano_usd)
        prompt = agent.prompt(settings.business_name, settings.extra_prompt, variables)
        asked = self._asked(policy, tier, agent)
        routing = _Routing(agent.terms(self.terms), prompt.escalates, agent, asked)
        who, chosen, answers = (claims.subject, tier), (policy.name, policy.version), (agent.name, agent.version)
        info = SessionInfo(session_id, *who, *chosen, claims.origin, claims.probe, past.generation, *answers, role)
        info = replace(info, policy_chosen=claims.policy is not None)
        cheaper = book.policies[budget.governor.step_down_policy]
        if not agent.takes(cheaper.name):
            cheaper = policy
        return SessionDependencies(
            info=info,
            past=past,
            stt=GuardedSpeechToText(self._recogniser(policy, tier, client, patience, agent), purse, self.prices),
            pipeline=partial(self._pipeline, policy, info, purse, routing),
            step_down_pipeline=partial(self._pipeline, cheaper, info, purse, routing),
            note_taker=GuardedLanguageModel(self.providers.model_beside("haiku"), purse, self.prices),
            memory=self._memory(session_id, past),
            system_prompt=prompt.text if asked is None else f"{prompt.text}\n\n{asked.rule}",
            context_tokens=settings.context_tokens,
            prompt_cache=policy.prompt_cache,
            apologies=SessionApologies(clips),
            cost_cap=_recording(clips[Sentence.COST_CAP]),
            budgets=self.budgets,
            limits=_limits(settings),
            sink=self.sink,
            ledger=self.ledger,
            spending=SessionSpending(self.money, session_id, budget, purse),
            show_cost=settings.all_simulated if budget.show_cost is None else budget.show_cost,
            chains={"stt": policy.chains.stt, "llm": policy.chains.llm, "tts": policy.chains.tts},
            speak_degraded=settings.speak_degraded,
            log_transcripts=settings.log_transcripts,
            patience=patience,
            early_replies=(early := early_replies_for(policy, tier, settings.stt_model)) is not None,
            early_models=() if early is None else early.models,
            likely_after_s=early.stable_ms / 1000 if early is not None and early.stable_ms else None,
            early_governor=self._early_governor(policy),
            early_voice=self._early_voice(policy, tier),
            warm=self.providers.warmth.soon,
            language=agent.file.language or settings.language,
            filler=Filler(_recording(clips[Sentence.ONE_MOMENT]), self.budgets.deadlines.llm / 1000),
            goodbye=_recording(clips[Sentence.GOODBYE]),
            confirmation=load_confirmation,
            ears_simulated="stt" in self.providers.simulated(),
            tools=self._tools(agent, info, purse),
            greeting=agent.said(agent.file.greeting, settings.business_name, variables),
            hang_up=agent.said(agent.file.hang_up, settings.business_name, variables),
        )

    def _memory(self, session_id: str, past: ResumedState) -> Memory:
        remembered, share = self._remembered(session_id, past.events), self.settings.notes_share
        return Memory(remembered, session_id, self.ledger, notes_share=share, generation=past.generation)

    def _agent(
        self, claims: Claims, session_id: str, past: ResumedState
    ) -> tuple[AgentDefinition, Role, Mapping[str, Value]]:
        """Who answers, in which version, with the variables of its prompt.

        A definition may have changed since the token was made.
        """
        found, given = self.agents.chosen(claims.agent, session_id, past.agent_version), dict(claims.variables)
        if found is None:
            log.warning("agent unknown", agent=claims.agent)
            return self.agents.usual, "stable", {}
        agent, role = found
        try:
            return agent, role, agent.fill(given)
        except VariableError as error:
            log.warning("variables not taken", agent=agent.name, problem=str(error))
            return agent, role, given

    def _tools(self, agent: AgentDefinition, info: SessionInfo, purse: Purse) -> SessionToolSet:
        allowed = {name: tool for name, tool in self.outside.of(agent).items() if info.tier.value in tool.rules.tiers}
        limits = ToolLimits(info.origin or info.subject, self.paces, GuardedToolMoney(purse, self.prices))
        breakers = self.providers.breakers

        def breaker(name: str) -> Breaker:
            return breakers.of(TOOL_PROVIDER, name, TOOL_BREAKER, kind=allowed[name].behind)

        return SessionToolSet(allowed, breaker, limits)

    def _remembered(self, session_id: str, events: Sequence[Mapping[str, object]]) -> Conversation:
        """The conversation of these events; a damaged log costs the memory, never the call."""
        try:
            return Conversation.restore(events, self.flows)
        except BadEventError:
            log.warning("memory damaged", session_id=session_id)
            return Conversation(self.flows)

    def _asked(self, policy: Policy, tier: Tier, agent: AgentDefinition) -> AskedOpenings | None:
        rule, spoken = policy.first_words, self.settings.language
        if rule is None or not rule.ask_openings or tier not in rule.tiers:
            return None
        return asked_openings(agent.file.language or spoken, spoken)

    def _first_words(self, policy: Policy, tier: Tier, asked: AskedOpenings | None) -> FirstWords:
        rule = policy.first_words
        if rule is None or tier not in rule.tiers:
            return FirstWords(asked=asked)
        if not rule.openings:
            return FirstWords(phrase_length=rule.phrase_characters, asked=asked)
        opening = self.providers.opening(policy.chains.tts, policy.voice_model)
        return FirstWords(opening, rule.phrase_characters, asked)

    def _early_governor(self, policy: Policy) -> WasteGovernor | None:
        rule = policy.early_replies
        if rule is None:
            return None
        budget = WasteBudget(rule.waste_percent / 100, rule.waste_cents_hour / 100)
        return self.governors.of(policy.name, Knob.EARLY_REPLIES, budget)

    def _early_voice(self, policy: Policy, tier: Tier) -> EarlyVoiceChoice | None:
        rule = policy.early_voice
        if rule is None or tier not in rule.tiers:
            return None
        budget = WasteBudget(rule.waste_percent / 100, rule.waste_cents_hour / 100)
        return EarlyVoiceChoice(rule.confidence_percent / 100, self.governors.of(policy.name, Knob.EARLY_VOICE, budget))

    def _hedging(self, policy: Policy, info: SessionInfo, purse: Purse) -> HedgePlan | None:
        rule = policy.hedging
        if rule is None or info.tier not in rule.tiers:
            return None
        prices = self.prices
        governor = self.governors.of(policy.name, Knob.HEDGING, WasteBudget(rule.waste_percent / 100, math.inf))

        def tell(service: Service, outcome: HedgeOutcome) -> None:
            self.sink.handle(Hedged(info, service, outcome))
            if outcome in (HedgeOutcome.WON, HedgeOutcome.LOST, HedgeOutcome.FAILED):
                governor.attempt(outcome is HedgeOutcome.WON)

        return HedgePlan(
            policy=policy.name,
            quantile=rule.quantile_percent / 100,
            voice_quantile=(rule.voice_quantile_percent or rule.quantile_percent) / 100,
            model_percent=rule.model_percent,
            voice_percent=rule.voice_percent,
            second=rule.second,
            at_once=rule.at_once,
            tell=tell,
            switched_on=lambda: governor.allows,
            reserve_reply=lambda model, prompt: purse.reserve(prices.model_call(model, prompt)),
            reserve_speech=lambda voice, characters: purse.reserve(prices.speech(voice, characters)),
        )

    def _recogniser(
        self, policy: Policy, tier: Tier, client: Capabilities, patience: Patience, agent: AgentDefinition
    ) -> SttFallback:
        return self.providers.of(agent.speech).listening(
            policy.chains.stt,
            self.settings.stt_model or policy.stt_model,
            client_listens=client.browser_recogniser,
            priority=tier is Tier.PREMIUM,
            rules=local_rules(patience) if "stt" in self.providers.local() else ListeningRules(patience=patience),
            knobs=_knobs(policy, early_replies_for(policy, tier, self.settings.stt_model)),
        )

    def _pipeline(
        self, policy: Policy, info: SessionInfo, purse: Purse, routing: _Routing, client: Capabilities
    ) -> Pipeline:
        tier, hedging = info.tier, self._hedging(policy, info, purse)
        first = tier is Tier.PREMIUM
        models = {
            name: GuardedLanguageModel(
                self.providers.language(policy.chains.llm_from(name), priority=first, hedging=hedging),
                purse,
                self.prices,
            )
            for name in MODELS
            if name in policy.chains.llm
        }
        voice: TextToSpeech = self.providers.of(routing.agent.speech).speaking(
            policy.chains.tts,
            policy.voice_model,
            cached=policy.audio_cache,
            client_speaks=client.browser_speech,
            priority=first,
            hedging=hedging,
        )
        if said := routing.agent.file.pronunciations:
            voice = PronouncedVoice(voice, said)
        guarded = GuardedTextToSpeech(voice, purse, self.prices)
        return Pipeline(
            PolicyRouter(policy, routing.terms, routing.escalates),
            models,
            guarded,
            self._first_words(policy, tier, routing.asked),
        )


def early_replies_for(policy: Policy, tier: Tier, recogniser: str | None) -> EarlyReplyRule | None:
    """The knob where it is on: for this tier, and with the recogniser that the policy names.

    `recogniser`: the one that the settings put in its place. Nova tells the last words too late to guess with, so that
    a policy for Flux guesses nothing there.
    """
    rule = policy.early_replies
    if rule is None or tier not in rule.tiers or recogniser not in (None, policy.stt_model):
        return None
    return rule


def budget_for(budget: TierBudget, agent: AgentDefinition) -> TierBudget:
    """The tier's budget, and no more than a session of this agent may cost."""
    most, limits = agent.file.usd_per_session, budget.governor
    if most is None or (limits.hard_cap_usd is not None and limits.hard_cap_usd <= most):
        return budget
    return msgspec.structs.replace(budget, governor=msgspec.structs.replace(limits, hard_cap_usd=most))


def _knobs(policy: Policy, early: EarlyReplyRule | None) -> RecogniserKnobs:
    end = policy.endpointing
    eager = None if early is None else early.threshold_percent
    return RecogniserKnobs(
        eager_threshold=None if eager is None else eager / 100,
        threshold=None if end.flux_threshold_percent is None else end.flux_threshold_percent / 100,
        timeout_ms=end.flux_timeout_ms,
        nova_silence_ms=end.nova_silence_ms,
    )


def _recording(clip: RecordedClip) -> Recording:
    return Recording(clip.text, clip.pcm)


def _limits(settings: Settings) -> Limits:
    return Limits(
        idle_s=settings.idle_timeout_s,
        session_s=settings.max_session_s,
        grace_s=settings.resume_grace_s,
        barge_in_word_s=settings.barge_in_word_s,
        stt_idle_s=settings.stt_idle_s,
    )
