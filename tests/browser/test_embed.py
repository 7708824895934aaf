"""The button on somebody else's page: another origin, its own shadow, and only where that origin was named."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cdp import chromium
from tests.support.talk import ALLOWED, calm_house, microphone, needs_chromium

pytestmark = [needs_chromium, pytest.mark.slow]

PAGE = """<!doctype html><html lang="en"><head><title>A shop</title><link rel="icon" href="data:,">
<style>button {{ color: rgb(255, 0, 0); }} p {{ display: none; }}</style>
<script type="module" src="{url}/talk/embed.js"></script></head>
<body><main><h1>A shop</h1><button id="own">Buy</button><voice-agent-call></voice-agent-call></main></body></html>"""
SHADOW = "document.querySelector('voice-agent-call')?.shadowRoot"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def shop(folder: Path) -> Generator[str]:
    """Somebody else's site, on a port of its own: another origin."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


async def test_a_call_from_another_site_that_was_named(tmp_path: Path) -> None:
    flags = microphone(tmp_path / "caller.wav", 1.5, "room_01", 30.0)
    with shop(tmp_path) as origin:
        async with calm_house(embed_origins=(origin,)) as stack, chromium(ALLOWED, *flags) as page:
            (tmp_path / "index.html").write_text(PAGE.format(url=stack.url))
            await page.open(origin)
            await page.until(f"{SHADOW}?.querySelector('.start')")
            own, theirs = "getComputedStyle(document.querySelector('#own')).color", f"{SHADOW}.querySelector('.start')"
            assert await page.run(own) == "rgb(255, 0, 0)", "nothing outside is styled"
            assert await page.run(f"getComputedStyle({theirs}).color") != "rgb(255, 0, 0)", "nor inside"
            assert await page.run("document.adoptedStyleSheets.length + document.styleSheets.length") == 1
            await page.run(f"{theirs}.focus()")
            await page.press("Enter")
            await page.until(f"{SHADOW}.querySelector('.said').textContent.includes('Which location')", 40)
            call = "document.querySelector('voice-agent-call')"
            assert await page.run(f"{call}.client.audio.microphone")
            await page.run(f"{call}.hangUp()")
            await page.until(f"{call}.client.state === 'ended'")
            assert await page.run(f"{SHADOW}.activeElement === {theirs}"), "the focus stays in the button"
            left = f"const call = {call}, client = call.client, began = call.start(); call.remove(); await began;"
            told = "return [client.state, Boolean(client.audio?.microphone)]"
            seen = await page.run(f"(async () => {{ {left} {told} }})()")
            assert seen == ["ended", False], "an element that left the page while its sound opened begins no call"
            assert page.complaints == []


async def test_another_site_that_was_not_named_gets_nothing(tmp_path: Path) -> None:
    with shop(tmp_path) as origin:
        async with calm_house() as stack, chromium() as page:
            (tmp_path / "index.html").write_text(PAGE.format(url=stack.url))
            await page.open(origin)
            asked = await page.run(
                f"fetch({json.dumps(stack.url + '/v1/sessions')}, {{method: 'POST'}}).catch(() => 0)"
            )
            assert asked == 0
            assert not await page.run(SHADOW + " ?? null"), "the module was not loaded"
            assert any("CORS" in complaint for complaint in page.complaints)
