"""Alerts on providers: one that is out, and chains that move on too often."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.telemetry import catalog
from agent.telemetry.recorded_metrics import PROVIDER_OUTAGE
from alerts.model import Alert, PanelLink, RuleContext, Runbook
from alerts.promql import grown, select, value
from alerts.recording.model import wilson_lower
from alerts.recording.outage import FALLBACK_SAMPLE, FALLBACK_SHARE

FALLBACK_LIMIT: Final = 0.02
"""Healthy providers cause under 0.1 %."""
MIN_FALLBACKS: Final = 3
MODEL_END_DAYS: Final = 60
LOCAL_RESTARTS: Final = 2
"""In half an hour: one can be chance."""

_IN_FORCE: Final = (
    f"max by (service, provider) ({select(catalog.POLICY_PROVIDER)} * on (policy) group_left ()"
    f" {value(catalog.POLICY_WEIGHT, ('policy',))}) > 0"
)
"""The first providers of the policies that new sessions get."""


def providers(setting: RuleContext) -> Iterator[Alert]:
    """Everything about providers."""
    yield _outage()
    yield _misconfigured()
    yield _model_ends()
    yield _local_speech()
    yield _local_restarts(setting)
    yield _fallback_out()
    yield _fallbacks()


def _outage() -> Alert:
    return Alert(
        "VoiceAgentProviderOutage",
        f"{select(PROVIDER_OUTAGE)} == 1 and on (service, provider) ({_IN_FORCE})",
        "page",
        "{{ $labels.provider }} ({{ $labels.service }}) is out: no model of it works",
        "Of every model that is used most calls of the last 5 minutes failed, or its breaker is open. The chain's next"
        " provider serves meanwhile. Rollbacks are held back: they mend no provider.",
        PanelLink("ux", 41, "Failed calls"),
        Runbook(
            "A provider does not serve us. Callers are on the next provider of the chain, or hear apologies.",
            (
                "Which kind of failure? `misconfigured`: run `voice-agent check`. `rate_limited`: the quota. Else:"
                " their status page.",
                "Does the fallback serve (panel “Fallbacks, share of turns”)? Then wait; breakers probe by themselves.",
                "Does it not? Put a policy with another chain in force.",
            ),
            ("voice-agent policy list", "voice-agent policy assign TIER economy=100", "voice-agent report --since 1h"),
            "The fallback serves and voice-to-voice holds: the breaker closes when the provider is back.",
        ),
        ("service", "provider"),
        for_minutes=1,
        keep_firing_minutes=10,
    )


def _misconfigured() -> Alert:
    by = ("provider", "model", "problem")
    return Alert(
        "VoiceAgentMisconfigured",
        f"max by ({', '.join(by)}) ({catalog.MISCONFIGURED.name}) == 1",
        "page",
        "{{ $labels.provider }} refuses {{ $labels.model }} until somebody acts: {{ $labels.problem }}",
        "Not an outage: key, credit, model, voice or permission. Nobody is sent there any more; a re-check every 30 s"
        " to 5 minutes finds out when it is mended. The provider's own words are in the log (`provider_says`), in"
        " /health/ready and in what `voice-agent check` prints.",
        PanelLink("ux", 41, "Failed calls"),
        Runbook(
            "A provider refuses us for a reason that does not pass by itself. The next of the chain serves, if there is"
            " one.",
            (
                "What is wrong (label `problem`, and the provider's words in /health/ready)? `credit`: top up or pay."
                " `key`: make a new one. `permission`: give it what it lacks.",
                "`model` or `voice`: it was retired or deleted. Set another one and restart, or put a policy in force"
                " that does not use it.",
                "`other`: our request is refused for every caller. Was something deployed? Roll it back.",
            ),
            ("voice-agent check", "voice-agent policy list", "voice-agent policy assign TIER economy=100"),
            "Never for long: what serves meanwhile is the last that there is, or dearer.",
        ),
        by,
        keep_firing_minutes=5,
    )


def _model_ends() -> Alert:
    by = ("provider", "model")
    ends = f"max by ({', '.join(by)}) ({catalog.MODEL_END.name})"
    return Alert(
        "VoiceAgentModelEnds",
        f"({ends} - time()) / 86400 < {MODEL_END_DAYS}",
        "ticket",
        "{{ $labels.provider }} switches {{ $labels.model }} off in {{ $value | humanize }} days",
        f"By the price book (`model_ends`). Said {MODEL_END_DAYS} days before; afterwards every call of it fails.",
        PanelLink("ux", 41, "Failed calls"),
        Runbook(
            "A model that this service is configured to use ends on a day that its vendor has named.",
            (
                "Is there a successor on the same protocol? Try it in the sandbox's place first: `voice-agent check`.",
                "Does a policy name it? Raise the policy's version with the change, so that figures are not mixed.",
            ),
            ("voice-agent check", "voice-agent policy list"),
            "No chain in force uses it any more.",
        ),
        by,
        for_minutes=5,
    )


def _local_speech() -> Alert:
    by = ("instance", "service")
    return Alert(
        "VoiceAgentLocalSpeechFailed",
        f"max by ({', '.join(by)}) ({catalog.LOCAL_FAILED.name}) == 1",
        "ticket",
        "{{ $labels.service }} of its own machine does not run at {{ $labels.instance }}: it is simulated, or missing",
        "With `stt` simulated only the bundled recordings are understood, and everything else that callers say is"
        " unintelligible; with `tts` simulated they hear espeak-ng, or tones. Where the whole sandbox is gone they hear"
        " a recorded apology.",
        PanelLink("ux", 24, "How turns end"),
        Runbook(
            "Speech that should run on the machine itself does not: callers are not understood, or hear a test voice.",
            (
                "Why? `local speech failed` in the log has the reason; so has the terminal, and the sandbox tells it:"
                " `failed` of /control/state.",
                "`does not answer`: the sandbox has died, or hangs. `voice-agent run` starts it again by itself, after"
                " 0.5 s doubling to 30 s. Signal 9 is the kernel, for want of memory.",
                "Else what failed is tried again by itself, after 5 s doubling to 60 s. A package of `make local` is"
                " missing or was made for another processor, or a file of weights is damaged: install them again"
                " (`make local`), and start `run` again.",
                "It cannot run here: give the service a provider, with its key or with OPENAI_BASE_URL.",
            ),
            ("curl -s http://127.0.0.1:8100/control/state", "voice-agent check"),
            "Where nobody but you calls; `voice-agent run --no-local` says that it is meant so.",
        ),
        by,
        for_minutes=1,
    )


def _local_restarts(setting: RuleContext) -> Alert:
    by = ("service",)
    return Alert(
        "VoiceAgentLocalSpeechRestarts",
        f"{grown(catalog.LOCAL_RESTARTS, setting.span(30), by)} >= {LOCAL_RESTARTS}",
        "ticket",
        '{{ $value | printf "%.0f" }} times in 30 minutes {{ $labels.service }} of the machine itself began anew',
        "It comes back each time, so `VoiceAgentLocalSpeechFailed` may stay silent; whoever speaks meanwhile is not"
        " understood, or waits for the voice.",
        PanelLink("ux", 24, "How turns end"),
        Runbook(
            "Speech on the machine itself dies again and again.",
            (
                "Does memory end? `dmesg` names what the kernel killed. Recognition and voice take some hundred MB.",
                "`stt` and `tts` together: the sandbox dies as a whole; the terminal of `run` says how it ended.",
                "One of them: `failed` of /control/state has the last reason while it lasts.",
            ),
            ("curl -s http://127.0.0.1:8100/control/state", "voice-agent report --since 1h"),
            "After you have killed it yourself.",
        ),
        by,
        keep_firing_minutes=10,
    )


def _fallback_out() -> Alert:
    return Alert(
        "VoiceAgentFallbackOut",
        f"{select(PROVIDER_OUTAGE)} == 1 unless on (service, provider) ({_IN_FORCE})",
        "ticket",
        "{{ $labels.provider }} ({{ $labels.service }}) is out; no policy in force has it first",
        "Callers do not notice: it stands behind another provider in the chains. That one has nothing to fall back on.",
        PanelLink("ux", 41, "Failed calls"),
        Runbook(
            "A provider that only fallbacks use does not serve us.",
            (
                "Which kind of failure? `unauthorized`: the key. `rate_limited`: the quota. Else: their status page.",
                "Is the first provider of the chain well? Then there is time.",
            ),
            ("voice-agent policy list", "voice-agent report --since 1h"),
            "Its breaker closes by itself when the provider is back.",
        ),
        ("service", "provider"),
        for_minutes=5,
        keep_firing_minutes=10,
    )


def _fallbacks() -> Alert:
    bad, of = select(FALLBACK_SHARE), select(FALLBACK_SAMPLE)
    lower = wilson_lower(bad, of, "1h")
    least = f"{bad} * {of} > {MIN_FALLBACKS - 0.5:g}"
    return Alert(
        "VoiceAgentFallbacks",
        f"{bad} and {lower} > {FALLBACK_LIMIT:g} and {least}",
        "ticket",
        "{{ $value | humanizePercentage }} of the turns moved on from {{ $labels.from_provider }}"
        f" ({{{{ $labels.service }}}}) in an hour (limit {FALLBACK_LIMIT:.0%})",
        "Significantly over the limit. Callers may not notice, but every move costs time and money, and there are"
        " few providers left to move on to.",
        PanelLink("ux", 21, "Fallbacks, share of turns"),
        Runbook(
            "A provider fails or is late so often that its chain moves on.",
            (
                "Which reason (panel “Fallbacks, share of turns”)? `deadline`, `timeout`: it is slow. Kinds of failure:"
                " it is broken. `busy`: our own limit of connections.",
                "Is only one model affected? A policy that does not use it helps.",
                "Is its first useful output back to normal? Then the breaker closes by itself.",
            ),
            ("voice-agent report --since 1h", "voice-agent policy list"),
            "VoiceAgentProviderOutage fires for the same service.",
        ),
        ("service", "from_provider"),
        for_minutes=5,
        keep_firing_minutes=15,
    )
