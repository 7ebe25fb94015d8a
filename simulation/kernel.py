"""What an event does: the one dispatcher, and the way of a request through the service.

`handle` is called by both engines for each event on their calendars. If somebody hears something
in an event (an answer, a timeout, no mail), their visit stands in C_HEARD and what they heard in
C_OUTCOME; the engine then asks `visit.advance` (through `walk` under SimPy) what comes next. At
most one visitor hears something in one event.
"""

from __future__ import annotations

from typing import Final

from simulation import layout as at
from simulation.call_centre import call_done, patience_over, shift_changes
from simulation.cores import core_done, enqueue_slice, pass_core_on
from simulation.errands import batch_written, decision_falls
from simulation.layout import World, code_of, post
from simulation.places import drop_job
from simulation.replicas import (
    REPLICA_READY,
    SCALING_LOOKS,
    SCALING_STEP,
    leave_replica,
    look_at_load,
    reach_replica,
    replicas_are_ready,
    step_is_due,
)
from simulation.slices import OVERLOADED
from simulation.stations import (
    connection_returned,
    connection_wanted,
    database_done,
    flush_durable,
    lane_goes_on,
    row_arrives,
)
from simulation.upstream import (
    batch_ends,
    check_done,
    check_due,
    check_wanted,
    decided,
    mail_answered,
    mail_due,
    mail_slice_ends,
    mail_wanted,
    registry_changes,
)
from simulation.visits import (
    answered,
    hear,
    is_waiting_for,
    let_in,
    mail_arrives,
    photo_is_there,
    sent,
)
from workload.journey import NO_MAIL
from workload.visit import ACCEPTED, DECLINED, MAIL_MISSED, PENDING

READ_TIMEOUT: Final = 6  # as in workload.visit.Outcome


def request_arrives(w: World, now: int, job: int) -> None:
    """A request reaches its worker."""
    reach_replica(w, job)
    enqueue_slice(w, w.jobs[job + at.J_LOOP], now, job, at.BEFORE_AWAIT)


def slice_ends(w: World, now: int, job: int, loop: int) -> None:
    """A loop has done a slice of a job: what comes next depends on what the slice was for."""
    phase = w.jobs[job + at.J_PHASE]
    if phase == at.BEFORE_AWAIT:
        before_done(w, now, job)
    elif phase == at.AFTER_AWAIT:
        if reads(w, job):
            connection_returned(w, w.jobs[job + at.J_LOOP], now)
        answer(w, now, job)
    elif phase == at.ASKED:
        row_arrives(w, w.jobs[job + at.J_LOOP], now, job)
    elif phase == at.FLUSHING:
        lane_goes_on(w, now, job)
    elif phase == at.SENDING:
        sent(w, now, job)
    elif phase == at.RECEIVING:
        answered(w, now, job)
    elif phase >= at.ON_CHECK or phase == at.MAILING:
        slice_beside_ends(w, now, job, loop)
    else:
        leave_replica(w, now, job)
        reply(w, now + w.cells[at.C_SHED_DELAY], job)


def slice_beside_ends(w: World, now: int, job: int, loop: int) -> None:
    """The worker process or the database, on a core that it shares, has done a slice of a job."""
    phase = w.jobs[job + at.J_PHASE]
    if phase == at.ON_CHECK:
        drop_job(w, job)
    elif phase == at.MAILING:
        mail_slice_ends(w, now, job)
    elif phase == at.DECIDED_ON:
        decision_falls(w, now, job)
    elif phase == at.HEARING_BATCH:
        batch_ends(w, now, job)
    elif w.jobs[job + at.J_LEFT] > 0:
        enqueue_slice(w, loop, now, job, phase)
    else:
        database_done(w, now, job)


def reads(w: World, job: int) -> bool:
    """Whether a request is one that reads, as that for leave to upload does."""
    kind = w.routes[w.jobs[job + at.J_STEP] * at.ROUTE + at.R_KIND]
    leave = w.jobs[job + at.J_STAGE] == at.ASKING_LEAVE
    return kind == at.READ or (kind == at.UPLOAD and leave)


def before_done(w: World, now: int, job: int) -> None:
    """The handler has come to its await, or to its end."""
    route = w.jobs[job + at.J_STEP] * at.ROUTE
    kind = w.routes[route + at.R_KIND]
    loop = w.jobs[job + at.J_LOOP]
    if kind == at.PLAIN:
        answer(w, now, job)
    elif reads(w, job):
        connection_wanted(w, loop, now, job)
    elif w.routes[route + at.R_CHECK] == at.INLINE_CHECK:
        if w.cells[at.C_REGISTRY_DOWN] == 1:
            w.jobs[job + at.J_OUTCOME] = OVERLOADED
            enqueue_slice(w, loop, now, job, at.AFTER_AWAIT)
        else:
            check_due(w, now, job)
    else:
        row_arrives(w, loop, now, job)


def flush_ends(w: World, now: int, lane: int) -> None:
    """A flush is durable: what its rows cause begins."""
    row = w.jobs[lane + at.F_HEAD]
    for _ in range(w.jobs[lane + at.F_ROWS]):
        written(w, now, row)
        row = w.jobs[row + at.J_NEXT]
    flush_durable(w, now, lane)


def written(w: World, now: int, job: int) -> None:
    """A row is durable. The first of its kind causes a mail or a check; a repeated one nothing."""
    visit, step = w.jobs[job + at.J_VISIT], w.jobs[job + at.J_STEP]
    check = w.routes[step * at.ROUTE + at.R_CHECK]
    if check == at.INLINE_CHECK:
        decided(w, visit)
        if w.notes[visit + at.N_HAS] & at.MISMATCH:
            w.jobs[job + at.J_OUTCOME] = DECLINED
    if w.notes[visit + at.N_DONE] & (1 << step):
        return
    w.notes[visit + at.N_DONE] |= 1 << step
    if w.routes[step * at.ROUTE + at.R_MAIL] != NO_MAIL:
        mail_wanted(w, now, visit, w.routes[step * at.ROUTE + at.R_MAIL])
    if check == at.QUEUED_CHECK:
        check_wanted(w, now, visit)


def query_ends(w: World, now: int, job: int) -> None:
    """A query's rows are there: a poll learns what the registry has said by now."""
    step = w.jobs[job + at.J_STEP]
    if w.routes[step * at.ROUTE + at.R_POLL] == 1:
        said = w.notes[w.jobs[job + at.J_VISIT] + at.N_HAS]
        if said & at.MISMATCH:
            w.jobs[job + at.J_OUTCOME] = DECLINED
        elif not said & at.VERIFIED:
            w.jobs[job + at.J_OUTCOME] = PENDING
    enqueue_slice(w, w.jobs[job + at.J_LOOP], now, job, at.AFTER_AWAIT)


def answer(w: World, now: int, job: int) -> None:
    """A request that was let in is done."""
    w.loops[w.jobs[job + at.J_LOOP] + at.L_INSIDE] -= 1
    leave_replica(w, now, job)
    reply(w, now, job)


def reply(w: World, now: int, job: int) -> None:
    """The response leaves the service."""
    who, step, number = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP], w.jobs[job + at.J_NUMBER]
    post(w, now + w.cells[at.C_NETWORK], code_of(at.REPLY, who, step, number), job)


def reply_arrives(w: World, now: int, job: int) -> None:
    """The response is at the visitor's machine; the generator, where there is one, reads it."""
    if w.cells[at.C_GENERATOR] == at.NONE:
        answered(w, now, job)
    else:
        enqueue_slice(w, w.cells[at.C_GENERATOR], now, job, at.RECEIVING)


# ---- the dispatcher ------------------------------------------------------------------------------


def handle(w: World, now: int, code: int, ref: int) -> None:
    """Do what an event does. ``ref`` is a core, a job or a visit, as its kind says."""
    w.cells[at.C_HEARD] = at.NONE
    w.cells[at.C_EVENTS] += 1
    kind = code >> at.KIND_SHIFT
    if kind == at.SLICE_DONE:
        job = core_done(w, ref, now)
        if job != at.NONE:
            slice_ends(w, now, job, w.cores[ref + at.K_LOOP])
            pass_core_on(w, ref, now)
    elif kind == at.SEND:
        request_arrives(w, now, ref)
    elif kind == at.REPLY:
        reply_arrives(w, now, ref)
    elif kind == at.FLUSH_DONE:
        flush_ends(w, now, ref)
    elif kind == at.QUERY_DONE:
        query_ends(w, now, ref)
    elif kind in (at.TIMEOUT, at.NO_MAIL_YET):
        patience_ends(w, kind, code, ref)
    elif kind == at.LET_IN:
        let_in(w, now, ref)
    else:
        handle_outside(w, now, kind, ref)


def patience_ends(w: World, kind: int, code: int, visit: int) -> None:
    """A timeout of the visitor's client, or no mail for too long: heard unless all is past."""
    state = at.IN_FLIGHT if kind == at.TIMEOUT else at.AWAITING_MAIL
    who, step = (code >> at.WHO_SHIFT) & at.WHO_MASK, (code >> at.STEP_SHIFT) & at.STEP_MASK
    if is_waiting_for(w, visit, who, step, code & at.NUMBER_MASK, state):
        hear(w, visit, READ_TIMEOUT if kind == at.TIMEOUT else MAIL_MISSED)


def handle_call(w: World, now: int, kind: int, ref: int) -> None:
    """Events of the call centre; ``ref``: who has talked, a call, or the number of a change of
    shift. Who hangs up hears that nobody answers.
    """
    if kind == at.CALL_DONE:
        call_done(w, now)
        hear(w, ref, ACCEPTED)
    elif kind == at.PATIENCE_OVER:
        visit = w.jobs[ref + at.J_VISIT]
        if patience_over(w, now, ref):
            hear(w, visit, READ_TIMEOUT)
    else:
        shift_changes(w, now, ref)


def handle_outside(w: World, now: int, kind: int, job: int) -> None:
    """Events of the outside world; ``job``: a check, mail, photo or call, a window of time, the
    number of a change of shift or of a planned step, or the visit whose visitor has talked to an
    agent.
    """
    if kind == at.CHECK_DUE:
        check_due(w, now, job)
    elif kind == at.CHECK_DONE:
        check_done(w, now, job)
    elif kind == at.BATCH_DONE:
        if batch_written(w, now, job):
            batch_ends(w, now, job)
    elif kind == at.MAIL_DUE:
        mail_due(w, now, job)
    elif kind == at.MAIL_SENT:
        mail_answered(w, now, job)
    elif kind == at.PHOTO_SENT:
        photo_is_there(w, now, job)
    elif kind in (at.CALL_DONE, at.PATIENCE_OVER, at.SHIFT_CHANGES):
        handle_call(w, now, kind, job)
    elif kind == at.REGISTRY_CHANGES:
        registry_changes(w, now, job)
    elif kind == at.MAIL_ARRIVES:
        mail_arrives(w, now, job)
    else:
        handle_scaling(w, now, kind, job)


def handle_scaling(w: World, now: int, kind: int, number: int) -> None:
    """Replicas come and go; ``number`` of a planned step."""
    if kind == SCALING_STEP:
        step_is_due(w, now, number)
    elif kind == REPLICA_READY:
        replicas_are_ready(w, now)
    elif kind == SCALING_LOOKS:
        look_at_load(w, now)
