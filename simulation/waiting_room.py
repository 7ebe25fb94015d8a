"""The waiting room: people who come are let in one by one, at a rate, before they ask for anything.

They keep its page open and cost the service nothing; their wait counts as part of the first step.
"""

from __future__ import annotations

from simulation import layout as at
from simulation.layout import World, code_of, post
from simulation.lines import count_service, count_wait


def take_ticket(w: World, now: int, visit: int) -> None:
    """A visitor stands in the room, and will be let in when their turn comes."""
    turn = max(now, w.cells[at.C_ROOM_NEXT])
    w.cells[at.C_ROOM_NEXT] = turn + w.cells[at.C_ROOM_GAP]
    w.marks[visit + at.M_STATE] = at.IN_ROOM
    w.visits[visit + at.V_INTENDED] = now
    w.visits[visit + at.V_FIRST] = now
    count_wait(w, at.WAITING_ROOM)
    post(w, turn, code_of(at.LET_IN, w.visits[visit + at.V_WHO], 0, 0), visit)


def leave_room(w: World, now: int, visit: int) -> int:
    """The visitor's turn has come; since when they waited."""
    since = w.visits[visit + at.V_INTENDED]
    count_service(w, at.WAITING_ROOM, now, now - since, w.cells[at.C_ROOM_GAP])
    return since
