"""One metered provider call: its times, its usage, and the translation of whatever went wrong into a ProviderError."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal

from agent.core import clock
from agent.core.calls import (
    Call,
    CallOutcome,
    CallRecorder,
    ErrorKind,
    Misconfiguration,
    ProviderError,
    Service,
    StopReason,
    Unit,
    Usage,
)


@dataclass(frozen=True, slots=True)
class Failure:
    """What an SDK's exception means. `retry_after_s` where the provider named a time; `fault` says what is wrong."""

    kind: ErrorKind
    retry_after_s: float | None = None
    fault: Misconfiguration | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of an account: an amount, and of what."""

    left: float
    unit: str


class _NoRecorder:
    def record(self, call: Call) -> None:
        """Questions about an account cost nothing and belong to no session."""


NO_RECORDER: Final = _NoRecorder()

Classify = Callable[[Exception, "ProviderCall"], Failure]
"""(exception of the SDK, the call it ended) → what it means."""


@dataclass(slots=True)
class ProviderCall:
    """A provider call from its start to its end, as a context manager. On exit exactly one `Call` goes to the meter.

    An exception of the SDK leaves the block as a ProviderError without its cause: SDK exceptions carry request headers,
    prompts and answers, which must not reach a log. Cancellation and the closing of a generator count as cancelled.
    """

    service: Service
    provider: str
    model: str
    recorder: CallRecorder
    classify: Classify
    accepted: bool = False
    """Set once the provider has answered with success: from then on the call is billed."""
    estimated: bool = False
    quantities: dict[Unit, int] = field(default_factory=dict[Unit, int])
    started_at: float = 0.0
    first_output_at: float | None = None
    stopped: StopReason | None = None
    headroom: dict[str, float] = field(default_factory=dict[str, float])
    """Limit → the share of it that is left, as the answer's headers say (`agent.providers.headroom`)."""

    def first_output(self) -> None:
        """Notes the time of the first useful output; later calls change nothing."""
        if self.first_output_at is None:
            self.first_output_at = clock.now()

    def error(
        self, kind: ErrorKind, retry_after_s: float | None = None, fault: Misconfiguration | None = None
    ) -> ProviderError:
        """A ProviderError of this call."""
        delivered = self.first_output_at is not None
        return ProviderError(self.provider, kind, retry_after_s=retry_after_s, delivered=delivered, fault=fault)

    def report(self, outcome: CallOutcome) -> None:
        """Hands what happened so far to the meter and starts anew; for streams that report more than once."""
        now = clock.now()
        quantities = {unit: n for unit, n in self.quantities.items() if n}
        guessed = self.estimated or (outcome != "ok" and not self.accepted)  # it may have been billed or not
        usage = Usage(quantities, bool(quantities) and guessed)
        self.recorder.record(
            Call(
                service=self.service,
                provider=self.provider,
                model=self.model,
                outcome=outcome,
                started_at=self.started_at,
                first_output_at=self.first_output_at,
                ended_at=now,
                usage=usage,
                stopped=self.stopped,
                headroom=self.headroom,
            )
        )
        self.started_at, self.first_output_at, self.stopped = now, None, None
        self.quantities.clear()

    def start(self) -> None:
        """Sets the start of the call to now."""
        self.started_at = clock.now()

    def translate(self, error: Exception) -> ProviderError:
        """The ProviderError that an exception of the SDK means; one that is a ProviderError already stays as it is."""
        if isinstance(error, ProviderError):
            return error
        failure = self.classify(error, self)
        return self.error(failure.kind, failure.retry_after_s, failure.fault)

    def __enter__(self) -> ProviderCall:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        if error is None:
            self.report("ok")
            return False
        if not isinstance(error, Exception):
            self.report("cancelled")
            return False
        failed = self.translate(error)
        self.report(failed.kind)
        if failed is not error:
            raise failed from None
        return False
