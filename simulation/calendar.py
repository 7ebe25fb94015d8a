"""The compiled engine's calendar: two heaps for what may happen any time, rings for patience.

Heaps: 4-ary, ordered by (time, code); the children of entry n are 4n + 1 .. 4n + 4. An entry is
three cells side by side, (time, code, ref): a comparison touches one line of the processor's cache.
Most events are caused a moment before they happen, while hundreds of thousands of people pause for
minutes or hours. So what happens ``soon`` has a heap of its own, which is small: nothing of it is
sifted past all who pause, on the heap of what happens ``late``.

Rings: a third of a nation's attempts is answered long before its timeout comes. All timeouts of one
length lie equally far ahead, so they come in order, and a ring of them needs no heap: an entry is
put behind the last one (before those of the same instant with a higher code). So it is with the
patience for a step's mail. ``rings`` holds them side by side; ``ends`` where the first entry of
each is, how many there are, where the ring starts, its room; ``ring_of`` which one is whose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from simulation import layout as at
from simulation.compilation import machine_code
from simulation.room import Plane
from workload.journey import MAIL_KIND, NO_MAIL, TIMEOUT, WIDTH

ENTRY: Final = 3
NO_RING: Final = -1
RING_CELLS: Final = 4  # first, count, start, room
SPARE: Final = 8  # entries that a ring keeps free: more than one event puts on it
SOON: Final = 1 << 28  # ns ahead, a quarter of a second: what comes later is put on the other heap

# Cells of ``state``.
SOON_COUNT: Final = 0  # entries on each heap, and how many it has room for
LATE_COUNT: Final = 1
SOON_ROOM: Final = 2
LATE_ROOM: Final = 3
RING: Final = 4  # the ring whose first event comes first, or NO_RING
RINGS: Final = 5  # how many there are
TIGHT: Final = 6  # 1 + the ring that needs more room, or 0
COME: Final = 7  # people who have arrived
STATE: Final = 8

# Where an event is.
NOWHERE: Final = 0
ON_SOON: Final = 1
ON_LATE: Final = 2
ON_RING: Final = 3


class Calendar(NamedTuple):
    """What lies ahead; int64 arrays, bare ones in compiled code."""

    soon: Any
    late: Any
    rings: Any
    ends: Any
    ring_of: Any
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
def put(c: Calendar, now: int, time: int, code: int, ref: int) -> None:
    """Put an event on the calendar; TIGHT is set where room gets scarce."""
    kind = code >> at.KIND_SHIFT
    if at.TIMEOUT <= kind <= at.NO_MAIL_YET:
        step = (code >> at.STEP_SHIFT) & at.STEP_MASK
        ring = c.ring_of[2 * step + kind - at.TIMEOUT]
        put_on_ring(c, ring, time, code, ref)
        first = c.state[RING]
        if first == NO_RING or is_earlier(c.rings, head(c, ring), head(c, first)):
            c.state[RING] = ring
    elif time - now < SOON:
        push(c.soon, c.state[SOON_COUNT], time, code, ref)
        c.state[SOON_COUNT] += 1
    else:
        push(c.late, c.state[LATE_COUNT], time, code, ref)
        c.state[LATE_COUNT] += 1


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
def next_of_all(c: Calendar) -> int:
    """Where the first event of all is."""
    place, time, code = NOWHERE, at.THE_END, 0
    if c.state[SOON_COUNT] > 0:
        place, time, code = ON_SOON, c.soon[0], c.soon[1]
    if c.state[LATE_COUNT] > 0 and is_before(c.late, 0, time, code):
        place, time, code = ON_LATE, c.late[0], c.late[1]
    ring = c.state[RING]
    if ring != NO_RING and is_before(c.rings, head(c, ring), time, code):
        place = ON_RING
    return place


@machine_code()
def take(c: Calendar, place: int) -> None:
    """Take the first event off where it is (the caller has read it)."""
    if place == ON_SOON:
        pop(c.soon, c.state[SOON_COUNT])
        c.state[SOON_COUNT] -= 1
    elif place == ON_LATE:
        pop(c.late, c.state[LATE_COUNT])
        c.state[LATE_COUNT] -= 1
    else:
        take_from_ring(c)


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
def is_before(cells: Any, here: int, time: int, code: int) -> bool:
    """Whether the entry at a place comes before an instant and a code."""
    return bool(cells[here] < time or (cells[here] == time and cells[here + 1] < code))


@machine_code()
def is_earlier(cells: Any, here: int, there: int) -> bool:
    """Whether the entry at one place comes before the one at another."""
    return is_before(cells, here, cells[there], cells[there + 1])


# ---- in Python: making room ----------------------------------------------------------------------


def rings_of(plan: Sequence[int]) -> list[int]:
    """The ring of a step's timeouts, and of its patience for a mail, for each step of a plan.

    Timeouts of one length share a ring; a step that awaits a mail has one of its own, because who
    is carried over may have waited.
    """
    found: list[int] = []
    known: dict[tuple[int, int], int] = {}
    for step in range(len(plan) // WIDTH):
        row = step * WIDTH
        timeout, mail = (0, plan[row + TIMEOUT]), (1, step)
        found.append(known.setdefault(timeout, len(known)))
        awaits = plan[row + MAIL_KIND] != NO_MAIL
        found.append(known.setdefault(mail, len(known)) if awaits else NO_RING)
    return found


class Ahead:
    """A calendar on which nothing lies ahead at first, and its room. ``calendar``: as it is."""

    def __init__(self, plan: Sequence[int]) -> None:
        self._ring_of = np.asarray(rings_of(plan), dtype=np.int64)
        count, room = int(self._ring_of.max()) + 1, 1 << 12
        self._soon, self._late = Plane(ENTRY << 12), Plane(ENTRY << 12)
        self._rings = Plane(count * room * ENTRY)
        self._ends = np.zeros((count, RING_CELLS), dtype=np.int64)
        self._ends[:, 2], self._ends[:, 3] = np.arange(count) * room, room
        self._state = np.zeros(STATE, dtype=np.int64)
        self._state[RING], self._state[RINGS] = NO_RING, count
        self.calendar = self._now()

    def _now(self) -> Calendar:
        self._state[SOON_ROOM] = len(self._soon.array) // ENTRY
        self._state[LATE_ROOM] = len(self._late.array) // ENTRY
        return Calendar(self._soon.array, self._late.array, self._rings.array,
                        self._ends.reshape(-1), self._ring_of, self._state)  # fmt: skip

    def make_room(self, most: int) -> None:
        """Twice the room where less than ``most`` entries are free."""
        del self.calendar
        for heap, count in ((self._soon, SOON_COUNT), (self._late, LATE_COUNT)):
            if (int(self._state[count]) + most) * ENTRY > len(heap.array):
                heap.grow(2 * len(heap.array))
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
