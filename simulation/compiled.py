"""The compiled engine: the same functions under an own event calendar, at full size in seconds.

numba compiles `workload.visit.advance`, `workload.draws` and `simulation.kernel` as they stand; only
the two casts of `draws` are replaced (they are no-ops in Python, and change the type here). What
exists twice is the calendar alone: a 4-ary heap over (time, code) below, SimPy's in `driver`.

Compiled code is cached beside a digest of every source that it was made from, so that a change of
any of them compiles again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numba
import numpy as np
from numba.extending import overload, register_jitable
from numpy.typing import NDArray

import simulation.kernel
import simulation.layout
import simulation.stations
import workload.draws
import workload.journey
import workload.visit
from simulation import layout as at
from simulation.kernel import attempt, close_visit, handle, open_visit, pause, record
from simulation.world import Order, add_places, build_world
from workload.arrivals import Arrivals
from workload.visit import advance, begin, mail_needed

SOURCES: Final = (
    workload.draws,
    workload.journey,
    workload.visit,
    simulation.layout,
    simulation.stations,
    simulation.kernel,
)
HOUSE: Final = Path(__file__).resolve().parent.parent


def _digest() -> str:
    found = hashlib.sha256(numba.__version__.encode())
    for module in SOURCES:
        found.update(Path(str(module.__file__)).read_bytes())
    found.update(Path(__file__).read_bytes())
    return found.hexdigest()[:16]


numba.config.CACHE_DIR = os.environ.get("NUMBA_CACHE_DIR") or str(HOUSE / ".cache" / "numba" / _digest())


# numba compares the signatures to the letter, so these two go without annotations.
@overload(workload.draws.to_word)
def _to_word(value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return lambda value: np.uint64(value)


@overload(workload.draws.to_int)
def _to_int(word):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return lambda word: np.int64(word)


def _compile_as_it_stands() -> None:
    """Make every function of the shared modules callable from compiled code, unchanged."""
    replaced = {workload.draws.to_word, workload.draws.to_int}
    shared = {workload.draws.mix, workload.draws.draw, workload.draws.quantile, advance, begin,
              mail_needed, workload.visit.poll_pause, workload.visit.backoff}  # fmt: skip
    for module in (simulation.layout, simulation.stations, simulation.kernel):
        for value in vars(module).values():
            if callable(value) and getattr(value, "__module__", "").startswith("simulation."):
                shared.add(value)
    shared.discard(at.World)
    for function in shared - replaced:
        register_jitable(_nrt=False)(function)


_compile_as_it_stands()

# ---- the calendar: a 4-ary heap; children of n are 4n + 1 .. 4n + 4 ------------------------------


@numba.njit(inline="always")  # type: ignore[untyped-decorator]
def _earlier(times: Any, codes: Any, one: int, other: int) -> bool:
    return times[one] < times[other] or (times[one] == times[other] and codes[one] < codes[other])


@numba.njit(_nrt=False)  # type: ignore[untyped-decorator]
def _push(times: Any, codes: Any, refs: Any, size: int, time: int, code: int, ref: int) -> None:
    place = size
    while place > 0:
        parent = (place - 1) >> 2
        if times[parent] < time or (times[parent] == time and codes[parent] < code):
            break
        times[place], codes[place], refs[place] = times[parent], codes[parent], refs[parent]
        place = parent
    times[place], codes[place], refs[place] = time, code, ref


@numba.njit(_nrt=False)  # type: ignore[untyped-decorator]
def _pop(times: Any, codes: Any, refs: Any, size: int) -> None:
    """Take out the first of ``size`` entries (the caller has read it)."""
    last = size - 1
    time, code, ref = times[last], codes[last], refs[last]
    place = 0
    while True:
        child = 4 * place + 1
        if child >= last:
            break
        best = child
        for other in range(child + 1, min(child + 4, last)):
            if _earlier(times, codes, other, best):
                best = other
        if times[best] > time or (times[best] == time and codes[best] > code):
            break
        times[place], codes[place], refs[place] = times[best], codes[best], refs[best]
        place = best
    times[place], codes[place], refs[place] = time, code, ref


# ---- the engine ----------------------------------------------------------------------------------

DONE: Final = 0
FULL: Final = 1  # no room for another visit, job, row or event: make some and go on
PAUSED: Final = 2  # so many events are done: show progress and go on


@numba.njit(inline="always")  # type: ignore[untyped-decorator]
def _next_action(w: Any, now: int, slot: int, step: int, number: int, ns: int) -> None:
    """Pause, or attempt at once: what `walk` yields next."""
    place = slot * at.VISIT
    w.visits[place + at.V_STEP] = step
    if ns > 0:
        w.visits[place + at.V_NUMBER] = number
        pause(w, now, slot, ns)
    else:
        attempt(w, now, slot, step, number, mail_needed(w.plan, step, number))


@numba.njit(cache=True, nogil=True, _nrt=False)  # type: ignore[untyped-decorator]
def _run(w: Any, who: Any, when: Any, heap: Any, state: Any, budget: int) -> int:
    """Let time pass; ``state``: entries of the heap, arrivals so far. Returns DONE, FULL or PAUSED."""
    times, codes, refs = heap
    size, come = state[0], state[1]
    horizon = w.cells[at.C_HORIZON]
    seed, steps = w.cells[at.C_SEED], w.cells[at.C_STEPS]
    answer = PAUSED
    while budget > 0:
        budget -= 1
        if (
            min(w.cells[at.C_FULL_VISITS], w.cells[at.C_FULL_JOBS]) < at.MOST_OUT
            or size + at.MOST_OUT > len(times)
            or (w.cells[at.C_TRACE] == 1 and (w.cells[at.C_ROWS] + 2) * at.ROW > len(w.rows))
        ):
            answer = FULL
            break
        arrives = come < len(when) and (
            size == 0
            or when[come] < times[0]
            or (when[come] == times[0] and at.code_of(at.ARRIVE, who[come], 0, 0) < codes[0])
        )
        now = when[come] if arrives else (times[0] if size > 0 else horizon)
        if now >= horizon:
            answer = DONE
            break
        if arrives:
            w.cells[at.C_EVENTS] += 1
            slot = open_visit(w, now, who[come])
            ns = begin(w.pauses, seed, who[come])
            come += 1
            _next_action(w, now, slot, 0, 1, ns)
        else:
            code, ref = codes[0], refs[0]
            _pop(times, codes, refs, size)
            size -= 1
            if code >> at.KIND_SHIFT == at.WAKE:
                w.cells[at.C_EVENTS] += 1
                place = ref * at.VISIT
                step, number = w.visits[place + at.V_STEP], w.visits[place + at.V_NUMBER]
                attempt(w, now, ref, step, number, mail_needed(w.plan, step, number))
            else:
                handle(w, now, code, ref)
                slot = w.cells[at.C_SLOT]
                if slot != at.NONE:
                    place = slot * at.VISIT
                    outcome = w.cells[at.C_OUTCOME]
                    step, number, ns, ending = advance(
                        w.plan, w.pauses, steps, seed, w.visits[place + at.V_WHO],
                        w.visits[place + at.V_STEP], w.visits[place + at.V_NUMBER], outcome,
                    )  # fmt: skip
                    record(w, now, slot, outcome, ending)
                    if ending == 0:
                        _next_action(w, now, slot, step, number, ns)
                    else:
                        close_visit(w, now, slot, ending)
        for place in range(0, w.cells[at.C_OUT] * at.OUT, at.OUT):
            _push(times, codes, refs, size, w.out[place], w.out[place + 1], w.out[place + 2])
            size += 1
        w.cells[at.C_OUT] = 0
    state[0], state[1] = size, come
    return answer


class CompiledEngine:
    """One run of the compiled engine; the same interface as `driver.SimpyEngine`."""

    def __init__(self, order: Order) -> None:
        self.order = order
        lists = build_world(order, places=4096)
        self.world = at.World(*(np.asarray(sequence, dtype=np.int64) for sequence in lists))
        self._heap = tuple(np.zeros(1 << 16, dtype=np.int64) for _ in range(3))
        self._state = np.zeros(2, dtype=np.int64)

    def run(self, arrivals: Arrivals, progress: Callable[[float], None] | None = None) -> at.World:
        """Let everybody arrive and walk; returns the world at the end."""
        who, when = arrivals.index, arrivals.at_ns
        budget = 2_000_000 if progress else 1 << 62
        while True:
            answer = _run(self.world, who, when, self._heap, self._state, budget)
            if answer == DONE:
                return self.world
            if answer == FULL:
                self._make_room()
            elif progress:
                progress(int(self._state[1]) / max(1, len(who)))

    def _make_room(self) -> None:
        """Twice the room for whatever is short of it."""
        cells = self.world.cells
        if min(int(cells[at.C_FULL_VISITS]), int(cells[at.C_FULL_JOBS])) < at.MOST_OUT:
            self._add_places()
        if int(self._state[0]) + at.MOST_OUT > len(self._heap[0]):
            self._heap = tuple(_longer(part, 2 * len(part)) for part in self._heap)
        rows = self.world.rows
        if self.order.trace and (int(cells[at.C_ROWS]) + 2) * at.ROW > len(rows):
            length = max(2 * len(rows), at.ROW * 65_536)
            self.world = self.world._replace(rows=_longer(np.asarray(rows), length))

    def _add_places(self) -> None:
        cells = self.world.cells
        grown: dict[str, Any] = {}
        for name, size, link, free, full in (
            ("visits", at.VISIT, at.V_NEXT, at.C_FREE_VISIT, at.C_FULL_VISITS),
            ("jobs", at.JOB, at.J_NEXT, at.C_FREE_JOB, at.C_FULL_JOBS),
        ):
            held = np.asarray(getattr(self.world, name))
            first = len(held) // size
            longer = _longer(held, 2 * len(held))
            places = np.arange(first, 2 * first, dtype=np.int64)
            longer[places * size + link] = np.append(places[1:], cells[free])
            cells[free], cells[full] = first, cells[full] + first
            grown[name] = longer
        self.world = self.world._replace(**grown)


def _longer(held: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    longer = np.zeros(length, dtype=np.int64)
    longer[: len(held)] = held
    return longer
