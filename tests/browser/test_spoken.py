"""Calls with a microphone: the page, the client, the worklets and the service, with a recorded clip as the caller."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

from tests.support.stack import sample
from tests.support.talk import (
    ALLOWED,
    calm_house,
    events,
    finished_turns,
    microphone,
    needs_chromium,
    runs,
    talk_page,
    tap,
)

CLIP_TEXTS = {
    "room_01": "Hi, I'd like to book a meeting room.",
    "room_02": "Tomorrow at two thirty, please.",
    "room_03": "For five people.",
}

pytestmark = [needs_chromium, pytest.mark.slow]


async def test_a_spoken_turn_from_the_microphone_to_the_loudspeaker(tmp_path: Path) -> None:
    flags = microphone(tmp_path / "caller.wav", 1.0, "room_01", 4.0, "room_02", 5.0, "room_03", 20.0)
    async with calm_house() as stack, talk_page(stack.url, ALLOWED, *flags) as page:
        await page.click("#talk")
        await page.until("voiceAgent.audio?.microphone")
        await tap(page)
        turns = await finished_turns(page, 3, timeout_s=40)
        assert [turn["outcome"] for turn in turns] == ["replied"] * 3
        callers = await page.run("[...document.querySelectorAll('.caller')].map((line) => line.lastChild.data)")
        assert callers == [CLIP_TEXTS[name] for name in ("room_01", "room_02", "room_03")]
        assert "Which location would you like?" in await page.text(".agent")
        assert await page.run("document.querySelectorAll('.upcoming, del').length") == 0
        assert turns[0]["model"] in await page.text(".meta")

        played = await events(page, "playback")
        assert [event["event"] for event in played if event["event"] != "progress"] == ["started", "finished"] * 3
        sent = await events(page, "audio.end")
        finished = await events(page, "playback", event="finished")
        for said, heard in zip(sent, finished, strict=True):
            assert abs(heard["playedMs"] - said["audio_ms"]) < 1
        sounded = runs(await page.run("taps.speaker"), gap_s=0.6)
        sounded_ms = sum(last - first for first, last in sounded) * 1000
        total_ms = sum(said["audio_ms"] for said in sent)
        assert 0.7 * total_ms < sounded_ms <= total_ms, "speech but for its quiet edges"

        ears = [event["earMs"] for event in await events(page, "playback", event="started")]
        servers = [turn["voice_to_voice_ms"] for turn in turns]
        assert abs(median(ear - server for ear, server in zip(ears, servers, strict=True))) <= 60, (ears, servers)
        assert f"ear {ears[0]:,} ms" in await page.text(".meta")
        rows = await page.run("[...document.querySelectorAll('#waterfall tr')].map((row) => row.cells[2].innerText)")
        assert rows[-1].startswith(f"{ears[-1]:,}")
        assert sample(await stack.metrics(), "voice_agent_playback_skew_seconds_count", tier="free") == 3

        await page.click("#hangup")
        await page.until("voiceAgent.state === 'ended'")
        assert not await page.run("voiceAgent.audio.microphone")
        assert await page.run("localStorage.length + sessionStorage.length + document.cookie.length") == 0
        addresses: list[str] = await page.run("performance.getEntriesByType('resource').map(({ name }) => name)")
        assert not [address for address in addresses if "eyJ" in address or "?" in address]
        assert page.complaints == []


async def test_barge_in_stops_the_sound_at_once(tmp_path: Path) -> None:
    flags = microphone(tmp_path / "caller.wav", 1.0, "room_01", 1.6, "barge_02", 20.0)
    async with calm_house() as stack, talk_page(stack.url, ALLOWED, *flags) as page:
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
    async with calm_house() as stack, talk_page(stack.url, ALLOWED, *flags) as page:
        await page.click("#talk")
        [metrics] = await finished_turns(page, 1)
        assert metrics["outcome"] == "replied"
        told = [event["event"] for event in await events(page, "playback") if event["event"] != "progress"]
        assert told == ["started", "paused", "resumed", "finished"]
        assert not await page.run("document.querySelector('del')")
        assert page.complaints == []
