"""When something fails: the server is killed, a provider is down, and who is told."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jwt
import pytest

from tests.support.browser_fakes import RECOGNISER, VOICE
from tests.support.paths import ROOT
from tests.support.talk import ALLOWED, calm_house, events, finished_turns, microphone, needs_chromium, say, talk_page
from voice_loadtest.stack.ports import free_port
from voice_sandbox.faults import FaultKind, FaultRule
from voice_sandbox.server import run_sandbox
from voice_sandbox.state import SandboxOptions

pytestmark = [needs_chromium, pytest.mark.slow]

# What the service says of its own machine is `machine`, of which a test makes what it likes; `later` ms have passed.
MACHINE = """
globalThis.machine = { local: ["stt", "tts"], failed: [], failures: {}, stands_in: true };
globalThis.later = 0;
{
  const [ask, now] = [fetch.bind(globalThis), performance.now.bind(performance)];
  performance.now = () => now() + later;
  globalThis.fetch = async (path, ...more) => {
    const answer = await ask(path, ...more);
    return path === "/sample-calls.json" ? Response.json({ ...await answer.json(), ...machine }) : answer;
  };
}
"""

SECRET = "a-membership-secret-of-the-tests-0123456789"


def member() -> str:
    """A membership cookie."""
    return jwt.encode({"sub": "member-1", "exp": datetime.now(UTC) + timedelta(hours=1)}, SECRET, "HS256")


@asynccontextmanager
async def service(port: int, sandbox_url: str, folder: Path) -> AsyncGenerator[asyncio.subprocess.Process]:
    """The service as a process of its own, which can be killed."""
    settings = {
        "VOICE_AGENT_PORT": str(port),
        "VOICE_AGENT_OPS_PORT": "0",
        "VOICE_AGENT_UNLIMITED_ADDRESSES": "127.0.0.1",
        "VOICE_AGENT_SANDBOX_URL": sandbox_url,
        "VOICE_AGENT_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/ledger.db",
        "VOICE_AGENT_LOG_LEVEL": "error",
        "VOICE_AGENT_FREE_LAG_S": "10",
        "VOICE_AGENT_ANY_LAG_S": "10",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "agent", "serve", env={**os.environ, **settings}, cwd=ROOT
    )
    try:
        async with httpx.AsyncClient() as client, asyncio.timeout(90):
            while True:
                try:
                    if (await client.get(f"http://127.0.0.1:{port}/health/ready")).is_success:
                        break
                except httpx.TransportError:
                    assert process.returncode is None, "the service stopped at its start"
                await asyncio.sleep(0.1)
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_the_page_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with (
        run_sandbox(SandboxOptions(port=0, profile="instant")) as sandbox,
        service(port, sandbox.url, tmp_path) as first,
        talk_page(url) as page,
    ):
        await say(page, "I would like to book a room")
        await finished_turns(page, 1)
        first.send_signal(signal.SIGKILL)
        await first.wait()
        await page.until("document.querySelector('#status').dataset.state === 'reconnecting'")
        assert await page.text("#status-text") == "connection lost, trying again"
        await say(page, "tomorrow at ten")
        await page.until("!document.querySelector('#problem').hidden")
        assert await page.run("document.querySelector('#text').value") == "tomorrow at ten"
        async with service(port, sandbox.url, tmp_path):
            await page.until("voiceAgent.state === 'open'", 30)
            assert not await page.shown("#problem")
            await page.press("Enter")
            await finished_turns(page, 2)
        assert await page.run("document.querySelectorAll('.turn').length") == 2
        before, after = await events(page, "session.ready")
        assert before["session_id"] == after["session_id"]
        addresses: list[str] = await page.run("performance.getEntriesByType('resource').map(({ name }) => name)")
        assert addresses.count(f"{url}/v1/sessions") == 1, "the resume token was enough"
        # The browser itself logs each connection that failed; nothing else may be wrong.
        assert [line for line in page.complaints if "WebSocket connection to" not in line] == []


async def test_a_line_on_which_nothing_comes_is_lost_and_what_was_typed_is_kept(tmp_path: Path) -> None:
    port = free_port()
    async with (
        run_sandbox(SandboxOptions(port=0, profile="instant")) as sandbox,
        service(port, sandbox.url, tmp_path) as process,
        talk_page(f"http://127.0.0.1:{port}") as page,
    ):
        await say(page, "I would like to book a room")
        await finished_turns(page, 1)
        await page.until("document.querySelector('#waiting').hidden")
        process.send_signal(signal.SIGSTOP)
        await say(page, "tomorrow at ten")
        assert "Not taken yet: “tomorrow at ten”" in await page.text("#waiting")
        await page.until("voiceAgent.state === 'reconnecting'", 20)
        assert await page.text("#status-text") == "connection lost, trying again"
        assert await page.shown("#waiting")
        process.send_signal(signal.SIGCONT)
        await page.until("voiceAgent.state === 'open'", 30)


async def test_what_is_said_of_a_microphone_that_went_away_is_taken_back_when_it_is_there_again(tmp_path: Path) -> None:
    flags = microphone(tmp_path / "caller.wav", 30.0)
    async with calm_house() as stack, talk_page(stack.url, ALLOWED, *flags) as page:
        await page.click("#talk")
        await page.until("voiceAgent.audio?.microphone")
        assert await page.text("#talk") == "Mute"
        # as when its plug is pulled
        await page.run("voiceAgent.audio._stream.getAudioTracks()[0].dispatchEvent(new Event('ended'))")
        await page.until("!document.querySelector('#problem').hidden")
        assert "The microphone went away." in await page.text("#problem")
        assert await page.text("#talk") == "Start talking"
        await page.click("#talk")
        await page.until("voiceAgent.audio?.microphone")
        assert await page.text("#talk") == "Mute"
        assert not await page.shown("#problem")
        assert page.complaints == []


@pytest.mark.parametrize("tier", ["free", "premium"])
async def test_without_any_voice_provider_the_browser_speaks(tier: str) -> None:
    settings = {"membership_secret": SECRET}
    cookie = member() if tier == "premium" else None
    async with calm_house(**settings) as stack, talk_page(stack.url, before=[VOICE], cookie=cookie) as page:
        for provider in ("elevenlabs", "deepgram_tts"):
            stack.sandbox.world.faults.add(FaultRule(provider=provider, kind=FaultKind.SERVER_ERROR))
        await say(page, "I would like to book a room")
        [metrics] = await finished_turns(page, 1)
        assert metrics["outcome"] == "typed"
        clauses = [event["text"] for event in await events(page, "speech.browser")]
        assert clauses
        assert await page.run("spoken") == clauses
        told = [(event["event"], event["clause"]) for event in await events(page, "playback")]
        assert told == [(event, clause) for clause in range(len(clauses)) for event in ("started", "finished")]
        assert await page.run("document.querySelectorAll('.upcoming').length") == 0
        assert await page.text("#tier") == tier
        assert await page.text("#limit") == ("$3.00" if tier == "premium" else "$0.15")
        assert await page.shown("#degraded") == (tier == "premium")
        if tier == "premium":
            assert "simplified mode" in (await page.text("#degraded")).lower()
        assert page.complaints == []


async def test_without_any_recogniser_the_browser_listens_after_asking(tmp_path: Path) -> None:
    flags = microphone(tmp_path / "caller.wav", 1.0, "room_01", 20.0)
    async with calm_house() as stack, talk_page(stack.url, ALLOWED, *flags, before=[RECOGNISER]) as page:
        for provider in ("deepgram", "openai_stt"):
            stack.sandbox.world.faults.add(FaultRule(provider=provider, kind=FaultKind.REFUSE))
        await page.click("#talk")
        await page.until("!document.querySelector('#ask-listen').hidden", 40)
        assert await page.run("globalThis.recogniser ?? null") is None, "nothing listens before the caller agrees"
        await page.click("#listen-here")
        await page.until("globalThis.recogniser?.running")
        await page.run("recogniser.hear('I would like', false)")
        assert (await page.text("#partial")).endswith("I would like")
        await page.run("recogniser.hear('I would like to book a room', true)")
        [metrics] = await finished_turns(page, 1)
        assert metrics["spoken"]
        assert page.complaints == []


async def test_what_failed_and_ran_again_between_two_looks_of_the_page_is_said_and_so_is_what_may_be_lost() -> None:
    async with calm_house() as stack, talk_page(stack.url, ALLOWED, before=[MACHINE]) as page:
        assert "Failed" not in await page.text("#simulated")
        await page.run("voiceAgent.dispatchEvent(new CustomEvent('listen.browser', { detail: { reason: 'refused' } }))")
        await page.until("!document.querySelector('#ask-listen').hidden")
        await page.run("machine.failures = { stt: 1 }")
        await page.until("document.querySelector('#simulated').innerText.includes('Failed on')")
        said = await page.text("#simulated")
        assert "Failed on this machine a moment ago: speech recognition; back again." in said
        assert "may be lost: please say it again" in said
        assert await page.run("document.querySelector('#ask-listen').hidden"), "the service hears again"
        await page.run("later = 25_000")
        await page.until("!document.querySelector('#simulated').innerText.includes('Failed on')")
        await page.run("looked = 0; machine = { ...machine, get failures() { looked += 1; return { stt: 0 }; } }")
        await page.until("looked > 1")  # the service was started again: its counts begin anew
        await page.run("machine = { ...machine, failures: { stt: 1 } }")
        await page.until("document.querySelector('#simulated').innerText.includes('Failed on')")


async def test_a_simulation_is_only_promised_where_one_stands_in() -> None:
    async with calm_house() as stack, talk_page(stack.url, ALLOWED, before=[MACHINE]) as page:
        both = "machine = { ...machine, simulated: ['stt', 'llm', 'tts'], local: [], failed: ['stt', 'tts'] }"
        await page.run(both)
        await page.until("document.querySelector('#simulated').innerText.includes('Failed on')")
        assert "Until they are back, a simulation stands in." in await page.text("#simulated")
        await page.run("machine.stands_in = false")
        await page.until("!document.querySelector('#simulated').innerText.includes('stands in')")
        assert "Failed on this machine: speech recognition and the voice;" in await page.text("#simulated")
        await page.run("machine = { ...machine, local: ['stt', 'tts'], failed: [] }")
        await page.until("document.querySelector('#simulated').innerText.includes('the voice; back again.')")
