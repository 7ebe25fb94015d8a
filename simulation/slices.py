"""What a slice of an event loop is: settled when it starts, as in the service.

Until a handler gets its turn nothing is decided: a request is let in or refused, and a lane takes
whatever rows have gathered, when their slice begins.
"""

from __future__ import annotations

from typing import Final

from simulation import layout as at
from simulation.layout import World
from simulation.lines import count_service, first_in_line
from workload.draws import AFTER, BEFORE, QUERY, drawn

OVERLOADED: Final = 3  # as in workload.visit.Outcome
#: ns for which a process of the database works at a stretch, on a core that it shares: it sleeps
#: between the steps of a transaction. A trace under load showed 50 to 60 µs on average and 170 to
#: 210 at the 95th percentile; shorter ones make who asks for little wait less, and the loop too.
PIECE: Final = 100_000


def slice_demand(w: World, loop: int, now: int, job: int) -> int:
    """ns of CPU that the slice of a job takes, which starts now on this loop."""
    phase = w.jobs[job + at.J_PHASE]
    if phase == at.BEFORE_AWAIT:
        return let_in(w, loop, job)
    if phase == at.AFTER_AWAIT:
        return drawn_demand(w, job, at.R_AFTER, AFTER)
    if phase == at.FLUSHING:
        return take_rows(w, loop, now, job)
    if phase == at.SENDING:
        return w.routes[w.jobs[job + at.J_STEP] * at.ROUTE + at.R_SEND]
    if phase == at.RECEIVING:
        return w.cells[at.C_RECEIVE]
    return w.cells[at.C_CHECK_CPU] if phase == at.ASKED else demand_beside(w, job, phase)


def demand_beside(w: World, job: int, phase: int) -> int:
    """ns of a slice of the worker process or of the database, on a core that it shares."""
    if phase in (at.ON_CHECK, at.DECIDED_ON):
        return w.cells[at.C_CHECK_CPU] // 2
    if phase == at.MAILING:
        return w.cells[at.C_MAIL_CPU] // 2
    return next_piece(w, job, phase) if phase >= at.IN_FLUSH else 0


def next_piece(w: World, job: int, what: int) -> int:
    """ns of the next piece of what a job asks of a database that shares its core."""
    left = w.jobs[job + at.J_LEFT]
    if left == 0:
        left = asked(w, job, what)
    piece = min(left, PIECE)
    w.jobs[job + at.J_LEFT] = left - piece
    return piece


def asked(w: World, job: int, what: int) -> int:
    """ns of database CPU that a job asks for: a flush, a query, an errand of the worker."""
    if what == at.IN_FLUSH:
        return w.cells[at.C_WRITE_BASE] + w.jobs[job + at.F_ROWS] * w.cells[at.C_WRITE_ROW]
    if what == at.IN_QUERY:
        return drawn_demand(w, job, at.R_QUERY, QUERY)
    return w.cells[at.C_ERRAND] * (2 if what == at.IN_CLAIM else 1)


def drawn_demand(w: World, job: int, column: int, purpose: int) -> int:
    """A demand from a table of the job's route, drawn at the job's address."""
    who, step, number = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP], w.jobs[job + at.J_NUMBER]
    number = number | (w.jobs[job + at.J_STAGE] << at.STEP_SHIFT)
    table = w.routes[step * at.ROUTE + column]
    return drawn(w.tables, table, w.cells[at.C_SEED], who, step, number, purpose)


def let_in(w: World, loop: int, job: int) -> int:
    """A request begins, or is refused because too many are inside its worker."""
    cap = w.cells[at.C_CAP]
    if 0 < cap <= w.loops[loop + at.L_INSIDE]:
        w.jobs[job + at.J_PHASE] = at.SHEDDING
        w.jobs[job + at.J_OUTCOME] = OVERLOADED
        return w.cells[at.C_SHED_COST]
    w.loops[loop + at.L_INSIDE] += 1
    return drawn_demand(w, job, at.R_BEFORE, BEFORE)


def take_rows(w: World, loop: int, now: int, lane: int) -> int:
    """A lane takes the rows that have gathered, at most a full batch; none: it will sleep."""
    rows = min(w.loops[loop + at.L_ROWS], w.cells[at.C_BATCH])
    w.jobs[lane + at.F_TAKEN] = rows
    w.jobs[lane + at.F_TAKEN_HEAD] = w.loops[loop + at.L_ROWS_HEAD]
    w.jobs[lane + at.F_TAKEN_AT] = now
    if rows == 0:
        return 0
    w.loops[loop + at.L_ROWS] -= rows
    for _ in range(rows):
        row = first_in_line(w, w.loops, loop + at.L_ROWS_HEAD)
        count_service(w, at.WRITE_BATCHER, now, now - w.jobs[row + at.J_SINCE], 0)
    return w.cells[at.C_FLUSH_BASE] + rows * w.cells[at.C_FLUSH_ROW]
