"""Who wants a session, as a transport has established it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from agent.budgets import Tier


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid credential says. `session_id` is None when its issuer did not choose one.

    `resume`: the credential opens a session again that was opened before. `address` is what the transport knows: under
    which name the client is limited, None where it is not; `origin` is a keyed hash of it. `probe`: the
    synthetic caller, who proved it with a key of its own. `key` names the API key that the credential was given for.
    `agent` is who was asked for (None: the usual one), and `variables` fill the places of its prompt.
    `policy` is one that was asked for: it is given where every provider is simulated only.
    """

    subject: str
    tier: Tier
    session_id: str | None
    resume: bool = False
    origin: str | None = None
    probe: bool = False
    address: str | None = None
    key: str | None = None
    agent: str | None = None
    variables: tuple[tuple[str, str | int | float | bool], ...] = ()
    policy: str | None = None

    @property
    def caller(self) -> str:
        """Who this is, for counting callers: strangers are told apart by their address, who has a name by that."""
        return self.address or self.subject if self.tier is Tier.FREE else self.subject


def new_session_id() -> str:
    """An id that nobody can guess."""
    return secrets.token_hex(12)
