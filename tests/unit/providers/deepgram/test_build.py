"""A policy's knobs reach Deepgram, as the official SDK sends them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr
from websockets.asyncio.server import ServerConnection, serve

from agent.providers.deepgram.build import USUAL_KNOBS, RecogniserKnobs, build_recogniser
from agent.settings import Settings
from tests.support.providers import RecordingRecorder

KNOBS = RecogniserKnobs(eager_threshold=0.4, threshold=0.8, timeout_ms=3_000, nova_silence_ms=150)


@pytest.mark.parametrize(
    ("model", "knobs", "sent"),
    [
        ("flux", KNOBS, {"eager_eot_threshold": "0.4", "eot_threshold": "0.8", "eot_timeout_ms": "3000"}),
        ("flux", USUAL_KNOBS, {}),
        ("nova-3", KNOBS, {"endpointing": "150"}),
        ("nova-3", USUAL_KNOBS, {"endpointing": "300"}),
    ],
)
async def test_knobs_are_asked_for(model: str, knobs: RecogniserKnobs, sent: dict[str, str]) -> None:
    asked: list[str] = []

    async def deepgram(connection: ServerConnection) -> None:
        asked.append(connection.request.path if connection.request else "")
        await connection.wait_closed()

    async with serve(deepgram, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        settings = Settings(
            _env_file=None,  # pyright: ignore[reportCallIssue]  pydantic-settings' own parameter
            deepgram_api_key=SecretStr("k"),
            deepgram_base_url=f"http://127.0.0.1:{port}",
        )
        async with build_recogniser(settings, model, knobs).open("s1", RecordingRecorder()):
            pass
    query = {key: values[0] for key, values in parse_qs(urlsplit(asked[0]).query).items()}
    names = ("eager_eot_threshold", "eot_threshold", "eot_timeout_ms", "endpointing")
    assert {key: value for key, value in query.items() if key in names} == sent
