"""The visitor's side of the world: pausing, trying, waiting for mail, hearing, being counted."""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence

from simulation import layout as at
from simulation.call_centre import ring_up
from simulation.cores import enqueue_slice, preempt
from simulation.layout import World, code_of, post
from simulation.photos import photo_leaves
from simulation.places import drop_job, keep, let_go, take_job_of
from simulation.waiting_room import leave_room, take_ticket
from workload.draws import ROUTE, bits, draw
from workload.histogram import EIGHT, FIRST_BITS
from workload.journey import MAIL_KIND, MAIL_PATIENCE, NO_MAIL, TIMEOUT, WIDTH
from workload.visit import ACCEPTED, DECLINED, GOES_ON, MAIL_MISSED, failure


def pause(w: World, now: int, visit: int, ns: int, after: int) -> None:
    """The visitor does nothing for a while, which begins at ``after`` at the earliest."""
    w.marks[visit + at.M_STATE] = at.PAUSING
    if after > now:
        to = w.visits[visit + at.V_WHO] * at.END
        w.ends[to + at.E_LAST] |= at.ENDED_AWAITING_DRAW
        now = after
    if now + ns >= w.cells[at.C_HORIZON]:
        let_go(w, visit)  # a nation waits: nothing more of this visit is in the record
        return
    step, number = w.marks[visit + at.M_STEP], w.marks[visit + at.M_NUMBER]
    post(w, now + ns, code_of(at.WAKE, w.visits[visit + at.V_WHO], step, number), visit)


def attempt(w: World, now: int, visit: int, step: int, number: int, mail: int) -> None:
    """The visitor tries a step: at once, or when the mail that it needs is there."""
    if number == 1:
        w.visits[visit + at.V_FIRST] = at.NONE
    w.marks[visit + at.M_STEP] = step
    w.marks[visit + at.M_NUMBER] = number
    first = number == 1 and step in (0, w.cells[at.C_ATTACK_STEP])  # of a person, of an attacker
    if w.cells[at.C_ROOM_GAP] > 0 and first:
        take_ticket(w, now, visit)
        return
    if mail == NO_MAIL or w.notes[visit + at.N_HAS] & (1 << mail):
        launch(w, now, visit)
        return
    w.marks[visit + at.M_STATE] = at.AWAITING_MAIL
    w.visits[visit + at.V_INTENDED] = now
    patience = w.plan[step * WIDTH + MAIL_PATIENCE]
    code = code_of(at.NO_MAIL_YET, w.visits[visit + at.V_WHO], step, number)
    post(w, now + patience, code, visit)


def launch(w: World, now: int, visit: int) -> None:
    """The request leaves the visitor, through the load generator where there is one; or a call."""
    who, step = w.visits[visit + at.V_WHO], w.marks[visit + at.M_STEP]
    number = w.marks[visit + at.M_NUMBER]
    w.marks[visit + at.M_STATE] = at.IN_FLIGHT
    w.visits[visit + at.V_INTENDED] = now
    keep(w, visit, at.Y_STARTED, now)
    if w.visits[visit + at.V_FIRST] == at.NONE:
        w.visits[visit + at.V_FIRST] = now
    if w.routes[step * at.ROUTE + at.R_KIND] == at.PHONE:
        ring_up(w, now, visit)
        return
    job = take_job_of(w, at.SENDING, visit, step)
    w.jobs[job + at.J_NUMBER] = number
    chance = draw(w.cells[at.C_SEED], who, step, number, ROUTE)
    w.jobs[job + at.J_LOOP] = (chance >> 20) % w.cells[at.C_WORKERS] * at.LOOP
    timeout = w.plan[step * WIDTH + TIMEOUT]
    post(w, now + timeout, code_of(at.TIMEOUT, who, step, number), visit)
    send(w, now, job)


def let_in(w: World, now: int, visit: int) -> None:
    """The waiting room lets a visitor go, who has meant to start since they came."""
    since = leave_room(w, now, visit)
    launch(w, now, visit)
    w.visits[visit + at.V_INTENDED] = since


def send(w: World, now: int, job: int) -> None:
    """A request goes to the network, or to the generator that sends it."""
    who, step, number = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP], w.jobs[job + at.J_NUMBER]
    if w.cells[at.C_GENERATOR] == at.NONE:
        post(w, now + w.cells[at.C_NETWORK], code_of(at.SEND, who, step, number), job)
    else:
        enqueue_slice(w, w.cells[at.C_GENERATOR], now, job, at.SENDING)


def sent(w: World, now: int, job: int) -> None:
    """The generator has written the request to its socket; what else it does comes after that."""
    after = w.cells[at.C_SEND] - w.routes[w.jobs[job + at.J_STEP] * at.ROUTE + at.R_SEND]
    if after > 0:
        preempt(w, w.loops[w.cells[at.C_GENERATOR] + at.L_CORE], now, after)
    visit = w.jobs[job + at.J_VISIT]
    who, step, number = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP], w.jobs[job + at.J_NUMBER]
    first = w.jobs[job + at.J_STAGE] == at.ASKING_LEAVE
    if first and is_waiting_for(w, visit, who, step, number, at.IN_FLIGHT):
        keep(w, visit, at.Y_STARTED, now)
    post(w, now + w.cells[at.C_NETWORK], code_of(at.SEND, who, step, number), job)


def hear(w: World, visit: int, outcome: int) -> None:
    """The visitor hears something: the engine will ask what comes next."""
    w.cells[at.C_HEARD] = visit
    w.cells[at.C_OUTCOME] = outcome


def is_waiting_for(w: World, visit: int, who: int, step: int, number: int, state: int) -> bool:
    """Whether a visit still is in this state of this attempt (or has moved on, or gone)."""
    return (
        w.marks[visit + at.M_STATE] == state
        and w.visits[visit + at.V_WHO] == who
        and w.marks[visit + at.M_STEP] == step
        and w.marks[visit + at.M_NUMBER] == number
    )


def answered(w: World, now: int, job: int) -> None:
    """The answer has reached the visitor, who hears it unless they have left.

    Leave to upload is no answer yet: the photo is on its way.
    """
    visit, outcome = w.jobs[job + at.J_VISIT], w.jobs[job + at.J_OUTCOME]
    who, step, number = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP], w.jobs[job + at.J_NUMBER]
    if is_waiting_for(w, visit, who, step, number, at.IN_FLIGHT):
        uploads = w.routes[step * at.ROUTE + at.R_KIND] == at.UPLOAD
        if uploads and outcome == ACCEPTED and w.jobs[job + at.J_STAGE] == at.ASKING_LEAVE:
            photo_leaves(w, now, job)
            return
        hear(w, visit, outcome)
    drop_job(w, job)


def photo_is_there(w: World, now: int, job: int) -> None:
    """The store has a photo: the visitor tells the service, unless they have left."""
    visit = w.jobs[job + at.J_VISIT]
    who, step, number = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP], w.jobs[job + at.J_NUMBER]
    if is_waiting_for(w, visit, who, step, number, at.IN_FLIGHT):
        send(w, now, job)
    else:
        drop_job(w, job)


def mail_arrives(w: World, now: int, job: int) -> None:
    """A mail is in the inbox: who waits for it goes on."""
    visit, kind = w.jobs[job + at.J_VISIT], w.jobs[job + at.J_STEP]
    w.notes[visit + at.N_HAS] |= 1 << kind
    step = w.marks[visit + at.M_STEP]
    if w.marks[visit + at.M_STATE] == at.AWAITING_MAIL and w.plan[step * WIDTH + MAIL_KIND] == kind:
        launch(w, now, visit)
    drop_job(w, job)


def close_visit(w: World, now: int, visit: int, ending: int) -> None:
    """The visit has ended: what became of the visitor is written down."""
    to = w.visits[visit + at.V_WHO] * at.END
    attempts = w.notes[visit + at.N_ATTEMPTS]
    joined = w.ends[to + at.E_LAST] & at.ENDED_JOINED
    w.ends[to + at.E_FINISH] = now
    w.ends[to + at.E_WAIT] = w.visits[visit + at.V_WAIT]
    w.ends[to + at.E_LAST] = (w.marks[visit + at.M_STEP] << 32) | (attempts << 8) | ending
    w.ends[to + at.E_LAST] |= joined
    w.marks[visit + at.M_STATE] = at.CLOSED
    w.cells[at.C_OPEN] -= 1
    let_go(w, visit)


# ---- what is counted -----------------------------------------------------------------------------


def record(w: World, now: int, visit: int, outcome: int, ending: int) -> None:
    """Count an attempt that has just ended; call before the visit moves on."""
    step = w.marks[visit + at.M_STEP]
    if outcome == MAIL_MISSED:
        keep(w, visit, at.Y_STARTED, now)
    if w.visits[visit + at.V_FIRST] == at.NONE:
        w.visits[visit + at.V_FIRST] = w.visits[visit + at.V_INTENDED]
    w.cells[at.C_ATTEMPTS] += 1
    w.notes[visit + at.N_ATTEMPTS] += 1
    w.visits[visit + at.V_WAIT] += now - w.visits[visit + at.V_INTENDED]
    tally = step * at.TALLY
    w.tallies[tally + at.T_ATTEMPTS] += 1
    # Whoever was carried over may be beyond a step's first attempt, or have begun it long ago.
    if w.marks[visit + at.M_NUMBER] == 1 or w.notes[visit + at.N_ATTEMPTS] == 1:
        w.tallies[tally + at.T_VISITS] += 1
        if w.visits[visit + at.V_FIRST] >= 0:
            count_in_time(w, w.offered, step, w.visits[visit + at.V_FIRST])
    if outcome in (ACCEPTED, DECLINED):
        count_answer(w, now, visit, step, outcome)
    elif failure(w.plan, step, w.marks[visit + at.M_NUMBER], outcome) != GOES_ON:
        w.counts[(step + 1) * w.cells[at.C_BUCKETS] - 1] += 1
        w.tallies[tally + at.T_FAILED] += 1
    if w.cells[at.C_TRACE] == 1:
        trace(w, now, visit, outcome, ending)


def count_answer(w: World, now: int, visit: int, step: int, outcome: int) -> None:
    """Count a step that got its answer: how long it took from its first intended start."""
    took = now - w.visits[visit + at.V_FIRST]
    buckets = w.cells[at.C_BUCKETS]
    w.counts[step * buckets + bucket_of(w.bounds, w.least, buckets - 1, took)] += 1
    if outcome == ACCEPTED:
        w.tallies[step * at.TALLY + at.T_ACCEPTED] += 1
        if step == w.cells[at.C_JOIN_STEP] and now <= w.cells[at.C_WAVE_CLOSES]:
            w.ends[w.visits[visit + at.V_WHO] * at.END + at.E_LAST] = at.ENDED_JOINED
        count_in_time(w, w.achieved, step, now)
    else:
        w.tallies[step * at.TALLY + at.T_DECLINED] += 1
        count_in_time(w, w.declined, step, now)


def count_in_time(w: World, series: MutableSequence[int], step: int, instant: int) -> None:
    """One more in the time cell of an instant, which is past; the last one takes what lies beyond.

    Most are in the cell that has not ended: how many have, `depths.look` has counted.
    """
    cells, width, cell = w.cells[at.C_TIME_CELLS], w.cells[at.C_CELL_NS], w.cells[at.C_LOOKS]
    if instant < w.cells[at.C_LOOK_AT] - width:
        cell = instant // width
    series[step * cells + min(cell, cells - 1)] += 1


def bucket_of(bounds: Sequence[int], least: Sequence[int], count: int, value: int) -> int:
    """Index of the first bound that is not below the value; ``count`` if there is none.

    ``least``: as `workload.histogram.LEAST`.
    """
    if value <= bounds[0]:
        return 0
    if value > bounds[count - 1]:
        return count
    length = bits(value)
    first = value >> (length - EIGHT)
    at_least = least[((length - FIRST_BITS) << (EIGHT - 1)) + first - (1 << (EIGHT - 1))]
    return at_least + (bounds[at_least] < value)


def trace(w: World, now: int, visit: int, outcome: int, ending: int) -> None:
    """Keep the attempt as a row of the history."""
    to = w.cells[at.C_ROWS] * at.ROW
    w.rows[to] = w.visits[visit + at.V_WHO]
    w.rows[to + 1] = w.marks[visit + at.M_STEP]
    w.rows[to + 2] = w.marks[visit + at.M_NUMBER]
    w.rows[to + 3] = w.traced[visit + at.Y_ARRIVED]
    w.rows[to + 4] = w.visits[visit + at.V_INTENDED]
    w.rows[to + 5] = w.traced[visit + at.Y_STARTED]
    w.rows[to + 6] = now
    w.rows[to + 7] = outcome
    w.rows[to + 8] = 0
    w.rows[to + 9] = ending
    w.cells[at.C_ROWS] += 1
