"""Colours and sentences that several panels share."""

from __future__ import annotations

from typing import Final

from dashboards.panels import Steps

STAGES: Final = {
    "stt": "blue",
    "llm": "purple",
    "tts": "orange",
    "send": "super-light-green",
    "network": "light-blue",
    "voice_to_voice": "red",
}
TIERS: Final = {"free": "blue", "premium": "purple"}
TURN_OUTCOMES: Final = {
    "replied": "green",
    "typed": "light-green",
    "interrupted": "blue",
    "superseded": "light-blue",
    "echo": "dark-blue",
    "abandoned": "yellow",
    "capped": "super-light-purple",
    "goodbye": "light-purple",
    "greeting": "light-purple",
    "cut_short": "light-orange",
    "apology": "orange",
    "typed_failed": "light-red",
    "failed": "red",
}
VOICES: Final = {
    "elevenlabs": "green",
    "deepgram_tts": "yellow",
    "openai_tts": "yellow",
    "browser": "orange",
    "recorded": "red",
    "filler": "light-orange",
}
SESSION_OUTCOMES: Final = {
    "completed": "green",
    "replaced": "light-green",
    "drained": "light-blue",
    "idle": "blue",
    "too_long": "purple",
    "cost_cap": "super-light-purple",
    "refused": "yellow",
    "vanished": "orange",
    "moved": "super-light-blue",
    "failed": "red",
    "crashed": "dark-red",
}
RULES: Final = {"policy": "purple", "length": "blue", "term": "orange", "system": "green"}
CAUSES: Final = {
    "retry": "red",
    "interrupted": "orange",
    "summary": "blue",
    "speculation": "yellow",
    "hedge": "light-orange",
    "probe": "purple",
    "warmup": "light-blue",
    "clip": "green",
}
OF_LIMIT: Final[Steps] = ((None, "green"), (0.8, "yellow"), (1.0, "red"))

NO_TURNS: Final = "No spoken turn in this range: nobody talks, or the tier or policy above is not in use."
NO_SESSIONS: Final = "No session has ended in this range."
NO_CALLS: Final = "No provider was called in this range."
NO_PROCESS: Final = "No process of the service is scraped."
