"""Log-bucket histograms: exact to 1 %, merged by addition. One set of bounds for everything.

Bucket k holds durations up to BOUNDS_NS[k]; the first bucket everything up to 1 microsecond, the
last one infinity (a step that was never accepted). Quantiles are nearest rank, a bucket counts by
its upper bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATIO: Final = 1.01
FIRST_NS: Final = 1_000
LAST_NS: Final = 40 * 86_400 * 10**9  # forty days


def _bounds() -> NDArray[np.int64]:
    values = [FIRST_NS]
    while values[-1] < LAST_NS:
        values.append(max(values[-1] + 1, values[-1] * 101 // 100))
    return np.asarray(values, dtype=np.int64)


BOUNDS_NS: Final = _bounds()
#: The bucket of the least duration that has so many bits, FIRST_BITS or more, and begins with these
#: EIGHT of them: ``LEAST[(bits - FIRST_BITS << 7) + first eight - 128]``. Bounds are wider apart
#: than such durations, so the bucket of each of them is this one or the next.
EIGHT: Final = 8
FIRST_BITS: Final = FIRST_NS.bit_length()
LEAST: Final = np.searchsorted(
    BOUNDS_NS,
    [
        first << (bits - EIGHT)
        for bits in range(FIRST_BITS, LAST_NS.bit_length() + 1)
        for first in range(1 << (EIGHT - 1), 1 << EIGHT)
    ],
)
BUCKETS: Final = len(BOUNDS_NS) + 1
INFINITE: Final = BUCKETS - 1


def bucket_of(duration_ns: int) -> int:
    """Index of the bucket of a duration (not negative)."""
    return int(np.searchsorted(BOUNDS_NS, duration_ns, side="left"))


@dataclass
class Histogram:
    """Counts by bucket. ``counts`` has BUCKETS entries of int64; the last one is infinity."""

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BUCKETS, dtype=np.int64))

    @classmethod
    def of(cls, durations_ns: NDArray[np.int64] | Iterable[int], infinite: int = 0) -> Histogram:
        """The histogram of these durations, and ``infinite`` more that never ended."""
        given = durations_ns if isinstance(durations_ns, np.ndarray) else list(durations_ns)
        values = np.asarray(given, dtype=np.int64)
        at = np.searchsorted(BOUNDS_NS, values, side="left")
        counts = np.bincount(at, minlength=BUCKETS).astype(np.int64)
        counts[INFINITE] += infinite
        return cls(counts)

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(self.counts + other.counts)

    def quantile(self, p: float) -> float:
        """Nearest-rank quantile in seconds; infinity where it falls among those that never ended.

        NaN when the histogram is empty.
        """
        if self.total == 0:
            return math.nan
        rank = max(1, math.ceil(p * self.total * (1 - 1e-12)))  # 0.99 x 100 is the 99th, not more
        at = int(np.searchsorted(np.cumsum(self.counts), rank))
        return math.inf if at == INFINITE else float(BOUNDS_NS[at]) / 1e9

    def share_within(self, limit_s: float) -> float:
        """Share of durations whose bucket ends at or below ``limit_s`` (seconds)."""
        limit_ns = min(limit_s * 1e9, float(LAST_NS * 2))  # above the last bound: all that ended
        at = int(np.searchsorted(BOUNDS_NS, round(limit_ns), side="right"))
        return float(self.counts[:at].sum()) / self.total if self.total else math.nan

    @property
    def mean_s(self) -> float:
        """Mean in seconds of those that ended, by buckets' upper bounds."""
        finite = self.counts[:INFINITE]
        if not finite.sum():
            return math.nan
        return float((finite * (BOUNDS_NS / 1e9)).sum() / finite.sum())

    def sparse(self) -> dict[str, int]:
        """Bucket index (as text) -> count, of the buckets that are not empty: the JSON form."""
        return {str(at): int(self.counts[at]) for at in np.flatnonzero(self.counts)}

    @classmethod
    def from_sparse(cls, sparse: dict[str, int]) -> Histogram:
        """The inverse of `sparse`."""
        histogram = cls()
        for at, count in sparse.items():
            histogram.counts[int(at)] = count
        return histogram
