"""Cores and event loops: who runs when on a processor.

A core runs one slice at a time. Preempting work (a database on cores of its own, the twins) takes
the core first and pushes the running slice's finish back. An event loop has one line of jobs that
wait for a slice; a loop that slept costs a wake-up. Loops that share a core take turns: each keeps
it for some slices, and then stands in line behind the others. Where the worker process and the
database share the service's cores they are such loops too.

Nothing here, nor in `stations` and `upstream`, knows which engine calls: every event that is caused
goes through `layout.post`.
"""

from __future__ import annotations

from typing import Final

from simulation import layout as at
from simulation.layout import World, code_of, post
from simulation.lines import count_service, count_wait, first_in_line, stand_in_line
from simulation.slices import slice_demand

#: ns that a process keeps its core while others wait for it. A trace of Linux's scheduler under
#: load showed 50 to 190 µs for everybody; between 50 and 300 the predictions hardly change.
TURN: Final = 150_000


def preempt(w: World, core: int, now: int, demand: int) -> int:
    """Do preempting work on a core; returns when it is done. A running slice waits meanwhile."""
    done = max(now, w.cores[core + at.K_HIGH_UNTIL]) + demand
    w.cores[core + at.K_HIGH_UNTIL] = done
    if w.cores[core + at.K_LOOP] != at.NONE:
        w.cores[core + at.K_FINISH] += demand
    return done


def enqueue_slice(w: World, loop: int, now: int, job: int, phase: int) -> None:
    """A job needs a slice of a loop; what for stands in its phase."""
    w.jobs[job + at.J_PHASE] = phase
    w.jobs[job + at.J_SINCE] = now
    stand_in_line(w, w.loops, loop + at.L_HEAD, loop + at.L_TAIL, job)
    w.loops[loop + at.L_LENGTH] += 1
    station = station_of(w, loop)
    if station != at.NONE:
        count_wait(w, station)
    if w.loops[loop + at.L_READY] == 0:
        offer_core(w, loop, now)


def offer_core(w: World, loop: int, now: int) -> None:
    """A loop that had nothing to do has: it takes its core, or stands in line for it."""
    w.loops[loop + at.L_READY] = 1
    core = w.loops[loop + at.L_CORE]
    if w.cores[core + at.K_LOOP] == at.NONE:
        w.loops[loop + at.L_WAKEUPS] += 1
        w.cores[core + at.K_TURN] = now + turn_of(w, loop)
        run_slice(w, core, loop, now, wake_up(w, loop) // 2)
    else:
        queue_for_core(w, core, loop)


def wake_up(w: World, loop: int) -> int:
    """ns that a loop's sleep costs its core: half of them until it is awake, half to go to sleep.

    Nobody waits for the second half, unless he comes while it lasts.
    """
    station = station_of(w, loop)
    if station == at.EVENT_LOOP:
        return w.cells[at.C_WAKE]
    # The worker's and the database's wake-ups are in the cost of what they do.
    return w.cells[at.C_GENERATOR_WAKE] if station == at.GENERATOR else 0


def turn_of(w: World, loop: int) -> int:
    """ns that a loop keeps its core: a process of the database no longer than one piece lasts."""
    return 0 if station_of(w, loop) == at.DATABASE else TURN


def station_of(w: World, loop: int) -> int:
    """The station that a loop is; NONE: the worker process, whose stations are outside of it."""
    if loop == w.cells[at.C_GENERATOR]:
        return at.GENERATOR
    if loop < w.cells[at.C_WORKERS] * at.LOOP:
        return at.EVENT_LOOP
    return at.NONE if loop == w.cells[at.C_WORKER_LOOP] else at.DATABASE


def queue_for_core(w: World, core: int, loop: int) -> None:
    """A loop stands in line for its core."""
    w.loops[loop + at.L_READY_NEXT] = at.NONE
    if w.cores[core + at.K_HEAD] == at.NONE:
        w.cores[core + at.K_HEAD] = loop
    else:
        w.loops[w.cores[core + at.K_TAIL] + at.L_READY_NEXT] = loop
    w.cores[core + at.K_TAIL] = loop


def run_slice(w: World, core: int, loop: int, now: int, extra: int) -> None:
    """Start the slice of the first job in a loop's line; ``extra`` ns come on top (a wake-up)."""
    job = first_in_line(w, w.loops, loop + at.L_HEAD)
    w.loops[loop + at.L_RUNNING] = job
    w.loops[loop + at.L_LENGTH] -= 1
    demand = slice_demand(w, loop, now, job) + extra
    station = station_of(w, loop)
    if station != at.NONE:
        count_service(w, station, now, now - w.jobs[job + at.J_SINCE], demand)
    finish = max(now, w.cores[core + at.K_HIGH_UNTIL]) + demand
    w.cores[core + at.K_LOOP] = loop
    w.cores[core + at.K_FINISH] = finish
    post(w, finish, code_of(at.SLICE_DONE, core, 0, 0), core)


def core_done(w: World, core: int, now: int) -> int:
    """The job whose slice is done, or NONE when preempting work has pushed its finish back."""
    finish = w.cores[core + at.K_FINISH]
    if finish > now:
        post(w, finish, code_of(at.SLICE_DONE, core, 0, 0), core)
        return at.NONE
    return w.loops[w.cores[core + at.K_LOOP] + at.L_RUNNING]


def pass_core_on(w: World, core: int, now: int) -> None:
    """After a slice: the loop goes on while its turn lasts or nobody waits; else the next runs."""
    loop = w.cores[core + at.K_LOOP]
    w.loops[loop + at.L_RUNNING] = at.NONE
    w.cores[core + at.K_LOOP] = at.NONE
    goes_on = w.loops[loop + at.L_HEAD] != at.NONE
    if goes_on and (w.cores[core + at.K_HEAD] == at.NONE or now < w.cores[core + at.K_TURN]):
        run_slice(w, core, loop, now, 0)
        return
    if goes_on:
        queue_for_core(w, core, loop)
    else:
        w.loops[loop + at.L_READY] = 0
    following = w.cores[core + at.K_HEAD]
    if following == at.NONE:
        falls_asleep = wake_up(w, loop) - wake_up(w, loop) // 2
        if falls_asleep == 0:
            return
        w.stations[station_of(w, loop) * at.STATION + at.S_BUSY] += falls_asleep
        preempt(w, core, now, falls_asleep)
        return
    w.cores[core + at.K_HEAD] = w.loops[following + at.L_READY_NEXT]
    w.cores[core + at.K_TURN] = now + turn_of(w, following)
    run_slice(w, core, following, now, 0)
