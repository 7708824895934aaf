"""The error tree. Every error that the service raises on purpose is one of these.

AgentError
├── ConfigurationError      a setting, TOML file or data file is wrong: the service does not start
├── TokenError              a session, membership or API credential was not accepted
├── AssignmentError         policies cannot be assigned like that (agent.policy.assignments)
├── PrometheusError         Prometheus could not be asked (agent.rollback.prometheus)
├── ProtocolError           the client broke the session protocol; carries the close code
└── ProviderError           a provider failed (agent.core.calls): the chain decides what comes next
"""

from __future__ import annotations


class AgentError(Exception):
    """Base of every error that the service raises on purpose."""


class ConfigurationError(AgentError):
    """A setting or file is wrong. The message is one line: what is wrong, and what it takes."""


class TokenError(AgentError):
    """A credential was not accepted. `reason` is a bounded word for metrics; the message never holds the credential."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ProtocolError(AgentError):
    """The client broke the session protocol, or cannot be served. `code` stands in the `error` event.

    `close_code` ends the socket; `retry_after_s` tells when it is worth trying again.
    """

    def __init__(self, code: str, message: str, close_code: int, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.code = code
        self.close_code = close_code
