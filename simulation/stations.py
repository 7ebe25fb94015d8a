"""The stations inside the service: write batcher, connection pool, database.

batcher   natural batching: while a flush is in flight, rows gather
pool      connections held for a query
database  CPU that may share a core, and a write-ahead log whose flushes commits share
"""

from __future__ import annotations

from simulation import layout as at
from simulation.cores import enqueue_slice, preempt
from simulation.layout import World, code_of, post
from simulation.lines import count_service, count_wait, first_in_line, stand_in_line
from simulation.places import drop_job, take_job
from simulation.slices import drawn_demand
from workload.draws import COMMIT, QUERY, READ, draw, quantile

# ---- write batcher -------------------------------------------------------------------------------


def row_arrives(w: World, loop: int, now: int, job: int) -> None:
    """A row waits for a flush; an idle lane is woken, and takes it with its slice."""
    w.jobs[job + at.J_SINCE] = now
    stand_in_line(w, w.loops, loop + at.L_ROWS_HEAD, loop + at.L_ROWS_TAIL, job)
    w.loops[loop + at.L_ROWS] += 1
    count_wait(w, at.WRITE_BATCHER)
    if w.loops[loop + at.L_LANES_FREE] > 0:
        w.loops[loop + at.L_LANES_FREE] -= 1
        lane = take_job(w, at.FLUSHING)
        w.jobs[lane + at.J_LOOP] = loop
        enqueue_slice(w, loop, now, lane, at.FLUSHING)


def flush_durable(w: World, now: int, lane: int) -> None:
    """A flush is through: its lane wants a slice, to say so and to take what has gathered."""
    w.stations[at.WRITE_BATCHER * at.STATION + at.S_BUSY] += now - w.jobs[lane + at.F_TAKEN_AT]
    enqueue_slice(w, w.jobs[lane + at.J_LOOP], now, lane, at.FLUSHING)


def lane_goes_on(w: World, now: int, lane: int) -> None:
    """A lane's slice is done: the rows of the last flush are told, the next one is on its way.

    Without a next one the lane sleeps.
    """
    loop, row = w.jobs[lane + at.J_LOOP], w.jobs[lane + at.F_HEAD]
    for _ in range(w.jobs[lane + at.F_ROWS]):
        following = w.jobs[row + at.J_NEXT]
        enqueue_slice(w, loop, now, row, at.AFTER_AWAIT)
        row = following
    if w.jobs[lane + at.F_TAKEN] == 0:
        w.loops[loop + at.L_LANES_FREE] += 1
        drop_job(w, lane)
        return
    w.jobs[lane + at.F_ROWS] = w.jobs[lane + at.F_TAKEN]
    w.jobs[lane + at.F_HEAD] = w.jobs[lane + at.F_TAKEN_HEAD]
    send_flush(w, now, lane)


def send_flush(w: World, now: int, lane: int) -> None:
    """The statement is on its way: database CPU, then the log.

    Commits of several lanes share a flush of the log (group commit), so they do not wait for
    each other here; what a flush of the log takes is in the distribution of the commit.
    """
    demand = w.cells[at.C_WRITE_BASE] + w.jobs[lane + at.F_ROWS] * w.cells[at.C_WRITE_ROW]
    ready = database(w, now, demand)
    address = w.cells[at.C_FLUSHES]
    w.cells[at.C_FLUSHES] = address + 1
    chance = draw(w.cells[at.C_SEED], address, 0, 0, COMMIT)
    commit = quantile(w.tables, w.cells[at.C_COMMIT_TABLE], chance)
    post(w, ready + commit, code_of(at.FLUSH_DONE, address, 0, 0), lane)


# ---- database ------------------------------------------------------------------------------------


def database(w: World, now: int, demand: int) -> int:
    """When ``demand`` ns of database CPU are done, on the core that is free first."""
    best = w.cells[at.C_DB_FIRST]
    for core in range(best + at.CORE, best + w.cells[at.C_DB_CORES] * at.CORE, at.CORE):
        if w.cores[core + at.K_HIGH_UNTIL] < w.cores[best + at.K_HIGH_UNTIL]:
            best = core
    start = max(now, w.cores[best + at.K_HIGH_UNTIL])
    count_wait(w, at.DATABASE)
    count_service(w, at.DATABASE, now, start - now, demand)
    return preempt(w, best, now, demand)


# ---- connection pool -----------------------------------------------------------------------------


def connection_wanted(w: World, loop: int, now: int, job: int) -> None:
    """A job wants a connection: it gets one, or waits."""
    w.jobs[job + at.J_SINCE] = now
    count_wait(w, at.CONNECTION_POOL)
    if w.loops[loop + at.L_POOL_FREE] > 0:
        w.loops[loop + at.L_POOL_FREE] -= 1
        query_starts(w, now, job)
    else:
        stand_in_line(w, w.loops, loop + at.L_POOL_HEAD, loop + at.L_POOL_TAIL, job)


def query_starts(w: World, now: int, job: int) -> None:
    """A job has a connection: its query goes to the database."""
    who, step, number = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP], w.jobs[job + at.J_NUMBER]
    chance = draw(w.cells[at.C_SEED], who, step, number, READ)
    beside = quantile(w.tables, w.cells[at.C_READ_TABLE], chance)
    done = database(w, now, drawn_demand(w, job, at.R_QUERY, QUERY)) + beside
    count_service(w, at.CONNECTION_POOL, now, now - w.jobs[job + at.J_SINCE], done - now)
    post(w, done, code_of(at.QUERY_DONE, who, step, number), job)


def connection_returned(w: World, loop: int, now: int) -> None:
    """A connection is free: the first who waits takes it."""
    if w.loops[loop + at.L_POOL_HEAD] == at.NONE:
        w.loops[loop + at.L_POOL_FREE] += 1
    else:
        query_starts(w, now, first_in_line(w, w.loops, loop + at.L_POOL_HEAD))
