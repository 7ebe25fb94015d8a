"""What an event does: the one dispatcher, and the visit's side of the world.

`handle` is called by both engines for each event on their calendars. If somebody hears something
in an event (an answer, a timeout, no mail), their visit stands in C_SLOT and what they heard in
C_OUTCOME; the engine then asks `visit.advance` (through `walk` under SimPy) what comes next. At
most one visitor hears something in one event.
"""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import Final

from simulation.layout import (
    AFTER_AWAIT,
    AWAITING_MAIL,
    BEFORE_AWAIT,
    C_ATTEMPTS,
    C_BUCKETS,
    C_CAP,
    C_CELL_NS,
    C_EVENTS,
    C_FREE_JOB,
    C_FREE_VISIT,
    C_FULL_JOBS,
    C_FULL_VISITS,
    C_GENERATOR,
    C_NETWORK,
    C_OPEN,
    C_OUTCOME,
    C_PEAK,
    C_RECEIVE,
    C_ROWS,
    C_SEED,
    C_SEND,
    C_SHED_COST,
    C_SHED_DELAY,
    C_SLOT,
    C_TIME_CELLS,
    C_TRACE,
    C_WORKERS,
    CHECK_DONE,
    CHECK_DUE,
    CLOSED,
    DECIDED,
    E_FINISH,
    E_LAST,
    E_WAIT,
    END,
    FLUSH_DONE,
    FLUSHING,
    IN_FLIGHT,
    J_HEAD,
    J_LOOP,
    J_NEXT,
    J_NUMBER,
    J_OUTCOME,
    J_PHASE,
    J_ROWS,
    J_SLOT,
    J_STEP,
    J_WHO,
    JOB,
    KIND_SHIFT,
    L_IN_FLIGHT,
    L_LANES_FREE,
    L_ROWS,
    LOOP,
    MAIL_ARRIVES,
    MAIL_DUE,
    MAIL_SENT,
    MISMATCH,
    NO_MAIL_YET,
    NUMBER_MASK,
    NONE,
    PAUSING,
    PLAIN,
    QUERY_DONE,
    R_AFTER,
    R_BEFORE,
    R_CHECK,
    R_KIND,
    R_MAIL,
    R_POLL,
    READ,
    RECEIVING,
    REPLY,
    ROUTE,
    ROW,
    SEND,
    SENDING,
    SHEDDING,
    SLICE_DONE,
    STEP_SHIFT,
    T_ACCEPTED,
    T_ATTEMPTS,
    T_DECLINED,
    T_FAILED,
    T_VISITS,
    TALLY,
    TIMEOUT,
    V_ARRIVED,
    V_ATTEMPTS,
    V_DONE,
    V_FIRST,
    V_IDENTITY,
    V_INBOX,
    V_INTENDED,
    V_NEXT,
    V_NUMBER,
    V_REFS,
    V_STARTED,
    V_STATE,
    V_STEP,
    V_WAIT,
    V_WHO,
    VERIFIED,
    VISIT,
    WAKE,
    WHO_MASK,
    WHO_SHIFT,
    World,
    code_of,
    post,
)
from simulation.stations import (
    check_done,
    check_due,
    check_wanted,
    connection_returned,
    connection_wanted,
    core_done,
    decided,
    enqueue_slice,
    flush_sent,
    flush_starts,
    mail_due,
    mail_sent,
    mail_wanted,
    pass_core_on,
    row_arrives,
    slice_demand,
)
from workload.draws import AFTER, BEFORE, ROUTE as ROUTE_DRAW, draw
from workload.journey import MAIL_KIND, MAIL_PATIENCE, NO_MAIL, TIMEOUT as TIMEOUT_NS, WIDTH

# Outcomes, as in workload.visit.Outcome.
ACCEPTED: Final = 0
PENDING: Final = 1
OVERLOADED: Final = 3
READ_TIMEOUT: Final = 6
NO_MAIL_CAME: Final = 8
DECLINED: Final = 9
GOES_ON: Final = 0
RESULT_MAIL: Final = 2


# ---- places: visits and jobs live in free lists --------------------------------------------------


def open_visit(w: World, now: int, who: int) -> int:
    """A visitor arrives: a place for the visit. The engine has made sure that there is one."""
    slot = w.cells[C_FREE_VISIT]
    at = slot * VISIT
    w.cells[C_FREE_VISIT] = w.visits[at + V_NEXT]
    w.cells[C_FULL_VISITS] = w.cells[C_FULL_VISITS] - 1
    for field in range(VISIT):
        w.visits[at + field] = 0
    w.visits[at + V_WHO] = who
    w.visits[at + V_STATE] = PAUSING
    w.visits[at + V_ARRIVED] = now
    w.visits[at + V_FIRST] = NONE
    w.visits[at + V_REFS] = 1
    w.cells[C_OPEN] = w.cells[C_OPEN] + 1
    w.cells[C_PEAK] = max(w.cells[C_PEAK], w.cells[C_OPEN])
    return slot


def let_go(w: World, slot: int) -> None:
    """One piece of work less belongs to a visit; the last one frees its place."""
    at = slot * VISIT
    w.visits[at + V_REFS] = w.visits[at + V_REFS] - 1
    if w.visits[at + V_REFS] == 0:
        w.visits[at + V_NEXT] = w.cells[C_FREE_VISIT]
        w.cells[C_FREE_VISIT] = slot
        w.cells[C_FULL_VISITS] = w.cells[C_FULL_VISITS] + 1


def take_job(w: World, phase: int) -> int:
    """A place for a job."""
    job = w.cells[C_FREE_JOB]
    at = job * JOB
    w.cells[C_FREE_JOB] = w.jobs[at + J_NEXT]
    w.cells[C_FULL_JOBS] = w.cells[C_FULL_JOBS] - 1
    for field in range(JOB):
        w.jobs[at + field] = 0
    w.jobs[at + J_SLOT] = NONE
    w.jobs[at + J_PHASE] = phase
    return job


def drop_job(w: World, job: int) -> None:
    """The job is done: its place is free, and one thing less belongs to its visit."""
    at = job * JOB
    slot = w.jobs[at + J_SLOT]
    w.jobs[at + J_NEXT] = w.cells[C_FREE_JOB]
    w.cells[C_FREE_JOB] = job
    w.cells[C_FULL_JOBS] = w.cells[C_FULL_JOBS] + 1
    if slot != NONE:
        let_go(w, slot)


# ---- the visitor's side --------------------------------------------------------------------------


def pause(w: World, now: int, slot: int, ns: int) -> None:
    """The visitor does nothing for a while."""
    at = slot * VISIT
    w.visits[at + V_STATE] = PAUSING
    step, number = w.visits[at + V_STEP], w.visits[at + V_NUMBER]
    post(w, now + ns, code_of(WAKE, w.visits[at + V_WHO], step, number), slot)


def attempt(w: World, now: int, slot: int, step: int, number: int, mail: int) -> None:
    """The visitor tries a step: at once, or when the mail that it needs is there."""
    at = slot * VISIT
    if number == 1:
        w.visits[at + V_FIRST] = NONE
    w.visits[at + V_STEP] = step
    w.visits[at + V_NUMBER] = number
    if mail == NO_MAIL or w.visits[at + V_INBOX] & (1 << mail):
        launch(w, now, slot)
        return
    w.visits[at + V_STATE] = AWAITING_MAIL
    w.visits[at + V_INTENDED] = now
    patience = w.plan[step * WIDTH + MAIL_PATIENCE]
    post(w, now + patience, code_of(NO_MAIL_YET, w.visits[at + V_WHO], step, number), slot)


def launch(w: World, now: int, slot: int) -> None:
    """The request leaves the visitor, through the load generator where there is one."""
    at = slot * VISIT
    who, step, number = w.visits[at + V_WHO], w.visits[at + V_STEP], w.visits[at + V_NUMBER]
    w.visits[at + V_STATE] = IN_FLIGHT
    w.visits[at + V_INTENDED] = now
    w.visits[at + V_STARTED] = now
    if w.visits[at + V_FIRST] == NONE:
        w.visits[at + V_FIRST] = now
    job = take_job(w, SENDING)
    of = job * JOB
    w.jobs[of + J_SLOT] = slot
    w.jobs[of + J_WHO] = who
    w.jobs[of + J_STEP] = step
    w.jobs[of + J_NUMBER] = number
    chance = draw(w.cells[C_SEED], who, step, number, ROUTE_DRAW)
    w.jobs[of + J_LOOP] = (chance >> 20) % w.cells[C_WORKERS]
    w.visits[at + V_REFS] = w.visits[at + V_REFS] + 1
    post(w, now + w.plan[step * WIDTH + TIMEOUT_NS], code_of(TIMEOUT, who, step, number), slot)
    if w.cells[C_GENERATOR] == NONE:
        post(w, now + w.cells[C_NETWORK], code_of(SEND, who, step, number), job)
    else:
        enqueue_slice(w, w.cells[C_GENERATOR], now, job, SENDING, w.cells[C_SEND])


def hear(w: World, slot: int, outcome: int) -> None:
    """The visitor hears something: the engine will ask what comes next."""
    w.cells[C_SLOT] = slot
    w.cells[C_OUTCOME] = outcome


def is_waiting_for(w: World, slot: int, who: int, step: int, number: int, state: int) -> bool:
    """Whether a visit still is in this state of this attempt (or has moved on, or gone)."""
    at = slot * VISIT
    return (
        w.visits[at + V_STATE] == state
        and w.visits[at + V_WHO] == who
        and w.visits[at + V_STEP] == step
        and w.visits[at + V_NUMBER] == number
    )


def answered(w: World, job: int) -> None:
    """The answer has reached the visitor, who hears it unless they have left."""
    of = job * JOB
    slot = w.jobs[of + J_SLOT]
    who, step, number = w.jobs[of + J_WHO], w.jobs[of + J_STEP], w.jobs[of + J_NUMBER]
    if is_waiting_for(w, slot, who, step, number, IN_FLIGHT):
        hear(w, slot, w.jobs[of + J_OUTCOME])
    drop_job(w, job)


def mail_arrives(w: World, now: int, slot: int, kind: int) -> None:
    """A mail is in the inbox: who waits for it goes on."""
    at = slot * VISIT
    w.visits[at + V_INBOX] = w.visits[at + V_INBOX] | (1 << kind)
    if w.visits[at + V_STATE] == AWAITING_MAIL:
        step = w.visits[at + V_STEP]
        if w.plan[step * WIDTH + MAIL_KIND] == kind:
            launch(w, now, slot)
    let_go(w, slot)


def close_visit(w: World, now: int, slot: int, ending: int) -> None:
    """The visit has ended: what became of the visitor is written down."""
    at = slot * VISIT
    to = w.visits[at + V_WHO] * END
    w.ends[to + E_FINISH] = now
    w.ends[to + E_WAIT] = w.visits[at + V_WAIT]
    w.ends[to + E_LAST] = (w.visits[at + V_STEP] << 32) | (w.visits[at + V_ATTEMPTS] << 8) | ending
    w.visits[at + V_STATE] = CLOSED
    w.cells[C_OPEN] = w.cells[C_OPEN] - 1
    let_go(w, slot)


def record(w: World, now: int, slot: int, outcome: int, ending: int) -> None:
    """Count an attempt that has just ended; call before the visit moves on."""
    at = slot * VISIT
    step = w.visits[at + V_STEP]
    if outcome == NO_MAIL_CAME:
        w.visits[at + V_STARTED] = now
    if w.visits[at + V_FIRST] == NONE:
        w.visits[at + V_FIRST] = w.visits[at + V_INTENDED]
    w.cells[C_ATTEMPTS] = w.cells[C_ATTEMPTS] + 1
    w.visits[at + V_ATTEMPTS] = w.visits[at + V_ATTEMPTS] + 1
    w.visits[at + V_WAIT] = w.visits[at + V_WAIT] + now - w.visits[at + V_INTENDED]
    tally = step * TALLY
    w.tallies[tally + T_ATTEMPTS] = w.tallies[tally + T_ATTEMPTS] + 1
    if w.visits[at + V_NUMBER] == 1:
        w.tallies[tally + T_VISITS] = w.tallies[tally + T_VISITS] + 1
        count_in_time(w, w.offered, step, w.visits[at + V_FIRST])
    if outcome in (ACCEPTED, DECLINED):
        took = now - w.visits[at + V_FIRST]
        bucket = step * w.cells[C_BUCKETS] + bucket_of(w.bounds, w.cells[C_BUCKETS] - 1, took)
        w.counts[bucket] = w.counts[bucket] + 1
        field = tally + (T_ACCEPTED if outcome == ACCEPTED else T_DECLINED)
        w.tallies[field] = w.tallies[field] + 1
        count_in_time(w, w.achieved if outcome == ACCEPTED else w.declined, step, now)
    elif ending != GOES_ON:
        bucket = (step + 1) * w.cells[C_BUCKETS] - 1
        w.counts[bucket] = w.counts[bucket] + 1
        w.tallies[tally + T_FAILED] = w.tallies[tally + T_FAILED] + 1
    if w.cells[C_TRACE] == 1:
        trace(w, now, slot, outcome, ending)


def count_in_time(w: World, series: MutableSequence[int], step: int, at: int) -> None:
    """One more in the time cell of an instant; the last cell takes what lies beyond."""
    cell = min(at // w.cells[C_CELL_NS], w.cells[C_TIME_CELLS] - 1)
    place = step * w.cells[C_TIME_CELLS] + cell
    series[place] = series[place] + 1


def bucket_of(bounds: Sequence[int], count: int, value: int) -> int:
    """Index of the first bound that is not below the value; ``count`` if there is none."""
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if bounds[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


def trace(w: World, now: int, slot: int, outcome: int, ending: int) -> None:
    """Keep the attempt as a row of the history."""
    at, to = slot * VISIT, w.cells[C_ROWS] * ROW
    w.rows[to] = w.visits[at + V_WHO]
    w.rows[to + 1] = w.visits[at + V_STEP]
    w.rows[to + 2] = w.visits[at + V_NUMBER]
    w.rows[to + 3] = w.visits[at + V_ARRIVED]
    w.rows[to + 4] = w.visits[at + V_INTENDED]
    w.rows[to + 5] = w.visits[at + V_STARTED]
    w.rows[to + 6] = now
    w.rows[to + 7] = outcome
    w.rows[to + 8] = 0
    w.rows[to + 9] = ending
    w.cells[C_ROWS] = w.cells[C_ROWS] + 1


# ---- the service's side --------------------------------------------------------------------------


def request_arrives(w: World, now: int, job: int) -> None:
    """A request reaches its worker: a slice of its loop, or a refusal at the door."""
    of = job * JOB
    loop, step = w.jobs[of + J_LOOP], w.jobs[of + J_STEP]
    mine = loop * LOOP
    w.loops[mine + L_IN_FLIGHT] = w.loops[mine + L_IN_FLIGHT] + 1
    if w.cells[C_CAP] > 0 and w.loops[mine + L_IN_FLIGHT] > w.cells[C_CAP]:
        w.jobs[of + J_OUTCOME] = OVERLOADED
        enqueue_slice(w, loop, now, job, SHEDDING, w.cells[C_SHED_COST])
        return
    demand = slice_demand(w, job, w.routes[step * ROUTE + R_BEFORE], BEFORE)
    enqueue_slice(w, loop, now, job, BEFORE_AWAIT, demand)


def slice_ends(w: World, now: int, job: int) -> None:
    """A loop has done a slice of a job: what comes next depends on what the slice was for."""
    of = job * JOB
    phase, loop = w.jobs[of + J_PHASE], w.jobs[of + J_LOOP]
    if phase == BEFORE_AWAIT:
        before_done(w, now, job)
    elif phase == AFTER_AWAIT:
        if w.routes[w.jobs[of + J_STEP] * ROUTE + R_KIND] == READ:
            connection_returned(w, loop, now)
        answer(w, now, job, 0)
    elif phase == FLUSHING:
        flush_sent(w, now, job)
    elif phase == SENDING:
        sent(w, now, job)
    elif phase == RECEIVING:
        answered(w, job)
    else:
        answer(w, now, job, w.cells[C_SHED_DELAY])


def before_done(w: World, now: int, job: int) -> None:
    """The handler has come to its await, or to its end."""
    of = job * JOB
    kind = w.routes[w.jobs[of + J_STEP] * ROUTE + R_KIND]
    loop = w.jobs[of + J_LOOP]
    if kind == PLAIN:
        answer(w, now, job, 0)
    elif kind == READ:
        connection_wanted(w, loop, now, job)
    else:
        row_arrives(w, loop, now, job)
        if w.loops[loop * LOOP + L_LANES_FREE] > 0:
            flush_starts(w, loop, now, take_job(w, FLUSHING))


def sent(w: World, now: int, job: int) -> None:
    """The generator has written the request to its socket."""
    of = job * JOB
    slot = w.jobs[of + J_SLOT]
    who, step, number = w.jobs[of + J_WHO], w.jobs[of + J_STEP], w.jobs[of + J_NUMBER]
    if is_waiting_for(w, slot, who, step, number, IN_FLIGHT):
        w.visits[slot * VISIT + V_STARTED] = now
    post(w, now + w.cells[C_NETWORK], code_of(SEND, who, step, number), job)


def flush_ends(w: World, now: int, flush: int) -> None:
    """A flush is durable: its rows go on, the lane is free, and takes what has gathered."""
    of = flush * JOB
    loop, row = w.jobs[of + J_LOOP], w.jobs[of + J_HEAD]
    for _ in range(w.jobs[of + J_ROWS]):
        following = w.jobs[row * JOB + J_NEXT]
        written(w, now, row)
        step = w.jobs[row * JOB + J_STEP]
        demand = slice_demand(w, row, w.routes[step * ROUTE + R_AFTER], AFTER)
        enqueue_slice(w, loop, now, row, AFTER_AWAIT, demand)
        row = following
    drop_job(w, flush)
    w.loops[loop * LOOP + L_LANES_FREE] = w.loops[loop * LOOP + L_LANES_FREE] + 1
    if w.loops[loop * LOOP + L_ROWS] > 0:
        flush_starts(w, loop, now, take_job(w, FLUSHING))


def written(w: World, now: int, job: int) -> None:
    """A row is durable. The first of its kind causes a mail or a check; a repeated one nothing."""
    of = job * JOB
    slot, step = w.jobs[of + J_SLOT], w.jobs[of + J_STEP]
    at = slot * VISIT
    if w.visits[at + V_DONE] & (1 << step):
        return
    w.visits[at + V_DONE] = w.visits[at + V_DONE] | (1 << step)
    if w.routes[step * ROUTE + R_MAIL] != NO_MAIL:
        mail_wanted(w, now, slot, w.routes[step * ROUTE + R_MAIL])
    if w.routes[step * ROUTE + R_CHECK] == 1:
        check_wanted(w, now, slot)


def query_ends(w: World, now: int, job: int) -> None:
    """A query's rows are there: a poll learns what the registry has said by now."""
    of = job * JOB
    step = w.jobs[of + J_STEP]
    if w.routes[step * ROUTE + R_POLL] == 1:
        said = w.visits[w.jobs[of + J_SLOT] * VISIT + V_IDENTITY]
        if said == MISMATCH:
            w.jobs[of + J_OUTCOME] = DECLINED
        elif said != VERIFIED:
            w.jobs[of + J_OUTCOME] = PENDING
    demand = slice_demand(w, job, w.routes[step * ROUTE + R_AFTER], AFTER)
    enqueue_slice(w, w.jobs[of + J_LOOP], now, job, AFTER_AWAIT, demand)


def answer(w: World, now: int, job: int, held_back: int) -> None:
    """The response leaves the service."""
    of = job * JOB
    mine = w.jobs[of + J_LOOP] * LOOP
    w.loops[mine + L_IN_FLIGHT] = w.loops[mine + L_IN_FLIGHT] - 1
    who, step, number = w.jobs[of + J_WHO], w.jobs[of + J_STEP], w.jobs[of + J_NUMBER]
    post(w, now + held_back + w.cells[C_NETWORK], code_of(REPLY, who, step, number), job)


def reply_arrives(w: World, now: int, job: int) -> None:
    """The response is at the visitor's machine; the generator, where there is one, reads it."""
    if w.cells[C_GENERATOR] == NONE:
        answered(w, job)
    else:
        enqueue_slice(w, w.cells[C_GENERATOR], now, job, RECEIVING, w.cells[C_RECEIVE])


# ---- the dispatcher ------------------------------------------------------------------------------


def handle(w: World, now: int, code: int, ref: int) -> None:
    """Do what an event does. ``ref`` is a core, a job or a visit, as its kind says."""
    w.cells[C_SLOT] = NONE
    w.cells[C_EVENTS] = w.cells[C_EVENTS] + 1
    kind = code >> KIND_SHIFT
    if kind == SLICE_DONE:
        job = core_done(w, ref, now)
        if job != NONE:
            slice_ends(w, now, job)
            pass_core_on(w, ref, now)
    elif kind == SEND:
        request_arrives(w, now, ref)
    elif kind == REPLY:
        reply_arrives(w, now, ref)
    elif kind == FLUSH_DONE:
        flush_ends(w, now, ref)
    elif kind == QUERY_DONE:
        query_ends(w, now, ref)
    else:
        handle_outside(w, now, kind, code, ref)


def handle_outside(w: World, now: int, kind: int, code: int, slot: int) -> None:
    """Events of the outside world and of the visitor's patience; ``slot`` is a visit."""
    step = (code >> STEP_SHIFT) & 15
    if kind in (TIMEOUT, NO_MAIL_YET):
        state = IN_FLIGHT if kind == TIMEOUT else AWAITING_MAIL
        who, number = (code >> WHO_SHIFT) & WHO_MASK, code & NUMBER_MASK
        if is_waiting_for(w, slot, who, step, number, state):
            hear(w, slot, READ_TIMEOUT if kind == TIMEOUT else NO_MAIL_CAME)
    elif kind == CHECK_DUE:
        check_due(w, now, slot)
    elif kind == CHECK_DONE:
        check_done(w, now, slot)
    elif kind == DECIDED:
        decided(w, slot)
        mail_wanted(w, now, slot, RESULT_MAIL)
        let_go(w, slot)
    elif kind == MAIL_DUE:
        mail_due(w, now, slot)
    elif kind == MAIL_SENT:
        if mail_sent(w, now, slot, step) == 0:
            let_go(w, slot)
    elif kind == MAIL_ARRIVES:
        mail_arrives(w, now, slot, step)
