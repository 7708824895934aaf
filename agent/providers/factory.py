"""Builds the configured adapters and the chains over them; their SDKs are loaded later, beside the open port.

Adapters, breakers and slots are shared by all sessions of the process; a chain belongs to one session. A provider that
has neither a key nor a sandbox is left out of the chains, as long as the first place of each is served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal, TypeVar

import structlog

from agent.budgets import Deadlines
from agent.core.calls import CallRecorder, ProviderError, Service
from agent.core.errors import ConfigurationError
from agent.providers.adapters import Closes, TellsQuota, TellsTime
from agent.providers.audio_cache import AudioCache, CachedVoice
from agent.providers.base import LanguageModel, SpeechToText, TextToSpeech
from agent.providers.browser import ClientVoice
from agent.providers.call import NO_RECORDER, Quota
from agent.providers.deepgram.build import USUAL_KNOBS, RecogniserKnobs, build_recogniser
from agent.providers.fallback.beside import ModelBeside
from agent.providers.fallback.breaker import Breaker, Breakers, OnChange, Probe
from agent.providers.fallback.breaker_rules import BreakerRules
from agent.providers.fallback.chain import ChainDeadlines, ChainStep
from agent.providers.fallback.hedge import HedgeBook
from agent.providers.fallback.hedged import HedgePlan
from agent.providers.fallback.llm_tts import LlmFallback, Paces, TtsFallback
from agent.providers.fallback.places import Places
from agent.providers.fallback.probes import probe_model, probe_recogniser, probe_voice
from agent.providers.fallback.stt import SttFallback
from agent.providers.fallback.stt_rules import ListeningRules
from agent.providers.first_places import USUAL, FirstPlaces
from agent.providers.openai.queued import QueuedTranscriber
from agent.providers.openai.segmented_stt import SegmentedSpeech, Transcriber, VoiceDetector
from agent.providers.openings import Openings, OpeningVoice
from agent.providers.own import NOTHING_OWN, OwnSpeech
from agent.providers.own_machine import OwnMachine
from agent.providers.sdk import SdkLoading
from agent.providers.voices import VOICES, openai_end
from agent.providers.warmth import Warmth
from agent.settings import Settings
from agent.settings_providers import ProviderName, VoiceName

MOST_OWN: Final = 32
"""Agents, or versions of one, with speech of their own in the life of a process: each has connections of its own."""

_OWN_MACHINE: Final = 4  # times the deadlines of ears and voices that run on a machine of one's own
log = structlog.get_logger()
P = TypeVar("P", SpeechToText, LanguageModel, TextToSpeech)


@dataclass(frozen=True, slots=True)
class ProviderHooks:
    """What the factory needs of its surroundings."""

    probe_meter: CallRecorder
    on_breaker: OnChange
    detector: Callable[[], VoiceDetector]  # local voice activity, for recognisers that take segments
    probe_speech: bytes  # PCM s16le mono 16 kHz with words in it
    clip_meter: CallRecorder = NO_RECORDER  # of what is spoken once and kept
    warmed: Callable[[str, str], None] = lambda _provider, _reason: None


class ProviderFactory:
    """Everything that talks to providers. Raises ConfigurationError where a first place has no key."""

    def __init__(
        self, settings: Settings, deadlines: Deadlines, links: ProviderHooks, *, sdks_later: bool = False
    ) -> None:
        """With `sdks_later` no SDK is imported before `run`, or `sdks.wait`."""
        self._settings, self._links = settings, links
        self._recognisers: dict[tuple[str, RecogniserKnobs], SpeechToText] = {}
        self._transcriber: Transcriber | None = None
        self._of: dict[OwnSpeech, ProviderFactory] = {}
        self._models: dict[str, LanguageModel] = {}
        self._voices: dict[tuple[VoiceName, str], TextToSpeech] = {}
        self.places = Places(settings.provider_calls, settings.deepgram_streams)
        self.cache = AudioCache()  # what was said before, in every voice; of all sessions
        self._paces, self._hedges = Paces(), HedgeBook()
        self._open: list[Closes] = []
        self.sdks = SdkLoading(self._open, later=sdks_later)
        self.warmth = Warmth(self._open, links.warmed)
        self._openings = Openings(self.cache, settings.language, links.clip_meter)
        self._llm = ChainDeadlines(deadlines.llm / 1000, deadlines.stall / 1000, deadlines.chain / 1000)
        self.machine = OwnMachine(settings.sandbox_local)
        self._first, self._deadlines = FirstPlaces(settings, self.machine), deadlines
        self.serve_first(USUAL.items())
        self.breakers = Breakers(links.probe_meter, links.on_breaker)

    def serve_first(self, places: Iterable[tuple[Service, str]]) -> None:
        """Hears of the first place of each chain in force: who is at work while all is well."""
        self._first.take(places)
        # every voice of the chain would speak on the same processor: there is nobody to change to
        given, patience = self._deadlines, self._patience("tts")
        self._tts = ChainDeadlines(*(one / 1000 * patience for one in (given.tts, given.stall, given.chain)))

    def of(self, own: OwnSpeech) -> ProviderFactory:
        """This factory for an agent that has recognisers or voices of its own; all else is shared with it.

        There are `MOST_OWN` at most: of more agents, or versions of one, the service's own speech is taken.
        """
        if own == NOTHING_OWN:
            return self
        if own not in self._of and len(self._of) >= MOST_OWN:
            log.error("agent speaks as the service does", most=MOST_OWN)
            return self
        if own not in self._of:
            made = self._of[own] = copy(self)
            made._settings = own.settings(self._settings)
            made._recognisers, made._voices, made._transcriber = {}, {}, None
        return self._of[own]

    def listening(
        self,
        order: Sequence[str],
        model: str,
        *,
        client_listens: bool,
        priority: bool,
        rules: ListeningRules | None = None,
        knobs: RecogniserKnobs = USUAL_KNOBS,
    ) -> SttFallback:
        """The recognisers in this order, then the client's own, where it has one."""
        steps: list[ChainStep[SpeechToText]] = []
        for name in order:
            if name == "deepgram":
                steps.append(self._step(name, built := self.recogniser(model, knobs), self._stt_probe(built)))
            elif name == "whisper" and self._served("openai"):
                whisper = self._whisper()
                queued = QueuedTranscriber(whisper, self.places.of(whisper.provider), priority=priority)
                segments = SegmentedSpeech(queued, self._links.detector)
                step = self._step(name, segments, self._stt_probe(self._recognisers[name, USUAL_KNOBS]))
                steps.append(replace(step, slots=None))  # each segment takes its own
        return SttFallback(steps, last="browser" if client_listens else "none", rules=rules, priority=priority)

    def language(self, order: Sequence[str], *, priority: bool, hedging: HedgePlan | None = None) -> LanguageModel:
        """The models in this order (`sonnet`, `haiku`); `recorded`, the apology, is the turn's business."""
        steps = [
            replace(self._step(name, model := self.model(name), probe_model(model), self._llm.first_s), second_try=True)
            for name in order
            if name != "recorded"
        ]
        if hedging is not None:
            steps = hedging.models(steps, self._hedges, priority=priority)
        return LlmFallback(steps, self._llm, priority=priority)

    def speaking(
        self,
        order: Sequence[VoiceName | Literal["browser"]],
        model: str,
        *,
        cached: bool,
        client_speaks: bool,
        priority: bool,
        hedging: HedgePlan | None = None,
    ) -> TextToSpeech:
        """The voices in this order; `browser` where the client can speak itself."""
        steps: list[ChainStep[TextToSpeech]] = []
        for name in order:
            if name == "browser":
                if client_speaks:
                    steps.append(ChainStep(name, ClientVoice(), instant=True))
                continue
            if name != order[0] and not self._served(VOICES[name].account):
                continue
            voice = self.voice(name, model)
            step = self._step(name, voice, probe_voice(voice), self._tts.first_s)
            if hedging is not None:
                step = hedging.voice(step, self._hedges, priority=priority)
            if cached:  # in front of the hedge: what is in memory is never late
                speaker = VOICES[name].speaker(self._settings)
                step = replace(step, provider=CachedVoice(step.provider, self.cache, voice=speaker))
            steps.append(step)
        return TtsFallback(steps, self._tts, priority=priority, paces=self._paces)

    def recogniser(self, model: str, knobs: RecogniserKnobs = USUAL_KNOBS) -> SpeechToText:
        """Deepgram with `flux` or a Nova model."""
        if (model, knobs) not in self._recognisers:
            self._recognisers[model, knobs] = built = build_recogniser(self._settings, model, knobs)
            self.sdks.add(built)
        return self._recognisers[model, knobs]

    def model_beside(self, name: str) -> LanguageModel:
        """The model for what no caller waits for: it is left alone while its breaker keeps callers away."""
        model = self.model(name)
        return ModelBeside(model, self._breaker(model, probe_model(model), self._llm.first_s))

    def model(self, name: str) -> LanguageModel:
        """Claude, by the name that routing uses: `haiku` or `sonnet`."""
        if name not in self._models:
            from agent.providers.anthropic.claude import Claude
            from agent.providers.anthropic.models import read_choices

            end = self._settings.provider("anthropic")
            model = self._settings.sonnet_model if name == "sonnet" else self._settings.haiku_model
            thinking = read_choices(self._settings.model_thinking).get(model)
            built = Claude(api_key=end.key.get_secret_value(), base_url=end.base_url, model=model, thinking=thinking)
            self.sdks.add(built)
            self._models[name] = built
        return self._models[name]

    def voice(self, name: VoiceName, by_policy: str) -> TextToSpeech:
        """A voice by its name in chains; `by_policy` is the `voice_model` of the policy that wants it."""
        model = VOICES[name].model_of(self._settings, by_policy)
        if (name, model) not in self._voices:
            built = VOICES[name].build(self._settings, model)
            self.sdks.add(built)
            self._voices[name, model] = built
        return self._voices[name, model]

    def build(self, used: Iterable[tuple[str, str]]) -> tuple[tuple[Service, str, str], ...]:
        """Builds what these (recogniser, voice) models and the later places need; `sdks` loads what they import.

        Returns (service, provider, model) of each adapter: the label values of the provider metrics.
        """
        for recogniser, voice in sorted(used):
            self.recogniser(self._settings.stt_model or recogniser)
            for name, entry in VOICES.items():
                if name == USUAL["tts"] or self._served(entry.account):
                    self.voice(name, voice)
        for name in ("haiku", "sonnet"):
            self.model(name)
        if self._served("openai"):
            self._whisper()
        by_service: dict[Service, Iterable[SpeechToText | LanguageModel | TextToSpeech]] = {
            "stt": self._recognisers.values(),
            "llm": self._models.values(),
            "tts": self._voices.values(),
        }
        return tuple((service, one.provider, one.model) for service, built in by_service.items() for one in built)

    def probes(self) -> list[tuple[Service, str, str, Probe]]:
        """(service, provider, model, the smallest question that shows whether it serves us) of each adapter."""
        listed: list[tuple[Service, str, str, Probe]] = [
            ("stt", one.provider, one.model, self._stt_probe(one)) for one in self._recognisers.values()
        ]
        listed.extend(("llm", one.provider, one.model, probe_model(one)) for one in self._models.values())
        listed.extend(("tts", one.provider, one.model, probe_voice(one)) for one in self._voices.values())
        return listed

    async def quotas(self) -> list[tuple[str, Quota]]:
        """(provider, what is left) of the accounts that say so."""
        told: list[tuple[str, Quota]] = []
        for adapter in self._open:
            if isinstance(adapter, TellsQuota):
                with suppress(ProviderError):  # a key that may speak need not be one that may look
                    if (quota := await adapter.quota()) is not None:
                        told.append((adapter.provider, quota))
        return told

    async def clock_ahead_s(self) -> float | None:
        """By how many seconds this machine's clock is ahead; None where nobody says."""
        told = next((adapter for adapter in self._open if isinstance(adapter, TellsTime)), None)
        return None if told is None else await told.clock_ahead_s()

    def opening(self, order: Sequence[VoiceName | Literal["browser"]], model: str) -> Callable[[str], str | None]:
        """What tells a recorded opening in the first of these voices; those that are missing are spoken soon."""
        if (name := order[0]) == "browser":
            return lambda _said: None
        voice = self.voice(name, model)
        step = self._step(name, voice, probe_voice(voice), self._tts.first_s)
        speaker = VOICES[name].speaker(self._settings)
        spoken = OpeningVoice(voice, speaker, step.breaker, self.places.of(voice.provider))
        self._openings.want(spoken)
        return partial(self._openings.recorded, spoken)

    async def run(self) -> None:
        """What goes on beside calls: connections, open breakers, openings. Runs until it is cancelled."""
        await self.sdks.wait()
        async with asyncio.TaskGroup() as group:
            for work in (self.warmth, self.breakers, self._openings):
                group.create_task(work.run())

    def problems(self) -> list[dict[str, str]]:
        """What only a person can mend, for those who look at this process: provider, model, problem, words."""
        return [fault.told(*model) for model, fault in self.breakers.faults().items()]

    def unserved(self) -> list[Service]:
        """Services of which every model that was asked so far is misconfigured: callers get nothing from them."""
        faults = self.breakers.faults()
        built: dict[Service, Iterable[SpeechToText | LanguageModel | TextToSpeech]] = {
            "stt": self._recognisers.values(), "llm": self._models.values(), "tts": self._voices.values()
        }  # fmt: skip
        asked = {service: [(one.provider, one.model) in faults for one in ones] for service, ones in built.items()}
        return [service for service in built if asked[service] and all(asked[service])]

    def simulated(self) -> tuple[str, ...]:
        """The services that the sandbox simulates."""
        return self._first.simulated()

    def local(self) -> tuple[str, ...]:
        """The services that run on machines of one's own."""
        return self._first.local()

    @property
    def loaded(self) -> bool:
        """Whether the SDKs are imported, and speech of this machine is: until then a call would wait for that."""
        return self.sdks.done and self.machine.known

    async def close(self) -> None:
        """Closes every adapter's connections."""
        for adapter in self._open:
            await adapter.close()

    def _whisper(self) -> Transcriber:
        if self._transcriber is None:
            from agent.providers.openai.whisper import Whisper

            end, model = openai_end(self._settings), self._settings.openai_stt_model
            key = end.key.get_secret_value()
            language = self._settings.language
            deadline_s = self._deadlines.stt / 1000 * self._patience("stt")
            built = Whisper(api_key=key, base_url=end.base_url, model=model, language=language, deadline_s=deadline_s)
            self.sdks.add(built)
            self._transcriber = built
            self._recognisers["whisper", USUAL_KNOBS] = SegmentedSpeech(built, self._links.detector)
        return self._transcriber

    def _served(self, name: ProviderName) -> bool:
        with suppress(ConfigurationError):
            self._settings.provider(name)
            return True
        return False

    def _step(self, name: str, provider: P, probe: Probe, first_s: float | None = None) -> ChainStep[P]:
        return ChainStep(name, provider, self._breaker(provider, probe, first_s), self.places.of(provider.provider))

    def _breaker(
        self, provider: SpeechToText | LanguageModel | TextToSpeech, probe: Probe, first_s: float | None
    ) -> Breaker:
        rules = BreakerRules() if first_s is None else BreakerRules.for_deadline(first_s)
        if first_s is None:  # a recogniser, which may share a processor with everything else
            rules = replace(rules, probe_timeout_s=rules.probe_timeout_s * self._patience("stt"))
        return self.breakers.of(provider.provider, provider.model, rules, probe)

    def _patience(self, service: Service) -> int:
        return _OWN_MACHINE if service in self._first.meant_local() else 1

    def _stt_probe(self, stt: SpeechToText) -> Probe:
        return probe_recogniser(stt, self._links.probe_speech)
