"""How fast the machine is just now: a fixed piece of work, timed.

A machine's speed drifts (neighbours, heat), and that reads like a change of the service. So every
run times this once a second beside the generator, and before and after itself on the cores of both
sides: runs whose probes differ were not made on the same machine, whatever it is called.
"""

from __future__ import annotations

import os
import random
import statistics
from collections.abc import Iterable, Mapping
from time import thread_time
from typing import Any, Final

#: Looks of an index; the middle one counts.
LOOKS: Final = 9


class Probe:
    """Pure Python over scattered memory. CPU seconds of the thread, about 1 ms.

    Run once a second its data is out of the caches, so it feels what the service feels from its
    neighbours.
    """

    def __init__(self) -> None:
        scattered = random.Random(1)
        self._numbers = [float(n) for n in range(200_000)]
        scattered.shuffle(self._numbers)
        self._places = [scattered.randrange(200_000) for _ in range(10_000)]

    def seconds(self) -> float:
        began, total, numbers = thread_time(), 0.0, self._numbers
        for place in self._places:
            total += numbers[place]
        return thread_time() - began


def speed_index(cores: Iterable[int], capacity: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of the probe on the generator's cores, and on the system's where those are here.

    A system tells its cores only when it was pinned by the machine that started it; where one of
    them is none of this process's, it stands elsewhere and is left out.
    """
    probe, allowed = Probe(), os.sched_getaffinity(0)
    sides = {"generator_s": set(cores) or allowed}
    system = set((capacity.get("cores") or {}).get("system") or ())
    if system and system <= allowed:
        sides["system_s"] = system
    return {side: _on(probe, where & allowed or allowed, allowed) for side, where in sides.items()}


def _on(probe: Probe, cores: set[int], allowed: set[int]) -> float:
    try:
        os.sched_setaffinity(0, cores)  # of this thread alone
        return round(statistics.median(probe.seconds() for _ in range(LOOKS)), 6)
    finally:
        os.sched_setaffinity(0, allowed)
