"""What the sandbox can hear: the clips alone, or any speech where the model's packages are installed."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable
from typing import Literal

from voice_sandbox.local_packages import missing_packages
from voice_sandbox.recognizer.any_speech_turns import AnySpeechTurns
from voice_sandbox.recognizer.early_end import DOCUMENTED, EarlyEnds
from voice_sandbox.recognizer.library import ClipLibrary
from voice_sandbox.recognizer.model_turns import ModelTurnTracker
from voice_sandbox.recognizer.recognizer import transcribe
from voice_sandbox.recognizer.speech_model import (
    NAME,
    ModelTranscriber,
    SpeechModel,
    load_moonshine,
)
from voice_sandbox.recognizer.spoken_turns import MakeTurns, SpokenTurns
from voice_sandbox.recognizer.turns import TurnRules, TurnTracker
from voice_sandbox.recognizer.unknown import TEXT
from voice_sandbox.recognizer.voice_detector import DetectorPool, SpeechDetector

HearingChoice = Literal["clips", "auto", "model"]


class Hearing:
    """Recognition for every connection of a sandbox. `model` None hears the clips, and no other words."""

    def __init__(
        self, library: ClipLibrary, model: SpeechModel | None = None, detectors: DetectorPool | None = None
    ) -> None:
        self.library = library
        self.model = model
        self._detectors = detectors or DetectorPool()

    @staticmethod
    def create(library: ClipLibrary, choice: HearingChoice) -> Hearing:
        """Finds the model, which `start` loads. Raises ValueError when it is asked for and not installed."""
        lacking = missing_packages() if choice != "clips" else []
        if choice == "model" and lacking:
            raise ValueError(f"the speech model was asked for, but {', '.join(lacking)} is not installed")
        if choice == "clips" or lacking:
            return Hearing(library)
        return Hearing(library, ModelTranscriber(load_moonshine))

    @property
    def name(self) -> str:
        """The model that hears, or `clips`."""
        return "clips" if self._usable() is None else NAME

    @property
    def loading(self) -> bool:
        """Whether it is not known yet what can be heard."""
        return isinstance(self.model, ModelTranscriber) and self.model.loading

    @property
    def failure(self) -> str | None:
        """Why the model that was asked for cannot run; None where it can."""
        return self.model.failure if isinstance(self.model, ModelTranscriber) else None

    async def turns(self) -> MakeTurns:
        """What makes the turns of one connection."""
        model = self.model  # also while it does not run: it may again before this call ends
        detector = None if model is None else await self._detector()

        def make(
            rules: TurnRules,
            latency: Callable[[], float],
            early: EarlyEnds = DOCUMENTED,
            dice: random.Random | None = None,
        ) -> SpokenTurns:
            clips = TurnTracker(self.library, rules, latency, early, dice)
            if model is None or detector is None:
                return clips
            tracker = ModelTurnTracker(detector, model, rules)
            return AnySpeechTurns(clips, tracker, functools.partial(self._detectors.give_back, detector))

        return make

    async def transcribe(self, pcm: bytes) -> str:
        """The words of a whole recording (PCM s16le mono 16 kHz)."""
        text = await asyncio.to_thread(transcribe, self.library, pcm)
        model = self._usable()
        if model is None or (text and TEXT not in text):
            return text
        return await model.transcribe(pcm)

    @property
    def restarts(self) -> int:
        """How often the model failed and was loaded again."""
        return self.model.restarts if isinstance(self.model, ModelTranscriber) else 0

    def start(self) -> None:
        """Loads the model beside the event loop."""
        if isinstance(self.model, ModelTranscriber):
            self.model.start()

    def close(self) -> None:
        """Lets the model's threads end."""
        if isinstance(self.model, ModelTranscriber):
            self.model.close()

    async def _detector(self) -> SpeechDetector | None:
        try:
            return await self._detectors.take()
        except (ImportError, OSError, RuntimeError):  # then clips are heard, and other speech as what it is
            return None

    def _usable(self) -> SpeechModel | None:
        return None if self.failure is not None else self.model
