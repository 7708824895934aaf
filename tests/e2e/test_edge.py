"""The worker at the edge in Cloudflare's runtime, and a caller who gets his token there and talks to the service."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import jwt
import pytest

from agent.settings import SANDBOX_SECRET
from tests.support.paths import ROOT
from tests.support.stack import Stack, running_stack
from tests.support.websocket_client import START, ending, say, until
from voice_loadtest.typed_caller import dial_to

EDGE: Final = ROOT / "deploy" / "edge"
NODE: Final = shutil.which("node")
MEMBERSHIP: Final = "membership-secret-of-the-tests-012345"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        NODE is None or not (EDGE / "node_modules" / "miniflare").exists(),
        reason="the runtime of the edge is not installed: npm ci in deploy/edge (make test does it where npm is)",
    ),
]


async def test_the_worker_does_what_its_own_tests_say() -> None:
    files = sorted(str(file) for file in (EDGE / "test").glob("*.test.js"))
    assert len(files) == 3
    run = await asyncio.create_subprocess_exec(
        str(NODE), "--test", *files, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    out, _ = await run.communicate()
    assert run.returncode == 0, out.decode()[-4000:]


@asynccontextmanager
async def edge(stack: Stack, **settings: str) -> AsyncGenerator[str]:
    """The address of a worker that sends its callers to this service."""
    bindings = {
        "TOKEN_SECRET": SANDBOX_SECRET,
        "MEMBERSHIP_SECRET": MEMBERSHIP,
        "REGIONS": json.dumps({"here": stack.url.replace("http", "ws", 1) + "/v1/voice"}),
        "DEFAULT_REGION": "here",
    } | settings
    process = await asyncio.create_subprocess_exec(
        str(NODE), str(EDGE / "test" / "serve.js"), json.dumps(bindings),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        async with asyncio.timeout(90):
            address = (await process.stdout.readline()).decode().strip()
        assert address.startswith("http://"), address
        yield address
    finally:
        process.stdin.close()
        await process.wait()


async def token_from(address: str, subject: str, **body: Any) -> httpx.Response:
    claims = {"sub": subject, "exp": datetime.now(UTC) + timedelta(minutes=5)}
    cookie = f"premium_token={jwt.encode(claims, MEMBERSHIP, 'HS256')}"
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        return await client.post(f"{address}/v1/sessions", headers={"cookie": cookie}, json=body)


async def test_a_member_gets_a_token_at_the_edge_and_talks_to_the_service() -> None:
    async with running_stack() as stack, edge(stack) as address:
        given = (await token_from(address, "ann")).raise_for_status().json()
        assert given["url"] == stack.url.replace("http", "ws", 1) + "/v1/voice"
        async with dial_to(given["url"].removesuffix("/v1/voice"), given["token"]) as line:
            await line.send(START)
            ready = await until(line, "session.ready")
            assert (ready["session_id"], ready["tier"]) == (given["session_id"], "premium")
            await say(line, "what rooms do you have")
            assert await until(line, "reply.text")
            assert (await token_from(address, "ann")).status_code == 409
            newer = (await token_from(address, "ann", replace=True)).raise_for_status().json()
            async with dial_to(newer["url"].removesuffix("/v1/voice"), newer["token"]) as second:
                await second.send(START)
                await until(second, "session.ready")
                assert (await ending(line))[1] == 4409, "the newer session of a member closes the older one"


async def test_a_worker_with_another_secret_opens_nothing() -> None:
    async with running_stack() as stack, edge(stack, TOKEN_SECRET="another-secret-of-the-tests-0123456") as address:
        given = (await token_from(address, "ann")).raise_for_status().json()
        async with dial_to(given["url"].removesuffix("/v1/voice"), given["token"]) as line:
            error, code = await ending(line)
            assert (error["code"], code) == ("token_signature", 4401)
