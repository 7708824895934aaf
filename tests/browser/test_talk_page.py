"""The talk page without a voice: typing, refusals, the keyboard, small windows, what the page may load."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from agent.budgets import DEFAULT_FILE
from tests.support.cdp import Page, PageError
from tests.support.talk import calm_house, events, finished_turns, needs_chromium, say, talk_page

pytestmark = [needs_chromium, pytest.mark.slow]


# 240 turns, told to the page as the client tells them.
_MANY_TURNS = """
globalThis.tell = (type, detail) => voiceAgent.dispatchEvent(new CustomEvent(type, { detail }));
for (let turn = 1; turn <= 240; turn += 1) {
  const at = { epoch: 9, turn };
  tell("transcript.final", { ...at, text: `Question ${turn}. ` + "Is there a room? ".repeat(6), spoken: true });
  tell("reply.text", { ...at, clause: 0, text: "An answer. ".repeat(60), startMs: 0 });
  tell("playback", { ...at, event: "started", playedMs: 0, clause: null, earMs: 800 });
}
"""
# How far the transcript's end is below its window, in pixels.
_BELOW = """
(({ scrollHeight, scrollTop, clientHeight }) => Math.abs(scrollHeight - scrollTop - clientHeight))(
  document.querySelector("#transcript"))
"""


async def _answer_microphone(page: Page, url: str, setting: str) -> None:
    await page.send("Browser.setPermission", permission={"name": "microphone"}, setting=setting, origin=url)


@pytest.mark.parametrize("why", ["refused", "missing"])
async def test_without_a_microphone_the_caller_types_and_hears_the_reply(why: str) -> None:
    flags = ["--use-fake-device-for-media-stream"] if why == "refused" else []
    async with calm_house() as stack, talk_page(stack.url, *flags) as page:
        await _answer_microphone(page, stack.url, "denied" if why == "refused" else "granted")
        await page.click("#talk")
        await page.until("!document.querySelector('#problem').hidden")
        expected = "The microphone is not allowed here." if why == "refused" else "There is no microphone"
        assert (await page.text("#problem")).startswith(expected)
        assert await page.run("document.activeElement.id") == "text"
        assert page.complaints == []
        if why == "missing":
            return
        await page.type("I would like to book a room")
        await page.press("Enter")
        [metrics] = await finished_turns(page, 1)
        assert (metrics["outcome"], metrics["spoken"]) == ("typed", False)
        told = [event["event"] for event in await events(page, "playback") if event["event"] != "progress"]
        assert told == ["started", "finished"]
        assert await page.run("document.querySelector('#text').value") == ""
        assert page.complaints == []


async def test_without_any_sound_the_caller_types_and_reads() -> None:
    async with calm_house() as stack, talk_page(stack.url, before=["delete globalThis.AudioContext;"]) as page:
        await page.click("#talk")
        await page.until("voiceAgent.state === 'open' && !document.querySelector('#problem').hidden")
        assert (await page.text("#problem")).startswith("No sound here")
        assert await page.run("document.activeElement.id") == "text"
        await page.type("I would like to book a room")
        await page.press("Enter")
        await finished_turns(page, 1)
        assert "Which location would you like?" in await page.text(".agent")
        assert page.complaints == []


async def test_a_long_conversation_follows_its_end_and_leaves_a_reader_alone() -> None:
    async with calm_house() as stack, talk_page(stack.url) as page:
        await say(page, "hello")
        await finished_turns(page, 1)
        await page.run(_MANY_TURNS)
        assert await page.run("document.querySelectorAll('.turn').length") == 200, "older turns leave the page"
        assert await page.run(f"{_BELOW} < 1")
        newest = "document.querySelector('#history button:last-child').getBoundingClientRect().right"
        edge = "document.querySelector('#history').getBoundingClientRect().right"
        assert await page.run(f"{newest} <= {edge} + 1")

        await page.run("document.querySelector('#transcript').scrollTop = 1000")
        await page.drawn()
        await page.click("#history button:nth-last-child(3)")
        place = "Math.round(document.querySelector(\"li[data-turn='60']\").getBoundingClientRect().top)"
        read = await page.run(place)
        focused = "document.activeElement.getAttribute('aria-label')"
        before = await page.run(focused)
        assert before.startswith("Turn ")
        await page.run("tell('reply.text', { epoch: 9, turn: 500, clause: 0, text: 'More.', startMs: 0 })")
        await page.run(
            "tell('playback', { epoch: 9, turn: 500, event: 'started', playedMs: 0, clause: null, earMs: 700 })"
        )
        assert await page.run(place) == read, "what is being read stays where it is, though the oldest turn is gone"
        assert await page.run(focused) == before, "a new turn takes nobody's focus"
        assert page.complaints == []


async def test_the_end_stays_in_sight_when_the_window_changes_and_a_new_call_follows_again() -> None:
    height = "document.querySelector('#transcript').clientHeight"
    async with calm_house() as stack, talk_page(stack.url) as page:
        await say(page, "hello")
        await finished_turns(page, 1)
        await page.run(_MANY_TURNS)
        seen: list[int] = []
        for window in (900, 700, 900, 750):
            await page.send(
                "Emulation.setDeviceMetricsOverride", width=1200, height=window, deviceScaleFactor=1, mobile=False
            )
            await page.drawn()
            await page.drawn()
            seen.append(await page.run(height))
            assert await page.run(f"{_BELOW} < 1"), window
        assert seen[0] == seen[2] >= seen[1] + 100, "the pane changed its height"
        await page.run("tell('reply.text', { epoch: 9, turn: 240, clause: 1, text: 'More. '.repeat(99), startMs: 0 })")
        assert await page.run(f"{_BELOW} < 1")

        await page.run("document.querySelector('#transcript').scrollTop -= 900")
        await page.drawn()
        await page.run("tell('reply.text', { epoch: 9, turn: 240, clause: 2, text: 'And more.', startMs: 0 })")
        assert await page.run(f"{_BELOW} > 800"), "a reader is left alone"
        await page.click("#hangup")
        await page.until("voiceAgent.state === 'ended'")
        await say(page, "hello again")
        await finished_turns(page, 2)
        assert await page.run(f"{_BELOW} < 1")
        assert page.complaints == []


@pytest.mark.parametrize(("set_to", "may_see"), [("true", True), ("false", False), (None, True)])
async def test_the_cost_is_shown_where_the_tier_may_see_it_and_by_itself_in_the_sandbox(
    tmp_path: Path, set_to: str | None, may_see: bool
) -> None:
    budgets = tmp_path / "budgets.toml"
    line = "" if set_to is None else f"\nshow_cost = {set_to}"
    budgets.write_text(DEFAULT_FILE.read_text().replace("[tiers.free]", f"[tiers.free]{line}"))
    async with calm_house(budgets_file=budgets) as stack, talk_page(stack.url) as page:
        await say(page, "I would like to book a room")
        [metrics] = await finished_turns(page, 1)
        meta = await page.text(".meta")
        assert metrics["model"] in meta
        assert metrics["rule"] in meta
        await page.until("document.querySelector('#memory .topic.current')")
        if may_see:
            await page.until("document.querySelector('#cost-section').checkVisibility()")
            assert (await page.text("#cost")).startswith("$0.0")
            assert (await page.text("#tokens")).endswith("tokens")
        await page.click("#hangup")
        await page.until("voiceAgent.state === 'ended'")
        assert await page.shown("#cost-section") == may_see
        assert page.complaints == []


async def test_what_is_said_while_the_reply_takes_longer_is_shown_once_and_is_no_part_of_the_reply() -> None:
    async with calm_house() as stack, talk_page(stack.url) as page:
        await page.run(
            """
            const tell = (type, detail) =>
              voiceAgent.dispatchEvent(new CustomEvent(type, { detail: { epoch: 9, turn: 1, ...detail } }));
            tell("transcript.final", { text: "What rooms are there?", spoken: true });
            for (let piece = 0; piece < 3; piece += 1) tell("filler", { text: "One moment, please.", audio_ms: 50 });
            tell("reply.text", { clause: 0, text: "We have three.", startMs: 150 });
            tell("reply.text", { clause: 1, text: "Which one?", startMs: 900 });
            tell("audio.clear", { heard: "We have" });
            """
        )
        assert await page.text(".turn .filler") == "One moment, please."
        assert await page.run("document.querySelectorAll('.turn .filler').length") == 1
        said = await page.run("document.querySelector('.turn .agent').textContent")
        assert said.startswith("AgentOne moment, please. We have")
        struck = await page.run("[...document.querySelectorAll('.turn del')].map((node) => node.textContent)")
        assert struck == ["three.", "Which one?"]
        assert page.complaints == []


async def test_typing_interrupts_the_reply() -> None:
    async with calm_house() as stack, talk_page(stack.url) as page:
        await say(page, "what kind of rooms do you have")
        await page.until("seen.some(({ event, playedMs }) => event === 'progress' && playedMs > 900)")
        await say(page, "stop, book one")
        first, second = await finished_turns(page, 2)
        assert (first["outcome"], second["outcome"]) == ("interrupted", "typed")
        assert await page.run("document.querySelector(\"li[data-turn='1'] del\") !== null")
        assert page.complaints == []


async def test_a_call_with_the_keyboard_alone() -> None:
    async with calm_house() as stack, talk_page(stack.url) as page:
        order: list[str] = []
        for _ in range(20):
            await page.press("Tab")
            here = await page.run("document.activeElement.id || document.activeElement.dataset.call")
            assert here, "every stop of the keyboard has a name"
            order.append(here)
            if here == "text":
                break
        asked = ["open-settings", "listen-here", "listen-not"]
        samples = ["billing", "outage", "policies"]
        assert order == [*asked, "transcript", *samples, "talk", "text"]
        await page.type("hello")
        await page.press("Tab")
        await page.press("Enter")
        await finished_turns(page, 1)
        await page.press("Tab")
        assert await page.run("document.activeElement.id") == "hangup"
        await page.press("Enter")
        await page.until("voiceAgent.state === 'ended'")
        assert "You hung up." in await page.text("#turns")
        assert await page.text("#talk-text") == "Call again"
        assert await page.run("document.activeElement.id") == "talk", "the focus does not fall to the page"
        await page.press("Enter")
        await page.until("voiceAgent.state === 'open'")
        assert await page.run("document.activeElement.id") in ("talk", "text")


async def test_a_second_call_is_a_new_session_and_shows_nothing_of_the_first() -> None:
    async with calm_house() as stack, talk_page(stack.url) as page:
        await say(page, "hello")
        await finished_turns(page, 1)
        await page.until("document.querySelector('#cost-section').checkVisibility()")
        await page.click("#hangup")
        await page.until("voiceAgent.state === 'ended'")
        await page.click("#text")
        await page.run("voiceAgent.connect()")
        await page.until("voiceAgent.state === 'open'")
        words = await page.text("#turns")
        assert "A new session." in words
        assert "goes on" not in words
        for section in ("#latency", "#cost-section", "#memory-section"):
            assert not await page.shown(section), section
        assert await page.shown("#latency-empty")


async def test_everything_has_a_name_and_fits_into_a_small_window() -> None:
    async with calm_house() as stack, talk_page(stack.url) as page:
        await say(page, "book a room for tomorrow at ten, please, for a meeting of the board")
        await finished_turns(page, 1)
        tree = (await page.send("Accessibility.getFullAXTree"))["nodes"]
        used = {"button", "textbox", "link", "region", "complementary", "table"}
        named: list[tuple[str, str]] = []
        for node in tree:
            role: str = node.get("role", {}).get("value", "")
            if role in used and not node.get("ignored"):
                named.append((role, node.get("name", {}).get("value", "")))
        assert [role for role, name in named if not name] == []
        assert ("textbox", "Your message") in named
        assert any(role == "button" and name.startswith("Turn 1: ") for role, name in named)
        for width in (320, 390, 768):
            await page.send(
                "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=True
            )
            assert await page.run("document.documentElement.scrollWidth") <= width
            small: list[str] = await page.run("""
                [...document.querySelectorAll("#controls button, #controls input")]
                .filter((node) => node.checkVisibility() && node.getBoundingClientRect().height < 36)
                .map((node) => node.id)""")
            assert small == []


@pytest.mark.parametrize(("width", "height"), [(390, 664), (320, 568)])
async def test_a_notice_leaves_the_text_box_on_a_phone_s_screen(width: int, height: int) -> None:
    async with calm_house() as stack, talk_page(stack.url) as page:
        await page.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=True
        )
        await page.run("voiceAgent.dispatchEvent(new CustomEvent('error', { detail: { fatal: false, message:"
                       " 'the service cannot hear you at the moment, and says so in many words' } }))")  # fmt: skip
        assert await page.shown("#problem")
        await page.until(
            "document.querySelector('#type').getBoundingClientRect().bottom <= innerHeight && scrollY === 0", 3
        )


async def test_the_page_loads_nothing_but_its_own_files_and_runs_no_inline_script() -> None:
    async with calm_house() as stack, talk_page(stack.url) as page:
        async with httpx.AsyncClient() as client:
            policy = (await client.get(stack.url)).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        hosts: list[str] = await page.run(
            "[...new Set(performance.getEntriesByType('resource').map(({ name }) => new URL(name).origin))]"
        )
        assert hosts == [stack.url]
        assert page.complaints == []
        with pytest.raises(PageError, match="requires 'TrustedScript'"):
            await page.run("document.createElement('script').textContent = 'globalThis.injected = true'")
        await page.run("""(() => {
            const script = document.createElement("script");
            script.append("globalThis.injected = true");
            document.head.append(script);
        })()""")
        assert await page.run("globalThis.injected ?? null") is None
        elsewhere = await page.run(f"fetch({json.dumps(stack.sandbox.url + '/control/state')}).catch(() => 'refused')")
        assert elsewhere == "refused"
        assert any("Content Security Policy" in complaint for complaint in page.complaints)


async def test_a_refused_session_is_explained() -> None:
    async with calm_house(free_sessions=False) as stack, talk_page(stack.url) as page:
        await page.click("#talk")
        await page.until("!document.querySelector('#problem').hidden")
        assert "free sessions are switched off" in await page.text("#problem")
        assert await page.text("#status") == "not connected", "there was no call that could have ended"
        assert await page.shown("#welcome")
        assert not await page.run("document.querySelector('.divider')")
