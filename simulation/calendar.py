"""The compiled engine's calendar: a heap for what may happen any time, rings for patience.

Heap: 4-ary, ordered by (time, code); the children of entry n are 4n + 1 .. 4n + 4. An entry is
three cells side by side, (time, code, ref): a comparison touches one line of the processor's cache.

Rings: most events at a nation's opening are timeouts of attempts that were answered long ago. A
step's timeout always lies equally far ahead, so its timeouts come in order, and a ring of them
needs no heap: an entry is put behind the last one (before those of the same instant with a higher
code). The patience for a mail is the same for everybody, too. ``rings`` holds them side by side;
``ends`` where the first entry of each is, how many there are, where the ring starts, its room.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from simulation import layout as at
from simulation.compilation import machine_code
from simulation.room import Plane

ENTRY: Final = 3
NO_RING: Final = -1
RING_CELLS: Final = 4  # first, count, start, room
SPARE: Final = 8  # entries that a ring keeps free: more than one event puts on it

# Cells of ``state``.
SIZE: Final = 0  # entries on the heap
RING: Final = 1  # the ring whose first event comes first, or NO_RING
TIGHT: Final = 2  # 1 + the ring that needs more room, or 0
COME: Final = 3  # people who have arrived
ROOM: Final = 4  # cells of the heap
RINGS: Final = 5
STATE: Final = 6


class Calendar(NamedTuple):
    """What lies ahead; int64 arrays, bare ones in compiled code."""

    heap: Any
    rings: Any
    ends: Any
    state: Any


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


@machine_code()
def put(c: Calendar, time: int, code: int, ref: int) -> None:
    """Put an event on the calendar; TIGHT is set where room gets scarce."""
    kind = code >> at.KIND_SHIFT
    if at.TIMEOUT <= kind <= at.NO_MAIL_YET:
        step = (code >> at.STEP_SHIFT) & at.STEP_MASK
        ring = 2 * step + kind - at.TIMEOUT
        put_on_ring(c, ring, time, code, ref)
        first = c.state[RING]
        if first == NO_RING or is_earlier(c.rings, head(c, ring), head(c, first)):
            c.state[RING] = ring
    else:
        push(c.heap, c.state[SIZE], time, code, ref)
        c.state[SIZE] += 1


@machine_code()
def put_on_ring(c: Calendar, ring: int, time: int, code: int, ref: int) -> None:
    """Put an event on a ring that has room; no earlier than the events that are on it."""
    first, count = c.ends[RING_CELLS * ring], c.ends[RING_CELLS * ring + 1]
    start, room = c.ends[RING_CELLS * ring + 2], c.ends[RING_CELLS * ring + 3]
    place = count
    while place > 0:
        before = (start + ((first + place - 1) & (room - 1))) * ENTRY
        if c.rings[before] < time or c.rings[before + 1] < code:
            break
        here = (start + ((first + place) & (room - 1))) * ENTRY
        for cell in range(ENTRY):
            c.rings[here + cell] = c.rings[before + cell]
        place -= 1
    here = (start + ((first + place) & (room - 1))) * ENTRY
    c.rings[here], c.rings[here + 1], c.rings[here + 2] = time, code, ref
    c.ends[RING_CELLS * ring + 1] = count + 1
    if count + SPARE > room:
        c.state[TIGHT] = 1 + ring


@machine_code()
def is_next_on_ring(c: Calendar) -> bool:
    """Whether the first event of all is on a ring."""
    ring = c.state[RING]
    if ring == NO_RING or c.state[SIZE] == 0:
        return bool(ring != NO_RING)
    here = head(c, ring)
    time = c.rings[here]
    return bool(time < c.heap[0] or (time == c.heap[0] and c.rings[here + 1] < c.heap[1]))


@machine_code()
def take_from_heap(c: Calendar) -> None:
    """Take the first event off the heap (the caller has read it)."""
    pop(c.heap, c.state[SIZE])
    c.state[SIZE] -= 1


@machine_code()
def take_from_ring(c: Calendar) -> None:
    """Take the first event off its ring (the caller has read it), and find the next first ring."""
    ring = c.state[RING]
    mine = RING_CELLS * ring
    c.ends[mine] = (c.ends[mine] + 1) & (c.ends[mine + 3] - 1)
    c.ends[mine + 1] -= 1
    find_first_ring(c)


@machine_code()
def find_first_ring(c: Calendar) -> None:
    """Say which ring's first event comes first."""
    best = NO_RING
    for other in range(c.state[RINGS]):
        if c.ends[RING_CELLS * other + 1] > 0 and (
            best == NO_RING or is_earlier(c.rings, head(c, other), head(c, best))
        ):
            best = other
    c.state[RING] = best


@machine_code()
def head(c: Calendar, ring: int) -> int:
    """Where the first entry of a ring lies."""
    place: int = c.ends[RING_CELLS * ring] + c.ends[RING_CELLS * ring + 2]
    return place * ENTRY


@machine_code()
def is_earlier(cells: Any, here: int, there: int) -> bool:
    """Whether the entry at one place comes before the one at another."""
    return bool(
        cells[here] < cells[there]
        or (cells[here] == cells[there] and cells[here + 1] < cells[there + 1])
    )


# ---- in Python: making room ----------------------------------------------------------------------


class Ahead:
    """A calendar on which nothing lies ahead at first, and its room. ``calendar``: as it is."""

    def __init__(self, steps: int) -> None:
        count, room = 2 * steps, 1 << 12
        self._heap, self._rings = Plane(ENTRY << 16), Plane(count * room * ENTRY)
        self._ends = np.zeros((count, RING_CELLS), dtype=np.int64)
        self._ends[:, 2], self._ends[:, 3] = np.arange(count) * room, room
        self._state = np.zeros(STATE, dtype=np.int64)
        self._state[RING], self._state[RINGS] = NO_RING, count
        self.calendar = self._now()

    def _now(self) -> Calendar:
        self._state[ROOM] = len(self._heap.array)
        return Calendar(self._heap.array, self._rings.array, self._ends.reshape(-1), self._state)

    def make_room(self, most: int) -> None:
        """Twice the room where less than ``most`` entries are free."""
        del self.calendar
        if (int(self._state[SIZE]) + most) * ENTRY > len(self._heap.array):
            self._heap.grow(2 * len(self._heap.array))
        if self._state[TIGHT]:
            self._widen(int(self._state[TIGHT]) - 1)
            self._state[TIGHT] = 0
        self.calendar = self._now()

    def _widen(self, tight: int) -> None:
        """Twice the room for a ring; those behind it move on."""
        first, count, start, room = self._ends[tight].tolist()
        used = int(self._ends[:, 3].sum())
        rings = self._rings.grow((used + room) * ENTRY)
        for ring in range(len(self._ends) - 1, tight, -1):
            here, width = (int(cell) * ENTRY for cell in self._ends[ring, 2:])
            rings[here + room * ENTRY : here + room * ENTRY + width] = rings[here : here + width]
            self._ends[ring, 2] += room
        around = max(0, first + count - room) * ENTRY  # what stands before the first entry
        here, behind = start * ENTRY, (start + room) * ENTRY
        rings[behind : behind + around] = rings[here : here + around]
        self._ends[tight, 3] = 2 * room
