"""Cores and event loops: who runs when on a processor.

A core runs one slice at a time. Preempting work (the database, the twins) takes the core first and
pushes the running slice's finish back. An event loop has one line of jobs that wait for a slice;
loops that share a core, the worker process among them, take turns, slice by slice; a loop that
slept costs a wake-up.

Nothing here, nor in `stations` and `upstream`, knows which engine calls: every event that is caused
goes through `layout.post`.
"""

from __future__ import annotations

from simulation import layout as at
from simulation.layout import World, code_of, post
from simulation.lines import count_service, count_wait, first_in_line, stand_in_line
from simulation.slices import slice_demand


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
    if loop != w.cells[at.C_WORKER_LOOP]:
        count_wait(w, station_of(w, loop))
    if w.loops[loop + at.L_READY] == 0:
        offer_core(w, loop, now)


def offer_core(w: World, loop: int, now: int) -> None:
    """A loop that had nothing to do has: it takes its core, or stands in line for it."""
    w.loops[loop + at.L_READY] = 1
    core = w.loops[loop + at.L_CORE]
    if w.cores[core + at.K_LOOP] == at.NONE:
        w.loops[loop + at.L_WAKEUPS] += 1
        run_slice(w, core, loop, now, wake_up(w, loop) // 2)
    else:
        queue_for_core(w, core, loop)


def wake_up(w: World, loop: int) -> int:
    """ns that a loop's sleep costs its core: half of them until it is awake, half to go to sleep.

    Nobody waits for the second half, unless he comes while it lasts.
    """
    if loop == w.cells[at.C_WORKER_LOOP]:  # its bursts share what a wake-up costs: in their cost
        return 0
    return w.cells[at.C_GENERATOR_WAKE if loop == w.cells[at.C_GENERATOR] else at.C_WAKE]


def station_of(w: World, loop: int) -> int:
    """The station that a loop is."""
    return at.GENERATOR if loop == w.cells[at.C_GENERATOR] else at.EVENT_LOOP


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
    demand = slice_demand(w, loop, now, job) + extra
    if loop != w.cells[at.C_WORKER_LOOP]:
        count_service(w, station_of(w, loop), now, now - w.jobs[job + at.J_SINCE], demand)
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
    """After a slice: the core's next loop runs; a loop with more to do stands in line again."""
    loop = w.cores[core + at.K_LOOP]
    w.loops[loop + at.L_RUNNING] = at.NONE
    w.cores[core + at.K_LOOP] = at.NONE
    if w.loops[loop + at.L_HEAD] == at.NONE:
        w.loops[loop + at.L_READY] = 0
    else:
        queue_for_core(w, core, loop)
    following = w.cores[core + at.K_HEAD]
    if following == at.NONE:
        falls_asleep = wake_up(w, loop) - wake_up(w, loop) // 2
        w.stations[station_of(w, loop) * at.STATION + at.S_BUSY] += falls_asleep
        preempt(w, core, now, falls_asleep)
        return
    w.cores[core + at.K_HEAD] = w.loops[following + at.L_READY_NEXT]
    run_slice(w, core, following, now, 0)
