"""The compiled engine: the same functions under an own event calendar, at full size in seconds.

numba compiles `workload.visit.advance`, `workload.draws` and the functions behind
`simulation.kernel` as they stand; only the two casts of `draws` are replaced (they are no-ops in
Python, and change the type here). What exists twice is the loop over the calendar alone: `_run`
below, and SimPy's in `driver`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numba.extending import overload

import workload.draws
import workload.visit
from simulation import (
    calendar,
    call_centre,
    carried,
    cores,
    depths,
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
    RING,
    SIZE,
    TIGHT,
    head,
    is_next_on_ring,
    longer,
    new_calendar,
    put,
    take_from_heap,
    take_from_ring,
    with_room,
)
from simulation.carried import carry_over, is_carried
from simulation.compilation import callable_from_machine_code, machine_code, settle
from simulation.depths import look
from simulation.kernel import handle
from simulation.places import open_visit
from simulation.visits import attempt, close_visit, pause, record
from simulation.world import Order, build_world
from workload.arrivals import Arrivals
from workload.visit import GOES_ON, advance, begin, failure, mail_needed, pause_begins

SHARED: Final = (at, lines, places, slices, cores, stations, upstream, photos, waiting_room,
                 call_centre, visits, carried, depths, replicas, kernel)  # fmt: skip
settle((workload.draws, workload.visit, calendar, *SHARED, sys.modules[__name__]))


# numba compares the signatures to the letter, so these two go without annotations.
@overload(workload.draws.to_word)
def _to_word(value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, ARG001
    return lambda value: np.uint64(value)  # noqa: PLW0108


@overload(workload.draws.to_int)
def _to_int(word):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, ARG001
    return lambda word: np.int64(word)  # noqa: PLW0108


def _compile_as_it_stands() -> None:
    """Make every function of the shared modules callable from compiled code, unchanged."""
    shared: set[Callable[..., Any]] = {
        workload.draws.mix, workload.draws.draw, workload.draws.quantile, advance, begin,
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


@machine_code()
def _is_full(w: Any, c: Any) -> Any:
    most = w.cells[at.C_MOST_OUT]
    return (
        min(w.cells[at.C_ROOM_VISITS], w.cells[at.C_ROOM_JOBS]) <= most
        or (c.state[SIZE] + most) * ENTRY > len(c.heap)
        or c.state[TIGHT] > 0
        or (w.cells[at.C_TRACE] == 1 and (w.cells[at.C_ROWS] + 2) * at.ROW > len(w.rows))
    )


@machine_code()
def _next_action(w: Any, now: int, visit: int, step: int, number: int, ns: int) -> None:
    """Pause, or attempt at once: what `walk` yields next."""
    w.visits[visit + at.V_STEP] = step
    w.visits[visit + at.V_NUMBER] = number
    after = pause_begins(w.plan, step, number)
    if ns > 0 or after > 0:
        pause(w, now, visit, ns, after)
    else:
        attempt(w, now, visit, step, number, mail_needed(w.plan, step, number))


@machine_code()
def _hear(w: Any, now: int, visit: int, outcome: int) -> None:
    """A visitor has heard something, and goes on as `walk` says."""
    attacks = w.visits[visit + at.V_WHO] >= w.cells[at.C_FIRST_ATTACKER]
    here, tried = w.visits[visit + at.V_STEP], w.visits[visit + at.V_NUMBER]
    if w.visits[visit + at.V_FATE] == GOES_ON:
        w.visits[visit + at.V_FATE] = failure(w.plan, here, tried, outcome)
    step, number, ns, ending = advance(
        w.plan, w.pauses, w.cells[at.C_ROWS_OF_PLAN if attacks else at.C_STEPS],
        w.cells[at.C_SEED], w.visits[visit + at.V_WHO],
        here, tried, outcome, w.visits[visit + at.V_FATE],
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
        step, number = w.visits[ref + at.V_STEP], w.visits[ref + at.V_NUMBER]
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
def _put_on_calendar(w: Any, c: Any) -> None:
    for place in range(0, w.cells[at.C_OUT] * at.OUT, at.OUT):
        put(c, w.out[place], w.out[place + 1], w.out[place + 2])
    w.cells[at.C_OUT] = 0


@machine_code(outermost=True)
def _run(w: Any, c: Any, who: Any, when: Any, budget: int) -> int:
    """Let time pass: DONE, FULL or PAUSED."""
    horizon = w.cells[at.C_HORIZON]
    _put_on_calendar(w, c)
    for _ in range(budget):
        if _is_full(w, c):
            return FULL
        now, code, ref = horizon, 0, 0
        rings = is_next_on_ring(c)
        if rings:
            place = head(c, c.state[RING])
            now, code, ref = c.rings[place], c.rings[place + 1], c.rings[place + 2]
        elif c.state[SIZE] > 0:
            now, code, ref = c.heap[0], c.heap[1], c.heap[2]
        come = c.state[COME]
        # Of one instant, arrivals are the first: no kind of event has a lower code.
        arrives = come < len(when) and when[come] <= now
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
        elif rings:
            take_from_ring(c)
            _happen(w, now, code, ref)
        else:
            take_from_heap(c)
            _happen(w, now, code, ref)
        _put_on_calendar(w, c)
    return PAUSED


class CompiledEngine:
    """One run of the compiled engine; the same interface as `driver.SimpyEngine`."""

    def __init__(self, order: Order) -> None:
        self.order = order
        lists = build_world(order, places=4096)
        self.world = at.World._make(np.asarray(sequence, dtype=np.int64) for sequence in lists)
        self._calendar = new_calendar(len(order.journey.names))

    def run(self, arrivals: Arrivals, progress: Callable[[float], None] | None = None) -> at.World:
        """Let everybody arrive and walk; returns the world at the end.

        ``progress`` is called with the share of the people who have come, now and then.
        """
        who, when = arrivals.index, arrivals.at_ns
        budget = 2_000_000 if progress else 1 << 62
        while True:
            answer = _run(self.world, self._calendar, who, when, budget)
            if answer == DONE:
                return self.world
            if answer == FULL:
                self._make_room()
            elif progress:
                progress(int(self._calendar.state[COME]) / max(1, len(who)))

    def _make_room(self) -> None:
        """Twice the room for whatever is short of it."""
        cells = self.world.cells
        self._calendar = with_room(self._calendar, int(cells[at.C_MOST_OUT]))
        self._add_places("visits", at.VISIT, at.V_NEXT, at.C_FREE_VISIT, at.C_ROOM_VISITS)
        self._add_places("jobs", at.JOB, at.J_NEXT, at.C_FREE_JOB, at.C_ROOM_JOBS)
        if self.order.trace and (int(cells[at.C_ROWS]) + 2) * at.ROW > len(self.world.rows):
            length = max(2 * len(self.world.rows), at.ROW << 16)
            rows: Any = longer(np.asarray(self.world.rows), length)
            self.world = self.world._replace(rows=rows)

    def _add_places(self, name: str, size: int, link: int, free: int, room: int) -> None:
        """Twice the places of a kind, when few are left."""
        cells = self.world.cells
        if cells[room] > cells[at.C_MOST_OUT]:
            return
        held = np.asarray(getattr(self.world, name))
        grown: Any = longer(held, 2 * len(held))
        added = np.arange(len(held), 2 * len(held), size, dtype=np.int64)
        grown[added + link] = np.append(added[1:], cells[free])
        cells[free] = len(held)
        cells[room] += len(added)
        self.world = self.world._replace(**{name: grown})
