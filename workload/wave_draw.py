"""The draw of a wave's seats: when the wave closes, when its seats are drawn, and who gets one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workload.draws import LOT, draws

JOINED_BY: Final = "join_wave"
LOOKED_UP_BY: Final = "check_result"
AT_ONCE: Final = 1 << 16


@dataclass(frozen=True)
class WaveDraw:
    """``seats`` are drawn at ``drawn_s`` among who joined by ``closes_s`` (s after the opening).

    Nobody looks for a result before it.
    """

    closes_s: float
    drawn_s: float
    seats: int

    def closes_in_run_s(self, since_s: float, speed: float) -> float:
        """When the wave closes, seconds of run time; below 0 where the run's window begins later.

        ``since_s``, where the window begins, is run time 0; only ``speed`` brings the hour nearer.
        """
        return (self.closes_s - since_s) / speed


def drawn(seed: int, joined: NDArray[np.int64], seats: int) -> NDArray[np.int64]:
    """Who of these visitors gets a seat: exactly min(seats, joined) of them, ascending.

    The least lots win, each a function of (seed, visitor) alone: everybody's chance is the same,
    the order of joining does not matter, and one seat more takes nobody's away. Of equal lots the
    lower index wins.
    """
    if seats >= len(joined):
        return np.sort(joined)
    if seats <= 0:
        return joined[:0]
    lots = np.empty(len(joined), dtype=np.int64)
    for low in range(0, len(joined), AT_ONCE):
        lots[low : low + AT_ONCE] = draws(seed, joined[low : low + AT_ONCE], 0, 0, LOT)
    last = np.partition(lots, seats - 1)[seats - 1]
    sure, tied = joined[lots < last], np.sort(joined[lots == last])
    return np.sort(np.append(sure, tied[: seats - len(sure)]))
