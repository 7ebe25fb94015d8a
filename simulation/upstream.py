"""What the service depends on: the ministry's civil registry, and mail.

    registry  checks from a durable queue, or requests that wait for the answer; slots and quota in
              front of the ministry, whose outages and brown-outs are windows of time
    mail      an outbox, connections of the mail sender, then the way to the inbox

Checks and mails are jobs of their own: they go on when the visitor has left.
"""

from __future__ import annotations

from simulation import layout as at
from simulation.cores import enqueue_slice, preempt
from simulation.layout import World, code_of, post
from simulation.lines import count_service, count_wait, first_in_line, follow, stand_in_line
from simulation.places import take_errand, take_job
from simulation.stations import database
from workload.draws import DELIVERY, MAIL, MISTYPE, UPSTREAM, draw, quantile


def worker_does(w: World, now: int, work: int) -> None:
    """CPU of the worker process, on a check or a mail.

    Where it shares a core with event loops it takes turns with them, as the scheduler gives equal
    shares to processes that have much to do.
    """
    loop = w.cells[at.C_WORKER_LOOP]
    if loop == at.NONE:
        cost = w.cells[at.C_CHECK_CPU if work == at.ON_CHECK else at.C_MAIL_CPU]
        preempt(w, w.cells[at.C_WORKER_CORE], now, cost)
        return
    job = take_job(w, work)
    w.jobs[job + at.J_LOOP] = loop
    enqueue_slice(w, loop, now, job, work)


def next_look(now: int, every: int) -> int:
    """When the worker, which looks into a durable queue every so many ns, sees what is new now.

    What gathered meanwhile it takes in hand together: its work comes in bursts, and a service that
    shares its core waits for them.
    """
    return now if every == 0 else (now // every + 1) * every


# ---- civil registry ------------------------------------------------------------------------------


def check_wanted(w: World, now: int, visit: int) -> None:
    """An identity check is in the durable queue; the worker sees it when it looks next."""
    w.marks[visit + at.M_IDENTITY] = at.QUEUED
    job = take_errand(w, at.CHECKING, visit, 0)
    seen = next_look(now + w.cells[at.C_POLL] // 2, w.cells[at.C_POLL]) - w.cells[at.C_POLL] // 2
    post(w, seen, code_of(at.CHECK_DUE, w.jobs[job + at.J_WHO], 0, 0), job)


def check_due(w: World, now: int, job: int) -> None:
    """A check stands in line for a slot: one that the worker has seen, or a request that asks."""
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
            worker_does(w, now, at.ON_CHECK)
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
        stored = database(w, now, w.cells[at.C_DECISION])
        post(w, stored, code_of(at.DECIDED, w.jobs[job + at.J_WHO], 0, 0), job)
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


def decided(w: World, visit: int) -> None:
    """The decision is stored."""
    chance = draw(w.cells[at.C_SEED], w.visits[visit + at.V_WHO], 0, 0, MISTYPE)
    said = at.MISMATCH if chance < w.cells[at.C_MISTYPED] else at.VERIFIED
    w.marks[visit + at.M_IDENTITY] = said


# ---- mail ----------------------------------------------------------------------------------------


def mail_wanted(w: World, now: int, visit: int, kind: int) -> None:
    """A mail is in the outbox; the worker sees it when it looks next."""
    job = take_errand(w, at.MAILING, visit, kind)
    code = code_of(at.MAIL_DUE, w.jobs[job + at.J_WHO], kind, 0)
    post(w, next_look(now, w.cells[at.C_POLL]), code, job)


def mail_due(w: World, now: int, job: int) -> None:
    """The worker has seen a mail: it stands in line for a connection."""
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
    while w.cells[at.C_MAIL_FREE] > 0 and w.cells[at.C_MAIL_HEAD] != at.NONE:
        job = first_in_line(w, w.cells, at.C_MAIL_HEAD)
        w.cells[at.C_MAIL_FREE] -= 1
        who, kind = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP]
        chance = draw(w.cells[at.C_SEED], who, kind, 0, MAIL)
        took = quantile(w.tables, w.cells[at.C_MAIL_TABLE], chance)
        count_service(w, at.MAIL_SENDER, now, now - w.jobs[job + at.J_SINCE], took)
        follow(w, now, at.MAIL, at.WENT)
        worker_does(w, now, at.ON_MAIL)
        if w.cells[at.C_TWIN_CORE] != at.NONE:
            preempt(w, w.cells[at.C_TWIN_CORE], now, w.cells[at.C_TWIN_MAIL])
        post(w, now + took, code_of(at.MAIL_SENT, who, kind, 0), job)


def mail_sent(w: World, now: int, job: int) -> bool:
    """The mail server has a mail, and the connection is free. Whether it gets lost on its way."""
    w.cells[at.C_MAIL_FREE] += 1
    who, kind = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP]
    seed = w.cells[at.C_SEED]
    lost = draw(seed, who, kind, 1, DELIVERY) < w.cells[at.C_MAIL_LOSS]
    if not lost:
        chance = draw(seed, who, kind, 0, DELIVERY)
        delay = quantile(w.tables, w.cells[at.C_DELIVERY_TABLE], chance)
        post(w, now + delay, code_of(at.MAIL_ARRIVES, who, kind, 0), job)
    send_mail(w, now)
    return lost
