"""How a call is made."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CallOptions:
    """How a call is made. `api_key` and `token` are secrets and stay out of the repr."""

    url: str = "http://127.0.0.1:8000"
    api_key: str | None = field(default=None, repr=False)  # opens a premium session; a free one without
    # a session or resume token: `POST /v1/sessions` is left out, and `url` may be that of the WebSocket
    token: str | None = field(default=None, repr=False)
    playback_reports: bool = True
    browser_speech: bool = False
    browser_recogniser: bool = False
    gap_s: float = 0.6  # silence between the end of a reply and the next thing said
    reply_timeout_s: float = 15.0  # without a sign of the server, until a reply is given up
    keep_audio: bool = False  # keep the heard replies in `CallRecord.audio`
    come_back_s: float = 0.0  # for so long a lost line is opened again, as a browser does; 0: the call is over

    @property
    def capabilities(self) -> dict[str, bool]:
        return {
            "browser_speech": self.browser_speech,
            "browser_recogniser": self.browser_recogniser,
            "playback_reports": self.playback_reports,
        }


def voice_url(url: str) -> str:
    """The WebSocket's address for a base URL; one that is a WebSocket's address already stays."""
    if url.startswith(("ws://", "wss://")):
        return url
    return f"{url.replace('http', 'ws', 1).rstrip('/')}/v1/voice"
