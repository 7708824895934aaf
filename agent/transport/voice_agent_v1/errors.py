"""What a client of `voice-agent.v1` can do wrong, and how its connection ends."""

from __future__ import annotations

from agent.core.errors import AgentError


class ProtocolError(AgentError):
    """The client broke the protocol, or cannot be served. `code` stands in the `error` message.

    `close_code` ends the socket; `retry_after_s` tells when it is worth trying again.
    """

    def __init__(self, code: str, message: str, close_code: int, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.close_code = close_code
        self.retry_after_s = retry_after_s
