"""axe-core finds nothing in whatever state a page is, in both themes: failed, ended, lost, asked, spoken to, small."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import pytest

from tests.support.axe import load_axe, needs_axe, violations
from tests.support.browser_fakes import RECOGNISER
from tests.support.cdp import Page, chromium
from tests.support.providers import inject_fault
from tests.support.stack import Stack
from tests.support.talk import calm_house, finished_turns, needs_chromium, say, talk_page

pytestmark = [needs_chromium, needs_axe, pytest.mark.slow]

SAID: Final = "I would like to book a room for tomorrow"
_LOST: Final = """
voiceAgent.dispatchEvent(new CustomEvent("typed", { detail: { waiting: ["tomorrow at ten"] } }));
voiceAgent.dispatchEvent(new CustomEvent("state", { detail: { state: "reconnecting", reason: null } }));
document.querySelector("#send-again").hidden = false;
"""

Reached = Callable[[Stack, Page], Awaitable[None]]


async def ended(_: Stack, page: Page) -> None:
    await say(page, SAID)
    await finished_turns(page, 1)
    await page.click("#hangup")
    await page.until("voiceAgent.state === 'ended'")


async def refused(_: Stack, page: Page) -> None:
    await page.click("#talk")
    await page.until("!document.querySelector('#problem').hidden")


async def failed_turn(stack: Stack, page: Page) -> None:
    inject_fault(stack.sandbox, "anthropic", "server_error")
    await say(page, SAID)
    [turn] = await finished_turns(page, 1)
    assert turn["outcome"] == "typed_failed"
    await page.run("""voiceAgent.dispatchEvent(new CustomEvent("turn.metrics", { detail: { epoch: 1, turn: 1,
        spoken: true, outcome: "apology", voice_to_voice_ms: null, over_budget: ["voice_to_voice"],
        stages: { stt: 900, llm: null, tts: null, send: null, network: null } } })), null""")


async def lost(_: Stack, page: Page) -> None:
    await say(page, SAID)
    await finished_turns(page, 1)
    await page.run(f"(() => {{ {_LOST} }})()")
    assert await page.text("#status-text") == "connection lost, trying again"


async def asked_to_listen(_: Stack, page: Page) -> None:
    assert await page.shown("#ask-listen")


async def sample_speaks(_: Stack, page: Page) -> None:
    await page.click("[data-call=billing]")
    await page.until("seen.some(({ type }) => type === 'transcript.final')")
    assert await page.shown("#sample-shows")
    assert await page.shown("#scope")


async def on_a_phone(_: Stack, page: Page) -> None:
    await page.send("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
    await say(page, SAID)
    await finished_turns(page, 1)


async def dialog_on_a_phone(stack: Stack, page: Page) -> None:
    await on_a_phone(stack, page)
    await page.click("#open-settings")
    await page.until("document.querySelector('#settings').open")


STATES: Final[Mapping[str, tuple[Reached, dict[str, Any]]]] = {
    "after a call": (ended, {}),
    "a refused session": (refused, {"free_sessions": False}),
    "a failed turn": (failed_turn, {}),
    "a lost line, with a text that waits": (lost, {}),
    "the question whether the browser may listen": (asked_to_listen, {}),
    "a sample caller speaks": (sample_speaks, {}),
    "in a call on a phone": (on_a_phone, {}),
    "the settings on a phone": (dialog_on_a_phone, {}),
}


@pytest.mark.parametrize("state", STATES)
async def test_axe_finds_nothing(state: str) -> None:
    reach, settings = STATES[state]
    before = [RECOGNISER] if reach is asked_to_listen else []
    async with calm_house(**settings) as stack, talk_page(stack.url, before=before) as page:
        await reach(stack, page)
        await load_axe(page)
        assert await violations(page, "#settings" if reach is dialog_on_a_phone else "html") == {}


async def test_axe_finds_nothing_on_the_page_with_the_button_alone() -> None:
    async with calm_house() as stack, chromium() as page:
        await page.open(f"{stack.url}/embed")
        await page.until("document.querySelector('voice-agent-call')?.shadowRoot?.querySelector('.start')")
        await load_axe(page)
        assert await violations(page) == {}
