"""The compiled engine's calendar: a 4-ary heap of events, ordered by (time, code).

An entry is three cells side by side, (time, code, ref): a comparison and a move touch one line of
the processor's cache. The children of entry n are 4n + 1 .. 4n + 4.
"""

from __future__ import annotations

from typing import Any, Final

from simulation.compilation import machine_code

ENTRY: Final = 3


@machine_code()
def push(heap: Any, size: int, time: int, code: int, ref: int) -> None:
    """Put an event on a heap of ``size`` entries."""
    place = size
    while place > 0:
        parent = (place - 1) >> 2
        above = parent * ENTRY
        if heap[above] < time or (heap[above] == time and heap[above + 1] < code):
            break
        here = place * ENTRY
        heap[here], heap[here + 1], heap[here + 2] = heap[above], heap[above + 1], heap[above + 2]
        place = parent
    here = place * ENTRY
    heap[here], heap[here + 1], heap[here + 2] = time, code, ref


@machine_code()
def pop(heap: Any, size: int) -> None:
    """Take the first out of ``size`` entries (the caller has read it)."""
    last = (size - 1) * ENTRY
    time, code, ref = heap[last], heap[last + 1], heap[last + 2]
    place = 0
    while True:
        child = (4 * place + 1) * ENTRY
        if child >= last:
            break
        best = child
        for other in range(child + ENTRY, min(child + 4 * ENTRY, last), ENTRY):
            if heap[other] < heap[best] or (
                heap[other] == heap[best] and heap[other + 1] < heap[best + 1]
            ):
                best = other
        if heap[best] > time or (heap[best] == time and heap[best + 1] > code):
            break
        here = place * ENTRY
        heap[here], heap[here + 1], heap[here + 2] = heap[best], heap[best + 1], heap[best + 2]
        place = best // ENTRY
    here = place * ENTRY
    heap[here], heap[here + 1], heap[here + 2] = time, code, ref
