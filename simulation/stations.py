"""The stations inside the service: write batcher, connection pool, database.

batcher   natural batching: while a flush is in flight, rows gather
pool      connections held for a query
database  CPU that may share a core, and a write-ahead log that flushes one commit at a time
"""

from __future__ import annotations

from simulation import layout as at
from simulation.cores import enqueue_slice, preempt, slice_demand
from simulation.layout import World, code_of, post
from simulation.lines import count_service, count_wait, first_in_line, stand_in_line
from workload.draws import COMMIT, QUERY, draw, quantile

# ---- write batcher -------------------------------------------------------------------------------


def row_arrives(w: World, loop: int, now: int, job: int) -> None:
    """A row waits for a flush."""
    w.jobs[job + at.J_SINCE] = now
    stand_in_line(w, w.loops, loop + at.L_ROWS_HEAD, loop + at.L_ROWS_TAIL, job)
    w.loops[loop + at.L_ROWS] += 1
    count_wait(w, at.WRITE_BATCHER)


def flush_starts(w: World, loop: int, now: int, flush: int) -> None:
    """A lane takes the rows that have gathered, and the loop prepares their statement."""
    rows = min(w.loops[loop + at.L_ROWS], w.cells[at.C_BATCH])
    w.loops[loop + at.L_LANES_FREE] -= 1
    w.loops[loop + at.L_ROWS] -= rows
    w.jobs[flush + at.J_HEAD] = w.loops[loop + at.L_ROWS_HEAD]
    w.jobs[flush + at.J_ROWS] = rows
    w.jobs[flush + at.J_LOOP] = loop
    for _ in range(rows):
        row = first_in_line(w, w.loops, loop + at.L_ROWS_HEAD)
        count_service(w, at.WRITE_BATCHER, now, now - w.jobs[row + at.J_SINCE], 0)
    demand = w.cells[at.C_FLUSH_BASE] + rows * w.cells[at.C_FLUSH_ROW]
    enqueue_slice(w, loop, now, flush, at.FLUSHING, demand)


def flush_sent(w: World, now: int, flush: int) -> None:
    """The statement is on its way: database CPU, then the log, one commit at a time."""
    demand = w.cells[at.C_WRITE_BASE] + w.jobs[flush + at.J_ROWS] * w.cells[at.C_WRITE_ROW]
    ready = database(w, now, demand)
    address = w.cells[at.C_FLUSHES]
    w.cells[at.C_FLUSHES] = address + 1
    chance = draw(w.cells[at.C_SEED], address, 0, 0, COMMIT)
    commit = quantile(w.tables, w.cells[at.C_COMMIT_TABLE], chance)
    done = max(ready, w.cells[at.C_WAL_FREE]) + commit
    w.cells[at.C_WAL_FREE] = done
    w.stations[at.WRITE_BATCHER * at.STATION + at.S_BUSY] += done - now
    post(w, done, code_of(at.FLUSH_DONE, address, 0, 0), flush)


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
    table = w.routes[step * at.ROUTE + at.R_QUERY]
    done = database(w, now, slice_demand(w, job, table, QUERY))
    count_service(w, at.CONNECTION_POOL, now, now - w.jobs[job + at.J_SINCE], done - now)
    post(w, done, code_of(at.QUERY_DONE, who, step, number), job)


def connection_returned(w: World, loop: int, now: int) -> None:
    """A connection is free: the first who waits takes it."""
    if w.loops[loop + at.L_POOL_HEAD] == at.NONE:
        w.loops[loop + at.L_POOL_FREE] += 1
    else:
        query_starts(w, now, first_in_line(w, w.loops, loop + at.L_POOL_HEAD))
