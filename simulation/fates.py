"""What became of everybody, folded in slices: who is lost, who joined, how visits ended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from simulation import layout as at
from simulation.state import STEP_OF, Carried
from simulation.world import Order
from workload.arrivals import Arrivals
from workload.draws import DROP_OUT, KNOTS, MISTYPE, PAUSE, draws, quantiles, threshold
from workload.durations import SECOND_NS
from workload.roll import Roll
from workload.scenario import Scenario
from workload.visit import Ending, pause_begins

AT_ONCE: Final = 1 << 16


@dataclass(frozen=True)
class Fates:
    """Of all ``people``, who was there already among them. ``endings``: how many ended how;
    ``joined``: who is in the draw, in order of coming; ``digest``: over all that is known of all.
    """

    people: int
    lost: int
    endings: dict[str, int]
    joined: NDArray[np.int64]
    digest: str


def fates_of(
    scenario: Scenario, order: Order, world: at.World, everybody: Roll | Arrivals
) -> Fates:
    """Fold a world's ends; in slices, so that a nation is never there twice."""
    ends = np.asarray(world.ends, dtype=np.int64).reshape(-1, at.END)
    digest, lost, people = hashlib.sha256(), 0, 0
    endings = np.zeros(256, dtype=np.int64)
    joined = [np.zeros(0, dtype=np.int64)]
    for index, ideal in _groups(scenario, order, everybody):
        mine = ends[index]
        last = mine[:, at.E_LAST]
        ending, waits = last & 255, (last & at.ENDED_AWAITING_DRAW) != 0
        digest.update(mine.astype("<i8", copy=False).tobytes())
        endings += np.bincount(ending, minlength=len(endings))
        lost += int((ideal & (ending != Ending.FINISHED) & ~waits).sum())
        joined.append(index[(last & at.ENDED_JOINED) != 0])
        people += len(index)
    counts = {ending.name.lower(): int(endings[ending]) for ending in Ending}
    return Fates(people, lost, counts, np.concatenate(joined), digest.hexdigest())


def _groups(
    scenario: Scenario, order: Order, everybody: Roll | Arrivals
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Who comes, slice by slice, and whether they would finish ideally; then who was there."""
    carried = order.carried
    beyond = carried.first if carried else order.first_attacker
    for window in everybody.windows(AT_ONCE):
        mine = window.index < beyond
        people = Arrivals(window.index[mine], window.at_ns[mine])
        yield people.index, finishes_ideally(scenario, order, people)
    if carried:
        index = np.arange(carried.first, carried.first + carried.total)
        yield index, _carried_finish_ideally(scenario, order, carried)


def _carried_finish_ideally(
    scenario: Scenario, order: Order, carried: Carried
) -> NDArray[np.bool_]:
    """`finishes_ideally` of those who stand in a line: from the step on that they are before; of
    who calls for help nobody, because a step of theirs has failed.
    """
    names, first, found = scenario.journey.step_names, carried.first, []
    for (step, _), count in zip(STEP_OF.values(), carried.counts, strict=False):
        there = np.arange(first, first + count)
        begun = names.index(step) if count else 0
        people = Arrivals(there, np.zeros_like(there))
        found.append(finishes_ideally(scenario, order, people, begun))
        first += count
    return np.concatenate([*found, np.zeros(carried.counts[at.CALLS], dtype=bool)])


def finishes_ideally(
    scenario: Scenario, order: Order, people: Arrivals, begun: int = -1
) -> NDArray[np.bool_]:
    """Who would finish by the horizon if every station were infinitely large.

    Nobody who drops out or mistypes, nor who comes so late that pauses alone take longer. Whom a
    draw beyond the horizon makes wait has done all that they can. ``begun``: the step that they
    are before when they come; its pause is over, and who would have left before it has left.
    """
    seed, who = order.seed, people.index
    stays = draws(seed, who, 0, 0, MISTYPE) >= threshold(scenario.people.mistyped)
    for number, step in enumerate(scenario.journey.steps):
        if number > max(begun, 0) and step.drop_out:
            stays &= draws(seed, who, number, 0, DROP_OUT) >= threshold(step.drop_out)
    tables = np.asarray(order.itinerary.pauses, dtype=np.int64).reshape(-1, KNOTS)
    tables = tables[: len(scenario.journey.steps)]
    begins = [pause_begins(order.itinerary.plan, step, 1) for step in range(len(tables))]
    horizon_ns = round(order.horizon_s * SECOND_NS)
    longest_ns = max(begins) + int(tables[:, -1].sum())
    late = np.flatnonzero(stays & (longest_ns > horizon_ns - people.at_ns))
    now_ns = people.at_ns[late]
    for number, table in enumerate(tables):
        if begins[number] >= horizon_ns:
            break
        if number <= begun:
            continue
        paused_ns = quantiles(table, draws(seed, who[late], number, 0, PAUSE))
        now_ns = np.maximum(now_ns, begins[number]) + paused_ns
    stays[late] = now_ns <= horizon_ns
    return stays
