"""What the tests of the talk page share: a page on a service, a microphone that plays a file, taps on its sound."""

from __future__ import annotations

import wave
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.cdp import CHROMIUM, Page, chromium
from tests.support.stack import Stack, clip, running_stack
from voice_loadtest.audio import SAMPLE_RATE

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

# Chromium's own prompt is answered with yes; a test that wants a no says so itself.
ALLOWED: Final = "--use-fake-ui-for-media-stream"

# Keeps every event of the client but the frequent ones.
_WATCH: Final = """
globalThis.seen = [];
for (const type of ["state", "playback", "session.ready", "transcript.partial", "transcript.final", "reply.text",
  "audio.start", "audio.end", "audio.pause", "audio.resume", "audio.clear", "turn.metrics", "speech.browser",
  "listen.browser", "degraded", "recovered", "session.cost", "memory.view", "error", "session.end"])
  voiceAgent.addEventListener(type, ({ detail }) => {
    if (detail.event !== "position") seen.push({ type, at: performance.now(), ...detail });
  });
"""

# The signals of loudspeaker and microphone, as they pass through the audio graph: when did each sound? Times are the
# audio context's, in seconds.
_TAP: Final = """
(() => {
  const { context, playback } = voiceAgent.audio;
  const taps = { speaker: [], microphone: [] };
  const tap = (node, spans) => {
    const analyser = new AnalyserNode(context, { fftSize: 4096 });
    const data = new Float32Array(analyser.fftSize);
    node.connect(analyser);
    setInterval(() => {
      analyser.getFloatTimeDomainData(data);
      const began = context.currentTime - data.length / context.sampleRate;
      const loud = (sample) => Math.abs(sample) > 0.003;
      const first = data.findIndex(loud);
      if (first < 0) return;
      spans.push([began + first / context.sampleRate, began + data.findLastIndex(loud) / context.sampleRate]);
    }, 20);
  };
  tap(playback, taps.speaker);
  tap(voiceAgent.audio._source, taps.microphone);
  globalThis.taps = taps;
})()
"""


def calm_house(**settings: Any) -> AbstractAsyncContextManager[Stack]:
    """A stack that refuses nobody because the machine is busy starting a browser."""
    return running_stack(free_lag_s=10.0, any_lag_s=10.0, **settings)


def microphone(path: Path, *parts: str | float) -> list[str]:
    """Chromium's flags for a microphone that plays clips (by name) and silences (seconds) once, when it is opened."""
    pcm = b"".join(clip(part).pcm if isinstance(part, str) else bytes(int(part * SAMPLE_RATE) * 2) for part in parts)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(pcm)
    return ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={path}%noloop"]


@asynccontextmanager
async def talk_page(
    url: str, *flags: str, before: Sequence[str] = (), cookie: str | None = None
) -> AsyncGenerator[Page]:
    """The talk page in a fresh browser. `before` are scripts that stand in for what headless Chromium lacks."""
    async with chromium(*flags) as page:
        for script in before:
            await page.send("Page.addScriptToEvaluateOnNewDocument", source=script)
        if cookie is not None:
            await page.send("Network.setCookie", name="premium_token", value=cookie, url=url)
        await page.open(url)
        await page.until("document.querySelector('#sample-buttons button')")
        await page.run(_WATCH)
        yield page


async def tap(page: Page) -> None:
    """Listens to loudspeaker and microphone from now on."""
    await page.run(_TAP)


async def events(page: Page, kind: str, **fields: Any) -> list[dict[str, Any]]:
    """The client's events of a type so far, those with these fields."""
    seen: list[dict[str, Any]] = await page.run("seen")
    return [event for event in seen if event["type"] == kind and fields.items() <= event.items()]


async def say(page: Page, text: str) -> None:
    """Types into the page as a person would: a click, keys, Enter."""
    await page.click("#text")
    await page.type(text)
    await page.press("Enter")


async def finished_turns(page: Page, count: int, timeout_s: float = 20.0) -> list[dict[str, Any]]:
    """Waits until so many turns are finished; their metrics."""
    await page.until(f"seen.filter(({{ type }}) => type === 'turn.metrics').length >= {count}", timeout_s)
    return await events(page, "turn.metrics")


def runs(spans: Sequence[Sequence[float]], gap_s: float) -> list[tuple[float, float]]:
    """Joins overlapping spans of sound, and those that less than `gap_s` of silence divides."""
    joined: list[tuple[float, float]] = []
    for first, last in sorted((first, last) for first, last in spans):
        if joined and first - joined[-1][1] < gap_s:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined
