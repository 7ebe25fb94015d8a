"""The compiled engine: the same functions under an own event calendar, at full size in seconds.

numba compiles `workload.visit.advance`, `workload.draws` and the functions behind
`simulation.kernel` as they stand; only the length of an integer and the two casts of `draws` are
replaced (which are no-ops in Python, and change the type here). What exists twice is the loop over
the calendar alone: `_run` below, and SimPy's in `driver`.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

import numpy as np
from numba.cpython.unsafe.numbers import leading_zeros
from numba.extending import overload
from numpy.typing import NDArray

import workload.draws
import workload.visit
from simulation import (
    calendar,
    call_centre,
    carried,
    cores,
    depths,
    errands,
    event_codes,
    kernel,
    lines,
    photos,
    places,
    replicas,
    slices,
    stations,
    upstream,
    visits,
    waiting_room,
)
from simulation import layout as at
from simulation.calendar import (
    COME,
    ENTRY,
    LATE_COUNT,
    LATE_ROOM,
    ON_LATE,
    ON_RING,
    ON_SOON,
    RING,
    RING_CELLS,
    SOON_COUNT,
    SOON_ROOM,
    TIGHT,
    Ahead,
    Calendar,
    find_first_ring,
    head,
    next_of_all,
    put,
    take,
)
from simulation.carried import carry_over, is_carried
from simulation.compilation import bare, callable_from_machine_code, machine_code, settle
from simulation.depths import look
from simulation.kernel import handle
from simulation.places import open_visit
from simulation.room import Plane
from simulation.visits import attempt, close_visit, is_waiting_for, pause, record
from simulation.world import Order, build_world
from workload.arrivals import Arrivals
from workload.roll import WINDOW, Roll
from workload.visit import GOES_ON, advance, begin, failure, mail_needed, pause_begins

SHARED: Final = (event_codes, at, lines, places, slices, cores, stations, errands, upstream, photos,
                 waiting_room, call_centre, visits, carried, depths, replicas, kernel)  # fmt: skip
settle((workload.draws, workload.visit, calendar, *SHARED, sys.modules[__name__]))


# numba compares the signatures to the letter, so these two go without annotations.
@overload(workload.draws.to_word)
def _to_word(value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, ARG001
    return lambda value: np.uint64(value)  # noqa: PLW0108


@overload(workload.draws.to_int)
def _to_int(word):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, ARG001
    return lambda word: np.int64(word)  # noqa: PLW0108


@overload(workload.draws.bits)
def _bits(value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, ARG001
    zeros: Any = leading_zeros
    return lambda value: 64 - zeros(value)


def _compile_as_it_stands() -> None:
    """Make every function of the shared modules callable from compiled code, unchanged."""
    shared: set[Callable[..., Any]] = {
        workload.draws.mix, workload.draws.draw, workload.draws.quantile,
        workload.draws.drawn, advance, begin,
        failure, mail_needed, pause_begins, workload.visit.poll_pause, workload.visit.backoff,
    }  # fmt: skip
    for module in SHARED:
        for value in vars(module).values():
            if callable(value) and getattr(value, "__module__", "").startswith("simulation."):
                shared.add(value)
    shared.discard(at.World)
    for function in shared:
        callable_from_machine_code(function)


_compile_as_it_stands()

DONE: Final = 0
FULL: Final = 1  # no room for another visit, job, row or event: make some and go on
PAUSED: Final = 2  # so many events are done: show progress and go on
NEXT: Final = 3  # all of a window have come: say who is in the next one and go on


@machine_code()
def _is_full(w: Any, c: Any, rows: int) -> Any:
    most = w.cells[at.C_MOST_OUT]
    return (
        min(w.cells[at.C_ROOM_VISITS], w.cells[at.C_ROOM_JOBS]) <= most
        or c.state[SOON_COUNT] + most > c.state[SOON_ROOM]
        or c.state[LATE_COUNT] + most > c.state[LATE_ROOM]
        or c.state[TIGHT] > 0
        or (w.cells[at.C_TRACE] == 1 and (w.cells[at.C_ROWS] + 2) * at.ROW > rows)
    )


@machine_code()
def _next_action(w: Any, now: int, visit: int, step: int, number: int, ns: int) -> None:
    """Pause, or attempt at once: what `walk` yields next."""
    w.marks[visit + at.M_STEP] = step
    w.marks[visit + at.M_NUMBER] = number
    after = pause_begins(w.plan, step, number)
    if ns > 0 or after > 0:
        pause(w, now, visit, ns, after)
    else:
        attempt(w, now, visit, step, number, mail_needed(w.plan, step, number))


@machine_code()
def _hear(w: Any, now: int, visit: int, outcome: int) -> None:
    """A visitor has heard something, and goes on as `walk` says."""
    attacks = w.visits[visit + at.V_WHO] >= w.cells[at.C_FIRST_ATTACKER]
    here, tried = w.marks[visit + at.M_STEP], w.marks[visit + at.M_NUMBER]
    if w.notes[visit + at.N_FATE] == GOES_ON:
        w.notes[visit + at.N_FATE] = failure(w.plan, here, tried, outcome)
    step, number, ns, ending = advance(
        w.plan, w.pauses, w.cells[at.C_ROWS_OF_PLAN if attacks else at.C_STEPS],
        w.cells[at.C_SEED], w.visits[visit + at.V_WHO],
        here, tried, outcome, w.notes[visit + at.N_FATE],
    )  # fmt: skip
    record(w, now, visit, outcome, ending)
    if ending == GOES_ON:
        _next_action(w, now, visit, step, number, ns)
    else:
        close_visit(w, now, visit, ending)


@machine_code()
def _happen(w: Any, now: int, code: int, ref: int) -> None:
    """An event of the calendar."""
    if code >> at.KIND_SHIFT == at.WAKE:
        w.cells[at.C_EVENTS] += 1
        step, number = w.marks[ref + at.M_STEP], w.marks[ref + at.M_NUMBER]
        attempt(w, now, ref, step, number, mail_needed(w.plan, step, number))
        return
    handle(w, now, code, ref)
    if w.cells[at.C_HEARD] != at.NONE:
        _hear(w, now, w.cells[at.C_HEARD], w.cells[at.C_OUTCOME])


@machine_code()
def _arrive(w: Any, now: int, who: int) -> None:
    """A visitor comes, or stands in line already."""
    w.cells[at.C_EVENTS] += 1
    if is_carried(w, who):
        carry_over(w, now, who)
        return
    visit = open_visit(w, now, who)
    if who >= w.cells[at.C_FIRST_ATTACKER]:
        _next_action(w, now, visit, w.cells[at.C_ATTACK_STEP], 1, 0)
    else:
        _next_action(w, now, visit, 0, 1, begin(w.pauses, w.cells[at.C_SEED], who))


@machine_code()
def _forget(w: Any, c: Any) -> None:
    """Take off a tight ring the patience of all who wait no more: nothing would come of it.

    Counted as the events that they are. The ring stays tight where more than half of it is left.
    """
    ring = c.state[TIGHT] - 1
    ends = RING_CELLS * ring
    first, start, room, kept = c.ends[ends], c.ends[ends + 2], c.ends[ends + 3], 0
    for entry in range(first, first + c.ends[ends + 1]):
        here = (start + (entry & (room - 1))) * ENTRY
        time, code, visit = c.rings[here], c.rings[here + 1], c.rings[here + 2]
        who, step = (code >> at.WHO_SHIFT) & at.WHO_MASK, (code >> at.STEP_SHIFT) & at.STEP_MASK
        state = at.IN_FLIGHT if code >> at.KIND_SHIFT == at.TIMEOUT else at.AWAITING_MAIL
        if is_waiting_for(w, visit, who, step, code & at.NUMBER_MASK, state):
            there = (start + ((first + kept) & (room - 1))) * ENTRY
            c.rings[there], c.rings[there + 1], c.rings[there + 2] = time, code, visit
            kept += 1
        else:
            w.cells[at.C_EVENTS] += 1
    c.ends[ends + 1] = kept
    if 2 * kept <= room:
        c.state[TIGHT] = 0
    find_first_ring(c)


@machine_code()
def _bare(w: Any) -> at.World:
    """The world as compiled code reads and writes it; of ``scaling`` the length is asked."""
    return at.World(
        bare(w.cells), bare(w.visits), bare(w.marks), bare(w.notes), bare(w.traced), bare(w.jobs),
        bare(w.cores), bare(w.loops), bare(w.stations), bare(w.out), bare(w.routes),
        bare(w.tables), bare(w.plan), bare(w.pauses), bare(w.bounds), bare(w.least),
        bare(w.counts), bare(w.tallies), bare(w.offered), bare(w.achieved), bare(w.declined),
        bare(w.ends), bare(w.rows), w.scaling,
        bare(w.followed), bare(w.lengths),
    )  # fmt: skip


@machine_code()
def _put_on_calendar(w: Any, c: Any, now: int) -> None:
    """What an event has caused goes on the calendar, but nothing that lies beyond the record."""
    for place in range(0, w.cells[at.C_OUT] * at.OUT, at.OUT):
        time = w.out[place]
        if time < w.cells[at.C_HORIZON]:
            put(c, now, time, w.out[place + 1], w.out[place + 2])
    w.cells[at.C_OUT] = 0


@machine_code(outermost=True)
def _run(w: Any, c: Any, who: Any, when: Any, last: int, budget: int) -> int:
    """Let time pass: DONE, FULL, PAUSED or NEXT. ``last``: 1 when nobody comes after these."""
    rows, people = len(w.rows), len(when)
    w, who, when = _bare(w), bare(who), bare(when)
    c = Calendar(bare(c.soon), bare(c.late), bare(c.rings), bare(c.ends), bare(c.ring_of),
                 bare(c.state))  # fmt: skip
    horizon = w.cells[at.C_HORIZON]
    _put_on_calendar(w, c, 0)
    for _ in range(budget):
        if c.state[TIGHT] > 0:
            _forget(w, c)
        if _is_full(w, c, rows):
            return FULL
        now, code, ref = horizon, 0, 0
        place = next_of_all(c)
        if place == ON_SOON:
            now, code, ref = c.soon[0], c.soon[1], c.soon[2]
        elif place == ON_LATE:
            now, code, ref = c.late[0], c.late[1], c.late[2]
        elif place == ON_RING:
            first = head(c, c.state[RING])
            now, code, ref = c.rings[first], c.rings[first + 1], c.rings[first + 2]
        come = c.state[COME]
        if come == people and last == 0:
            return NEXT
        # Of one instant, arrivals are the first: no kind of event has a lower code.
        arrives = come < people and when[come] <= now
        if arrives:
            now = when[come]
        if now >= horizon:
            look(w, at.THE_END)
            return DONE
        if now >= w.cells[at.C_LOOK_AT]:
            look(w, now)
        if arrives:
            c.state[COME] = come + 1
            _arrive(w, now, who[come])
        else:
            take(c, place)
            _happen(w, now, code, ref)
        _put_on_calendar(w, c, now)
    return PAUSED


#: The least places for visits and jobs that are added.
PLACES: Final = 4096
#: What of a World grows, and how wide its cells are: a mark counts the jobs of a visit, one an
#: attempt at most.
PLANES: Final[Mapping[str, Any]] = {
    "visits": np.int64, "marks": np.uint16, "notes": np.uint16, "traced": np.int64,
    "jobs": np.int64, "rows": np.int64,
}  # fmt: skip
NOTHING: Final[Any] = np.zeros(0, dtype=np.int64)
NOBODY: Final = Arrivals(NOTHING, NOTHING)


class CompiledEngine:
    """One run of the compiled engine; the same interface as `driver.SimpyEngine`."""

    def __init__(self, order: Order) -> None:
        self.order = order
        lists = build_world(replace(order, people=0))
        arrays: dict[str, Any] = {
            name: np.array(array("q", cells), dtype=np.int64)
            for name, cells in lists._asdict().items()
        }
        self._planes: dict[str, Plane] = {}
        for name, dtype in PLANES.items():
            cells = arrays[name]
            self._planes[name] = Plane(len(cells), dtype)
            self._planes[name].array[: len(cells)] = cells
            arrays[name] = self._planes[name].array
        arrays["ends"] = Plane(order.people * at.END).array
        self.world = at.World(**arrays)
        self._ahead = Ahead(order.itinerary.plan)

    def run(
        self, arrivals: Arrivals | Roll, progress: Callable[[float], None] | None = None
    ) -> at.World:
        """Let everybody arrive and walk; returns the world at the end.

        ``progress`` is called with the share of the people who have come, now and then.
        """
        budget = 2_000_000 if progress else 1 << 62
        windows, people, before = arrivals.windows(WINDOW), len(arrivals), 0
        window = next(windows, NOBODY)
        while True:
            calendar, last = self._ahead.calendar, int(before + len(window) == people)
            answer = _run(self.world, calendar, window.index, window.at_ns, last, budget)
            state = calendar.state
            del calendar  # its arrays can't grow while anybody looks at them
            if answer == DONE:
                return self.world
            if answer == FULL:
                self._make_room()
            elif answer == NEXT:
                before += len(window)
                window, state[COME] = next(windows), 0
            if progress:
                progress((before + int(state[COME])) / max(1, people))

    def _make_room(self) -> None:
        """More room for whatever is short of it."""
        cells = self.world.cells
        most = int(cells[at.C_MOST_OUT])
        self._ahead.make_room(most)
        if cells[at.C_ROOM_VISITS] <= most:
            self._add_places("visits", at.VISIT, at.VACANT, at.C_FREE_VISIT, at.C_ROOM_VISITS)
            for beside in ("marks", "notes", *(["traced"] if self.order.trace else [])):
                self._lengthen(beside, len(self.world.visits))
        if cells[at.C_ROOM_JOBS] <= most:
            self._add_places("jobs", at.JOB, at.J_NEXT, at.C_FREE_JOB, at.C_ROOM_JOBS)
        if self.order.trace and (int(cells[at.C_ROWS]) + 2) * at.ROW > len(self.world.rows):
            self._lengthen("rows", max(2 * len(self.world.rows), at.ROW << 16))

    def _add_places(self, name: str, size: int, link: int, free: int, room: int) -> None:
        """An eighth more places of a kind, linked to each other and to what is free."""
        cells = self.world.cells
        first = len(getattr(self.world, name))
        places = max(PLACES, first // size // 8, 2 * int(cells[at.C_MOST_OUT]))
        grown = self._lengthen(name, first + places * size)
        grown[first + link :: size] = np.arange(1, places + 1) * size + first
        grown[first + (places - 1) * size + link] = cells[free]
        cells[free] = first
        cells[room] += places

    def _lengthen(self, name: str, length: int) -> NDArray[Any]:
        """A plane of the world, with zeros behind what it holds."""
        self.world = self.world._replace(**{name: NOTHING})
        grown = self._planes[name].grow(length)
        self.world = self.world._replace(**{name: cast("Any", grown)})
        return grown
