"""Waiting lines, and what is counted of who stands in them."""

from __future__ import annotations

from collections.abc import MutableSequence

from simulation import layout as at
from simulation.layout import World


def stand_in_line(w: World, line: MutableSequence[int], head: int, tail: int, job: int) -> None:
    """Put a job at the end of the line whose ends are the cells ``head`` and ``tail``."""
    w.jobs[job + at.J_NEXT] = at.NONE
    if line[head] == at.NONE:
        line[head] = job
    else:
        w.jobs[line[tail] + at.J_NEXT] = job
    line[tail] = job


def first_in_line(w: World, line: MutableSequence[int], head: int) -> int:
    """Take the first job out of a line that is not empty."""
    job = line[head]
    line[head] = w.jobs[job + at.J_NEXT]
    return job


def count_wait(w: World, station: int) -> None:
    """Somebody starts to wait at a station."""
    mine = station * at.STATION
    length = w.stations[mine + at.S_LENGTH] + 1
    w.stations[mine + at.S_LENGTH] = length
    w.stations[mine + at.S_PEAK] = max(w.stations[mine + at.S_PEAK], length)


def count_service(w: World, station: int, now: int, waited: int, busy: int) -> None:
    """Somebody's wait ends and service begins; ``busy`` ns of it."""
    mine = station * at.STATION
    length = w.stations[mine + at.S_LENGTH] - 1
    w.stations[mine + at.S_LENGTH] = length
    if length == 0:
        w.stations[mine + at.S_DRAINED] = now
    w.stations[mine + at.S_SERVED] += 1
    total = w.stations[mine + at.S_WAITED] + waited
    if total >= at.FULL:
        total -= at.FULL
        w.stations[mine + at.S_WAITED_FULL] += 1
    w.stations[mine + at.S_WAITED] = total
    w.stations[mine + at.S_BUSY] += busy
    w.stations[mine + at.S_LONGEST] = max(w.stations[mine + at.S_LONGEST], waited)


def follow(w: World, now: int, line: int, way: int) -> None:
    """Where a state is what a run began with: keep who comes to its lines and who goes, and when
    one first is empty.
    """
    if w.cells[at.C_FOLLOWS] == 0:
        return
    cells = w.cells[at.C_TIME_CELLS]
    place = (2 * line + way) * cells + min(now // w.cells[at.C_CELL_NS], cells - 1)
    w.followed[place] += 1
    if way == at.WENT and w.cells[at.C_DRAINED_CHECKS + line] == at.NONE and is_empty(w, line):
        w.cells[at.C_DRAINED_CHECKS + line] = now


def is_empty(w: World, line: int) -> bool:
    """Whether nobody stands in a line that is followed."""
    station = at.REGISTRY_CLIENT + line if line != at.CALLS else at.CALL_CENTRE
    return w.stations[station * at.STATION + at.S_LENGTH] == 0
