"""When a breaker opens, asks and closes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens and closes. Times are seconds, rates are shares of the calls in the window."""

    window_s: float = 30.0
    window_calls: int = 30
    """Calls remembered at most: with many callers a breaker is not to wait for half of a long healthy past to fail."""
    least_calls: int = 3
    """Fewer calls in the window decide nothing."""
    failure_rate: float = 0.5
    slow_rate: float = 0.8
    slow_s: float = 1.2
    """A call is slow when its first useful output took longer."""
    wait_s: float = 2.0
    """From opening to the first probe; doubles with every probe that fails."""
    longest_wait_s: float = 60.0
    jitter: float = 0.25
    """Waits differ by up to this share, so that processes do not probe in step."""
    probes_to_close: int = 2
    probe_pause_s: float = 0.5
    """Between two probes of a half-open breaker."""
    probe_timeout_s: float = 3.0
    check_pause_s: float = 10.0
    """Between two probes of a closed breaker, which sessions that fail ask for."""
    recheck_s: float = 30.0
    """From a misconfiguration to its first re-check; doubles as other waits do."""
    longest_recheck_s: float = 300.0
    trickle_s: float = 1.0
    """Between two callers who ask a provider that has asked for patience, because nobody else is left."""
    refusers: int = 3
    """Different callers whose input was refused, without a success between: then it is not their input."""

    @staticmethod
    def for_deadline(first_output_s: float) -> BreakerRules:
        """Rules for a service with this deadline to its first useful output: slow is 80 % of it, a probe keeps it."""
        return BreakerRules(slow_s=0.8 * first_output_s, probe_timeout_s=first_output_s)


USUAL_RULES: Final = BreakerRules()
