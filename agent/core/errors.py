"""The error tree. Every error that the service raises on purpose is one of these.

AgentError
├── ConfigurationError      a setting, TOML file or data file is wrong: the service does not start
├── TokenError              a session, membership or API credential was not accepted
├── AssignmentError         policies cannot be assigned like that (agent.policy.assignments)
├── PrometheusError         Prometheus could not be asked (agent.rollback.prometheus)
├── AdmissionError          no session is opened now (agent.session.admission)
├── CommandError            a command to a session makes no sense (agent.session.commands)
├── ProtocolError           the client broke its protocol (agent.transport.voice_agent_v1.errors)
└── ProviderError           a provider failed (agent.core.calls): the chain decides what comes next
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

E = TypeVar("E", bound=BaseException)


class AgentError(Exception):
    """Base of every error that the service raises on purpose."""


class ConfigurationError(AgentError):
    """A setting or file is wrong. The message is one line: what is wrong, and what it takes."""


class TokenError(AgentError):
    """A credential was not accepted. `reason` is a bounded word for metrics; the message never holds the credential."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def leaves(group: BaseExceptionGroup[E]) -> Iterator[E]:
    """The errors of a group and of the groups in it, in order: what a task group's task really raised."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error
