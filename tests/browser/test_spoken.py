"""Calls with a microphone: the page, the client, the worklets and the service, with a recorded clip as the caller."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.talk import ALLOWED, events, finished_turns, microphone, needs_chromium, runs, talk_page, tap
from tests.house import running_house, sample

pytestmark = [needs_chromium, pytest.mark.slow]


async def test_a_spoken_turn_from_the_microphone_to_the_loudspeaker(tmp_path: Path) -> None:
    flags = microphone(tmp_path / "caller.wav", 1.0, "room_01", 20.0)
    async with running_house() as house, talk_page(house.url, ALLOWED, *flags) as page:
        await page.click("#talk")
        await page.until("voiceAgent.audio?.microphone")
        await tap(page)
        [metrics] = await finished_turns(page, 1)
        assert metrics["outcome"] == "replied"
        assert (await page.text(".caller")).endswith("Hi, I'd like to book a meeting room.")
        assert (await page.text(".agent")).endswith("Which location would you like?")
        assert await page.run("document.querySelectorAll('.upcoming, del').length") == 0
        assert metrics["model"] in await page.text(".meta")

        played = await events(page, "playback")
        assert [event["event"] for event in played if event["event"] != "progress"] == ["started", "finished"]
        [sent] = await events(page, "audio.end")
        assert abs(played[-1]["playedMs"] - sent["audio_ms"]) < 1
        sounded = runs(await page.run("taps.speaker"), gap_s=0.6)
        sounded_ms = sum(last - first for first, last in sounded) * 1000
        assert 0.75 * sent["audio_ms"] < sounded_ms <= sent["audio_ms"], "speech but for its quiet edges"

        ear_ms = played[0]["earMs"]
        assert abs(ear_ms - metrics["voice_to_voice_ms"]) <= 60
        assert f"ear {ear_ms:,} ms" in await page.text(".meta")
        rows = await page.run("[...document.querySelectorAll('#waterfall tr')].map((row) => row.cells[2].innerText)")
        assert rows[-1].startswith(f"{ear_ms:,}")
        assert sample(await house.metrics(), "voice_agent_playback_skew_seconds_count", tier="free") == 1

        await page.click("#hangup")
        await page.until("voiceAgent.state === 'ended'")
        assert not await page.run("voiceAgent.audio.microphone")
        stored = "localStorage.length + sessionStorage.length + document.cookie.length"
        assert await page.run(stored) == 0
        addresses: list[str] = await page.run("performance.getEntriesByType('resource').map(({ name }) => name)")
        assert not [address for address in addresses if "ey" in address.rpartition("/")[2] or "?" in address]
        assert page.complaints == []


async def test_barge_in_stops_the_sound_at_once(tmp_path: Path) -> None:
    flags = microphone(tmp_path / "caller.wav", 1.0, "room_01", 1.6, "barge_02", 20.0)
    async with running_house() as house, talk_page(house.url, ALLOWED, *flags) as page:
        await page.click("#talk")
        await page.until("voiceAgent.audio?.microphone")
        await tap(page)
        first, second = await finished_turns(page, 2)
        assert (first["outcome"], second["outcome"]) == ("interrupted", "replied")

        voice = runs(await page.run("taps.microphone"), gap_s=0.9)
        speaker = runs(await page.run("taps.speaker"), gap_s=0.3)
        began = voice[1][0]
        stopped = max(last for first, last in speaker if first < began)
        assert 0 <= stopped - began <= 0.1, (voice, speaker)

        [cleared] = await events(page, "playback", event="cleared")
        [clear] = await events(page, "audio.clear")
        assert cleared["turn"] == clear["turn"] == first["turn"]
        said = "".join(event["text"] for event in await events(page, "reply.text", turn=first["turn"]))
        assert 0 < len(clear["heard"]) < len(said)
        struck = await page.text("li[data-turn='1'] del")
        assert struck
        assert not clear["heard"].endswith(struck)
        assert page.complaints == []


async def test_a_cough_pauses_the_reply_and_no_more(tmp_path: Path) -> None:
    flags = microphone(tmp_path / "caller.wav", 1.0, "room_01", 1.4, "noise_cough", 20.0)
    async with running_house() as house, talk_page(house.url, ALLOWED, *flags) as page:
        await page.click("#talk")
        [metrics] = await finished_turns(page, 1)
        assert metrics["outcome"] == "replied"
        told = [event["event"] for event in await events(page, "playback") if event["event"] != "progress"]
        assert told == ["started", "paused", "resumed", "finished"]
        assert not await page.run("document.querySelector('del')")
        assert page.complaints == []


async def test_a_sample_caller_is_heard_through_the_same_path() -> None:
    async with running_house() as house, talk_page(house.url) as page:
        assert "DEEPGRAM_API_KEY" in await page.text("#simulated")
        await page.click("[data-call=billing]")
        metrics = await finished_turns(page, 2, timeout_s=40)
        assert (await page.text(".caller")).endswith("Hello, I have a question about my bill.")
        for turn in metrics:
            [started] = await events(page, "playback", event="started", turn=turn["turn"])
            assert abs(started["earMs"] - turn["voice_to_voice_ms"]) <= 60
        await page.click("[data-call=billing]")
        await page.until("document.querySelector('[data-call=billing]').innerText === 'Asks about a bill'")
        assert page.complaints == []
