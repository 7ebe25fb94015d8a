"""The call centre: whose step failed may call; agents answer in turn; callers hang up (Erlang-A).

A call that has to wait keeps its place until its caller's patience has run out, answered or not, so
that the event that ends the patience always finds it. Patience that outlasts the record is no event
at all, and its caller's place is free with the answer. The visit stays open while its visitor is on
the phone.
"""

from __future__ import annotations

from simulation import layout as at
from simulation.layout import World, code_of, post
from simulation.lines import count_service, count_wait, first_in_line, follow, stand_in_line
from simulation.places import drop_job, take_job_of
from workload.draws import SUPPORT, TALK, drawn


def ring_up(w: World, now: int, visit: int) -> None:
    """A visitor calls: an agent answers, or there is a line."""
    step, number = w.marks[visit + at.M_STEP], w.marks[visit + at.M_NUMBER]
    w.marks[visit + at.M_STATE] = at.ON_PHONE
    job = take_job_of(w, at.CALLING, visit, step)
    w.jobs[job + at.J_NUMBER] = number
    w.jobs[job + at.J_SINCE] = now
    if w.cells[at.C_AGENTS_FREE] > 0 and w.cells[at.C_CALL_HEAD] == at.NONE:
        count_wait(w, at.CALL_CENTRE)
        follow(w, now, at.CALLS, at.CAME)
        talk_starts(w, now, job)
        drop_job(w, job)
        return
    hangs_up(w, now, job)
    stand_in_line(w, w.cells, at.C_CALL_HEAD, at.C_CALL_TAIL, job)
    count_wait(w, at.CALL_CENTRE)
    follow(w, now, at.CALLS, at.CAME)
    answer_calls(w, now)


def hangs_up(w: World, now: int, job: int) -> None:
    """How long a caller waits, who has begun to: until the end of the record, or of patience."""
    who, step, number = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP], w.jobs[job + at.J_NUMBER]
    table, horizon = w.cells[at.C_CALL_PATIENCE], w.cells[at.C_HORIZON]
    when = now + w.tables[table]  # at the least
    if when < horizon:
        when = now + drawn(w.tables, table, w.cells[at.C_SEED], who, step, number, SUPPORT)
    if when < horizon:
        post(w, when, code_of(at.PATIENCE_OVER, who, step, number), job)
    else:
        w.jobs[job + at.J_PHASE] = at.PATIENT


def answer_calls(w: World, now: int) -> None:
    """While an agent is free and somebody waits: talk. Who hung up is passed over."""
    while w.cells[at.C_AGENTS_FREE] > 0 and w.cells[at.C_CALL_HEAD] != at.NONE:
        job = first_in_line(w, w.cells, at.C_CALL_HEAD)
        phase = w.jobs[job + at.J_PHASE]
        if phase != at.HUNG_UP:
            talk_starts(w, now, job)
        if phase != at.CALLING:
            drop_job(w, job)


def talk_starts(w: World, now: int, job: int) -> None:
    """An agent answers a call; when they have talked, the visitor hears."""
    who, step, number = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP], w.jobs[job + at.J_NUMBER]
    talk = drawn(w.tables, w.cells[at.C_CALL_TABLE], w.cells[at.C_SEED], who, step, number, TALK)
    w.cells[at.C_AGENTS_FREE] -= 1
    w.jobs[job + at.J_PHASE] = at.TALKING
    count_service(w, at.CALL_CENTRE, now, now - w.jobs[job + at.J_SINCE], talk)
    follow(w, now, at.CALLS, at.WENT)
    post(w, now + talk, code_of(at.CALL_DONE, who, step, number), w.jobs[job + at.J_VISIT])


def call_done(w: World, now: int) -> None:
    """An agent is free."""
    w.cells[at.C_AGENTS_FREE] += 1
    answer_calls(w, now)


def shift_changes(w: World, now: int, number: int) -> None:
    """Agents come or leave, who leaves after the call that they are in; the next change is known.

    Less than no agent is free while those who should have left still talk.
    """
    count = w.cells[at.C_SHIFT_COUNT]
    agents = w.tables[w.cells[at.C_SHIFTS] + number % count * 2 + 1]
    w.cells[at.C_AGENTS_FREE] += agents - w.cells[at.C_AGENTS]
    w.cells[at.C_AGENTS] = agents
    announce_shift(w, number + 1)
    answer_calls(w, now)


def announce_shift(w: World, number: int) -> None:
    """Put the number-th change since midnight before the run on the calendar."""
    count = w.cells[at.C_SHIFT_COUNT]
    after_midnight = w.tables[w.cells[at.C_SHIFTS] + number % count * 2]
    when = number // count * w.cells[at.C_DAY] + after_midnight - w.cells[at.C_CLOCK]
    post(w, when, code_of(at.SHIFT_CHANGES, 0, 0, 0), number)


def patience_over(w: World, now: int, job: int) -> bool:
    """Whether a caller who still waited hangs up; of one who was answered the place is free now."""
    if w.jobs[job + at.J_PHASE] == at.TALKING:
        drop_job(w, job)
        return False
    w.jobs[job + at.J_PHASE] = at.HUNG_UP
    mine = at.CALL_CENTRE * at.STATION
    w.stations[mine + at.S_LENGTH] -= 1
    w.stations[mine + at.S_LEFT] += 1
    follow(w, now, at.CALLS, at.WENT)
    if w.stations[mine + at.S_LENGTH] == 0:
        w.stations[mine + at.S_DRAINED] = now
    w.stations[mine + at.S_LONGEST] = max(
        w.stations[mine + at.S_LONGEST], now - w.jobs[job + at.J_SINCE]
    )
    return True
