"""The wave as a flow: cumulative counts on a grid of time, through pauses, shares and one queue.

People are not told apart, so that a whole campaign takes a millisecond and can be fitted. What a
flow leaves out is luck: with thousands of people in each cell there is little of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from workload.arrivals import ArrivalCurve
from workload.draws import KNOTS
from workload.durations import SECOND_NS, Duration

#: A grid has at most so many cells, each of a length that divides an hour, or that hours divide.
MOST_CELLS: Final = 2400
CELLS_S: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600, 7200, 14_400)
#: The longest event whose counts are predicted: a year.
LONGEST_H: Final = 8760.0
#: Standard normal quantile of 95 %.
Z95: Final = 1.6448536269514722

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Instants ``cell_s`` apart, from 0 to at least ``end_s`` (at most a year)."""

    end_s: float

    @property
    def cell_s(self) -> float:
        return float(next(cell for cell in CELLS_S if cell * MOST_CELLS >= self.end_s))

    @property
    def at_s(self) -> Counts:
        return np.arange(math.ceil(self.end_s / self.cell_s) + 1, dtype=np.float64) * self.cell_s

    def read(self, counts: Counts, hours: Sequence[float]) -> Counts:
        """Cumulative counts at these hours."""
        return np.interp(np.asarray(hours) * 3600.0, self.at_s, counts)


def demand(
    curve: ArrivalCurve, hours: Sequence[float], registered: Sequence[float], grid: Grid
) -> Counts:
    """Cumulative registrations: the curve, stretched so that it passes through what was counted.

    Between two counts all rates are multiplied alike; after the last as before it. Where the curve
    brings nobody, people come evenly.
    """
    shape = curve.expected(0.0, grid.at_s)
    ends = np.asarray([0.0, *hours]) * 3600.0
    there, wanted = curve.expected(0.0, ends), np.asarray([0.0, *registered])
    found, factor = np.zeros_like(shape), 1.0
    for n in range(len(ends) - 1):
        inside = (grid.at_s > ends[n]) & (grid.at_s <= ends[n + 1])
        more, brought = wanted[n + 1] - wanted[n], there[n + 1] - there[n]
        if brought > 0:
            factor = more / brought
            found[inside] = wanted[n] + factor * (shape[inside] - there[n])
        else:
            passed = (grid.at_s[inside] - ends[n]) / (ends[n + 1] - ends[n])
            found[inside] = wanted[n] + more * passed
    after = grid.at_s > ends[-1]
    found[after] = wanted[-1] + factor * (shape[after] - there[-1])
    return found


def queue(arrived: Counts, per_s: float, grid: Grid) -> Counts:
    """Cumulative departures of a queue that serves at most ``per_s`` (infinite: no queue).

    D(t) = min over s <= t of A(s) + rate x (t - s): the reflection of a queue at empty (Kleinrock,
    Queueing Systems II, 1976, chapter 2).
    """
    if not math.isfinite(per_s):
        return arrived
    served = per_s * grid.at_s
    return np.asarray(served + np.minimum.accumulate(arrived - served))


@dataclass(frozen=True)
class Kernel:
    """A pause on a grid, ready to be applied: the spectrum of who has gone on by cells since."""

    size: int
    spectrum: NDArray[np.complex128]

    @classmethod
    def of(cls, early: Counts, grid: Grid) -> Kernel:
        """``early`` is E[(x - pause)+] at the grid's instants.

        Who comes in a cell comes evenly within it, so that by the n-th instant a share
        (early[j] - early[j - 1]) / cell of those of j cells ago has gone on.
        """
        size = 1 << (2 * len(early) - 1).bit_length()
        return cls(size, np.fft.rfft(np.diff(early) / grid.cell_s, size))

    def after(self, counts: Counts) -> Counts:
        """Cumulative counts after the pause."""
        came = np.fft.rfft(np.diff(counts), self.size)
        gone = np.fft.irfft(came * self.spectrum, self.size)
        return np.concatenate(([0.0], gone[: len(counts) - 1]))


def early_of(pause: Duration, at_s: Counts) -> Counts:
    """E[(x - pause)+] at each x, of a duration as engines draw it."""
    knots = pause.table() / SECOND_NS
    middles = (knots[1:] + knots[:-1]) / 2
    sums = np.concatenate(([0.0], np.cumsum(middles)))
    below = np.searchsorted(middles, at_s, side="right")
    return np.asarray((at_s * below - sums[below]) / (KNOTS - 1))


def early_of_lognormal(median_s: float, sigma: float, at_s: Counts) -> Counts:
    """E[(x - pause)+] at each x, of a lognormal pause (Black & Scholes 1973, their put)."""
    x = np.maximum(at_s, 1e-9)
    z = np.log(x / median_s) / sigma
    mean = median_s * math.exp(sigma * sigma / 2)
    return np.asarray(np.where(at_s > 0, x * ndtr(z) - mean * ndtr(z - sigma), 0.0))


def p95_of(median_s: float, sigma: float) -> float:
    """The 95th percentile of a lognormal pause."""
    return median_s * math.exp(Z95 * sigma)
