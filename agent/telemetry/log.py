"""Structured logs, as JSON lines or for the console, and the sink that writes one line for each turn and session.

No transcript, audio or secret is passed to the log; the one exception, `log_transcripts`, is the session's to make.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final, Literal

import structlog

from agent.telemetry.events import (
    BreakerChanged,
    Event,
    FellBack,
    SessionEnded,
    SessionRefused,
    SessionStarted,
    TurnFinished,
)
from agent.telemetry.timeline import TurnOutcome, TurnRecord

_CHECK: Final = {"hint": "`voice-agent check` asks it now; mend it with the provider or in the settings"}
_SILENT: Final = frozenset({"refused", "timeout"})  # no connection, no answer: a refused key is `misconfigured`
_UNREACHED: Final = {
    "hint": "it cannot be reached, or is too slow: look at the network; `voice-agent check` asks it now"
}


def configure_logging(form: Literal["console", "json"], level: str) -> None:
    """Sets up structlog and the standard library's logging: one format, to standard error.

    `level` is for this service and its server only. Libraries are heard from warnings up: at their debug level they
    write whole requests, with what callers say, and database rows.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # exceptions become text only here: other handlers (the one that reports them) get them whole. Without the values of
    # local variables, which are what callers said, and without the half second that colouring them takes.
    plain = structlog.dev.plain_traceback
    last: list[Any] = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    if form == "json":
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a logger used before this call would keep the level it had then
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("agent").setLevel(number)
    logging.getLogger("uvicorn.error").setLevel(max(number, logging.INFO))  # at debug it writes whole frames


class LogSink:
    """One line for each turn, session, fallback and refusal."""

    def __init__(self) -> None:
        self._log = structlog.get_logger()

    def handle(self, event: Event) -> None:
        match event:
            case TurnFinished(session, record):
                if record.outcome is TurnOutcome.SUPERSEDED and not record.calls:
                    return  # it never began, and the session's end tells how many turns there were
                write = self._log.warning if record.slow else self._log.info
                write("turn", session_id=session.session_id, tier=session.tier.value, **turn_fields(record))
            case SessionStarted(session):
                self._log.info(
                    "session started", session_id=session.session_id, tier=session.tier.value, policy=session.policy
                )
            case SessionEnded(session, outcome, duration_s, turns, slow):
                self._log.info(
                    "session ended",
                    session_id=session.session_id,
                    outcome=outcome.value,
                    duration_s=round(duration_s, 1),
                    turns=turns,
                    slow_turns=slow,
                )
            case SessionRefused(tier, reason):
                self._log.info("session refused", tier=tier.value if tier else None, reason=reason)
            case BreakerChanged(provider, model, state, reason, fault):
                told = {} if fault is None else {"problem": fault.problem.value, "provider_says": fault.words} | _CHECK
                write = self._log.error if reason == "misconfigured" else self._log.warning
                write("breaker", provider=provider, model=model, state=state, reason=reason, **told)
            case FellBack(session, fallback):
                self._log.warning(
                    "fallback",
                    session_id=session.session_id,
                    service=fallback.service,
                    from_provider=fallback.from_provider,
                    to_provider=fallback.to_provider,
                    reason=fallback.reason,
                    **(_UNREACHED if fallback.reason in _SILENT else {}),
                )
            case _:
                pass


def turn_fields(record: TurnRecord) -> dict[str, Any]:
    """The fields of a turn's log line: durations in milliseconds, no text."""
    stages = {f"{name}_ms": _ms(seconds) for name, seconds in record.stages.items()}
    return {
        "turn": record.turn,
        "trace_id": record.trace_id,
        "outcome": record.outcome.value,
        "spoken": record.spoken,
        "model": record.model,
        "rule": record.rule,
        "voice_to_voice_ms": _ms(record.reply_after_s),
        **stages,
        "over_budget": ",".join(record.over_budget) or None,
    }


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
