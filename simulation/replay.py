"""Replays a record: SimPy walks its visits again and is told what the record says they heard.

If load generator and model walk by the same rule, the attempts and endings come out identical,
whatever the outcomes were: timeouts, resets and 503s, too.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import simpy
from simpy.events import Event

from workload.errors import Fault, RecordError
from workload.history import History, Observation
from workload.journey import Itinerary
from workload.visit import Ending, Pause, walk

#: An attempt's address: (visitor, step, number).
Address = tuple[int, int, int]


def replay(history: History, itinerary: Itinerary, seed: int) -> History:
    """The history of the same visitors, who hear the recorded outcomes at the recorded times.

    An attempt is made after the pause that `walk` says, or later if the record says so (it waited
    for a mail); a visit ends early where the record does. RecordError when attempts of the record
    are never made, because this itinerary and seed walk another way.
    """
    told = {(row.visitor, row.step, row.number): row for row in history.rows()}
    rows: list[Observation] = []
    env = simpy.Environment()
    for who, arrived in _arrivals(history):
        env.process(_visit(env, itinerary, seed, (who, arrived), told, rows))
    env.run()
    if told:
        raise _fault(min(told), "recorded, but never made")
    return History.of(history.steps, rows)


def _arrivals(history: History) -> list[tuple[int, int]]:
    who, first = np.unique(history["visitor"], return_index=True)
    return list(zip(who.tolist(), history["arrived"][first].tolist(), strict=True))


def _visit(
    env: simpy.Environment,
    itinerary: Itinerary,
    seed: int,
    person: tuple[int, int],
    told: dict[Address, Observation],
    rows: list[Observation],
) -> Generator[Event, Any, None]:
    who, arrived = person
    yield env.timeout(arrived)
    visit = walk(itinerary, seed, who, attacks=(who, itinerary.attack, 1) in told)
    action = next(visit)
    while True:
        if isinstance(action, Pause):
            yield env.timeout(action.ns)
            action = next(visit)
            continue
        row = told.pop((who, action.step, action.number), None)
        if row is None:
            return
        yield env.timeout(max(0, row.intended - int(env.now)))
        intended = int(env.now)
        yield env.timeout(row.ended - row.intended)
        ending = int(Ending.OPEN)
        try:
            action = visit.send(row.outcome)
        except StopIteration as end:
            ending = int(end.value)
        started = intended + row.started - row.intended
        rows.append(
            replace(row, intended=intended, started=started, ended=int(env.now), ending=ending)
        )
        if ending != Ending.OPEN:
            return


def _fault(address: Address, found: str) -> RecordError:
    who, step, number = address
    remedy = "give the scenario, seed and bending that the record was made with"
    place = f"visitor {who}, step {step}, number {number}"
    return RecordError("history", [Fault(place, found, remedy)])


def attempts_of(history: History) -> list[tuple[int, int, int, int, int]]:
    """(visitor, step, number, outcome, ending) of every attempt, in order of the visitors."""
    ordered = history.ordered()
    names = ("visitor", "step", "number", "outcome", "ending")
    return list(zip(*(ordered[name].tolist() for name in names), strict=True))
