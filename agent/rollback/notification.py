"""What Alertmanager sends: its webhook's version 4, and the alerts in it that ask for a rollback."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final, get_args

import msgspec

from agent.budgets import Tier
from agent.core.errors import AgentError
from agent.policy.decisions import RollbackAlert, Verdict

MAX_ALERTS: Final = 100  # of one notification; Alertmanager groups far fewer
MAX_TEXT: Final = 200  # characters of what is stored of an alert
ROLLBACK: Final = "rollback"


class NotificationError(AgentError):
    """A notification that cannot be read. The message is one line that says what is wrong."""


class SentAlert(msgspec.Struct, frozen=True, rename="camel"):
    """One alert, as far as it matters here; everything else in it is ignored."""

    status: str
    labels: dict[str, str]
    starts_at: datetime
    fingerprint: str


class _Notification(msgspec.Struct, frozen=True):
    version: str
    alerts: list[SentAlert]


def read_notification(body: bytes) -> list[SentAlert]:
    """The alerts of a webhook's body. Raises NotificationError."""
    try:
        sent = msgspec.json.decode(body, type=_Notification)
    except msgspec.ValidationError as error:
        raise NotificationError(f"this is no Alertmanager notification: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the last for brackets without end
        raise NotificationError("this is no JSON: send Alertmanager's webhook, version 4") from None
    if sent.version != "4":
        raise NotificationError(f"version {sent.version[:20]!r} is not known: send Alertmanager's webhook, version 4")
    if len(sent.alerts) > MAX_ALERTS:
        raise NotificationError(f"{len(sent.alerts)} alerts are too many: at most {MAX_ALERTS} of one notification")
    return sent.alerts


def asks_for_rollback(sent: SentAlert, policies: Collection[str]) -> RollbackAlert:
    """A firing alert with `action=rollback`, checked. Raises NotificationError."""
    labels = sent.labels
    name, starts_at = _identified(sent)
    if labels.get("tier") not in set(Tier):
        raise NotificationError(f"the label tier takes one of {', '.join(Tier)}")
    if labels.get("policy") not in policies:
        raise NotificationError(f"the label policy takes one of {', '.join(policies)}")
    verdict: Verdict | None = next((known for known in get_args(Verdict) if known == labels.get("verdict")), None)
    if verdict is None:
        raise NotificationError(f"the label verdict takes one of {', '.join(get_args(Verdict))}")
    return RollbackAlert(name, sent.fingerprint, starts_at, Tier(labels["tier"]), labels["policy"], verdict)


def asks_for_version(sent: SentAlert, agents: Collection[str]) -> RollbackAlert:
    """The same about a version of one of these agents. Raises NotificationError."""
    name, starts_at = _identified(sent)
    agent, version = sent.labels.get("agent", ""), sent.labels.get("version", "")
    if agent not in agents:
        raise NotificationError(f"the label agent takes one of {', '.join(agents)}")
    if not (version.isdecimal() and len(version) <= 7):
        raise NotificationError("the label version takes the number of a version")
    return RollbackAlert(name, sent.fingerprint, starts_at, agent, version, "experience")


def _identified(sent: SentAlert) -> tuple[str, datetime]:
    """Name and start of an alert. Raises NotificationError."""
    name = sent.labels.get("alertname", "")
    if not (_storable(name) and _storable(sent.fingerprint)):
        raise NotificationError(f"alertname and fingerprint take 1 to {MAX_TEXT} printable characters")
    if sent.starts_at.tzinfo is None:
        raise NotificationError("startsAt takes a time with its zone")
    try:
        starts_at = sent.starts_at.astimezone(UTC)
    except OverflowError:  # the first and the last day of the calendar, in some zones
        raise NotificationError("startsAt takes a time that UTC has, too") from None
    return name, starts_at


def _storable(text: str) -> bool:
    return 1 <= len(text) <= MAX_TEXT and text.isprintable()
