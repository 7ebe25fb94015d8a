"""Many seeds folded into one answer: intervals, checkpoints, stations, the probability of collapse.

The probability of collapse has a Clopper-Pearson interval (Clopper & Pearson 1934), 95 %. Where
some replications collapse and some do not, nothing is averaged across both: each group of them is
given apart.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Final

import numpy as np

from simulation.drain import drains
from simulation.executors import given
from simulation.over_time import over_time
from simulation.replication import (
    AFTERMATH_S,
    COLLAPSE,
    ENGINES,
    Progress,
    Question,
    Replication,
    arrivals_of,
    replicate,
)
from simulation.scaled_answer import scaling_of
from workload.errors import InvalidRunError
from workload.histogram import Histogram
from workload.manifest import Bending
from workload.summary import finite

__all__ = [
    "AFTERMATH_S",
    "COLLAPSE",
    "ENGINES",
    "SCHEMA_NAME",
    "Progress",
    "Projection",
    "Question",
    "Replication",
    "arrivals_of",
    "clopper_pearson",
    "project",
    "replicate",
]

SCHEMA_NAME: Final = "surge/projection/1"
#: Columns of a station of which the largest of all replications is given, not the mean.
LARGEST: Final = ("peak_queue", "drained_at_h", "longest_wait_s")


@dataclass(frozen=True)
class Projection:
    """All replications of a question, and what they say together."""

    question: Question
    replications: tuple[Replication, ...]
    agreement: Mapping[str, Any] | None = field(default=None)

    @property
    def collapses(self) -> int:
        return sum(one.collapsed for one in self.replications)

    def collapse(self) -> tuple[float, float]:
        """Clopper-Pearson interval (95 %) of the probability of collapse; a `Facts` verb."""
        return clopper_pearson(self.collapses, len(self.replications))

    @property
    def two_peaked(self) -> bool:
        """Some replications collapse and some do not: no figure is averaged across both."""
        return 0 < self.collapses < len(self.replications)

    def latency(self, step: str) -> Histogram | None:
        """Latencies of a step over all replications; None where uncalibrated. A `Facts` verb."""
        if step in self.question.model.uncalibrated():
            return None
        held = [found.latency for one in self.replications if (found := one.summary.step(step))]
        return reduce(lambda a, b: a + b, held) if held else None

    def success(self, step: str) -> float:
        """Share answered of the visits to a step that ended; a `Facts` verb.

        NaN for a step that was never measured: its costs are another's, by analogy.
        """
        if step in self.question.model.uncalibrated(fewest=1):
            return math.nan
        held = [found for one in self.replications if (found := one.summary.step(step))]
        answered = sum(one.accepted + one.declined for one in held)
        ended = answered + sum(one.failed for one in held)
        return answered / ended if ended else math.nan

    def backlog(self, queue: str) -> float:
        """Longest wait of any replication in a queue, seconds; infinite if it did not drain."""
        station = {"identity": "registry_client", "mail": "mail_sender"}.get(queue)
        if station is None:
            return math.nan
        rows = [one.stations[station] for one in self.replications]
        drained = all(math.isfinite(row["drained_at_h"]) for row in rows)
        return max(row["longest_wait_s"] for row in rows) if drained else math.inf

    @property
    def bottleneck(self) -> str:
        """The station that is busiest, over all replications."""

        def busy(name: str) -> float:
            return max(one.stations[name]["utilisation"] for one in self.replications)

        names = [
            n for n in self.replications[0].stations if n not in ("generator", "write_batcher")
        ]
        return max(names, key=busy)

    def to_json(self) -> dict[str, Any]:
        """`surge/projection/1`."""
        question, first = self.question, self.replications[0]
        low, high = self.collapse()
        digest = hashlib.sha256("".join(one.digest for one in self.replications).encode())
        return {
            "schema": SCHEMA_NAME,
            "scenario": {
                "name": question.scenario.name,
                "fingerprint": question.scenario.fingerprint,
                "reading": question.scenario.reading,
            },
            "engine": question.engine,
            "seed": first.seed,
            "population": sum(one.people for one in self.replications) / len(self.replications),
            "replications": len(self.replications),
            "wall_s": sum(one.wall_s for one in self.replications),
            "attempts": sum(one.attempts for one in self.replications),
            "events": sum(one.events for one in self.replications),
            "history_sha256": first.digest if len(self.replications) == 1 else digest.hexdigest(),
            "deployment": question.deployment.to_json(),
            "collapse": {"count": self.collapses, "low": low, "high": high},
            "two_peaked": self.two_peaked,
            "uncalibrated": list(question.model.uncalibrated()),
            "checkpoints": self.checkpoints(),
            "steps": {name: self.step(name) for name in question.scenario.journey.names},
            "state": self._state(),
            "draw": self._draw(),
            "attack": {one.name: self.step(one.name) for one in first.summary.attack},
            "stations": {name: self.station(name) for name in first.stations},
            "modes": self._modes(),
            "scaling": scaling_of(self.replications, question.deployment.prices, self._mean),
            "bottleneck": self.bottleneck,
            "over_time": over_time(
                self.replications, question.scenario.journey.names, self.bottleneck
            ),
            "agreement": question.model.agreement if self.agreement is None else self.agreement,
        }

    def _state(self) -> dict[str, Any] | None:
        """What it went on from, and when which line of it is drained; None without a state."""
        state = self.question.state
        if state is None:
            return None
        return {
            **state.to_json(),
            "opens_h": self.question.scenario.opens_h,
            "lines": drains([one.lines for one in self.replications], state.at_s),
        }

    def _draw(self) -> dict[str, Any] | None:
        """Means of who joined in time, and of who got a seat; None without a draw."""
        draw = self.question.scenario.journey.draw
        if draw is None:
            return None
        drawn = [min(draw.seats, one.joined) for one in self.replications]
        return {
            "joined": float(np.mean([one.joined for one in self.replications])),
            "seats": draw.seats,
            "drawn": float(np.mean(drawn)),
        }

    def _modes(self) -> dict[str, Any] | None:
        """Those that collapsed and those that did not, folded apart; None for one peak."""
        if not self.two_peaked:
            return None
        names = self.question.scenario.journey.names
        found = {}
        for mode, collapsed in (("collapsed", True), ("clean", False)):
            held = tuple(one for one in self.replications if one.collapsed is collapsed)
            group = replace(self, replications=held)
            lost = [one.lost_share for one in held]
            found[mode] = {
                "replications": len(held),
                "lost": {"least": min(lost), "mean": float(np.mean(lost)), "most": max(lost)},
                "checkpoints": group.checkpoints(),
                "steps": {name: group.step(name) for name in names},
                "stations": {name: group.station(name) for name in held[0].stations},
            }
        return found

    def _mean(self, values: Sequence[float]) -> float | None:
        """The mean over replications; None where it would lie between two peaks."""
        return None if self.two_peaked else finite(float(np.mean(values)))

    def checkpoints(self) -> list[dict[str, Any]]:
        """Cumulative counts, means over replications, beside the published ones.

        Of a bent run nothing published is given: it is about another wave.
        """
        scenario = self.question.scenario
        whole = self.question.bending == Bending((0.0, scenario.curve.duration_s))
        reading = scenario.readings.get(scenario.reading) if whole else None
        published = {row["hours"]: dict(row) for row in reading.published} if reading else {}
        found = []
        for hour in self.replications[0].summary.checkpoints:
            rows = [one.summary.checkpoints[hour] for one in self.replications]
            means = {column: self._mean([row[column] for row in rows]) for column in rows[0]}
            row = {column: published.get(hour, {}).get(column) for column in means}
            found.append({"hours": hour, **means, "published": row})
        return found

    def step(self, name: str) -> dict[str, Any]:
        """Sums over replications, and percentiles in seconds."""
        rows = [found for one in self.replications if (found := one.summary.step(name))]
        merged: Histogram = reduce(lambda a, b: a + b, [row.latency for row in rows])
        return {
            "visits": sum(row.visits for row in rows),
            "attempts": sum(row.attempts for row in rows),
            "accepted": sum(row.accepted for row in rows),
            "declined": sum(row.declined for row in rows),
            "gave_up": sum(row.failed for row in rows),
            **{
                f"p{p}_s": None if self.two_peaked else finite(merged.quantile(p / 100))
                for p in (50, 95, 99)
            },
        }

    def station(self, name: str) -> dict[str, Any]:
        """The largest of all replications, or means over them."""
        rows = [one.stations[name] for one in self.replications]
        return {
            key: finite(max(row[key] for row in rows))
            if key in LARGEST
            else self._mean([row[key] for row in rows])
            for key in rows[0]
        }


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a probability from ``successes`` of ``trials``."""
    if not trials:
        return math.nan, math.nan
    from scipy import stats  # here: 60 MB that no walk needs

    interval = stats.binomtest(successes, trials).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def project(
    question: Question,
    progress: Progress | None = None,
    executor: Executor | None = None,
    check: Progress | None = None,
) -> Projection:
    """Simulate every replication (seeds ``seed``, ``seed + 1``, …) and fold them.

    The compiled engine releases the interpreter's lock: threads are enough. Any
    `concurrent.futures.Executor` will do; a single replication without one is simulated here.
    ``check`` is called now and then within a replication; when it raises InvalidRunError (time ran
    out), those that were done are folded, and the error is passed on where there is none.
    """
    first = question.scenario.seed
    if question.replications == 1 and executor is None:
        watch = _both(check, progress) if check and progress else check or progress
        return Projection(question, (_watched(question, first, watch),))
    with given(executor) as pool:
        seeds = range(first, first + question.replications)
        futures = [pool.submit(_watched, question, seed, check) for seed in seeds]
        done, late = [], None
        for number, future in enumerate(futures, 1):
            if late and future.cancelled():
                continue
            try:
                done.append(future.result())
            except InvalidRunError as error:
                late = error
                for other in futures:
                    other.cancel()
            if progress:
                progress(number / len(futures))
        if late and not done:
            raise late
        return Projection(question, tuple(done))


def _watched(question: Question, seed: int, check: Progress | None) -> Replication:
    """A replication that begins with a look at the clock: a short one never looks again."""
    if check:
        check(0.0)
    return replicate(question, seed, check)


def _both(first: Progress, second: Progress) -> Progress:
    def watch(share: float) -> None:
        first(share)
        second(share)

    return watch
