"""What everybody can use: axe-core finds nothing, the keyboard reaches all, and the focus never falls to the page."""

from __future__ import annotations

import json
from typing import Final

import pytest

from tests.support.axe import load_axe, needs_axe, violations
from tests.support.talk import calm_house, finished_turns, needs_chromium, say, talk_page

pytestmark = [needs_chromium, pytest.mark.slow]

# Everything of the page that comes and goes, shown at once.
_ALL_SHOWN: Final = """
for (const id of ["events", "terms"]) document.getElementById(id).open = true;
for (const [type, detail] of [
  ["text.show", { text: "Reference HH-4417" }],
  ["degraded", { service: "tts", message: "running in simplified mode" }],
  ["error", { fatal: false, message: "the service cannot hear you at the moment" }],
]) voiceAgent.dispatchEvent(new CustomEvent(type, { detail }));
document.querySelector("#large-captions").click();
"""


# A memory with one value, as the service would tell it.
_REMEMBERED: Final = """
voiceAgent.dispatchEvent(new CustomEvent("memory.view", { detail: { graph: {
  current_topic: "t", current_state: "s",
  topics: [{ id: "t", subject: "room", questions: 1, reopened: 0, summary: "" }],
  states: [{ id: "s", topic: "t", flow: "booking", state: "open",
    slots: [{ name: "people", value: "five", turn: 0, by: "caller" }] }],
} } }));
"""


@needs_axe
async def test_axe_finds_nothing_idle_in_a_call_and_in_the_settings() -> None:
    async with calm_house() as stack, talk_page(stack.url) as page:
        await load_axe(page)
        assert await violations(page) == {}
        await say(page, "I would like to book a room for tomorrow")
        await finished_turns(page, 1)
        await page.run(_REMEMBERED)
        await page.run(f"(() => {{ {_ALL_SHOWN} }})()")
        assert await violations(page) == {}
        await page.click("#open-settings")
        assert await violations(page, "#settings") == {}, "what is behind it is inert"


async def test_the_settings_are_opened_used_and_closed_with_the_keyboard() -> None:
    async with calm_house() as stack, talk_page(stack.url) as page:
        await page.press("Tab")
        await page.press("Enter")
        assert await page.run("document.querySelector('#settings').open")
        await page.run("document.querySelector('#large-captions').focus()")
        await page.press(" ")
        await page.press("Tab")
        assert await page.run("document.activeElement.id") == "theme-choice"
        await page.press("Tab")
        assert await page.run("document.activeElement.id") == "close-settings"
        await page.press("Escape")
        assert not await page.run("document.querySelector('#settings').open")
        assert await page.run("document.activeElement.id") == "open-settings"
        kept = json.loads(await page.run("localStorage.getItem('voice-agent.settings')"))
        assert kept == {"largeCaptions": True}
        assert page.complaints == []


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("#listen-not", "#listen-not"),
        ("#hangup", "#hangup"),
        ("#hangup", "end"),
        ("#history button", "new session"),
        ("#events summary", "end"),
        ("#memory .source", "new session"),
    ],
)
async def test_the_focus_never_falls_to_the_page(where: str, what: str) -> None:
    async with calm_house() as stack, talk_page(stack.url) as page:
        await say(page, "I would like to book a room for five people")
        await finished_turns(page, 1)
        await page.run(_REMEMBERED)
        await page.run(f"document.querySelector({json.dumps(where)}).focus()")
        match what:
            case "end":
                await page.run("voiceAgent.hangUp()")
                await page.until("voiceAgent.state === 'ended'")
            case "new session":
                await page.run("voiceAgent.hangUp()")
                await page.until("voiceAgent.state === 'ended'")
                await page.run(f"document.querySelector({json.dumps(where)}).focus()")
                await page.run("voiceAgent.connect()")
                await page.until("document.querySelector('#latency').hidden")
            case _:
                await page.press("Enter")
                await page.until(f"!document.querySelector({json.dumps(where)}).checkVisibility()")
        assert await page.run("document.activeElement !== document.body")
        assert await page.run("document.activeElement.checkVisibility()")
        assert page.complaints == []
