"""What the service depends on: the ministry's civil registry, and mail.

    registry  checks from a durable queue, or requests that wait for the answer; slots and quota in
              front of the ministry, whose outages and brown-outs are windows of time
    mail      an outbox, connections of the mail sender, then the way to the inbox

Checks and mails are jobs of their own: they go on when the visitor has left.
"""

from __future__ import annotations

from simulation import layout as at
from simulation.cores import enqueue_slice, preempt
from simulation.errands import batch_over, claim, decision_falls, mark, next_look, worker_calls
from simulation.layout import World, code_of, post
from simulation.lines import count_service, count_wait, first_in_line, follow, stand_in_line
from simulation.places import drop_job, take_job_of
from workload.draws import DELIVERY, MAIL, MISTYPE, UPSTREAM, draw, quantile
from workload.journey import RESULT_MAIL

# ---- civil registry ------------------------------------------------------------------------------


def check_wanted(w: World, now: int, visit: int) -> None:
    """An identity check is in the durable queue; the worker sees it when it looks next."""
    job = take_job_of(w, at.CHECKING, visit, 0)
    seen = next_look(now + w.cells[at.C_POLL] // 2, w.cells[at.C_POLL]) - w.cells[at.C_POLL] // 2
    post(w, seen, code_of(at.CHECK_DUE, w.jobs[job + at.J_WHO], 0, 0), job)


def check_due(w: World, now: int, job: int) -> None:
    """A check stands in line for a slot: one that the worker has seen, or a request that asks."""
    if w.jobs[job + at.J_PHASE] == at.CHECKING:
        claim(w, now, at.C_CHECK_LOOKED)
    stand_for_slot(w, now, job, now)


def stand_for_slot(w: World, now: int, job: int, since: int) -> None:
    """A check stands in line, and has waited since then."""
    w.jobs[job + at.J_SINCE] = since
    stand_in_line(w, w.cells, at.C_CHECK_HEAD, at.C_CHECK_TAIL, job)
    count_wait(w, at.REGISTRY_CLIENT)
    follow(w, now, at.CHECKS, at.CAME)
    call_registry(w, now)


def call_registry(w: World, now: int) -> None:
    """While a slot is free and somebody waits: call, no faster than the quota allows."""
    while w.cells[at.C_REGISTRY_FREE] > 0 and w.cells[at.C_CHECK_HEAD] != at.NONE:
        job = first_in_line(w, w.cells, at.C_CHECK_HEAD)
        w.cells[at.C_REGISTRY_FREE] -= 1
        start = max(now, w.cells[at.C_QUOTA_NEXT])
        w.cells[at.C_QUOTA_NEXT] = start + w.cells[at.C_QUOTA_GAP]
        took = answer_time(w, job)
        count_service(w, at.REGISTRY_CLIENT, now, start - w.jobs[job + at.J_SINCE], took)
        follow(w, now, at.CHECKS, at.WENT)
        if w.jobs[job + at.J_PHASE] == at.CHECKING:
            worker_calls(w, now)
        if w.cells[at.C_TWIN_CORE] != at.NONE:
            preempt(w, w.cells[at.C_TWIN_CORE], now, w.cells[at.C_TWIN_CHECK])
        who, number = w.jobs[job + at.J_WHO], w.jobs[job + at.J_NUMBER]
        post(w, start + took, code_of(at.CHECK_DONE, who, 0, number), job)


def answer_time(w: World, job: int) -> int:
    """ns that the ministry takes: the same for a queued check and for the first that waits."""
    who, number = w.jobs[job + at.J_WHO], w.jobs[job + at.J_NUMBER]
    chance = draw(w.cells[at.C_SEED], who, 0, max(0, number - 1), UPSTREAM)
    usual = quantile(w.tables, w.cells[at.C_REGISTRY_TABLE], chance)
    return usual * w.cells[at.C_REGISTRY_PACE] // 1000


def check_done(w: World, now: int, job: int) -> None:
    """The ministry has answered: the slot is free, the decision goes its way."""
    w.cells[at.C_REGISTRY_FREE] += 1
    if w.jobs[job + at.J_PHASE] == at.CHECKING:
        if w.cells[at.C_WORKER_LOOP] == at.NONE:
            decision_falls(w, now, job)
        else:
            enqueue_slice(w, w.cells[at.C_WORKER_LOOP], now, job, at.DECIDED_ON)
    else:
        enqueue_slice(w, w.jobs[job + at.J_LOOP], now, job, at.ASKED)
    call_registry(w, now)


def registry_changes(w: World, now: int, window: int) -> None:
    """A window opens or closes. Calls on their way go on; new ones meet what holds from now on."""
    opens = w.tables[window + at.W_FROM] == now
    slots = w.tables[window + at.W_SLOTS]
    w.cells[at.C_REGISTRY_FREE] += slots if opens else -slots
    w.cells[at.C_REGISTRY_PACE] = w.tables[window + at.W_PACE] if opens else 1000
    w.cells[at.C_REGISTRY_DOWN] = w.tables[window + at.W_DOWN] if opens else 0
    call_registry(w, now)


def batch_ends(w: World, now: int, lane: int) -> None:
    """The worker has heard that a batch is durable. Of decisions: the visitors' mails are in the
    outbox with them.
    """
    if w.jobs[lane + at.J_STAGE] == at.DECISIONS:
        job = w.jobs[lane + at.F_HEAD]
        for _ in range(w.jobs[lane + at.F_ROWS]):
            following, visit = w.jobs[job + at.J_NEXT], w.jobs[job + at.J_VISIT]
            decided(w, visit)
            mail_wanted(w, now, visit, RESULT_MAIL)
            drop_job(w, job)
            job = following
    batch_over(w, now, lane)


def decided(w: World, visit: int) -> None:
    """The decision is stored."""
    chance = draw(w.cells[at.C_SEED], w.visits[visit + at.V_WHO], 0, 0, MISTYPE)
    said = at.MISMATCH if chance < w.cells[at.C_MISTYPED] else at.VERIFIED
    w.notes[visit + at.N_HAS] |= said


# ---- mail ----------------------------------------------------------------------------------------


def mail_wanted(w: World, now: int, visit: int, kind: int) -> None:
    """A mail is in the outbox; the worker sees it when it looks next."""
    job = take_job_of(w, at.MAILING, visit, kind)
    code = code_of(at.MAIL_DUE, w.jobs[job + at.J_WHO], kind, 0)
    post(w, next_look(now, w.cells[at.C_POLL]), code, job)


def mail_due(w: World, now: int, job: int) -> None:
    """The worker has seen a mail: it stands in line for a connection."""
    claim(w, now, at.C_MAIL_LOOKED)
    stand_for_connection(w, now, job, now)


def stand_for_connection(w: World, now: int, job: int, since: int) -> None:
    """A mail stands in line, and has waited since then."""
    w.jobs[job + at.J_SINCE] = since
    stand_in_line(w, w.cells, at.C_MAIL_HEAD, at.C_MAIL_TAIL, job)
    count_wait(w, at.MAIL_SENDER)
    follow(w, now, at.MAIL, at.CAME)
    send_mail(w, now)


def send_mail(w: World, now: int) -> None:
    """While a connection is free and a mail waits: send it."""
    loop = w.cells[at.C_WORKER_LOOP]
    while w.cells[at.C_MAIL_FREE] > 0 and w.cells[at.C_MAIL_HEAD] != at.NONE:
        job = first_in_line(w, w.cells, at.C_MAIL_HEAD)
        w.cells[at.C_MAIL_FREE] -= 1
        count_service(w, at.MAIL_SENDER, now, now - w.jobs[job + at.J_SINCE], 0)
        follow(w, now, at.MAIL, at.WENT)
        w.jobs[job + at.MAIL_BEGUN] = now
        if loop == at.NONE:
            preempt(w, w.cells[at.C_WORKER_CORE], now, w.cells[at.C_MAIL_CPU])
            mail_leaves(w, now, job)
        else:
            w.jobs[job + at.J_STAGE] = at.WRITING
            enqueue_slice(w, loop, now, job, at.MAILING)


def mail_leaves(w: World, now: int, job: int) -> None:
    """A mail is on its way to the mail server."""
    who, kind = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP]
    chance = draw(w.cells[at.C_SEED], who, kind, 0, MAIL)
    if w.cells[at.C_TWIN_CORE] != at.NONE:
        preempt(w, w.cells[at.C_TWIN_CORE], now, w.cells[at.C_TWIN_MAIL])
    took = quantile(w.tables, w.cells[at.C_MAIL_TABLE], chance)
    post(w, now + took, code_of(at.MAIL_SENT, who, kind, 0), job)


def mail_answered(w: World, now: int, job: int) -> None:
    """The mail server has a mail: the worker hears it at once, or with its next slice."""
    loop = w.cells[at.C_WORKER_LOOP]
    if loop == at.NONE:
        mail_sent(w, now, job)
    else:
        w.jobs[job + at.J_STAGE] = at.HEARING
        enqueue_slice(w, loop, now, job, at.MAILING)


def mail_slice_ends(w: World, now: int, job: int) -> None:
    """The worker has written a mail to its connection, or heard that the server has it."""
    if w.jobs[job + at.J_STAGE] == at.WRITING:
        mail_leaves(w, now, job)
    else:
        mail_sent(w, now, job)


def mail_sent(w: World, now: int, job: int) -> None:
    """A mail is out, and the connection is free. It may get lost on its way."""
    w.cells[at.C_MAIL_FREE] += 1
    busy = at.MAIL_SENDER * at.STATION + at.S_BUSY
    w.stations[busy] += now - w.jobs[job + at.MAIL_BEGUN]
    mark(w, now)
    who, kind = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP]
    seed = w.cells[at.C_SEED]
    if draw(seed, who, kind, 1, DELIVERY) < w.cells[at.C_MAIL_LOSS]:
        drop_job(w, job)
    else:
        chance = draw(seed, who, kind, 0, DELIVERY)
        delay = quantile(w.tables, w.cells[at.C_DELIVERY_TABLE], chance)
        post(w, now + delay, code_of(at.MAIL_ARRIVES, who, kind, 0), job)
    send_mail(w, now)
