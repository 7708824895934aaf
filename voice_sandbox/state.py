"""One object handed to every emulator: its latency, faults, counters, clips and voice."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from voice_sandbox.anthropic.prompt_cache import PromptCache
from voice_sandbox.counters import Counters, RequestLog, Timings
from voice_sandbox.faults import Faults
from voice_sandbox.latency import SimulatedLatency
from voice_sandbox.rate_limits import RateLimits
from voice_sandbox.receptionist.openings import FOLLOWS
from voice_sandbox.recognizer.early_end import DOCUMENTED, EarlyEnds
from voice_sandbox.voice import SimulatedVoice, VoiceChoice

if TYPE_CHECKING:
    from litestar.connection import ASGIConnection

    from voice_sandbox.recognizer.hearing import Hearing, HearingChoice

BUNDLED_CLIPS = Path(__file__).parent / "clips"
SESSION_HEADER = "x-client-session"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """How a sandbox is started. Port 0 takes a free port. `clips` are folders beside the bundled one.

    `follows_openings` (0 to 1): the share of replies in which the model begins as its prompt asks.
    """

    host: str = "127.0.0.1"
    port: int = 8100
    profile: str = "measured"
    seed: int = 1
    clips: tuple[Path, ...] = ()
    voice: VoiceChoice = "auto"
    hearing: HearingChoice = "clips"
    flux_word_times: bool = True
    early_ends: EarlyEnds = DOCUMENTED
    follows_openings: float = FOLLOWS


class _ClosableSocket(Protocol):
    client: tuple[str, int] | None
    transport: Any


class RawSocket:
    """Reaches under the application to the TCP connections of the running server, to break them as a fault asks."""

    def __init__(self) -> None:
        self._connections: Iterable[Any] = ()

    def attach(self, connections: Iterable[Any]) -> None:
        """`connections` is the live set of the server's protocol objects."""
        self._connections = connections

    def break_off(self, client: tuple[str, int] | None, how: Literal["at_once", "after_flush"]) -> None:
        """Closes the connection of this peer (`scope["client"]`): what was written already is thrown away or still
        sent.
        """
        for connection in cast("list[_ClosableSocket]", list(self._connections)):
            if client is not None and connection.client == client:
                if how == "at_once":
                    connection.transport.abort()
                else:
                    connection.transport.close()


@dataclass(slots=True)
class SandboxState:
    """What the emulators share. Built once per sandbox; every part has a limit on what it keeps."""

    options: SandboxOptions
    latency: SimulatedLatency
    faults: Faults
    counters: Counters
    log: RequestLog
    hearing: Hearing
    voice: SimulatedVoice
    timings: Timings = field(default_factory=Timings)
    prompt_cache: PromptCache = field(default_factory=PromptCache)
    wire: RawSocket = field(default_factory=RawSocket)
    rates: RateLimits = field(default_factory=RateLimits)
    early_dice: random.Random = field(default_factory=lambda: random.Random(0))

    @staticmethod
    def create(options: SandboxOptions) -> SandboxState:
        """Loads the clips and finds the voice. Raises ValueError for an unknown profile or a voice that is not
        installed.
        """
        from voice_sandbox.recognizer.hearing import Hearing
        from voice_sandbox.recognizer.library import ClipLibrary

        return SandboxState(
            options=options,
            latency=SimulatedLatency(options.profile, options.seed),
            faults=Faults(options.seed),
            counters=Counters(),
            log=RequestLog(),
            hearing=Hearing.create(ClipLibrary.load([BUNDLED_CLIPS, *options.clips]), options.hearing),
            voice=SimulatedVoice.create(options.voice),
            early_dice=random.Random(f"{options.seed}:early"),
        )

    @property
    def local(self) -> list[str]:
        """What is no simulation, but runs on this machine's processor: `stt`, `tts`."""
        return [*(["stt"] if self.hearing.name != "clips" else []), *(["tts"] if self.voice.real else [])]

    @property
    def failed(self) -> dict[str, str]:
        """What should run on this machine's processor and does not at the moment, with the reason."""
        reasons = {"stt": self.hearing.failure, "tts": self.voice.failure}
        return {service: why for service, why in reasons.items() if why is not None}

    async def start(self) -> None:
        """Lets what hears and speaks load beside the event loop."""
        self.hearing.start()
        await self.voice.start()

    async def close(self) -> None:
        """Ends programs and threads."""
        self.hearing.close()
        await self.voice.close()

    @staticmethod
    def of(connection: ASGIConnection[Any, Any, Any, Any]) -> SandboxState:
        """The world of the application that serves this request or socket."""
        return cast("SandboxState", connection.app.state["world"])


def session_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The caller's session as the service names it in `x-client-session`; None where the header is absent."""
    return connection.headers.get(SESSION_HEADER)
