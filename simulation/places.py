"""Places for visits and jobs: records in free lists. The engine sees to it that there are some."""

from __future__ import annotations

from simulation import layout as at
from simulation.layout import World


def open_visit(w: World, now: int, who: int) -> int:
    """A visitor arrives: a place for the visit."""
    visit = w.cells[at.C_FREE_VISIT]
    w.cells[at.C_FREE_VISIT] = w.visits[visit + at.VACANT]
    w.cells[at.C_ROOM_VISITS] -= 1
    for field in range(at.VISIT):
        w.visits[visit + field] = 0
        w.marks[visit + field] = 0
        w.notes[visit + field] = 0
    w.visits[visit + at.V_WHO] = who
    w.marks[visit + at.M_STATE] = at.PAUSING
    keep(w, visit, at.Y_ARRIVED, now)
    w.visits[visit + at.V_FIRST] = at.NONE
    w.marks[visit + at.M_REFS] = 1
    w.cells[at.C_OPEN] += 1
    w.cells[at.C_PEAK] = max(w.cells[at.C_PEAK], w.cells[at.C_OPEN])
    return visit


def keep(w: World, visit: int, field: int, instant: int) -> None:
    """An instant of a visit that only a trace asks for."""
    if w.cells[at.C_TRACE] == 1:
        w.traced[visit + field] = instant


def let_go(w: World, visit: int) -> None:
    """One piece of work less belongs to a visit; the last one frees its place."""
    w.marks[visit + at.M_REFS] -= 1
    if w.marks[visit + at.M_REFS] == 0:
        w.visits[visit + at.VACANT] = w.cells[at.C_FREE_VISIT]
        w.cells[at.C_FREE_VISIT] = visit
        w.cells[at.C_ROOM_VISITS] += 1


def take_job(w: World, phase: int) -> int:
    """A place for a job of nobody."""
    job = w.cells[at.C_FREE_JOB]
    w.cells[at.C_FREE_JOB] = w.jobs[job + at.J_NEXT]
    w.cells[at.C_ROOM_JOBS] -= 1
    for field in range(at.JOB):
        w.jobs[job + field] = 0
    w.jobs[job + at.J_VISIT] = at.NONE
    w.jobs[job + at.J_PHASE] = phase
    return job


def take_job_of(w: World, phase: int, visit: int, step: int) -> int:
    """A place for a job of a visit, which stays in place until the job is done."""
    job = take_job(w, phase)
    w.jobs[job + at.J_VISIT] = visit
    w.jobs[job + at.J_WHO] = w.visits[visit + at.V_WHO]
    w.jobs[job + at.J_STEP] = step
    w.marks[visit + at.M_REFS] += 1
    return job


def drop_job(w: World, job: int) -> None:
    """The job is done: its place is free, and one thing less belongs to its visit."""
    visit = w.jobs[job + at.J_VISIT]
    w.jobs[job + at.J_NEXT] = w.cells[at.C_FREE_JOB]
    w.cells[at.C_FREE_JOB] = job
    w.cells[at.C_ROOM_JOBS] += 1
    if visit != at.NONE:
        let_go(w, visit)


def add_places(world: World, count: int) -> None:
    """Room for ``count`` more visits and jobs (of a World of lists: not for compiled code)."""
    cells = world.cells
    for sequence, size, link, free, room in (
        (world.visits, at.VISIT, at.VACANT, at.C_FREE_VISIT, at.C_ROOM_VISITS),
        (world.jobs, at.JOB, at.J_NEXT, at.C_FREE_JOB, at.C_ROOM_JOBS),
    ):
        first = len(sequence)
        sequence.extend([0] * (size * count))
        for place in range(first, len(sequence), size):
            sequence[place + link] = place + size
        sequence[len(sequence) - size + link] = cells[free]
        cells[free] = first
        cells[room] += count
    traced = (world.traced,) if cells[at.C_TRACE] == 1 else ()
    for beside in (world.marks, world.notes, *traced):
        beside.extend([0] * (at.VISIT * count))
