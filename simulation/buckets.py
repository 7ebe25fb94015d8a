"""Flows through buckets with holes: the compiled loop over time of the fluid approximation.

A cell of time takes what flows in it through loops and database (and the registry, where the
request waits for it), sends what is late back to try again, and passes the rest on. Whose step
failed for good may call: agents answer in turn, and who has waited too long hangs up.
"""

from __future__ import annotations

import sys
from typing import Any, Final, NamedTuple

import numpy as np

from simulation.compilation import machine_code, settle

settle((sys.modules[__name__],))

#: A pause is spread over so many equally likely lengths.
LENGTHS: Final = 16
#: Attempts of a step that are told apart; later ones count as the last.
TRIES: Final = 8

# Rows of the stations' arrays.
LOOPS: Final = 0
DATABASE: Final = 1
REGISTRY: Final = 2
MAIL: Final = 3
STATIONS: Final = ("event_loop", "database", "registry_client", "mail_sender")
# Columns of a step's row.
CPU: Final = 0
STORE: Final = 1
CHECKS: Final = 2  # 1: queued, 2: inline
MAILS: Final = 3
BASE: Final = 4  # cells that an answer takes when nobody else is there
TIMEOUT: Final = 5
PATIENCE: Final = 6  # cells that a mail is waited for
STAYS: Final = 7
NEEDS_MAIL: Final = 8
POLLS: Final = 9
ATTEMPTS: Final = 10
LOSS: Final = 11
OPENS: Final = 12  # the cell before which the pause to this step does not begin
DECLINED: Final = 13  # share of the answers that is a correct no
# A call that is a request of the service.
CALL_CPU: Final = 0
CALL_STORE: Final = 1
CALL_SHARE: Final = 2  # of those whose step failed for good, how many call


class Flows(NamedTuple):
    """What flows, float64 [step, (attempt,) cell] and [station, cell]; then what steers it: times
    are in cells, ``upto`` is the registry's capacity summed up. ``calls`` for help [attempt, cell].
    """

    first: Any
    again: Any
    polls: Any
    queue: Any
    work: Any
    wait: Any
    done: Any
    failed: Any
    steps: Any
    delays: Any
    retry: Any
    poll_at: Any
    capacity: Any
    upto: Any
    mail: Any
    tails: Any
    calls: Any
    call: Any
    call_delays: Any


class Phones(NamedTuple):
    """Calls [attempt, cell] and who answers them. Times in cells; ``hung``: gave up for good."""

    calls: Any
    capacity: Any
    patience: Any
    retry: Any
    attempts: int
    wait: Any
    hung: Any


@machine_code(outermost=True)
def flow(f: Flows) -> None:
    """Let time pass, cell by cell."""
    count, cells = f.first.shape
    for now in range(cells):
        _measure_queues(f, now)
        for step in range(count):
            f.work[LOOPS, now] += f.polls[step, now] * f.steps[step, CPU]
            f.work[DATABASE, now] += f.polls[step, now] * f.steps[step, STORE]
            for tried in range(TRIES):
                many = f.again[step, tried, now]
                if tried == 0:
                    many += f.first[step, now]
                if many > 0:
                    _attempt(f, step, tried, now, many)
        f.work[LOOPS, now] += f.calls[0, now] * f.call[CALL_CPU]
        f.work[DATABASE, now] += f.calls[0, now] * f.call[CALL_STORE]
        for station in range(len(f.queue)):
            left = f.queue[station] + f.work[station, now] - f.capacity[station, now]
            f.queue[station] = max(0.0, left)


@machine_code()
def _measure_queues(f: Flows, now: int) -> None:
    """How long who comes now will wait at each station, in cells."""
    cells = f.first.shape[1]
    for station in range(len(f.queue)):
        room = f.capacity[station, now]
        f.wait[station, now] = f.queue[station] / room if room > 0 else cells
    # The registry may be away: its wait ends when so many checks have had their turn.
    if f.queue[REGISTRY] > 0 or f.capacity[REGISTRY, now] <= 0:
        turn = np.searchsorted(f.upto, f.upto[now] + f.queue[REGISTRY] + 1e-9)
        exact = f.wait[REGISTRY, now]
        f.wait[REGISTRY, now] = exact if abs(turn - now - exact) <= 2 else turn - now


@machine_code()
def _attempt(f: Flows, step: int, tried: int, now: int, many: float) -> None:
    """An attempt of so many: its work is done in any case; who is late tries again."""
    cells = f.first.shape[1]
    f.work[LOOPS, now] += many * f.steps[step, CPU]
    f.work[DATABASE, now] += many * f.steps[step, STORE]
    took = f.steps[step, BASE] + f.wait[LOOPS, now] + f.wait[DATABASE, now]
    late = 0.0
    if f.steps[step, CHECKS] == 2:
        f.work[REGISTRY, now] += many
        took += f.wait[REGISTRY, now]
        load = min(1.0, f.work[REGISTRY, now] / max(f.capacity[REGISTRY, now], 1e-12))
        late = f.tails[int(load * (len(f.tails) - 1))]
    share = 1.0 if took > f.steps[step, TIMEOUT] else late
    if share > 0:
        onward = now + int(f.steps[step, TIMEOUT]) + f.retry[step, tried]
        if tried + 1 >= min(f.steps[step, ATTEMPTS], TRIES):
            _fail(f, step, now + int(f.steps[step, TIMEOUT]), many * share)
        elif onward < cells:
            f.again[step, tried + 1, onward] += many * share
    if share < 1:
        _go_on(f, step, now, min(cells - 1, now + int(took)), many * (1 - share))


@machine_code()
def _go_on(f: Flows, step: int, now: int, then: int, many: float) -> None:
    """Those who were accepted pause, and wait for what the next step needs."""
    count, cells = f.first.shape
    f.done[step, now] += many
    if f.steps[step, CHECKS] == 1:
        f.work[REGISTRY, now] += many
        f.work[MAIL, now] += many
    if f.steps[step, MAILS] > 0:
        f.work[MAIL, now] += many
    declined = many * f.steps[step, DECLINED]
    _call(f, then, declined)
    if step + 1 == count:
        return
    after = step + 1
    then = max(then, int(f.steps[after, OPENS]))
    part = (many - declined) * f.steps[after, STAYS] / LENGTHS
    decided = then + int(f.wait[REGISTRY, now]) if f.steps[step, CHECKS] == 1 else then
    for length in range(LENGTHS):
        at = then + f.delays[after, length]
        way = f.mail[length] + int(f.wait[MAIL, now])
        if f.steps[after, POLLS] > 0:
            _poll(f, after, at, decided, way, part)
        elif f.steps[after, NEEDS_MAIL] > 0:
            there = part * (1 - f.steps[after, LOSS])
            if then + way - at > f.steps[after, PATIENCE]:
                there = 0.0
            at = max(at, then + way)
            _fail(f, after, at + int(f.steps[after, PATIENCE]), part - there)
            if at < cells:
                f.first[after, at] += there
        elif at < cells:
            f.first[after, at] += part


@machine_code()
def _poll(f: Flows, step: int, begun: int, decided: int, way: int, part: float) -> None:
    """One poll after the other, until the first that finds the decision; else by the mail."""
    cells = f.first.shape[1]
    at, number = begun, 0
    while at < decided and number < int(f.steps[step, POLLS]):
        if at < cells:
            f.polls[step, at] += part
        number += 1
        at = begun + f.poll_at[step, number]
    if number == int(f.steps[step, POLLS]) and f.steps[step, LOSS] > 0:
        _fail(f, step, at + int(f.steps[step, PATIENCE]), part * f.steps[step, LOSS])
        part = part * (1 - f.steps[step, LOSS])
    if at < decided:
        at = decided + way
    if at < cells:
        f.first[step, at] += part


@machine_code()
def _fail(f: Flows, step: int, then: int, many: float) -> None:
    """So many give a step up for good."""
    f.failed[step] += many
    _call(f, then, many)


@machine_code()
def _call(f: Flows, then: int, many: float) -> None:
    """A share of those whose step failed calls, after a pause."""
    part = many * f.call[CALL_SHARE] / LENGTHS
    if part > 0:
        for length in range(LENGTHS):
            at = then + f.call_delays[length]
            if at < f.calls.shape[1]:
                f.calls[0, at] += part


@machine_code(outermost=True)
def answer_calls(p: Phones) -> None:
    """Agents answer in turn; whose patience is shorter than the line hangs up, and calls again."""
    waiting = 0.0
    for now in range(p.calls.shape[1]):
        room = p.capacity[now]
        ahead = waiting / room if room > 0 else float(p.calls.shape[1])
        p.wait[now] = ahead
        for tried in range(TRIES):
            part = p.calls[tried, now] / LENGTHS
            if part > 0:
                for length in range(LENGTHS):
                    if p.patience[length] >= ahead:
                        waiting += part
                    else:
                        _hang_up(p, tried, now + int(p.patience[length]), part)
        waiting = max(0.0, waiting - room)


@machine_code()
def _hang_up(p: Phones, tried: int, then: int, many: float) -> None:
    """So many were not answered in time."""
    onward = then + p.retry[tried]
    if tried + 1 >= min(p.attempts, TRIES):
        p.hung[0] += many
    elif onward < p.calls.shape[1]:
        p.calls[tried + 1, onward] += many
