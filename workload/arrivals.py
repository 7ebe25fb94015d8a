"""When people come: a rate over time, its integral, and the exact instants.

Arrivals are open: they come when the curve says, not when the service has answered. Instants are
those of a non-homogeneous Poisson process, by inversion of the expected count, or of its
deterministic twin (one arrival at each half-integer of area under the curve).

A staggered opening delays each group of people by a constant: the same people come, on the same
luck, and the curve is a mixture of its own copies, shifted by the groups' delays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workload.draws import ARRIVAL, THIN, draws, quantiles, threshold
from workload.durations import exponential
from workload.opening import EVERYONE, Opening

#: Expected counts are held in 2**-24 of a person, rounded to 2**-10 first: coarser than the last
#: bit of libm, fine enough for the eye.
PERSON: Final = 1 << 24
COARSE: Final = 1 << 10
MICROSECOND_NS: Final = 1_000
#: People whose arrival is drawn in one go: more would find no room in a processor's cache.
AT_ONCE: Final = 1 << 16


class Part(Protocol):
    """One summand of a curve. Times are seconds since the doors opened."""

    def rate(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Arrivals a second at t."""

    def count(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected arrivals in [0, t]."""


@dataclass(frozen=True)
class Constant:
    """The same rate from ``start_s`` to ``end_s``."""

    per_s: float
    start_s: float = 0.0
    end_s: float = math.inf

    def rate(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where((t >= self.start_s) & (t < self.end_s), self.per_s, 0.0)

    def count(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.per_s * (np.clip(t, self.start_s, self.end_s) - self.start_s)


@dataclass(frozen=True)
class Ramp:
    """A rate that goes in a straight line from ``from_per_s`` to ``to_per_s``."""

    from_per_s: float
    to_per_s: float
    start_s: float
    end_s: float

    def rate(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        share = (t - self.start_s) / (self.end_s - self.start_s)
        inside = (t >= self.start_s) & (t < self.end_s)
        return np.where(inside, self.from_per_s + share * (self.to_per_s - self.from_per_s), 0.0)

    def count(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        x = np.clip(t, self.start_s, self.end_s) - self.start_s
        slope = (self.to_per_s - self.from_per_s) / (self.end_s - self.start_s)
        return np.asarray(self.from_per_s * x + slope * x * x / 2)


@dataclass(frozen=True)
class Burst:
    """``people`` who come at ``start_s`` or soon after: an exponential decay."""

    people: float
    decay_s: float
    start_s: float = 0.0

    def rate(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        age = np.maximum(t - self.start_s, 0.0)
        return np.where(
            t >= self.start_s, self.people / self.decay_s * np.exp(-age / self.decay_s), 0.0
        )

    def count(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(
            -self.people * np.expm1(-np.maximum(t - self.start_s, 0.0) / self.decay_s)
        )


@dataclass(frozen=True)
class Daily:
    """Day and night: mean x (1 + swing x cos(2 pi (clock - busiest) / 24 h)).

    ``opens_h`` and ``busiest_h`` are hours on the local clock.
    """

    mean_per_h: float
    swing: float
    busiest_h: float
    opens_h: float

    def _angle(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        return (self.opens_h + t / 3600.0 - self.busiest_h) * (2 * math.pi / 24.0)

    def rate(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.mean_per_h / 3600.0 * (1.0 + self.swing * np.cos(self._angle(t)))

    def count(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        start = self._angle(np.zeros_like(t))
        wave = (np.sin(self._angle(t)) - np.sin(start)) * (24.0 / (2 * math.pi))
        return np.asarray(self.mean_per_h * (t / 3600.0 + self.swing * wave))


@dataclass(frozen=True)
class Arrivals:
    """Who comes when: ``index`` (int64) and ``at_ns`` (int64, ascending, whole microseconds)."""

    index: NDArray[np.int64]
    at_ns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.index)

    def windows(self, size: int) -> Iterator[Arrivals]:
        """Everybody, so many at once."""
        for low in range(0, len(self), size):
            yield Arrivals(self.index[low : low + size], self.at_ns[low : low + size])

    def window(self, start_s: float, end_s: float) -> Arrivals:
        """Those in [start, end), seconds."""
        low, high = np.searchsorted(self.at_ns, [round(start_s * 1e9), round(end_s * 1e9)])
        return Arrivals(self.index[low:high], self.at_ns[low:high])

    def thin(self, seed: int, share: float) -> Arrivals:
        """Those whose draw falls below ``share``; instants and all else unchanged."""
        if share >= 1.0:
            return self
        kept = draws(seed, self.index, 0, 0, THIN) < threshold(share)
        return Arrivals(self.index[kept], self.at_ns[kept])

    def slice(self, worker: int, workers: int) -> Arrivals:
        """The share of one of several workers: everybody belongs to exactly one."""
        kept = self.index % workers == worker
        return Arrivals(self.index[kept], self.at_ns[kept])

    def faster(self, speed: float) -> Arrivals:
        """The same people, arrivals divided by ``speed`` (rounded down to a microsecond)."""
        if speed == 1.0:
            return self
        at_us = (self.at_ns // MICROSECOND_NS / speed).astype(np.int64)
        return Arrivals(self.index, at_us * MICROSECOND_NS)


@dataclass(frozen=True)
class ArrivalCurve:
    """A sum of parts, rescaled to an expected ``population``.

    ``duration_s``: until the last visitor of the last group; each group comes for ``own_s`` of it.
    """

    parts: tuple[Part, ...]
    duration_s: float
    population: float
    deterministic: bool = False
    opening: Opening = EVERYONE

    def __post_init__(self) -> None:
        if not self.own_s > 0 or not self.population > 0:
            raise ValueError("a curve needs a duration and a population above 0")
        if not self.raw_count > 0:
            raise ValueError("the parts of the curve add up to nobody")

    @property
    def own_s(self) -> float:
        """How long the people of one group come, seconds."""
        return self.duration_s - self.opening.last_s

    def opened(self, opening: Opening) -> ArrivalCurve:
        """The same people on the same luck, let in by another policy."""
        return replace(self, opening=opening, duration_s=self.own_s + opening.last_s)

    @property
    def raw_count(self) -> float:
        """Expected arrivals of the parts as written, before rescaling to the population."""
        return float(sum(p.count(np.array([self.own_s]))[0] for p in self.parts))

    @property
    def scale(self) -> float:
        """What every part is multiplied by."""
        return self.population / self.raw_count

    def rate(self, t: ArrayLike) -> NDArray[np.float64]:
        """Arrivals a second at t (seconds; scalar or array); 0 outside [0, duration)."""
        at = np.asarray(t, dtype=np.float64)
        groups = self.opening.mixture
        return sum((s * self._undelayed_rate(at - delay) for delay, s in groups), np.zeros_like(at))

    def expected(self, t0: ArrayLike, t1: ArrayLike) -> NDArray[np.float64]:
        """Expected arrivals in [t0, t1) (seconds; scalars or arrays)."""
        low, high = (self._until(np.asarray(t, dtype=np.float64)) for t in (t0, t1))
        return np.asarray(high - low)

    def _until(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected arrivals of all groups before t."""
        groups = self.opening.mixture
        return sum((s * self._undelayed(t - delay) for delay, s in groups), np.zeros_like(t))

    def _undelayed_rate(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Arrivals a second at t, were everybody let in at once."""
        total = sum((p.rate(t) for p in self.parts), np.zeros_like(t)) * self.scale
        return np.where((t >= 0) & (t < self.own_s), total, 0.0)

    def _undelayed(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected arrivals before t, were everybody let in at once."""
        end = np.clip(t, 0.0, self.own_s)
        low, high = (
            sum((p.count(e) for p in self.parts), np.zeros_like(end))
            for e in (np.zeros_like(end), end)
        )
        return np.asarray((high - low) * self.scale)

    def arrivals(self, seed: int) -> Arrivals:
        """Everybody, in order of arrival: visitor i is the i-th to come, were all let in at once.

        Of one instant, lower indices are first. Time O(population); 0.3 s for 3.73 million.
        """
        bounds_us, knots = self._knots()
        at_ns = self._targets(seed, int(knots[-1]))
        spare = _spare_bits(int(np.diff(knots).max()), int(bounds_us[1]))
        lengths_us, widths = np.diff(bounds_us), np.maximum(np.diff(knots) >> spare, 1)
        for low in range(0, len(at_ns), AT_ONCE):
            target = at_ns[low : low + AT_ONCE]
            cell = _cells_of(target, knots)
            share = (target - knots[cell]) >> spare
            at_us = bounds_us[cell] + share * lengths_us[cell] // widths[cell]
            at_ns[low : low + AT_ONCE] = at_us * MICROSECOND_NS
        who = np.arange(len(at_ns), dtype=np.int64)
        if not self.opening.last_s:
            return Arrivals(who, at_ns)
        at_ns += self.opening.delays_ns(seed, who)
        order = np.argsort(at_ns, kind="stable")  # `who` ascends, so ties stay in its order
        return Arrivals(order, at_ns[order])

    def _knots(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Bounds of cells (microseconds, at most 1 s apart) and expected counts up to them.

        Of everybody let in at once. Within a cell the rate is taken as constant.
        """
        end_us = max(1, round(self.own_s * 1e6))
        step_us = max(1, min(1_000_000, math.ceil(end_us / 4096)))
        bounds_us = np.append(np.arange(0, end_us, step_us, dtype=np.int64), end_us)
        counts = np.rint(self._undelayed(bounds_us / 1e6) * COARSE).astype(np.int64)
        return bounds_us, counts * (PERSON // COARSE)

    def _targets(self, seed: int, total: int) -> NDArray[np.int64]:
        """Ascending areas under the curve, in 1/PERSON, at which somebody comes; all < total."""
        if self.deterministic:
            return np.arange(PERSON // 2, total, PERSON, dtype=np.int64)
        people = total / PERSON
        enough = math.ceil(people + 8 * math.sqrt(people) + 64)
        areas, gaps, before = np.empty(enough, dtype=np.int64), _unit_gaps(), 0
        for low in range(0, enough, AT_ONCE):
            who = np.arange(low, min(low + AT_ONCE, enough), dtype=np.int64)
            mine = areas[low : low + AT_ONCE]
            np.cumsum(quantiles(gaps, draws(seed, who, 0, 0, ARRIVAL)), out=mine)
            mine += before
            before = int(mine[-1])
        return areas[: np.searchsorted(areas, total)]


def _cells_of(target: NDArray[np.int64], knots: NDArray[np.int64]) -> NDArray[np.int64]:
    """The cell between knots of each of these ascending areas: the last knot that is not above it.

    Knots are looked for among areas, which are more, and not each area among knots.
    """
    first, last = np.searchsorted(knots, target[[0, -1]], side="right") - 1
    begins = np.searchsorted(target, knots[first + 1 : last + 1])
    counts = np.diff(begins, prepend=0, append=len(target))
    return np.repeat(np.arange(first, last + 1), counts)


def _spare_bits(widest: int, step_us: int) -> int:
    """Bits of an area to forgo so that its product with a cell's width stays below 2**63.

    None up to half a million arrivals a second.
    """
    return max(0, widest.bit_length() + step_us.bit_length() - 63)


def _unit_gaps() -> NDArray[np.int64]:
    """Quantile table of the unit exponential, in 1/PERSON."""
    gaps = np.rint(np.asarray(exponential(1.0).knots_s) * PERSON)
    return np.asarray(gaps, dtype=np.int64)


def peak_minute(curve: ArrivalCurve, grid_s: float = 1.0) -> tuple[float, float]:
    """(start in seconds, expected arrivals) of the busiest 60 s that start on the grid."""
    starts = np.arange(0.0, max(curve.duration_s - 60.0, 0.0) + grid_s, grid_s)
    counts = curve.expected(starts, starts + 60.0)
    best = int(np.argmax(counts))
    return float(starts[best]), float(counts[best])


def total_curve(parts: Sequence[Part], duration_s: float) -> ArrivalCurve:
    """A curve whose population is what its parts add up to."""
    raw = float(sum(p.count(np.array([duration_s]))[0] for p in parts))
    return ArrivalCurve(tuple(parts), duration_s, raw)
