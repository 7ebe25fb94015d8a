"""Arrivals in four bytes a person, read in windows.

A nation's arrivals are held for as long as it walks, beside what becomes of everybody: sixteen
bytes a person as `Arrivals` are. In order of time an instant is its second, of which one table
serves all, and the microseconds into it; and most people come in the order of their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workload.arrivals import MICROSECOND_NS, Arrivals

SECOND_NS: Final = 1_000_000_000
WINDOW: Final = 1 << 16
#: A table of more seconds than this would take more than it saves.
LONGEST_S: Final = 1 << 23


@dataclass(frozen=True)
class Roll:
    """``begins[s]``: how many come before second s; ``rest_us``: microseconds into one's second.

    ``index`` holds the numbers, or only the first one where they ascend by one.
    """

    index: NDArray[np.int64] | NDArray[np.uint32] | int
    begins: NDArray[np.int64]
    rest_us: NDArray[np.uint32]

    @staticmethod
    def of(arrivals: Arrivals) -> Roll | Arrivals:
        """The same arrivals on a roll; themselves where their instants have no place on one."""
        index, at_ns, count = arrivals.index, arrivals.at_ns, len(arrivals)
        if not count or at_ns[0] < 0 or at_ns[-1] >= LONGEST_S * SECOND_NS:
            return arrivals
        seconds = np.arange(int(at_ns[-1]) // SECOND_NS + 2) * SECOND_NS
        rest_us = np.empty(count, dtype=np.uint32)
        in_order = True
        for low in range(0, count, WINDOW):
            into_ns = at_ns[low : low + WINDOW] % SECOND_NS
            if (into_ns % MICROSECOND_NS).any():
                return arrivals
            rest_us[low : low + WINDOW] = into_ns // MICROSECOND_NS
            mine = index[low : low + WINDOW]
            in_order = in_order and bool((mine == index[0] + low + np.arange(len(mine))).all())
        numbers = int(index[0]) if in_order else _narrow(index)
        return Roll(numbers, np.searchsorted(at_ns, seconds), rest_us)

    def __len__(self) -> int:
        return len(self.rest_us)

    def windows(self, size: int = WINDOW) -> Iterator[Arrivals]:
        """Everybody in order of time, so many at once."""
        for low in range(0, len(self), size):
            places = np.arange(low, min(low + size, len(self)))
            second = np.searchsorted(self.begins, places, side="right") - 1
            rest_ns = self.rest_us[places].astype(np.int64) * MICROSECOND_NS
            who = places + self.index if isinstance(self.index, int) else self.index[places]
            yield Arrivals(who.astype(np.int64), second * SECOND_NS + rest_ns)


def _narrow(index: NDArray[np.int64]) -> NDArray[np.int64] | NDArray[np.uint32]:
    return index.astype(np.uint32) if index.min() >= 0 and index.max() < 1 << 32 else index
