"""What a measured run says to an objective: its Summary and its Telemetry as Facts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from workload.histogram import Histogram
from workload.summary import Summary
from workload.telemetry import Telemetry

#: The queue that people name -> the station whose waits it is.
QUEUES: Final = {"identity": "registry_client", "mail": "mail_sender"}
FOR_EVER_S: Final = 1e9


@dataclass(frozen=True)
class MeasuredFacts:
    """``telemetry``: None where the target showed no metrics. One run has no probability."""

    summary: Summary
    telemetry: Telemetry | None = None

    def latency(self, step: str) -> Histogram | None:
        found = self.summary.step(step)
        return found.latency if found else None

    def success(self, step: str) -> float:
        found = self.summary.step(step)
        return found.success if found else math.nan

    def backlog(self, queue: str) -> float:
        """Upper bound of the longest wait's bucket, seconds, but no longer than the record.

        NaN without telemetry, for an unknown queue, or when nothing came through it.
        """
        station = QUEUES.get(queue)
        if self.telemetry is None or station is None:
            return math.nan
        longest = [
            bound
            for source in self.telemetry.sources()
            if (bound := _longest(self.telemetry, source, station)) is not None
        ]
        return min(max(longest), self.summary.duration_s) if longest else math.nan

    def collapse(self) -> tuple[float, float]:
        return math.nan, math.nan


def _longest(telemetry: Telemetry, source: str, station: str) -> float | None:
    """Bound of the highest bucket that grew from the start of the run to the last scrape."""
    name = "surge_station_wait_seconds"
    buckets = telemetry.buckets(source, name, 0.0, FOR_EVER_S, station=station)
    below = 0.0
    longest = None
    for bound, count in buckets:
        if count > below:
            longest = bound
        below = count
    return longest
