"""The sample callers as a visitor meets them: a click, words about what it shows, a whole call, and its end."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from agent.api.sample_calls import CALLS, SampleCall
from tests.support.cdp import Page
from tests.support.paths import ROOT
from tests.support.talk import calm_house, events, finished_turns, needs_chromium, talk_page

pytestmark = [needs_chromium, pytest.mark.slow]
CALL_S: Final = 240.0  # a call is spoken at its own speed, and a test machine has little time


@asynccontextmanager
async def front_desk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Page]:
    """The page of `make run`: the front desk answers."""
    monkeypatch.setenv("FRONT_DESK_DB", str(folder / "desk.db"))
    monkeypatch.setenv("FRONT_DESK_DEMO", "1")
    settings = {"agents_dir": ROOT / "examples" / "front_desk", "agent": "front_desk"}
    async with calm_house(profile="measured", **settings) as stack, talk_page(stack.url) as page:
        yield page


async def test_a_sample_caller_is_heard_through_the_same_path_and_can_be_stopped() -> None:
    async with calm_house() as stack, talk_page(stack.url) as page:
        assert "DEEPGRAM_API_KEY" in await page.text("#simulated")
        await page.click("[data-call=billing]")
        [metrics] = await finished_turns(page, 1)
        assert metrics["spoken"]
        assert (await page.text(".caller")).endswith("Hello, I have a question about my bill.")
        [started] = await events(page, "playback", event="started")
        assert started["earMs"] > 0
        assert await page.text("[data-call=billing]") == "Stop: Asks about a bill"
        await page.click("[data-call=billing]")
        await page.until("document.querySelector('[data-call=billing]').innerText === 'Asks about a bill'")
        assert await page.run("voiceAgent.state") == "open", "the call is the visitor's now"
        assert page.complaints == []


async def test_a_sample_caller_is_begun_and_stopped_with_the_keyboard_and_keeps_the_focus() -> None:
    here = "document.activeElement.dataset.call"
    async with calm_house() as stack, talk_page(stack.url) as page:
        while await page.run(here) != "billing":
            await page.press("Tab")
        await page.press("Enter")
        await page.until("voiceAgent.state === 'open' && seen.some(({ type }) => type === 'transcript.final')")
        assert await page.run(here) == "billing"
        await page.press(" ")
        await page.until("document.activeElement.innerText === 'Asks about a bill'")
        assert await page.run("voiceAgent.state") == "open"
        await page.press("Tab")
        assert await page.run(here) == "outage", "the others can be reached again"
        assert page.complaints == []


async def test_calls_that_nobody_could_finish_are_not_offered() -> None:
    async with calm_house() as stack, talk_page(stack.url) as page:
        offered = await page.run("[...document.querySelectorAll('[data-call]')].map(({ dataset }) => dataset.call)")
        assert offered == ["billing", "outage", "policies"], "this agent has no tool that books"
        assert (await page.text("#welcome")).startswith("Press “Asks about a bill”")


@pytest.mark.parametrize(("height", "all_in_sight"), [(844, True), (664, False)])
async def test_on_a_phone_all_are_in_sight_or_the_row_fades_where_it_goes_on(
    height: int, all_in_sight: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = "document.querySelector('#sample-buttons')"
    last = f"{box}.lastElementChild.getBoundingClientRect()"
    async with front_desk(tmp_path, monkeypatch) as page:
        await page.send(
            "Emulation.setDeviceMetricsOverride", width=390, height=height, deviceScaleFactor=1, mobile=True
        )
        await page.drawn()
        assert await page.run(f"{last}.right <= innerWidth && {last}.bottom <= innerHeight") is all_in_sight
        assert ("gradient" in await page.run(f"getComputedStyle({box}).maskImage")) is not all_in_sight
        assert await page.run("document.querySelector('#type').getBoundingClientRect().bottom <= innerHeight")
        await page.run(f"{box}.scrollLeft = 9999")
        assert await page.run(f"{last}.right <= {box}.getBoundingClientRect().right - 40 || {all_in_sight:d} === 1")


# the others differ from these in their words alone, which tests/e2e/test_sample_calls.py looks at
PLAYED = [call for call in CALLS if call.name in ("room", "barge", "outage", "policies")]


@pytest.mark.parametrize("call", PLAYED, ids=lambda call: call.name)
async def test_a_click_plays_the_whole_call_and_it_ends(
    call: SampleCall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    button = f"document.querySelector('[data-call={call.name}]')"
    async with front_desk(tmp_path, monkeypatch) as page:
        assert await page.run(f"{button}.title") == call.shows
        await page.click(f"[data-call={call.name}]")
        assert await page.text("#sample-shows") == call.shows
        await page.until(f"voiceAgent.state === 'ended' && {button}.innerText === {call.title!r}", CALL_S)
        assert not await page.shown("#problem"), await page.text("#problem")
        assert not await page.shown("#sample-shows")
        said = sum(not line.clip.startswith("noise_") for line in call.lines) * max(1, len(call.policies))
        heard = await events(page, "transcript.final")
        assert len(heard) == said
        turns = await events(page, "turn.metrics")
        assert {turn["outcome"] for turn in turns} <= {"replied", "interrupted"}
        words = await page.text("#turns")
        assert "The sample caller hung up." in words or "call ended" in words.lower()
        _shows(call, turns, words)
        assert await page.run("document.activeElement.dataset.call") == call.name, "the focus stays where it was"
        assert page.complaints == []


def _shows(call: SampleCall, turns: list[dict[str, object]], words: str) -> None:
    """What can be read on the page is what the call is said to show."""
    match call.name:
        case "room":
            assert "The reference is" in words
        case "barge":
            assert [turn["outcome"] for turn in turns].count("interrupted") == 1
            assert "The reference is" in words
        case "outage":
            assert "The small model does not answer this, so I do: the large one." in words
            assert "This is my other voice because the usual one does not answer." in words
            assert (turns[0]["model"], turns[0]["answered_by"]) == ("haiku", "sonnet")
            took_over = sum(turn["answered_by"] == "sonnet" for turn in turns)
            assert words.count("haiku → sonnet") == took_over, words
        case "policies":
            medians = re.findall(r"With (\w+): ([\d,]+) ms at the median of 5 replies", words)
            assert [policy for policy, _ in medians] == list(call.policies)
            slow, fast = (int(told.replace(",", "")) for _, told in medians)
            assert fast < slow, words
            assert words.rstrip().count(" ms less.") == 1
        case _:
            raise AssertionError(f"nothing is known of {call.name}")
