"""Every message of the session protocol `voice-agent.v1` (docs/protocol.md), one struct each.

Binary frames are PCM s16le mono 16 kHz in both directions. Text frames are JSON objects with a `type`.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

SUBPROTOCOL: Final = "voice-agent.v1"
MAX_TEXT_FRAME: Final = 16 * 1024  # bytes of one JSON message from the client
MAX_BINARY_FRAME: Final = 64 * 1024  # bytes of one audio frame from the client (2 s)


class CloseCode:
    """WebSocket close codes; 4000–4999 are ours."""

    NORMAL: Final = 1000
    GOING_AWAY: Final = 1001  # the server drains: connect again, another replica will answer
    INTERNAL: Final = 1011
    BAD_MESSAGE: Final = 4400
    BAD_TOKEN: Final = 4401
    TIMEOUT: Final = 4408  # no `start` in time
    REPLACED: Final = 4409  # a newer connection of the same session or subject took over
    SLOW_CLIENT: Final = 4410  # the client does not read what is sent to it
    MOVED: Final = 4411  # another process has the session: whoever came back there goes on
    TOO_LARGE: Final = 4413
    TOO_FAST: Final = 4420  # the client went on when what it sent too fast was dropped: it does not come back
    OVERLOADED: Final = 4429


# From the client


class WireMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all messages."""


class CapabilitiesMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What the client can do. What is not declared is not counted on."""

    browser_speech: bool = False  # it can speak a text itself (`speech.browser`)
    browser_recogniser: bool = False  # it can recognise speech itself (`listen.browser`)
    playback_reports: bool = False  # it sends `playback`


class Start(WireMessage, frozen=True, kw_only=True, tag="start"):
    """First message of a connection."""

    capabilities: CapabilitiesMessage = CapabilitiesMessage()
    client: str = ""  # name and version of the client, for logs; at most 64 characters


class Text(WireMessage, frozen=True, kw_only=True, tag="text"):
    """A typed turn, or a turn that the client's own recogniser heard."""

    text: str
    spoken: bool = False  # True when the client's recogniser heard it (`listen.browser`)


class PlaybackReport(WireMessage, frozen=True, kw_only=True, tag="playback"):
    """What the client has really played of a reply."""

    turn: int
    event: Literal["started", "progress", "paused", "resumed", "cleared", "finished"]
    played_ms: float = 0.0  # audio of this turn that was audible so far
    clause: int | None = None  # for `speech.browser`: the clause that was begun or finished
    ear_ms: float | None = None  # with `started`: caller's end of speech → audible, by the client's own clock


class Pong(WireMessage, frozen=True, kw_only=True, tag="pong"):
    """Answer to `ping`, sent at once."""

    id: int


class Hangup(WireMessage, frozen=True, kw_only=True, tag="hangup"):
    """The caller is done."""


ClientMessage = Start | Text | PlaybackReport | Pong | Hangup

# From the server


class SessionReady(WireMessage, frozen=True, kw_only=True, tag="session.ready"):
    """The session is open. First message of the server."""

    session_id: str
    tier: str
    policy: str | None  # for premium callers and in the sandbox only
    agent: str | None = None  # who answers; so is the version, for it may be one that is tried
    agent_version: int | None = None
    resume_token: str | None = None  # opens the same session again after a lost connection
    resumed: bool = False
    simulated: tuple[str, ...] = ()  # services that talk to the sandbox instead of a provider
    local: tuple[str, ...] = ()  # services that run on a machine of the operator's own: they cost nothing
    budgets_ms: dict[str, float]  # voice_to_voice, stt, llm, tts, network
    limit_usd: float | None = None  # what the call may cost at most; it ends politely there
    greets: bool = False  # the agent speaks first: its greeting is turn 0


class Ping(WireMessage, frozen=True, kw_only=True, tag="ping"):
    """Measures the round trip; answer with `pong` at once."""

    id: int
    round_trip_ms: float | None = None  # as it was measured so far; null until it was


class TranscriptPartial(WireMessage, frozen=True, kw_only=True, tag="transcript.partial"):
    """The words of this turn so far."""

    text: str


class TranscriptFinal(WireMessage, frozen=True, kw_only=True, tag="transcript.final"):
    """The turn is over; a reply is owed."""

    turn: int
    text: str
    spoken: bool


class ReplyText(WireMessage, frozen=True, kw_only=True, tag="reply.text"):
    """One clause of the reply, sent before its audio."""

    turn: int
    clause: int
    text: str


class AudioStart(WireMessage, frozen=True, kw_only=True, tag="audio.start"):
    """Binary frames that follow are the reply of this turn."""

    turn: int


class FillerMessage(WireMessage, frozen=True, kw_only=True, tag="filler"):
    """The next `audio_ms` of this turn's audio are no part of the reply: a piece of `text`, said while it takes longer.

    Sent before each piece; the reply may cut it off.
    """

    turn: int
    text: str
    audio_ms: float


class AudioEnd(WireMessage, frozen=True, kw_only=True, tag="audio.end"):
    """All audio of the reply has been sent."""

    turn: int
    audio_ms: float


class AudioPause(WireMessage, frozen=True, kw_only=True, tag="audio.pause"):
    """Somebody speaks: stop playing, keep what is buffered."""

    turn: int


class AudioResume(WireMessage, frozen=True, kw_only=True, tag="audio.resume"):
    """It was noise: play on."""

    turn: int


class AudioClear(WireMessage, frozen=True, kw_only=True, tag="audio.clear"):
    """The caller took the turn: forget what is buffered. `heard` is the part that counts as heard."""

    turn: int
    heard: str


class SpeechBrowser(WireMessage, frozen=True, kw_only=True, tag="speech.browser"):
    """Speak this clause yourself and report it with `playback`."""

    turn: int
    clause: int
    text: str


class ListenBrowser(WireMessage, frozen=True, kw_only=True, tag="listen.browser"):
    """Recognise speech yourself from now on and send it as `text` with `spoken: true`."""

    reason: str


class Degraded(WireMessage, frozen=True, kw_only=True, tag="degraded"):
    """A service runs on a later place of its chain (premium only)."""

    service: str
    tier: int  # 2 or 3: the place in the chain that serves now
    reason: str
    message: str


class Recovered(WireMessage, frozen=True, kw_only=True, tag="recovered"):
    """The service runs on its first place again (premium only)."""

    service: str


class Echo(WireMessage, frozen=True, kw_only=True, tag="echo"):
    """The reply comes back through the caller's microphone. Sent once a session; `message` can be shown."""

    message: str


class ShowText(WireMessage, frozen=True, kw_only=True, tag="text.show"):
    """A text that the caller should see, such as a reference or an address. Plain text, and no markup."""

    text: str


class Transfer(WireMessage, frozen=True, kw_only=True, tag="transfer"):
    """The caller wants a person: connect them. `summary` is for that person, and comes from the model."""

    summary: str


class TurnMetrics(WireMessage, frozen=True, kw_only=True, tag="turn.metrics"):
    """Where the time of a finished turn went. Milliseconds; null where it was not measured."""

    turn: int
    spoken: bool
    outcome: str
    model: str | None
    rule: str | None
    voice_to_voice_ms: float | None  # server's part plus network; null without a real reply (apology, failed)
    stages: dict[str, float | None]  # stt, llm, tool (where there was one), tts, send, network
    over_budget: tuple[str, ...]
    trace_id: str | None = None
    answered_by: str | None = None  # not `model` where another model took over; null where none answered


class SessionCost(WireMessage, frozen=True, kw_only=True, tag="session.cost"):
    """What the session has cost so far, where the tier may see it. Dollars."""

    usd: float
    by_service: dict[str, float]
    tokens: int


class MemoryView(WireMessage, frozen=True, kw_only=True, tag="memory.view"):
    """The topic and state graph of the conversation, for the client to draw."""

    graph: msgspec.Raw


class Error(WireMessage, frozen=True, kw_only=True, tag="error"):
    """What was wrong and what to do. A fatal error is followed by a close."""

    code: str
    message: str
    fatal: bool
    retry_after_s: float | None = None


class SessionEndMessage(WireMessage, frozen=True, kw_only=True, tag="session.end"):
    """Last message before a close with 1000 or 1001."""

    reason: str
    turns: int


ServerMessage = (
    SessionReady
    | Ping
    | TranscriptPartial
    | TranscriptFinal
    | ReplyText
    | AudioStart
    | FillerMessage
    | AudioEnd
    | AudioPause
    | AudioResume
    | AudioClear
    | SpeechBrowser
    | ListenBrowser
    | Degraded
    | Recovered
    | Echo
    | ShowText
    | Transfer
    | TurnMetrics
    | SessionCost
    | MemoryView
    | Error
    | SessionEndMessage
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_type_only = msgspec.json.Decoder(dict[str, msgspec.Raw])
CLIENT_TYPES: Final = frozenset({"start", "text", "playback", "pong", "hangup"})


def encode(message: ServerMessage) -> str:
    """The JSON text of a message."""
    return _encoder.encode(message).decode()


def decode(frame: str) -> ClientMessage | None:
    """The client's message; None for a type that this version does not know.

    Raises msgspec.DecodeError (a ValueError) with a reason when the frame is not JSON or a known message is misshapen.
    """
    try:
        return _decoder.decode(frame)
    except msgspec.ValidationError:
        kind = _type_only.decode(frame).get("type")
        name = msgspec.json.decode(kind) if kind is not None else None
        if isinstance(name, str) and name not in CLIENT_TYPES:
            return None
        raise
    except RecursionError:  # brackets without end, in a field that nobody reads
        raise msgspec.DecodeError("it is nested too deeply") from None
