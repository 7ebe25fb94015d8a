"""Replicas that come and go: ready ones take requests, starting ones not yet, draining ones finish.

Planned steps and the measured busy share say how many are wanted. Of those that are missing, the
ones that still drain are taken back at once, the others start up. Of those that are too many, the
ones that are starting go first; then the highest numbers drain: no new request reaches them, and
they stop when the last of those inside has its answer.

``w.scaling``: single numbers (G_*), REPLICA cells for each replica that there may be, the planned
steps, and CHANGE cells for each change; empty where a deployment does not scale. Replica r runs the
loops whose number is r modulo G_SLOTS, on cores of its own.
"""

from __future__ import annotations

from typing import Final

from simulation import layout as at
from simulation.layout import World, code_of, post
from workload.draws import ROUTE, draw

G_SLOTS: Final = 0  # the most replicas that there may be
G_READY: Final = 1
G_STARTED: Final = 2  # ready or starting
G_FLOOR: Final = 3  # as the plan has it now; a reactive service never wants fewer
G_STARTUP: Final = 4  # ns
G_EVERY: Final = 5  # ns between two looks at the busy share, 0: none
G_WORTH: Final = 6  # busy ns between two looks of one replica that is as busy as it should be
G_COOLDOWN: Final = 7  # ns after a change in which none is taken away for want of work
G_CHANGED: Final = 8  # when replicas were last asked for, or taken away
G_BUSY: Final = 9  # busy ns of all event loops at the last look
G_PAID: Final = 10  # ns of replicas that have stopped, from their start on
G_PLAN: Final = 11  # where the planned steps stand: (ns, replicas) each
G_PLANNED: Final = 12  # how many there are
G_LOG: Final = 13  # where the changes stand
G_CHANGES: Final = 14
HEAD: Final = 15

P_STATE: Final = 0
P_SINCE: Final = 1  # when it was started
P_READY_AT: Final = 2
P_INSIDE: Final = 3  # requests that reached it and are not answered
P_TAKES: Final = 4  # of record i: the number of the i-th ready replica
REPLICA: Final = 5

OFF: Final = 0
STARTING: Final = 1
READY: Final = 2
DRAINING: Final = 3

#: Kinds of events; of one instant they are the last.
SCALING_STEP: Final = at.NO_MAIL_YET + 1
REPLICA_READY: Final = at.NO_MAIL_YET + 2
SCALING_LOOKS: Final = at.NO_MAIL_YET + 3

#: A change: since when, and how many are ready, and started.
CHANGE: Final = 3


def begin_scaling(w: World) -> None:
    """What is known at time 0: who is still starting, the first planned step, the first look."""
    known = 0
    for replica in range(w.scaling[G_SLOTS]):  # in order of when they are ready
        ready_at = w.scaling[HEAD + replica * REPLICA + P_READY_AT]
        if ready_at > known:
            post(w, ready_at, code_of(REPLICA_READY, 0, 0, 0), 0)
            known = ready_at
    announce_step(w, 0)
    if w.scaling[G_EVERY] > 0:
        post(w, w.scaling[G_EVERY], code_of(SCALING_LOOKS, 0, 0, 0), 0)
    take_stock(w, 0)


def announce_step(w: World, number: int) -> None:
    """Put a planned step on the calendar, if there is one of that number."""
    if number < w.scaling[G_PLANNED]:
        when = w.scaling[w.scaling[G_PLAN] + 2 * number]
        post(w, when, code_of(SCALING_STEP, number, 0, 0), number)


# ---- requests ------------------------------------------------------------------------------------


def reach_replica(w: World, job: int) -> None:
    """A request that comes to the service is given to a worker of a replica that is ready.

    Were all of them ready, it would be the worker that a service which does not scale has for it.
    """
    if len(w.scaling) == 0:
        return
    who, step, number = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP], w.jobs[job + at.J_NUMBER]
    chance = draw(w.cells[at.C_SEED], who, step, number, ROUTE)
    ready, slots = w.scaling[G_READY], w.scaling[G_SLOTS]
    place = (chance >> 20) % (w.cells[at.C_WORKERS] // slots * ready)
    replica = w.scaling[HEAD + place % ready * REPLICA + P_TAKES]
    w.jobs[job + at.J_LOOP] = (place // ready * slots + replica) * at.LOOP
    w.scaling[HEAD + replica * REPLICA + P_INSIDE] += 1


def leave_replica(w: World, now: int, job: int) -> None:
    """A request is answered, or refused; the last one of a replica that drains stops it."""
    if len(w.scaling) == 0:
        return
    replica = w.jobs[job + at.J_LOOP] // at.LOOP % w.scaling[G_SLOTS]
    mine = HEAD + replica * REPLICA
    w.scaling[mine + P_INSIDE] -= 1
    if w.scaling[mine + P_STATE] == DRAINING and w.scaling[mine + P_INSIDE] == 0:
        stop_replica(w, now, replica)


# ---- how many ------------------------------------------------------------------------------------


def step_is_due(w: World, now: int, number: int) -> None:
    """A planned step: so many replicas; at least so many where a reactive service may want more."""
    count = w.scaling[w.scaling[G_PLAN] + 2 * number + 1]
    w.scaling[G_FLOOR] = count
    if w.scaling[G_EVERY] == 0 or count > w.scaling[G_STARTED]:
        scale_to(w, now, count)
    announce_step(w, number + 1)


def look_at_load(w: World, now: int) -> None:
    """As many are wanted as would have been as busy as they should be, since the last look.

        wanted = ceil(current x busy / target)

    (Kubernetes documentation, Horizontal Pod Autoscaling, "Algorithm details"). current x busy is
    the work that was done, in replicas: busy time / (time x cores of a replica), whoever did it.
    """
    busy = w.stations[at.EVENT_LOOP * at.STATION + at.S_BUSY]
    work = busy - w.scaling[G_BUSY]
    w.scaling[G_BUSY] = busy
    wanted = (work + w.scaling[G_WORTH] - 1) // w.scaling[G_WORTH]
    wanted = min(max(wanted, w.scaling[G_FLOOR]), w.scaling[G_SLOTS])
    started = w.scaling[G_STARTED]
    cooled = now - w.scaling[G_CHANGED] >= w.scaling[G_COOLDOWN]
    if wanted > started or (wanted < started and cooled):
        scale_to(w, now, wanted)
    post(w, now + w.scaling[G_EVERY], code_of(SCALING_LOOKS, 0, 0, 0), 0)


def scale_to(w: World, now: int, count: int) -> None:
    """So many replicas are to be ready, or on their way to it."""
    apart = count - w.scaling[G_STARTED]
    if apart == 0:
        return
    w.scaling[G_CHANGED] = now
    if apart > 0:
        start_replicas(w, now, apart - take_back(w, apart))
    else:
        drain_replicas(w, now, -apart - cancel_starts(w, now, -apart))
    take_stock(w, now)


def take_back(w: World, most: int) -> int:
    """Replicas that drain take requests again: they never stopped. How many."""
    taken = 0
    for replica in range(w.scaling[G_SLOTS]):
        mine = HEAD + replica * REPLICA
        if taken < most and w.scaling[mine + P_STATE] == DRAINING:
            w.scaling[mine + P_STATE] = READY
            taken += 1
    return taken


def start_replicas(w: World, now: int, count: int) -> None:
    """So many start up; the lowest numbers that are off."""
    left, ready_at = count, now + w.scaling[G_STARTUP]
    for replica in range(w.scaling[G_SLOTS]):
        mine = HEAD + replica * REPLICA
        if left > 0 and w.scaling[mine + P_STATE] == OFF:
            w.scaling[mine + P_STATE] = STARTING
            w.scaling[mine + P_SINCE] = now
            w.scaling[mine + P_READY_AT] = ready_at
            left -= 1
    if count > 0:
        # One event for all of them: it looks for those whose time has come.
        post(w, ready_at, code_of(REPLICA_READY, 0, 0, 0), 0)


def replicas_are_ready(w: World, now: int) -> None:
    """Those whose start-up is over take requests; who was taken away meanwhile does not."""
    for replica in range(w.scaling[G_SLOTS]):
        mine = HEAD + replica * REPLICA
        if w.scaling[mine + P_STATE] == STARTING and w.scaling[mine + P_READY_AT] <= now:
            w.scaling[mine + P_STATE] = READY
    take_stock(w, now)


def cancel_starts(w: World, now: int, most: int) -> int:
    """Replicas that are starting stop, the highest numbers first. How many."""
    cancelled = 0
    for replica in range(w.scaling[G_SLOTS] - 1, -1, -1):
        if cancelled < most and w.scaling[HEAD + replica * REPLICA + P_STATE] == STARTING:
            stop_replica(w, now, replica)
            cancelled += 1
    return cancelled


def drain_replicas(w: World, now: int, count: int) -> None:
    """So many take no new request, the highest numbers; whoever has none inside stops at once."""
    left = count
    for replica in range(w.scaling[G_SLOTS] - 1, -1, -1):
        mine = HEAD + replica * REPLICA
        if left > 0 and w.scaling[mine + P_STATE] == READY:
            w.scaling[mine + P_STATE] = DRAINING
            left -= 1
            if w.scaling[mine + P_INSIDE] == 0:
                stop_replica(w, now, replica)


def stop_replica(w: World, now: int, replica: int) -> None:
    """A replica is off, and costs nothing from now on."""
    mine = HEAD + replica * REPLICA
    w.scaling[mine + P_STATE] = OFF
    w.scaling[G_PAID] += now - w.scaling[mine + P_SINCE]


def take_stock(w: World, now: int) -> None:
    """Who is ready, how many are started; a change of either is kept, the last of an instant."""
    ready, started = 0, 0
    for replica in range(w.scaling[G_SLOTS]):
        state = w.scaling[HEAD + replica * REPLICA + P_STATE]
        if state == READY:
            w.scaling[HEAD + ready * REPLICA + P_TAKES] = replica
            ready += 1
        if state in (READY, STARTING):
            started += 1
    changes = w.scaling[G_CHANGES]
    last = w.scaling[G_LOG] + (changes - 1) * CHANGE
    if changes > 0 and ready == w.scaling[G_READY] and started == w.scaling[G_STARTED]:
        return
    w.scaling[G_READY], w.scaling[G_STARTED] = ready, started
    if changes == 0 or w.scaling[last] < now:
        last += CHANGE
        w.scaling[G_CHANGES] = changes + 1
    w.scaling[last], w.scaling[last + 1], w.scaling[last + 2] = now, ready, started
