"""The walks of ARCHITECTURE.md name every module that a real call passes, in that order."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.ledger.sink import LedgerSink
from agent.providers.deepgram.stream import DeepgramStream
from agent.providers.fallback.stt import FallbackSttStream
from agent.transport.voice_agent_v1.websocket import WebSocketConnection
from agent.turn.listen import CallerListener
from tests.support.paths import ROOT
from tests.support.stack import clip, running_stack
from voice_loadtest.script import Speak

pytestmark = pytest.mark.slow


def watch(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, seen: dict[str, list[str]]) -> None:
    """Notes which modules of the service call `owner.name` for the first time."""
    original: Callable[..., Any] = getattr(owner, name)

    def watched(*arguments: Any, **options: Any) -> Any:
        key = f"{owner.__name__}.{name}"
        if key not in seen:
            seen[key] = [*_callers(), f"{owner.__module__.replace('.', '/')}.py"]
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, watched)


def _callers() -> list[str]:
    modules: list[str] = []
    frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]  the one way to look at who calls
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT / "agent"):
            modules.append(str(path.relative_to(ROOT)))
        frame = frame.f_back
    return list(dict.fromkeys(reversed(modules)))


def walk(title: str) -> list[str]:
    """The modules that a walk of the document names, in order."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = re.search(rf"^### {title}.*?(?=^##)", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    return re.findall(r"`(agent/[\w/]+\.py)`", section[0])


def in_order(modules: Sequence[str], walked: Sequence[str]) -> bool:
    rest = iter(walked)
    return all(module in rest for module in modules)


async def test_the_walks_are_those_of_a_real_call(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[str]] = {}
    for owner, name in (
        (CallerListener, "feed"), (FallbackSttStream, "send_now"), (DeepgramStream, "send_now"),
        (WebSocketConnection, "send_audio"), (LedgerSink, "record_charges"),
    ):  # fmt: skip
        watch(monkeypatch, owner, name, seen)
    async with running_stack() as stack:
        await stack.call([Speak(clip("room_01"))])
        await stack.quiet()
    parts = ("CallerListener.feed", "FallbackSttStream.send_now", "DeepgramStream.send_now")
    frame = list(dict.fromkeys(module for part in parts for module in seen[part]))
    assert in_order(frame, walk("A frame of audio")), frame
    of_the_call = [module for module in frame if not module.startswith("agent/server/")]
    assert len(of_the_call) <= 5, frame
    reply = seen["WebSocketConnection.send_audio"]
    assert in_order(reply, walk("A final transcript")), reply
    charge = seen["LedgerSink.record_charges"]
    charge = charge[charge.index("agent/providers/call.py") :]
    assert in_order(charge, walk("A charge")), charge
