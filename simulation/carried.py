"""Who already stands in a line when the record begins: they take their places at time 0.

A state says how many wait and how long the first has waited. The first in line has waited longest,
and waits are spread evenly down to none: as if they had come at one rate. Where each stands in the
journey follows from that: which polls have been made, and since when a mail is awaited. What lies
before time 0 has negative times; whoever arrived before it is nobody who comes.
"""

from __future__ import annotations

from simulation import layout as at
from simulation.call_centre import ring_up
from simulation.layout import World, code_of, post
from simulation.lines import is_empty
from simulation.places import keep, open_visit, take_job_of
from simulation.upstream import stand_for_connection, stand_for_slot
from simulation.visits import pause
from workload.draws import KNOTS, ONE, quantile
from workload.journey import (
    ATTEMPTS,
    CALLS,
    MAIL_PATIENCE,
    NO_MAIL,
    POLLS,
    VERIFY_MAIL,
    WIDTH,
)
from workload.visit import GAVE_UP, mail_needed, poll_pause


def is_carried(w: World, who: int) -> bool:
    """Whether a visitor stands in a line at time 0."""
    return w.cells[at.C_CARRIED_FIRST] <= who < w.cells[at.C_FIRST_ATTACKER]


def carry_over(w: World, now: int, who: int) -> int:
    """A visitor takes the place in line that a state says; returns the visit.

    The work is taken before the visit stands: one that pauses beyond the record gives its place
    back, unless some work still belongs to it.
    """
    visit = open_visit(w, now, who)
    place = who - w.cells[at.C_CARRIED_FIRST]
    checks, mails = w.cells[at.C_CARRIED_CHECKS], w.cells[at.C_CARRIED_MAILS]
    if place < checks:
        age = waited(w.cells[at.C_CHECK_AGE], place, checks)
        job = take_job_of(w, at.CHECKING, visit, 0)
        stand(w, now, visit, w.cells[at.C_AWAIT_STEP], age)
        w.notes[visit + at.N_HAS] = 1 << VERIFY_MAIL
        stand_for_slot(w, now, job, now - age)
        settle_line(w, now, at.CHECKS)
    elif place < checks + mails:
        age = waited(w.cells[at.C_MAIL_AGE], place - checks, mails)
        job = take_job_of(w, at.MAILING, visit, VERIFY_MAIL)
        stand(w, now, visit, w.cells[at.C_VERIFY_STEP], age)
        stand_for_connection(w, now, job, now - age)
        settle_line(w, now, at.MAIL)
    else:
        call(w, now, visit)
        settle_line(w, now, at.CALLS)
    return visit


def waited(longest: int, place: int, count: int) -> int:
    """ns that the one at this place of a line has waited."""
    return longest // count * (count - place)


def settle_line(w: World, now: int, line: int) -> None:
    """A line that filled up in this instant is not drained by what was served meanwhile."""
    w.cells[at.C_DRAINED_CHECKS + line] = now if is_empty(w, line) else at.NONE


def stand(w: World, now: int, visit: int, step: int, age: int) -> None:
    """A visitor has been before a step for a while: polls have been made, or a mail is awaited.

    The pause before the step was everybody's median: it is over, and nobody knows how long it was.
    """
    keep(w, visit, at.Y_ARRIVED, now - age - 1)
    w.notes[visit + at.N_DONE] = (1 << step) - 1
    row, number = step * WIDTH, 1
    first = now - age + quantile(w.pauses, step * KNOTS, ONE >> 1)
    when, last = first, w.plan[row + POLLS] + w.plan[row + ATTEMPTS]
    while when <= now and number < last and mail_needed(w.plan, step, number) == NO_MAIL:
        when = when + poll_pause(w.plan, row, number)
        number = number + 1
    w.marks[visit + at.M_STEP], w.marks[visit + at.M_NUMBER] = step, number
    if number > 1:
        w.visits[visit + at.V_FIRST] = first
    if when > now or mail_needed(w.plan, step, number) == NO_MAIL:
        pause(w, now, visit, max(1, when - now), 0)
        return
    w.marks[visit + at.M_STATE] = at.AWAITING_MAIL
    w.visits[visit + at.V_INTENDED] = when
    code = code_of(at.NO_MAIL_YET, w.visits[visit + at.V_WHO], step, number)
    post(w, max(now, when + w.plan[row + MAIL_PATIENCE]), code, visit)


def call(w: World, now: int, visit: int) -> None:
    """A visitor is on the phone, whose step failed for good; patience counts from now."""
    keep(w, visit, at.Y_ARRIVED, now - 1)
    w.marks[visit + at.M_STEP], w.marks[visit + at.M_NUMBER] = w.plan[CALLS], 1
    w.notes[visit + at.N_FATE] = GAVE_UP
    w.visits[visit + at.V_INTENDED] = w.visits[visit + at.V_FIRST] = now
    keep(w, visit, at.Y_STARTED, now)
    ring_up(w, now, visit)
