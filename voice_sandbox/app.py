"""The sandbox's Litestar application: every provider on one port, and the control endpoints."""

from __future__ import annotations

from litestar import Litestar
from litestar.datastructures import State

from voice_sandbox.accounts import balances, projects, subscription
from voice_sandbox.anthropic.messages import count_tokens, messages
from voice_sandbox.back_end import free_rooms, mcp_server
from voice_sandbox.control import control_router
from voice_sandbox.deepgram.speak import speak
from voice_sandbox.deepgram.v1 import listen_v1
from voice_sandbox.deepgram.v2 import listen_v2
from voice_sandbox.elevenlabs import stream_speech
from voice_sandbox.openai import speech, transcriptions
from voice_sandbox.state import SandboxState


def create_app(world: SandboxState) -> Litestar:
    """The application over one world. Nothing but this world is shared between requests."""
    return Litestar(
        route_handlers=[
            control_router(),
            messages,
            count_tokens,
            stream_speech,
            speech,
            speak,
            subscription,
            projects,
            balances,
            transcriptions,
            listen_v1,
            listen_v2,
            free_rooms,
            mcp_server,
        ],
        state=State({"world": world}),
        on_startup=[world.start],
        on_shutdown=[world.close],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=30_000_000,  # Whisper takes files of up to 25 MB
    )
