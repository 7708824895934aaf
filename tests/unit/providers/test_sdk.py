from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from dataclasses import dataclass, field

import pytest

from agent.providers.sdk import SdkClient, SdkLoading


@dataclass
class Adapter:
    """Counts how often it is loaded, and in which threads; the first `fails` times it cannot be."""

    fails: int = 0
    threads: list[threading.Thread] = field(default_factory=list[threading.Thread])

    def load(self) -> None:
        self.threads.append(threading.current_thread())
        if len(self.threads) <= self.fails:
            raise ImportError("no such SDK")


def test_two_threads_that_ask_at_once_get_the_same_client() -> None:
    begun, go_on = threading.Event(), threading.Event()
    made: list[object] = []

    def make() -> object:
        begun.set()
        assert go_on.wait(5)
        made.append(object())
        return made[-1]

    client, got = SdkClient(make), list[object]()
    threads = [threading.Thread(target=lambda: got.append(client.get())) for _ in range(2)]
    threads[0].start()
    assert begun.wait(5)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(5)
    assert made == [client.made]
    assert got == made * 2


async def test_all_who_wait_share_one_loading_in_another_thread() -> None:
    adapters: list[object] = [first := Adapter(), object()]
    sdks = SdkLoading(adapters, later=True)
    assert not sdks.done
    await asyncio.gather(sdks.wait(), sdks.wait())
    await sdks.wait()
    assert sdks.done
    assert len(first.threads) == 1
    assert first.threads[0] is not threading.current_thread()


async def test_who_gives_up_waiting_leaves_the_others_their_loading() -> None:
    sdks = SdkLoading(list[object]([Adapter()]), later=True)
    impatient = asyncio.create_task(sdks.wait())
    patient = asyncio.create_task(sdks.wait())
    await asyncio.sleep(0)
    impatient.cancel()
    await patient
    assert sdks.done


async def test_what_could_not_be_loaded_is_said_and_tried_again() -> None:
    sdks = SdkLoading([Adapter(fails=1)], later=True)
    with pytest.raises(ImportError):
        await sdks.wait()
    assert not sdks.done
    await sdks.wait()
    assert sdks.done


def test_an_adapter_that_comes_later_is_loaded_at_once_unless_all_wait() -> None:
    waiting = SdkLoading(list[Adapter](), later=True)
    waiting.add(held := Adapter())
    assert held.threads == []
    waiting.load()
    waiting.add(late := Adapter())
    assert (len(held.threads), len(late.threads)) == (1, 1)
    SdkLoading(list[Adapter](), later=False).add(eager := Adapter())
    assert len(eager.threads) == 1


_START = """
import asyncio, sys
from contextlib import aclosing, suppress
from agent.budgets import load_budgets
from agent.core.calls import ProviderError
from agent.providers.base import Message, Prompt
from agent.providers.call import NO_RECORDER
from agent.providers.recorded import load_clips
from agent.server.app import create_app
from agent.settings import Settings
from voice_sandbox.server import run_sandbox
from voice_sandbox.state import SandboxOptions

SDKS = ("anthropic", "openai", "elevenlabs", "deepgram", "httpx2")

def sdk_modules():
    return {name for name in sys.modules if name.split(".")[0] in SDKS}

async def main():
    async with run_sandbox(SandboxOptions(port=0, profile="instant", voice="tones")) as sandbox:
        app = create_app(Settings(sandbox_url=sandbox.url, database_url="sqlite://"))
        assert not sdk_modules(), sorted(sdk_modules())[:5]
        providers = app.state["wiring"].providers
        await providers.sdks.wait()
        before = sdk_modules()
        missing = set(SDKS) - {name.split(".")[0] for name in before}
        assert not missing, missing
        prompt = Prompt("You are a receptionist.", "", (Message("user", "I would like a room."),))
        async with aclosing(providers.model("haiku").reply("s", prompt, NO_RECORDER)) as reply:
            async for _ in reply:
                pass
        for name in ("elevenlabs", "deepgram_tts", "openai_tts"):
            async with aclosing(providers.voice(name, "eleven_flash_v2_5").speak("s", "Hello.", NO_RECORDER)) as said:
                async for _ in said:
                    pass
        clip = next(iter(load_clips(None).values())).pcm
        for name in ("flux", "nova-3"):
            async with providers.recogniser(name).open("s", NO_RECORDER) as stream:
                await stream.send(clip)
                await stream.finish()
                async for _ in stream:
                    pass
        with suppress(ProviderError):
            await providers._transcriber.transcribe("s", clip, NO_RECORDER)
        new = sdk_modules() - before
        assert not new, sorted(new)
        await providers.close()

asyncio.run(main())
"""


def test_the_service_is_made_without_an_sdk_and_the_first_call_imports_nothing_of_one() -> None:
    """A process of its own: this one has imported them. It takes as long as the SDKs do, three seconds."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _START], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
