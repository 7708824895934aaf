"""What the caller can set and take along: mute, push to talk, devices, theme, agents, transcript, events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser_fakes import RECOGNISER
from tests.support.talk import (
    ALLOWED,
    calm_house,
    events,
    finished_turns,
    microphone,
    needs_chromium,
    say,
    talk_page,
)

pytestmark = [needs_chromium, pytest.mark.slow]

# Keeps what the page would save and copy.
_TAKEN = """
globalThis.taken = [];
URL.createObjectURL = (blob) => (blob.text().then((text) => taken.push(text)), "about:blank#kept");
HTMLAnchorElement.prototype.click = function () { taken.push(this.download); };
Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => taken.push(text) } });
"""
_STATES = """
globalThis.states = [];
new MutationObserver(() => {
  const { state } = document.querySelector("#call").dataset;
  if (states.at(-1) !== state) states.push(state);
}).observe(document.querySelector("#call"), { attributes: true });
"""


async def test_a_call_shows_what_it_does_and_both_sides_levels(tmp_path: Path) -> None:
    flags = microphone(tmp_path / "caller.wav", 1.0, "room_01", 30.0)
    async with calm_house(profile="measured") as stack, talk_page(stack.url, ALLOWED, *flags) as page:
        await page.run(_STATES)
        await page.click("#talk")
        await page.until("document.querySelector('#call').dataset.state === 'speaking'")
        await page.until("voiceAgent.audio.outputLevel > 0.01")
        await finished_turns(page, 1)
        await page.until("states.at(-1) === 'listening'")
        seen: list[str] = await page.run("states")
        wanted = iter(seen)
        assert all(state in wanted for state in ("listening", "hearing", "thinking", "speaking", "listening")), seen
        drawn = "document.querySelector('#scope').getContext('2d').getImageData(0, 0, 4000, 100).data.some(Boolean)"
        assert await page.run(drawn)
        assert page.complaints == []


async def test_mute_is_no_hang_up_and_push_to_talk_sends_only_what_is_held(tmp_path: Path) -> None:
    flags = microphone(tmp_path / "caller.wav", 60.0)
    async with calm_house() as stack, talk_page(stack.url, ALLOWED, *flags) as page:
        await page.click("#talk")
        await page.until("voiceAgent.audio?.microphone")
        await page.click("#talk")
        assert await page.text("#talk-text") == "Unmute"
        assert await page.text("#call-state-text") == "Muted"
        assert await page.run("voiceAgent.state === 'open' && voiceAgent.audio.microphone && voiceAgent.muted")
        assert await page.run("voiceAgent.audio._stream.getAudioTracks()[0].enabled") is False
        await page.click("#talk")
        assert await page.text("#talk-text") == "Mute"

        await page.click("#open-settings")
        await page.click("#push-to-talk")
        await page.click("#close-settings")
        assert await page.run("voiceAgent.muted")
        assert await page.text("#talk-text") == "Hold to talk"
        await page.run("document.querySelector('#talk').focus()")
        await page.hold(" ")
        assert not await page.run("voiceAgent.muted")
        await page.release(" ")
        assert await page.run("voiceAgent.muted")
        await page.click("#text")
        await page.press(" ")
        assert await page.run("voiceAgent.muted && document.querySelector('#text').value === ' '"), "it types there"
        assert page.complaints == []


async def test_devices_volume_and_theme_are_chosen_and_kept(tmp_path: Path) -> None:
    flags = microphone(tmp_path / "caller.wav", 60.0)
    async with calm_house() as stack, talk_page(stack.url, ALLOWED, *flags) as page:
        await page.click("#talk")
        await page.until("voiceAgent.audio?.microphone")
        await page.click("#open-settings")
        await page.until("document.querySelector('#microphone-choice').options.length > 1")
        choose = (
            "(id, value) => { const node = document.getElementById(id); node.value = value ?? node.options[1].value;"
        )
        choose += (
            " node.dispatchEvent(new Event('input')); node.dispatchEvent(new Event('change')); return node.value; }"
        )
        chosen = await page.run(f"({choose})('microphone-choice')")
        setting = "voiceAgent.audio._stream?.getAudioTracks()[0].getSettings()"
        await page.until(f"{setting}?.deviceId === {json.dumps(chosen)}")
        await page.click("#echo-cancellation")
        await page.until(f"{setting}?.echoCancellation === false")
        await page.run(f"({choose})('volume', 40)")
        await page.until("Math.abs(voiceAgent.audio.volume - 0.4) < 0.01")
        for theme, ground in (("dark", "#0f1413"), ("light", "#f4f5f3")):
            await page.run(f"({choose})('theme-choice', '{theme}')")
            paper = "getComputedStyle(document.documentElement).getPropertyValue('--paper').trim()"
            assert await page.run(paper) == ground
        kept = json.loads(await page.run("localStorage.getItem('voice-agent.settings')"))
        assert kept == {"theme": "light", "microphone": chosen, "volume": 0.4, "echoCancellation": False}
        assert page.complaints == []


async def test_transcript_events_ids_and_notes_can_be_taken_along() -> None:
    async with calm_house() as stack, talk_page(stack.url, before=[_TAKEN]) as page:
        await say(page, "I would like to book a room")
        [metrics] = await finished_turns(page, 1)
        await page.run("voiceAgent.dispatchEvent(new CustomEvent('text.show', { detail: { text: 'HH-4417' } }))")
        assert "HH-4417" in await page.text("#turns .note")
        for button in ("session-id", "copy-transcript", "save-text", "save-json", "copy-events", "save-events"):
            await page.click(f"#{button}")
        await page.until("taken.length === 9")
        taken: list[str] = await page.run("taken")
        [ready] = await events(page, "session.ready")
        short = ready["session_id"][:8]
        assert ready["session_id"] in taken
        names = {f"voice-agent-{short}.{ending}" for ending in ("txt", "json", "events.jsonl")}
        assert names <= set(taken)
        [text] = {one for one in taken if one.startswith("Caller: ")}
        assert "Caller: I would like to book a room\nAgent: " in text
        assert "Note: HH-4417" in text
        [told] = [json.loads(one) for one in taken if one.startswith("{\n")]
        assert told["session_id"] == ready["session_id"]
        assert told["turns"][0]["metrics"]["model"] == metrics["model"]
        [log] = {one for one in taken if one.startswith('{"at"')}
        assert "session.ready" in log
        assert ready["resume_token"] not in log
        assert page.complaints == []


async def test_the_figures_of_a_turn_explain_themselves_and_show_its_stages() -> None:
    async with calm_house() as stack, talk_page(stack.url) as page:
        for count in (1, 2):
            await say(page, "I would like to book a room")
            await finished_turns(page, count)
        titles: list[str] = await page.run("[...document.querySelectorAll('.meta [title]')].map(({ title }) => title)")
        assert titles[0].startswith("Model: ")
        assert (await page.run("document.querySelector('.meta').textContent")).startswith("Turn 1: Model ")
        await page.run("document.querySelector(\"li[data-turn='1'] .meta\").click()")
        assert await page.text("#latency-turn") == "turn 1"
        await page.run("""(() => {
            const told = { epoch: 1, spoken: true, outcome: "replied", over_budget: [], stages: {} };
            for (const [turn, ms] of [[3, 600], [4, 900]])
              voiceAgent.dispatchEvent(
                new CustomEvent("turn.metrics", { detail: { ...told, turn, voice_to_voice_ms: ms } }));
        })()""")
        assert await page.text("#percentiles") == "p50 600 ms · p95 900 ms · 2 spoken turns"
        assert page.complaints == []


async def test_where_recognition_is_simulated_the_browser_s_is_offered_at_once() -> None:
    async with calm_house() as stack, talk_page(stack.url, ALLOWED, before=[RECOGNISER]) as page:
        assert await page.shown("#ask-listen"), "before anything failed, and before any call"
        assert "Only the sample callers are understood here." in await page.text("#ask-listen-text")
        assert await page.run("globalThis.recogniser ?? null") is None, "nothing listens before the caller agrees"
        await page.click("#listen-here")
        await page.until("globalThis.recogniser?.running && voiceAgent.state === 'open'")
        await page.until("seen.some(({ type }) => type === 'listen.browser')")
        assert not await page.shown("#ask-listen"), "it was answered"
        assert not await page.run("voiceAgent.audio.microphone"), "there is one pair of ears"
        await page.run("recogniser.hear('I would like to book a room', true)")
        [metrics] = await finished_turns(page, 1)
        assert metrics["spoken"]
        assert await page.text("#talk-text") == "Stop listening"
        await page.click("#talk")
        assert not await page.run("recogniser.running")
        assert page.complaints == []


async def test_the_agent_of_the_next_call_is_chosen_where_there_are_several(tmp_path: Path) -> None:
    second = 'name = "second"\nversion = 1\ntitle = "The second one"\nprompt = "You answer."\n'
    (tmp_path / "second.toml").write_text(second)
    needy = second.replace("second", "needy") + '[variables.guest]\ntype = "text"\n'
    (tmp_path / "needy.toml").write_text(needy)
    async with calm_house(agents_dir=tmp_path) as stack, talk_page(stack.url) as page:
        told: dict[str, Any] = await page.run("fetch('/v1/agents').then((answer) => answer.json())")
        assert told["usual"] == "receptionist"
        assert {agent["name"]: agent["needs"] for agent in told["agents"]} == {
            "receptionist": [],
            "second": [],
            "needy": ["guest"],
        }
        await page.click("#open-settings")
        offered = await page.run("[...document.querySelector('#agent-choice').options].map(({ text }) => text)")
        assert offered == ["Receptionist", "The second one"]
        await page.run(
            "(() => { const node = document.querySelector('#agent-choice'); node.value = 'second';"
            " node.dispatchEvent(new Event('change')); })()"
        )
        await page.click("#close-settings")
        await say(page, "hello")
        await finished_turns(page, 1)
        assert await page.run("voiceAgent.agent") == "second"
        [ready] = await events(page, "session.ready")
        assert (ready["agent"], ready["agent_version"]) == ("second", 1), "who answers, as the service says"
        assert await page.text("#answering") == "second v1"
        assert json.loads(await page.run("localStorage.getItem('voice-agent.settings')"))["agent"] == "second"
        assert page.complaints == []
