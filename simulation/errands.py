"""The worker process between its queues, the database and the outside world.

It looks into the durable queues by the clock and takes in hand what gathered: its work comes in
bursts. What it has to tell the database it tells in batches: while one is written, more gathers.
Where it shares a core with event loops it is one of them (`cores`); on a core of its own its
processor time holds nobody up.
"""

from __future__ import annotations

from simulation import layout as at
from simulation.cores import enqueue_slice, preempt
from simulation.layout import World
from simulation.lines import first_in_line, stand_in_line
from simulation.places import drop_job, take_job
from simulation.stations import database


def next_look(now: int, every: int) -> int:
    """When the worker, which looks into a durable queue every so many ns, sees what is new now."""
    return now if every == 0 else (now // every + 1) * every


def claim(w: World, now: int, looked: int) -> None:
    """The worker sees something new: the first of it costs the database a claim, and a look that
    finds no more. ``looked``: the cell that keeps when it found something in this queue.
    """
    if now == w.cells[looked]:
        return
    w.cells[looked] = now
    if w.cells[at.C_ERRAND] > 0:
        job = take_job(w, at.IN_CLAIM)
        database(w, now, job, at.IN_CLAIM)


def worker_calls(w: World, now: int) -> None:
    """Processor time of the worker process for a call to the registry, and for its answer."""
    loop = w.cells[at.C_WORKER_LOOP]
    if loop == at.NONE:
        preempt(w, w.cells[at.C_WORKER_CORE], now, w.cells[at.C_CHECK_CPU])
    else:
        enqueue_slice(w, loop, now, take_job(w, at.ON_CHECK), at.ON_CHECK)


# ---- batches -------------------------------------------------------------------------------------


def batch_written(w: World, now: int, lane: int) -> bool:
    """A batch is durable: whether the worker knows at once, or only with its next slice."""
    loop = w.cells[at.C_WORKER_LOOP]
    if loop != at.NONE:
        enqueue_slice(w, loop, now, lane, at.HEARING_BATCH)
    return loop == at.NONE


def mark(w: World, now: int) -> None:
    """A mail is to be marked as sent: at once, or with others when the last marks are made."""
    if w.cells[at.C_ERRAND] == 0:
        return
    w.cells[at.C_MARKS] += 1
    if w.cells[at.C_MARKING] == 0:
        w.cells[at.C_MARKING] = 1
        lane = take_job(w, at.IN_MARKS)
        w.jobs[lane + at.J_STAGE] = at.MAILS
        write_marks(w, now, lane)


def write_marks(w: World, now: int, lane: int) -> None:
    """The marks that have gathered go to the database."""
    w.cells[at.C_MARKS] = 0
    database(w, now, lane, at.IN_MARKS)


def marks_made(w: World, now: int, lane: int) -> None:
    """The worker hears that mails are marked: the next ones, if some have gathered."""
    if w.cells[at.C_MARKS] > 0:
        write_marks(w, now, lane)
    else:
        w.cells[at.C_MARKING] = 0
        drop_job(w, lane)


def decision_falls(w: World, now: int, job: int) -> None:
    """The ministry has decided on a check: that is written with what else has gathered."""
    stand_in_line(w, w.cells, at.C_DECISION_HEAD, at.C_DECISION_TAIL, job)
    w.cells[at.C_DECISIONS] += 1
    if w.cells[at.C_DECIDING] == 0:
        w.cells[at.C_DECIDING] = 1
        lane = take_job(w, at.IN_DECISIONS)
        w.jobs[lane + at.J_STAGE] = at.DECISIONS
        write_decisions(w, now, lane)


def write_decisions(w: World, now: int, lane: int) -> None:
    """The decisions that have gathered go to the database, at most a full batch."""
    rows = min(w.cells[at.C_DECISIONS], w.cells[at.C_BATCH])
    w.cells[at.C_DECISIONS] -= rows
    w.jobs[lane + at.F_ROWS] = rows
    w.jobs[lane + at.F_HEAD] = w.cells[at.C_DECISION_HEAD]
    for _ in range(rows):
        first_in_line(w, w.cells, at.C_DECISION_HEAD)
    database(w, now, lane, at.IN_DECISIONS)


def decisions_made(w: World, now: int, lane: int) -> None:
    """A batch of decisions is through: the next one, if some have gathered."""
    if w.cells[at.C_DECISIONS] > 0:
        write_decisions(w, now, lane)
    else:
        w.cells[at.C_DECIDING] = 0
        drop_job(w, lane)
