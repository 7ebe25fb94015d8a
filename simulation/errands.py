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
    """A mail is to be marked as sent."""
    if w.cells[at.C_ERRAND] > 0:
        gathers(w, now, at.MAILS)


def decision_falls(w: World, now: int, job: int) -> None:
    """The ministry has decided on a check: that is to be written."""
    stand_in_line(w, w.cells, at.C_DECISION_HEAD, at.C_DECISION_TAIL, job)
    gathers(w, now, at.DECISIONS)


def gathers(w: World, now: int, kind: int) -> None:
    """One more for a batch: written at once, or with others when the last batch is through."""
    w.cells[at.C_MARKS + kind] += 1
    if w.cells[at.C_MARKING + kind] == 0:
        w.cells[at.C_MARKING + kind] = 1
        lane = take_job(w, at.IN_BATCH)
        w.jobs[lane + at.J_STAGE] = kind
        write_batch(w, now, lane, kind)


def write_batch(w: World, now: int, lane: int, kind: int) -> None:
    """What has gathered goes to the database; of decisions at most a full batch."""
    rows = w.cells[at.C_MARKS + kind]
    if kind == at.DECISIONS:
        rows = min(rows, w.cells[at.C_BATCH])
        w.jobs[lane + at.F_HEAD] = w.cells[at.C_DECISION_HEAD]
        for _ in range(rows):
            first_in_line(w, w.cells, at.C_DECISION_HEAD)
    w.jobs[lane + at.F_ROWS] = rows
    w.cells[at.C_MARKS + kind] -= rows
    database(w, now, lane, at.IN_BATCH)


def batch_over(w: World, now: int, lane: int) -> None:
    """The worker knows that a batch is through: the next one, if some have gathered."""
    kind = w.jobs[lane + at.J_STAGE]
    if w.cells[at.C_MARKS + kind] > 0:
        write_batch(w, now, lane, kind)
    else:
        w.cells[at.C_MARKING + kind] = 0
        drop_job(w, lane)
