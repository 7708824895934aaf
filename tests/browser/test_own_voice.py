"""A first minute with one's own voice: a recording that no library holds, spoken into the microphone of `make run`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import wave
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.support.paths import DATA, ROOT
from tests.support.talk import ALLOWED, events, finished_turns, needs_chromium, runs, talk_page, tap
from voice_loadtest.stack.ports import free_port
from voice_sandbox.local_packages import missing_packages

RECORDING: Final = DATA / "speech" / "booking_01_book_a_room.wav"
START_S: Final = 120.0
REPLY_S: Final = 90.0  # recognition and voice want cores of their own, and a test machine has none to spare

pytestmark = [
    needs_chromium,
    pytest.mark.slow,
    pytest.mark.skipif(not RECORDING.exists(), reason="the recording is not here; set VOICE_AGENT_DATA"),
    pytest.mark.skipif(bool(missing_packages()), reason="local speech recognition is not installed: make local"),
]


@asynccontextmanager
async def fresh_run(folder: Path) -> AsyncGenerator[tuple[str, str]]:
    """`voice-agent run`, as `make run` calls it, with a database of its own; yields its address, and its
    sandbox's, when it is ready.
    """
    port, operations, sandbox = free_port(), free_port(), free_port()
    environment = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_BASE_URL"))}
    environment |= {
        "PYTHONPATH": str(ROOT),
        "VOICE_AGENT_PORT": str(port),
        "VOICE_AGENT_OPS_PORT": str(operations),
        "VOICE_AGENT_DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}",
    }
    command = ("-m", "agent", "run", "--sandbox-port", str(sandbox))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=folder, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as client, asyncio.timeout(START_S):
            while not await _ready(client, url):
                assert process.returncode is None
                await asyncio.sleep(0.1)
        yield url, f"http://127.0.0.1:{sandbox}"
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/health/ready")).status_code == 200
    except httpx.TransportError:
        return False


def between_silences(recording: Path, path: Path, before_s: float, behind_s: float, times: int = 1) -> list[str]:
    """Chromium's flags for a microphone that plays this file so often, with silence before it and behind it."""
    with wave.open(str(recording), "rb") as read, wave.open(str(path), "wb") as written:
        written.setparams(read.getparams())
        second = read.getframerate() * read.getsampwidth() * read.getnchannels()
        once = bytes(int(before_s * second)) + read.readframes(-1) + bytes(int(behind_s * second))
        written.writeframes(once * times)
    return ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={path}%noloop"]


async def test_a_recording_that_no_library_holds_is_understood_and_answered_aloud(tmp_path: Path) -> None:
    flags = between_silences(RECORDING, tmp_path / "caller.wav", 1.5, 40.0)
    async with fresh_run(tmp_path) as (url, _), talk_page(url, ALLOWED, *flags) as page:
        assert "hears" not in await page.text("#simulated"), "what runs here is not called simulated"
        await page.click("#talk")
        await page.until("voiceAgent.audio?.microphone")
        await tap(page)
        [turn] = await finished_turns(page, 1, timeout_s=REPLY_S)
        heard = (await page.run("document.querySelector('.caller').lastChild.data")).lower()
        assert "book" in heard, heard
        assert "room" in heard, heard
        assert (turn["outcome"], turn["spoken"]) == ("replied", True)
        [ready] = await events(page, "session.ready")
        assert "stt" in ready["local"], ready
        assert [event["event"] for event in await events(page, "playback", event="started")] == ["started"]
        sounded = sum(last - first for first, last in runs(await page.run("taps.speaker"), gap_s=0.6))
        assert sounded > 0.5, "seconds of sound at the loudspeaker"
        assert page.complaints == []
        if shots := os.environ.get("TALK_SHOTS"):
            await page.screenshot(Path(shots) / "own-voice.png", width=1280, height=900)


async def test_speech_of_the_machine_that_dies_in_a_call_is_said_begun_anew_and_hears_again(tmp_path: Path) -> None:
    flags = between_silences(RECORDING, tmp_path / "caller.wav", 1.5, 45.0, times=3)
    async with (
        fresh_run(tmp_path) as (url, sandbox),
        httpx.AsyncClient() as client,
        talk_page(url, ALLOWED, *flags) as page,
    ):
        await page.click("#talk")
        await finished_turns(page, 1, timeout_s=REPLY_S)
        first = (await client.get(f"{sandbox}/control/state")).json()["process"]
        os.kill(first, signal.SIGKILL)
        await page.until("document.querySelector('#simulated').innerText.includes('Failed on')", timeout_s=20)
        assert "speech recognition" in await page.text("#simulated")
        back = "Failed on this machine a moment ago: speech recognition"
        await page.until(f"document.querySelector('#simulated').innerText.includes('{back}')", timeout_s=60)
        said = await page.text("#simulated")
        assert "back again. What you said meanwhile may be lost: please say it again." in said
        await page.until("!document.querySelector('#simulated').innerText.includes('Failed on')", timeout_s=60)
        assert (await client.get(f"{sandbox}/control/state")).json()["process"] != first
        before = await page.run("document.querySelectorAll('.caller').length")
        await page.until(f"document.querySelectorAll('.caller').length > {before}", timeout_s=REPLY_S)
        await page.until(
            "/book.*room/i.test([...document.querySelectorAll('.caller')].at(-1).innerText)", timeout_s=REPLY_S
        )
        turns = len(await events(page, "turn.metrics"))
        await page.until(
            f"seen.filter(({{ type, outcome }}) => type === 'turn.metrics' && outcome === 'replied').length > {turns}"
            " || seen.filter(({ type }) => type === 'turn.metrics').at(-1).outcome === 'replied'",
            timeout_s=REPLY_S,
        )
