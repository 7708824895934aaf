from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from agent.api.sample_calls import CALLS, SampleStage, Serving, load_clips, sample_calls
from agent.api.talk_page import content_security_policy, web_routes
from agent.core.errors import ConfigurationError
from agent.server.application import application
from agent.settings import load_settings

SIMULATED = ("stt", "llm", "tts")
EVERYTHING = SampleStage(tools=("book_room",), policies=("haiku_first", "fast"))


async def get(
    path: str,
    *,
    simulated: Sequence[str] = SIMULATED,
    public_url: str | None = None,
    embed_origins: Sequence[str] = (),
    **headers: str,
) -> httpx.Response:
    """What a service with these simulated services answers."""
    samples = "stt" in simulated
    serving = Serving(simulated)
    stage = (lambda: EVERYTHING) if samples else None
    routes = web_routes(serving=lambda: serving, samples=stage, public_url=public_url, embed_origins=embed_origins)
    app = application([routes], {}, origins=embed_origins)
    transport = httpx.ASGITransport(app=app)  # pyright: ignore[reportArgumentType]  Litestar's ASGI types are its own
    async with httpx.AsyncClient(transport=transport, base_url="http://voice.example:8000") as client:
        return await client.get(path, headers=headers)


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/talk/client.js", "text/javascript; charset=utf-8"),
        ("/embed", "text/html; charset=utf-8"),
        ("/talk/style.css", "text/css; charset=utf-8"),
        ("/talk/icon.svg", "image/svg+xml"),
        ("/sample-calls/room_01.wav", "audio/wav"),
    ],
)
async def test_a_file_is_served_with_its_type_and_the_policy(path: str, media_type: str) -> None:
    answer = await get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; ")


@pytest.mark.parametrize(
    "path", ["/talk/package.json", "/talk/..%2Froutes.py", "/talk/nothing.js", "/sample-calls/order_01.wav"]
)
async def test_nothing_else_is_served(path: str) -> None:
    assert (await get(path)).status_code == 404


async def test_an_unchanged_file_is_not_sent_again() -> None:
    first = await get("/talk/client.js")
    again = await get("/talk/client.js", **{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    changed = await get("/talk/client.js", **{"if-none-match": '"older"'})
    assert changed.content == first.content


async def test_the_policy_names_the_sockets_of_this_host_and_of_the_public_address() -> None:
    policy = (await get("/", public_url="https://talk.example")).headers["content-security-policy"]
    sockets = "ws://voice.example:8000 wss://voice.example:8000 ws://talk.example wss://talk.example"
    assert f"connect-src 'self' {sockets};" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("host", ["evil.example; script-src *", "under_score.example", "*"])
async def test_a_host_header_that_is_no_host_adds_nothing_to_the_policy(host: str) -> None:
    answer = await get("/", host=host)
    refused = answer.status_code == 400
    assert refused or answer.headers["content-security-policy"] == content_security_policy([])


SHOP = "https://shop.example"


async def test_nobody_embeds_anything_by_itself() -> None:
    for path in ("/embed", "/talk/embed.js"):
        answer = await get(path, origin=SHOP)
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none';" in answer.headers["content-security-policy"]


async def test_the_origins_that_are_named_embed_the_client_and_no_other() -> None:
    answer = await get("/talk/embed.js", embed_origins=[SHOP], origin=SHOP)
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "access-control-allow-credentials" not in answer.headers, "a member's cookie stays at home"
    stranger = await get("/talk/embed.js", embed_origins=[SHOP], origin="https://evil.example")
    assert "access-control-allow-origin" not in stranger.headers
    framed = await get("/embed", embed_origins=[SHOP])
    assert f"frame-ancestors {SHOP};" in framed.headers["content-security-policy"]
    page = await get("/", embed_origins=[SHOP])
    assert "frame-ancestors 'none';" in page.headers["content-security-policy"], "the talk page is in no frame"


@pytest.mark.parametrize("wrong", ["*", "https://shop.example/", "shop.example", "https://a; script-src *", "null"])
def test_an_origin_that_is_none_is_refused_at_the_start(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_EMBED_ORIGINS", wrong)
    with pytest.raises(ConfigurationError, match="VOICE_AGENT_EMBED_ORIGINS"):
        load_settings(None)


async def test_real_recognisers_get_no_sample_calls() -> None:
    told: dict[str, Any] = json.loads((await get("/sample-calls.json", simulated=["tts"])).content)
    nothing_failed = {"failed": [], "failures": {}, "stands_in": True}
    assert told == {"simulated": ["tts"], "local": [], **nothing_failed, "keys": ["ELEVENLABS_API_KEY"], "calls": []}
    assert (await get("/sample-calls/room_01.wav", simulated=["tts"])).status_code == 404


@pytest.mark.parametrize(
    ("stage", "left_out"),
    [
        (EVERYTHING, set[str]()),
        (SampleStage(tools=("book_room",)), {"outage", "policies"}),
        (SampleStage(policies=("haiku_first", "fast")), {"room", "barge", "earlier", "topics"}),
        (SampleStage(tools=("end_call",)), {"room", "barge", "earlier", "topics", "outage", "policies"}),
    ],
)
async def test_a_call_is_offered_where_it_can_be_finished(stage: SampleStage, left_out: set[str]) -> None:
    told = sample_calls(Serving(SIMULATED), stage)["calls"]
    assert {call["name"] for call in told} == {call.name for call in CALLS} - left_out


async def test_every_line_of_a_sample_call_has_its_clip() -> None:
    told = sample_calls(Serving(SIMULATED), EVERYTHING)
    lines = [line for call in told["calls"] for line in call["lines"]]
    assert {line["url"].removeprefix("/sample-calls/") for line in lines} == load_clips().keys()
    assert len(told["calls"]) == len(CALLS)
    assert all(line["text"] or line["into_reply_ms"] is not None for line in lines), "noise only makes sense in a reply"
