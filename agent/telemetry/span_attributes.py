"""The names of span attributes: OpenTelemetry's GenAI conventions and our own, in one place.

The privacy rule: no attribute holds what was said, by the caller or by the service. The conventions' content attributes
(`gen_ai.input.messages`, `gen_ai.output.messages` and the like) are therefore not in this file.
Source: opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans.
"""

from __future__ import annotations

from typing import Final

from agent.core.calls import PaidService, Service, Unit

# The conventions' own
OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
MODEL: Final = "gen_ai.request.model"
CONVERSATION: Final = "gen_ai.conversation.id"
OUTPUT_TYPE: Final = "gen_ai.output.type"
STREAM: Final = "gen_ai.request.stream"
FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"  # seconds
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"  # the whole prompt, cached parts included
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
ERROR_TYPE: Final = "error.type"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
SESSION: Final = "session.id"

# What the conventions have no name for
TIER: Final = "voice_agent.tier"
POLICY: Final = "voice_agent.policy"
POLICY_VERSION: Final = "voice_agent.policy.version"
TURN: Final = "voice_agent.turn"
SPOKEN: Final = "voice_agent.spoken"
OUTCOME: Final = "voice_agent.outcome"
ROUTED_MODEL: Final = "voice_agent.route.model"
RULE: Final = "voice_agent.route.rule"
VOICE_TO_VOICE: Final = "voice_agent.voice_to_voice"  # seconds
NETWORK: Final = "voice_agent.network"  # seconds, the session's measured round trip
OVER_BUDGET: Final = "voice_agent.over_budget"
COST: Final = "voice_agent.cost"  # dollars of a session
STAGE: Final = "voice_agent.stage"
CHARACTERS: Final = "voice_agent.usage.characters"
AUDIO_SECONDS: Final = "voice_agent.usage.audio_seconds"
TRIES: Final = "voice_agent.tool.tries"
ESTIMATED: Final = "voice_agent.usage.estimated"
TURNS: Final = "voice_agent.session.turns"
SLOW_TURNS: Final = "voice_agent.session.slow_turns"

OPERATIONS: Final[dict[PaidService, str]] = {
    "stt": "speech_to_text",
    "llm": "chat",
    "tts": "text_to_speech",
    "tool": "execute_tool",
}
OUTPUT_TYPES: Final[dict[Service, str]] = {"stt": "text", "llm": "text", "tts": "speech"}
USAGE: Final = {
    Unit.OUTPUT_TOKENS: OUTPUT_TOKENS,
    Unit.CACHE_READ_TOKENS: CACHE_READ_TOKENS,
    Unit.CACHE_WRITE_TOKENS: CACHE_WRITE_TOKENS,
    Unit.CHARACTERS: CHARACTERS,
}
PROMPT_UNITS: Final = (Unit.INPUT_TOKENS, Unit.CACHE_READ_TOKENS, Unit.CACHE_WRITE_TOKENS)
