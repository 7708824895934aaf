"""Drives a headless Chromium over the DevTools protocol: real clicks and keys, and all that a page complains about."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import websockets
from websockets.asyncio.client import ClientConnection

CHROMIUM: Final = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
START_S: Final = 30.0
WAIT_S: Final = 20.0
_ASKED_S: Final = 45.0
_KEYS: Final = {"Enter": (13, "\r"), "Tab": (9, ""), "Escape": (27, ""), " ": (32, " ")}
_CODES: Final = {" ": "Space"}


class PageError(AssertionError):
    """A script failed in the page, or what was waited for did not come."""


class Page:
    """One tab. `complaints` holds console errors, uncaught exceptions and refused requests, in order."""

    def __init__(self, socket: ClientConnection, session: str) -> None:
        self._socket = socket
        self._session = session
        self._next = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._loaded = asyncio.Event()
        self.complaints: list[str] = []

    async def listen(self) -> None:
        """Reads what the browser tells; runs until the browser is gone."""
        with contextlib.suppress(websockets.ConnectionClosed):
            async for frame in self._socket:
                self._take(json.loads(frame))
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(PageError("the browser is gone"))

    async def send(self, method: str, **params: Any) -> Any:
        """Calls a DevTools method of this tab."""
        self._next += 1
        number = self._next
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        await self._socket.send(json.dumps(message))
        async with asyncio.timeout(WAIT_S * 3):
            return await answer

    async def attach(self, target: str) -> None:
        """Takes a tab over and begins to listen to it."""
        self._session = (await self.send("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.send(f"{domain}.enable")

    async def open(self, url: str) -> None:
        """Goes to an address and waits until it is loaded."""
        self._loaded.clear()
        await self.send("Page.navigate", url=url)
        async with asyncio.timeout(WAIT_S):
            await self._loaded.wait()

    async def run(self, script: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for. Raises PageError."""
        answer = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise PageError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    async def until(self, condition: str, timeout_s: float = WAIT_S) -> Any:
        """Waits until a JavaScript expression is truthy, and gives its value. Raises PageError."""
        left = timeout_s
        while left > _ASKED_S:  # an answer of the browser is waited for as long as `send` does
            left -= _ASKED_S
            with contextlib.suppress(PageError):
                return await self._until(condition, _ASKED_S)
        return await self._until(condition, left)

    async def _until(self, condition: str, timeout_s: float) -> Any:
        return await self.run(f"""new Promise((resolve, reject) => {{
            const late = performance.now() + {timeout_s * 1000};
            const look = () => {{
                let value = null;
                try {{ value = {condition}; }} catch (error) {{ reject(error); return; }}
                if (value) resolve(value);
                else if (performance.now() > late)
                    reject(new Error({json.dumps(condition)} + " did not come; the page: " + document.body.innerText));
                else setTimeout(look, 25);
            }};
            look();
        }})""")

    async def text(self, selector: str) -> str:
        """What is written in an element, without hidden parts."""
        return await self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    async def shown(self, selector: str) -> bool:
        """Whether an element is on the page and visible."""
        return await self.run(f"document.querySelector({json.dumps(selector)})?.checkVisibility() ?? false")

    async def click(self, selector: str) -> None:
        """Presses the mouse in the middle of an element that has stopped moving, as a person would."""
        place = await self.run(f"""(async () => {{
            const node = document.querySelector({json.dumps(selector)});
            node.scrollIntoView({{block: "nearest"}});
            const middle = () => {{
                const box = node.getBoundingClientRect();
                return [box.x + box.width / 2, box.y + box.height / 2];
            }};
            let [at, still] = [middle(), 0];
            while (still < 3) {{
                await new Promise(requestAnimationFrame);
                const now = middle();
                still = now.join() === at.join() ? still + 1 : 0;
                at = now;
            }}
            return node.contains(document.elementFromPoint(...at)) ? at : null;
        }})()""")
        if place is None:
            raise PageError(f"{selector} is covered by something else")
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    async def type(self, text: str) -> None:
        """Writes where the focus is."""
        for letter in text:
            await self.send("Input.dispatchKeyEvent", type="char", text=letter)

    async def press(self, key: str, *, shift: bool = False) -> None:
        """Presses a key and lets it go."""
        await self.hold(key, shift=shift)
        await self.release(key)

    async def hold(self, key: str, *, shift: bool = False) -> None:
        """Presses a key and keeps it."""
        code, text = _KEYS[key]
        extra = {"text": text} if text else {}
        await self._key("keyDown", key, code, modifiers=8 if shift else 0, **extra)

    async def release(self, key: str) -> None:
        """Lets a key go."""
        await self._key("keyUp", key, _KEYS[key][0])

    async def _key(self, kind: str, key: str, number: int, **extra: Any) -> None:
        where = {"key": key, "code": _CODES.get(key, key), "windowsVirtualKeyCode": number}
        await self.send("Input.dispatchKeyEvent", type=kind, **where, **extra)

    async def drawn(self) -> None:
        """Waits until what has changed is on the screen."""
        await self.run("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))")

    async def screenshot(self, path: Path, *, width: int, height: int, dark: bool = False, scale: float = 1) -> None:
        """Saves what is to be seen in a window of this size."""
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )
        scheme = "dark" if dark else "light"
        await self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        await self.drawn()
        picture = await self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(picture["data"]))  # noqa: ASYNC240  a small file of a test

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            answer = self._answers.pop(message["id"], None)
            if answer is None or answer.done():
                return
            if "error" in message:
                answer.set_exception(PageError(message["error"]["message"]))
            else:
                answer.set_result(message["result"])
            return
        self._note(message["method"], message["params"])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description", details["text"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                said = " ".join(str(part.get("value", part.get("description"))) for part in params["args"])
                self.complaints.append(f"console.{params['type']}: {said}")
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                entry = params["entry"]
                self.complaints.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}")
            case _:
                return


@asynccontextmanager
async def chromium(*flags: str) -> AsyncGenerator[Page]:
    """A browser with an empty profile and one tab. `flags` are added to its command line."""
    assert CHROMIUM is not None
    profile = Path(tempfile.mkdtemp(prefix="voice-agent-chromium-"))
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, *_flags(profile, flags), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    tasks: list[asyncio.Task[None]] = []
    try:
        address = await _address(process.stderr)
        tasks.append(asyncio.create_task(_swallow(process.stderr)))
        async with websockets.connect(address, max_size=None, compression=None) as socket:
            page = Page(socket, "")
            tasks.append(asyncio.create_task(page.listen()))
            targets = await page.send("Target.getTargets")
            tab = next(target for target in targets["targetInfos"] if target["type"] == "page")
            await page.attach(tab["targetId"])
            yield page
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await asyncio.gather(*tasks)
        shutil.rmtree(profile, ignore_errors=True)


def _flags(profile: Path, flags: Sequence[str]) -> list[str]:
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    return [
        "--headless",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        *sandbox,
        *flags,
        "about:blank",
    ]


async def _address(stderr: asyncio.StreamReader) -> str:
    """Chromium prints its DevTools address on standard error."""
    async with asyncio.timeout(START_S):
        async for line in stderr:
            if line.startswith(b"DevTools listening on "):
                return line.decode().split()[-1]
    raise PageError("Chromium did not start")


async def _swallow(stderr: asyncio.StreamReader) -> None:
    async for _ in stderr:
        pass
