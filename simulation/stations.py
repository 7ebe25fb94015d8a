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
from simulation.slices import asked
from workload.draws import COMMIT, READ, drawn

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
    database(w, now, lane, at.IN_FLUSH)


# ---- database ------------------------------------------------------------------------------------


def database(w: World, now: int, job: int, what: int) -> None:
    """A job asks something of the database, on the core that is free first.

    On cores of its own the database does one thing after the other. Where it shares cores with
    loops it takes turns with them: its processes are ones among others there.
    """
    if w.cells[at.C_STORE_LOOP] != at.NONE:
        enqueue_slice(w, shortest_line(w), now, job, what)
        return
    demand = asked(w, job, what)
    best = w.cells[at.C_DB_FIRST]
    for core in range(best + at.CORE, best + w.cells[at.C_DB_CORES] * at.CORE, at.CORE):
        if w.cores[core + at.K_HIGH_UNTIL] < w.cores[best + at.K_HIGH_UNTIL]:
            best = core
    start = max(now, w.cores[best + at.K_HIGH_UNTIL])
    count_wait(w, at.DATABASE)
    count_service(w, at.DATABASE, now, start - now, demand)
    w.jobs[job + at.J_PHASE] = what
    database_done(w, preempt(w, best, now, demand), job)


def shortest_line(w: World) -> int:
    """Of the database's lines that share cores the one with the fewest jobs."""
    best, first = w.cells[at.C_STORE_LOOP], w.cells[at.C_STORE_LOOP]
    for loop in range(first, first + w.cells[at.C_STORE_LINES] * at.LOOP, at.LOOP):
        if w.loops[loop + at.L_READY] + w.loops[loop + at.L_LENGTH] < (
            w.loops[best + at.L_READY] + w.loops[best + at.L_LENGTH]
        ):
            best = loop
    return best


def database_done(w: World, done: int, job: int) -> None:
    """The database's CPU for a job is done at ``done``: a commit, a read or nothing follows."""
    what = w.jobs[job + at.J_PHASE]
    who, step, number = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP], w.jobs[job + at.J_NUMBER]
    seed = w.cells[at.C_SEED]
    if what == at.IN_QUERY:
        beside = drawn(w.tables, w.cells[at.C_READ_TABLE], seed, who, step, number, READ)
        w.stations[at.CONNECTION_POOL * at.STATION + at.S_BUSY] += (
            done + beside - w.jobs[job + at.J_SINCE]
        )
        post(w, done + beside, code_of(at.QUERY_DONE, who, step, number), job)
        return
    if what == at.IN_CLAIM:
        drop_job(w, job)
        return
    address = w.cells[at.C_COMMITS]
    w.cells[at.C_COMMITS] = address + 1
    w.cells[at.C_FLUSHES] += 1 if what == at.IN_FLUSH else 0
    commit = drawn(w.tables, w.cells[at.C_COMMIT_TABLE], seed, address, 0, 0, COMMIT)
    kind = at.FLUSH_DONE if what == at.IN_FLUSH else at.BATCH_DONE
    post(w, done + commit, code_of(kind, address, 0, 0), job)


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
    count_service(w, at.CONNECTION_POOL, now, now - w.jobs[job + at.J_SINCE], 0)
    w.jobs[job + at.J_SINCE] = now
    database(w, now, job, at.IN_QUERY)


def connection_returned(w: World, loop: int, now: int) -> None:
    """A connection is free: the first who waits takes it."""
    if w.loops[loop + at.L_POOL_HEAD] == at.NONE:
        w.loops[loop + at.L_POOL_FREE] += 1
    else:
        query_starts(w, now, first_in_line(w, w.loops, loop + at.L_POOL_HEAD))
