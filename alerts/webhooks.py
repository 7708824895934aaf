"""Alerts on the webhook that is told of finished sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.telemetry import catalog
from alerts.model import Alert, PanelLink, RuleContext, Runbook
from alerts.promql import grown, like, value

LATE_S: Final = 900
"""The first three attempts take two minutes: what waits longer is not a hiccup."""


def webhooks(setting: RuleContext) -> Iterator[Alert]:
    """Everything about the webhook."""
    yield _late()
    yield _given_up(setting)


_MEANING: Final = (
    "Is the receiver up, and does it answer a POST with 200 to 299 within 10 seconds? The log says `webhook refused`"
    " with its status, or `webhook not reached` with the kind of error.",
    "`PrivateAddressError`: its name leads into a private network, which VOICE_AGENT_SESSION_WEBHOOK_PRIVATE allows.",
    "3xx: redirects are not followed; set the final address.",
    "401, 403: it does not take the signature. Was the secret changed on one side only? Are its clocks right?",
)


def _late() -> Alert:
    return Alert(
        "VoiceAgentWebhookLate",
        f"{value(catalog.WEBHOOK_OLDEST)} > {LATE_S}",
        "ticket",
        "a finished session has been waiting for {{ $value | humanizeDuration }} to be told to the webhook",
        "What depends on the webhook (a CRM, tickets, invoices) does not know of finished calls. Nothing is lost: they"
        " are tried again for two days.",
        PanelLink("ux", 94, "Finished sessions told to the webhook"),
        Runbook(
            "The webhook does not take finished sessions, or they come faster than it takes them.",
            _MEANING,
            ("voice-agent session list --since 1h",),
            "The receiver takes them; what waited is told within the next attempts, six hours apart at most.",
        ),
        for_minutes=5,
    )


def _given_up(setting: RuleContext) -> Alert:
    gone = grown(catalog.WEBHOOK_ATTEMPTS, setting.span(60), (), [like("result", "gave_up")])
    return Alert(
        "VoiceAgentWebhookGaveUp",
        gone,
        "ticket",
        "{{ $value | humanize }} finished sessions were given up: the webhook was never told of them",
        "They were tried for two days, or the receiver answered 410. They stay in the ledger.",
        PanelLink("ux", 94, "Finished sessions told to the webhook"),
        Runbook(
            "Sessions that nobody will be told of by themselves.",
            (*_MEANING, "410 gives up at once: the receiver says that it is gone for good."),
            ("voice-agent session list --since 7d", "voice-agent session export SESSION"),
            "The receiver works, and what it missed was taken from `voice-agent session export`.",
        ),
        for_minutes=0,
        keep_firing_minutes=60,
    )
