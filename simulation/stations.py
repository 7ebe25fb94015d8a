"""What a station does when work arrives and when it is done: pure functions over a World.

    cores     a core runs one slice at a time; preempting work (the database, the worker process,
              the twins) takes the core first and pushes the running slice's finish back
    loops     an event loop: jobs wait in line for a slice of CPU; a loop that slept costs a wake-up
    batcher   natural batching: while a flush is in flight, rows gather
    pool      connections held for a query
    database  CPU that may share a core, and a write-ahead log that flushes one commit at a time
    registry  slots and quota in front of the ministry
    mail      connections of the mail sender, then the way to the inbox

Nothing here knows which engine calls. Every event that is caused goes through `layout.post`.
"""

from __future__ import annotations

from collections.abc import MutableSequence

from simulation.layout import (
    AFTER_AWAIT,
    BEFORE_AWAIT,
    C_BATCH,
    C_CHECK_CPU,
    C_CHECK_HEAD,
    C_CHECK_LENGTH,
    C_CHECK_TAIL,
    C_COMMIT_TABLE,
    C_DB_CORES,
    C_DB_FIRST,
    C_DECISION,
    C_DELIVERY_TABLE,
    C_FLUSH_BASE,
    C_FLUSH_ROW,
    C_FLUSHES,
    C_MAIL_CPU,
    C_MAIL_FREE,
    C_MAIL_HEAD,
    C_MAIL_LENGTH,
    C_MAIL_LOSS,
    C_MAIL_TABLE,
    C_MAIL_TAIL,
    C_MISTYPED,
    C_PICKUP,
    C_QUOTA_GAP,
    C_QUOTA_NEXT,
    C_REGISTRY_FREE,
    C_REGISTRY_TABLE,
    C_SEED,
    C_TWIN_CHECK,
    C_TWIN_CORE,
    C_TWIN_MAIL,
    C_WAKE,
    C_WAL_FREE,
    C_WORKER_CORE,
    C_WRITE_BASE,
    C_WRITE_ROW,
    CHECK_DONE,
    CHECK_DUE,
    CONNECTION_POOL,
    CORE,
    DATABASE,
    DECIDED,
    EVENT_LOOP,
    FLUSH_DONE,
    FLUSHING,
    GENERATOR,
    J_DEMAND,
    J_HEAD,
    J_LOOP,
    J_NEXT,
    J_NUMBER,
    J_PHASE,
    J_ROWS,
    J_SINCE,
    J_STEP,
    J_WHO,
    JOB,
    K_FINISH,
    K_HEAD,
    K_HIGH_UNTIL,
    K_LOOP,
    K_TAIL,
    L_CORE,
    L_HEAD,
    L_LANES_FREE,
    L_LENGTH,
    L_POOL_FREE,
    L_POOL_HEAD,
    L_POOL_TAIL,
    L_READY,
    L_READY_NEXT,
    L_ROWS,
    L_ROWS_HEAD,
    L_ROWS_TAIL,
    L_RUNNING,
    L_TAIL,
    L_WAKEUPS,
    LOOP,
    MAIL_ARRIVES,
    MAIL_DUE,
    MAIL_SENDER,
    MAIL_SENT,
    MISMATCH,
    NONE,
    QUERY_DONE,
    QUEUED,
    R_QUERY,
    REGISTRY_CLIENT,
    ROUTE,
    S_BUSY,
    S_DRAINED,
    S_LENGTH,
    S_LONGEST,
    S_PEAK,
    S_SERVED,
    S_WAITED,
    SLICE_DONE,
    STATION,
    V_CHECK_AT,
    V_CHECK_NEXT,
    V_IDENTITY,
    V_MAIL_AT,
    V_MAIL_KIND,
    V_MAIL_NEXT,
    V_REFS,
    V_WHO,
    VERIFIED,
    VISIT,
    WRITE_BATCHER,
    World,
    code_of,
    post,
)
from workload.draws import COMMIT, DELIVERY, MAIL, MISTYPE, QUERY, UPSTREAM, draw, quantile

# ---- what is counted -----------------------------------------------------------------------------


def count_wait(w: World, station: int) -> None:
    """Somebody starts to wait."""
    at = station * STATION
    length = w.stations[at + S_LENGTH] + 1
    w.stations[at + S_LENGTH] = length
    w.stations[at + S_PEAK] = max(w.stations[at + S_PEAK], length)


def count_service(w: World, station: int, now: int, waited: int, busy: int) -> None:
    """Somebody's wait ends and service begins; ``busy`` ns of it."""
    at = station * STATION
    length = w.stations[at + S_LENGTH] - 1
    w.stations[at + S_LENGTH] = length
    if length == 0:
        w.stations[at + S_DRAINED] = now
    w.stations[at + S_SERVED] = w.stations[at + S_SERVED] + 1
    w.stations[at + S_WAITED] = w.stations[at + S_WAITED] + waited
    w.stations[at + S_BUSY] = w.stations[at + S_BUSY] + busy
    w.stations[at + S_LONGEST] = max(w.stations[at + S_LONGEST], waited)


# ---- lines of jobs, linked by J_NEXT -------------------------------------------------------------


def stand_in_line(w: World, line: MutableSequence[int], head: int, tail: int, job: int) -> None:
    """Put a job at the end of the line whose ends are the cells ``head`` and ``tail``."""
    w.jobs[job * JOB + J_NEXT] = NONE
    if line[head] == NONE:
        line[head] = job
    else:
        w.jobs[line[tail] * JOB + J_NEXT] = job
    line[tail] = job


def first_in_line(w: World, line: MutableSequence[int], head: int) -> int:
    """Take the first job out of a line that is not empty."""
    job = line[head]
    line[head] = w.jobs[job * JOB + J_NEXT]
    return job


# ---- cores ---------------------------------------------------------------------------------------


def preempt(w: World, core: int, now: int, demand: int) -> int:
    """Do preempting work on a core; returns when it is done. A running slice waits meanwhile."""
    at = core * CORE
    done = max(now, w.cores[at + K_HIGH_UNTIL]) + demand
    w.cores[at + K_HIGH_UNTIL] = done
    if w.cores[at + K_LOOP] != NONE:
        w.cores[at + K_FINISH] = w.cores[at + K_FINISH] + demand
    return done


def offer_core(w: World, loop: int, now: int) -> None:
    """A loop has something to run: it takes its core, or stands in line for it."""
    if w.loops[loop * LOOP + L_READY]:
        return
    w.loops[loop * LOOP + L_READY] = 1
    core = w.loops[loop * LOOP + L_CORE]
    at = core * CORE
    if w.cores[at + K_LOOP] == NONE:
        run_slice(w, core, loop, now, w.cells[C_WAKE])
        w.loops[loop * LOOP + L_WAKEUPS] = w.loops[loop * LOOP + L_WAKEUPS] + 1
        return
    w.loops[loop * LOOP + L_READY_NEXT] = NONE
    if w.cores[at + K_HEAD] == NONE:
        w.cores[at + K_HEAD] = loop
    else:
        w.loops[w.cores[at + K_TAIL] * LOOP + L_READY_NEXT] = loop
    w.cores[at + K_TAIL] = loop


def run_slice(w: World, core: int, loop: int, now: int, extra: int) -> None:
    """Start the slice of the first job in a loop's line; ``extra`` ns come on top (a wake-up)."""
    at, mine = core * CORE, loop * LOOP
    job = first_in_line(w, w.loops, mine + L_HEAD)
    w.loops[mine + L_LENGTH] = w.loops[mine + L_LENGTH] - 1
    w.loops[mine + L_RUNNING] = job
    demand = w.jobs[job * JOB + J_DEMAND] + extra
    station = EVENT_LOOP if w.jobs[job * JOB + J_LOOP] == loop else GENERATOR
    count_service(w, station, now, now - w.jobs[job * JOB + J_SINCE], demand)
    finish = max(now, w.cores[at + K_HIGH_UNTIL]) + demand
    w.cores[at + K_LOOP] = loop
    w.cores[at + K_FINISH] = finish
    post(w, finish, code_of(SLICE_DONE, core, 0, 0), core)


def core_done(w: World, core: int, now: int) -> int:
    """The job whose slice is done, or NONE when preempting work has pushed its finish back."""
    at = core * CORE
    if w.cores[at + K_FINISH] > now:
        post(w, w.cores[at + K_FINISH], code_of(SLICE_DONE, core, 0, 0), core)
        return NONE
    return w.loops[w.cores[at + K_LOOP] * LOOP + L_RUNNING]


def pass_core_on(w: World, core: int, now: int) -> None:
    """After a slice: the core's next loop runs; a loop with more to do stands in line again."""
    at = core * CORE
    loop = w.cores[at + K_LOOP]
    mine = loop * LOOP
    w.loops[mine + L_RUNNING] = NONE
    w.cores[at + K_LOOP] = NONE
    if w.loops[mine + L_HEAD] == NONE:
        w.loops[mine + L_READY] = 0
    elif w.cores[at + K_HEAD] == NONE:
        run_slice(w, core, loop, now, 0)
        return
    else:
        w.loops[mine + L_READY_NEXT] = NONE
        w.loops[w.cores[at + K_TAIL] * LOOP + L_READY_NEXT] = loop
        w.cores[at + K_TAIL] = loop
    if w.cores[at + K_HEAD] != NONE:
        successor = w.cores[at + K_HEAD]
        w.cores[at + K_HEAD] = w.loops[successor * LOOP + L_READY_NEXT]
        run_slice(w, core, successor, now, 0)


# ---- loops ---------------------------------------------------------------------------------------


def enqueue_slice(w: World, loop: int, now: int, job: int, phase: int, demand: int) -> None:
    """A job needs ``demand`` ns of a loop; what it is for stands in its phase."""
    at = job * JOB
    w.jobs[at + J_PHASE] = phase
    w.jobs[at + J_DEMAND] = demand
    w.jobs[at + J_SINCE] = now
    mine = loop * LOOP
    stand_in_line(w, w.loops, mine + L_HEAD, mine + L_TAIL, job)
    w.loops[mine + L_LENGTH] = w.loops[mine + L_LENGTH] + 1
    count_wait(w, EVENT_LOOP if w.jobs[at + J_LOOP] == loop else GENERATOR)
    offer_core(w, loop, now)


def slice_demand(w: World, job: int, table: int, purpose: int) -> int:
    """CPU of a slice of a job, drawn at its address."""
    at = job * JOB
    who, step, number = w.jobs[at + J_WHO], w.jobs[at + J_STEP], w.jobs[at + J_NUMBER]
    return quantile(w.tables, table, draw(w.cells[C_SEED], who, step, number, purpose))


# ---- write batcher -------------------------------------------------------------------------------


def row_arrives(w: World, loop: int, now: int, job: int) -> None:
    """A row waits for a flush."""
    mine = loop * LOOP
    w.jobs[job * JOB + J_SINCE] = now
    stand_in_line(w, w.loops, mine + L_ROWS_HEAD, mine + L_ROWS_TAIL, job)
    w.loops[mine + L_ROWS] = w.loops[mine + L_ROWS] + 1
    count_wait(w, WRITE_BATCHER)


def flush_starts(w: World, loop: int, now: int, flush: int) -> None:
    """A lane takes the rows that have gathered, and the loop prepares their statement."""
    mine = loop * LOOP
    rows = min(w.loops[mine + L_ROWS], w.cells[C_BATCH])
    w.loops[mine + L_LANES_FREE] = w.loops[mine + L_LANES_FREE] - 1
    w.loops[mine + L_ROWS] = w.loops[mine + L_ROWS] - rows
    head = w.loops[mine + L_ROWS_HEAD]
    last = head
    for _ in range(rows):
        last = w.loops[mine + L_ROWS_HEAD]
        w.loops[mine + L_ROWS_HEAD] = w.jobs[last * JOB + J_NEXT]
        count_service(w, WRITE_BATCHER, now, now - w.jobs[last * JOB + J_SINCE], 0)
    w.jobs[last * JOB + J_NEXT] = NONE
    at = flush * JOB
    w.jobs[at + J_HEAD] = head
    w.jobs[at + J_ROWS] = rows
    w.jobs[at + J_LOOP] = loop
    demand = w.cells[C_FLUSH_BASE] + rows * w.cells[C_FLUSH_ROW]
    enqueue_slice(w, loop, now, flush, FLUSHING, demand)


def flush_sent(w: World, now: int, flush: int) -> None:
    """The statement is on its way: database CPU, then the log, one commit at a time."""
    at = flush * JOB
    demand = w.cells[C_WRITE_BASE] + w.jobs[at + J_ROWS] * w.cells[C_WRITE_ROW]
    ready = database(w, now, demand)
    address = w.cells[C_FLUSHES]
    w.cells[C_FLUSHES] = address + 1
    chance = draw(w.cells[C_SEED], address, 0, 0, COMMIT)
    commit = quantile(w.tables, w.cells[C_COMMIT_TABLE], chance)
    done = max(ready, w.cells[C_WAL_FREE]) + commit
    w.cells[C_WAL_FREE] = done
    batcher = WRITE_BATCHER * STATION + S_BUSY
    w.stations[batcher] = w.stations[batcher] + done - now
    w.jobs[at + J_SINCE] = now
    post(w, done, code_of(FLUSH_DONE, w.jobs[at + J_LOOP], 0, address & 4095), flush)


# ---- database ------------------------------------------------------------------------------------


def database(w: World, now: int, demand: int) -> int:
    """When ``demand`` ns of database CPU are done, on the core that is free first."""
    best = w.cells[C_DB_FIRST]
    for core in range(best + 1, best + w.cells[C_DB_CORES]):
        if w.cores[core * CORE + K_HIGH_UNTIL] < w.cores[best * CORE + K_HIGH_UNTIL]:
            best = core
    start = max(now, w.cores[best * CORE + K_HIGH_UNTIL])
    count_wait(w, DATABASE)
    count_service(w, DATABASE, now, start - now, demand)
    return preempt(w, best, now, demand)


# ---- connection pool -----------------------------------------------------------------------------


def connection_wanted(w: World, loop: int, now: int, job: int) -> None:
    """A job wants a connection: it gets one, or waits."""
    mine = loop * LOOP
    w.jobs[job * JOB + J_SINCE] = now
    count_wait(w, CONNECTION_POOL)
    if w.loops[mine + L_POOL_FREE] > 0:
        w.loops[mine + L_POOL_FREE] = w.loops[mine + L_POOL_FREE] - 1
        query_starts(w, now, job)
    else:
        stand_in_line(w, w.loops, mine + L_POOL_HEAD, mine + L_POOL_TAIL, job)


def query_starts(w: World, now: int, job: int) -> None:
    """A job has a connection: its query goes to the database."""
    at = job * JOB
    table = w.routes[w.jobs[at + J_STEP] * ROUTE + R_QUERY]
    done = database(w, now, slice_demand(w, job, table, QUERY))
    count_service(w, CONNECTION_POOL, now, now - w.jobs[at + J_SINCE], done - now)
    who, step, number = w.jobs[at + J_WHO], w.jobs[at + J_STEP], w.jobs[at + J_NUMBER]
    post(w, done, code_of(QUERY_DONE, who, step, number), job)


def connection_returned(w: World, loop: int, now: int) -> None:
    """A connection is free: the first who waits takes it."""
    mine = loop * LOOP
    if w.loops[mine + L_POOL_HEAD] == NONE:
        w.loops[mine + L_POOL_FREE] = w.loops[mine + L_POOL_FREE] + 1
    else:
        query_starts(w, now, first_in_line(w, w.loops, mine + L_POOL_HEAD))


# ---- civil registry ------------------------------------------------------------------------------


def check_wanted(w: World, now: int, slot: int) -> None:
    """An identity check is in the durable queue; the worker sees it a little later."""
    at = slot * VISIT
    w.visits[at + V_IDENTITY] = QUEUED
    w.visits[at + V_REFS] = w.visits[at + V_REFS] + 1
    post(w, now + w.cells[C_PICKUP], code_of(CHECK_DUE, w.visits[at + V_WHO], 0, 0), slot)


def check_due(w: World, now: int, slot: int) -> None:
    """The worker has seen a check: it stands in line for a slot."""
    at = slot * VISIT
    w.visits[at + V_CHECK_AT] = now
    w.visits[at + V_CHECK_NEXT] = NONE
    if w.cells[C_CHECK_HEAD] == NONE:
        w.cells[C_CHECK_HEAD] = slot
    else:
        w.visits[w.cells[C_CHECK_TAIL] * VISIT + V_CHECK_NEXT] = slot
    w.cells[C_CHECK_TAIL] = slot
    w.cells[C_CHECK_LENGTH] = w.cells[C_CHECK_LENGTH] + 1
    count_wait(w, REGISTRY_CLIENT)
    call_registry(w, now)


def call_registry(w: World, now: int) -> None:
    """While a slot is free and somebody waits: call, no faster than the quota allows."""
    while w.cells[C_REGISTRY_FREE] > 0 and w.cells[C_CHECK_HEAD] != NONE:
        slot = w.cells[C_CHECK_HEAD]
        at = slot * VISIT
        w.cells[C_CHECK_HEAD] = w.visits[at + V_CHECK_NEXT]
        w.cells[C_CHECK_LENGTH] = w.cells[C_CHECK_LENGTH] - 1
        w.cells[C_REGISTRY_FREE] = w.cells[C_REGISTRY_FREE] - 1
        start = max(now, w.cells[C_QUOTA_NEXT])
        w.cells[C_QUOTA_NEXT] = start + w.cells[C_QUOTA_GAP]
        who = w.visits[at + V_WHO]
        chance = draw(w.cells[C_SEED], who, 0, 0, UPSTREAM)
        took = quantile(w.tables, w.cells[C_REGISTRY_TABLE], chance)
        count_service(w, REGISTRY_CLIENT, now, start - w.visits[at + V_CHECK_AT], took)
        preempt(w, w.cells[C_WORKER_CORE], now, w.cells[C_CHECK_CPU])
        if w.cells[C_TWIN_CORE] != NONE:
            preempt(w, w.cells[C_TWIN_CORE], now, w.cells[C_TWIN_CHECK])
        post(w, start + took, code_of(CHECK_DONE, who, 0, 0), slot)


def check_done(w: World, now: int, slot: int) -> None:
    """The ministry has answered: the slot is free, the decision goes to the database."""
    w.cells[C_REGISTRY_FREE] = w.cells[C_REGISTRY_FREE] + 1
    stored = database(w, now, w.cells[C_DECISION])
    post(w, stored, code_of(DECIDED, w.visits[slot * VISIT + V_WHO], 0, 0), slot)
    call_registry(w, now)


def decided(w: World, slot: int) -> None:
    """The decision is stored."""
    at = slot * VISIT
    chance = draw(w.cells[C_SEED], w.visits[at + V_WHO], 0, 0, MISTYPE)
    w.visits[at + V_IDENTITY] = MISMATCH if chance < w.cells[C_MISTYPED] else VERIFIED


# ---- mail ----------------------------------------------------------------------------------------


def mail_wanted(w: World, now: int, slot: int, kind: int) -> None:
    """A mail is in the outbox; the worker sees it a little later."""
    at = slot * VISIT
    w.visits[at + V_MAIL_KIND] = kind
    w.visits[at + V_REFS] = w.visits[at + V_REFS] + 1
    post(w, now + w.cells[C_PICKUP], code_of(MAIL_DUE, w.visits[at + V_WHO], kind, 0), slot)


def mail_due(w: World, now: int, slot: int) -> None:
    """The worker has seen a mail: it stands in line for a connection."""
    at = slot * VISIT
    w.visits[at + V_MAIL_AT] = now
    w.visits[at + V_MAIL_NEXT] = NONE
    if w.cells[C_MAIL_HEAD] == NONE:
        w.cells[C_MAIL_HEAD] = slot
    else:
        w.visits[w.cells[C_MAIL_TAIL] * VISIT + V_MAIL_NEXT] = slot
    w.cells[C_MAIL_TAIL] = slot
    w.cells[C_MAIL_LENGTH] = w.cells[C_MAIL_LENGTH] + 1
    count_wait(w, MAIL_SENDER)
    send_mail(w, now)


def send_mail(w: World, now: int) -> None:
    """While a connection is free and a mail waits: send it."""
    while w.cells[C_MAIL_FREE] > 0 and w.cells[C_MAIL_HEAD] != NONE:
        slot = w.cells[C_MAIL_HEAD]
        at = slot * VISIT
        w.cells[C_MAIL_HEAD] = w.visits[at + V_MAIL_NEXT]
        w.cells[C_MAIL_LENGTH] = w.cells[C_MAIL_LENGTH] - 1
        w.cells[C_MAIL_FREE] = w.cells[C_MAIL_FREE] - 1
        who, kind = w.visits[at + V_WHO], w.visits[at + V_MAIL_KIND]
        chance = draw(w.cells[C_SEED], who, kind, 0, MAIL)
        took = quantile(w.tables, w.cells[C_MAIL_TABLE], chance)
        count_service(w, MAIL_SENDER, now, now - w.visits[at + V_MAIL_AT], took)
        preempt(w, w.cells[C_WORKER_CORE], now, w.cells[C_MAIL_CPU])
        if w.cells[C_TWIN_CORE] != NONE:
            preempt(w, w.cells[C_TWIN_CORE], now, w.cells[C_TWIN_MAIL])
        post(w, now + took, code_of(MAIL_SENT, who, kind, 0), slot)


def mail_sent(w: World, now: int, slot: int, kind: int) -> int:
    """The mail server has taken a mail: the connection is free. 0 when the mail gets lost on its way."""
    w.cells[C_MAIL_FREE] = w.cells[C_MAIL_FREE] + 1
    who = w.visits[slot * VISIT + V_WHO]
    kept = 0
    if draw(w.cells[C_SEED], who, kind, 1, DELIVERY) >= w.cells[C_MAIL_LOSS]:
        kept = 1
        chance = draw(w.cells[C_SEED], who, kind, 0, DELIVERY)
        delay = quantile(w.tables, w.cells[C_DELIVERY_TABLE], chance)
        post(w, now + delay, code_of(MAIL_ARRIVES, who, kind, 0), slot)
    send_mail(w, now)
    return kept
