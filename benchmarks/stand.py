"""The stand that every benchmark is mounted on: how it is started, and how it tells its figures.

`python -m benchmarks.NAME [SIZE]` prints one JSON object of figures on stdout. SIZE is a share of
the full size, 1 unless given: at a hundredth a benchmark shows that it works, and nothing else.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from time import process_time
from typing import Any

Figure = int | float | bool | str | None
Figures = Mapping[str, Figure]
#: Below so many CPU seconds a clock's tick and a first call's surprises are too much of a figure.
LONG_ENOUGH_S = 1.0


def show(measure: Callable[[float], Figures]) -> None:
    """Run a benchmark as a program; ``measure`` is given its size."""
    figures = measure(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
    told = {name: _told(value) for name, value in figures.items()}
    sys.stdout.write(f"{json.dumps(told, allow_nan=False)}\n")


def _told(value: Figure) -> Figure:
    """Four significant digits of a float; none where it is no number."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.4g}") if math.isfinite(value) else None


def say(words: str) -> None:
    """To people, who read stderr."""
    sys.stderr.write(f"{words}\n")


def core_seconds(work: Callable[[], Any], least_s: float = LONG_ENOUGH_S) -> tuple[float, Any]:
    """(CPU seconds of one call, what it gave): the fastest of as many as fill ``least_s``.

    CPU of this process, so that others on the machine take no part in it; the fastest, because
    whatever disturbs a run makes it slower. It is called once at least.
    """
    fastest, spent, made = math.inf, 0.0, None
    while made is None or spent < least_s:
        began = process_time()
        made = work()
        took = process_time() - began
        fastest, spent = min(fastest, took), spent + max(took, 1e-6)
    return fastest, made
