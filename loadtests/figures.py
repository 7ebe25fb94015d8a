"""What the workers have counted, summed: the generator's telemetry, progress and judgement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loadtests.pacer import LAG_BOUNDS_S, lag_quantile_s, schedule_faults


@dataclass
class Tally:
    """One worker from run time 0 until now. ``lag``: counts by `pacer.LAG_BOUNDS_S`.

    ``window_cpu_s``: CPU seconds while visitors came, 0 until then. ``reason``: why it broke off.
    ``in_flight``: attempts that were sent and have no row yet; when the worker is done, those that
    the end of the record cut. ``due``: visitors whom the curve has called for by now, whether they
    have been sent or not.
    """

    worker: int
    arrived: int
    expected: int
    ended: int
    attempts: int
    failures: int
    connects: int
    mailbox_failures: int
    lag: list[int]
    lag_sum_s: float
    worst_lag_s: float
    cpu_s: float
    window_cpu_s: float
    wakeups: int
    involuntary: int
    reason: str = ""
    due: int = 0
    in_flight: int = 0


class Figures:
    """The latest tally of each worker."""

    def __init__(self) -> None:
        self.tallies: dict[int, Tally] = {}

    def lag(self) -> list[int]:
        """Counts of lag over all workers."""
        counts = [0] * (len(LAG_BOUNDS_S) + 1)
        for tally in self.tallies.values():
            counts = [a + b for a, b in zip(counts, tally.lag, strict=True)]
        return counts

    def samples(self) -> dict[str, float]:
        """The generator's series, as a metrics page would name them."""
        counters = {
            "surge_generator_cpu_seconds_total": self._sum("cpu_s"),
            "surge_generator_requests_total": self._sum("attempts"),
            "surge_generator_failures_total": self._sum("failures"),
            "surge_generator_due_total": self._sum("due"),
            "surge_generator_arrivals_total": self._sum("arrived"),
            "surge_generator_visits_ended_total": self._sum("ended"),
            "surge_generator_connects_total": self._sum("connects"),
            "surge_generator_mailbox_failures_total": self._sum("mailbox_failures"),
            "surge_generator_wakeups_total": self._sum("wakeups"),
            "surge_generator_involuntary_switches_total": self._sum("involuntary"),
            "surge_generator_lag_seconds_sum": self._sum("lag_sum_s"),
        }
        bounds = [*(f"{bound:g}" for bound in LAG_BOUNDS_S), "+Inf"]
        seen = 0.0
        for bound, count in zip(bounds, self.lag(), strict=True):
            seen += count
            counters[f'surge_generator_lag_seconds_bucket{{le="{bound}"}}'] = seen
        return {**counters, "surge_generator_lag_seconds_count": seen}

    def progress(self, at_s: float, window_s: float) -> dict[str, Any]:
        """Where the run is, for people."""
        return {
            "at_s": at_s,
            "window_s": window_s,
            "arrived": int(self._sum("arrived")),
            "expected": int(self._sum("expected")),
            "open": int(self._sum("arrived") - self._sum("ended")),
            "attempts": int(self._sum("attempts")),
            "failures": int(self._sum("failures")),
            "lag_p99_ms": lag_quantile_s(self.lag(), 0.99) * 1e3,
        }

    def in_flight(self) -> int:
        """Attempts without a row; after the last word of each worker they never get one."""
        return sum(tally.in_flight for tally in self.tallies.values())

    def faults(self, window_s: float) -> list[str]:
        """Why the schedule was not kept, worker by worker."""
        return [
            fault
            for number, tally in sorted(self.tallies.items())
            for fault in schedule_faults(
                f"worker {number}", tally.lag, tally.window_cpu_s / window_s, tally.involuntary
            )
        ]

    def _sum(self, name: str) -> float:
        return float(sum(getattr(tally, name) for tally in self.tallies.values()))
