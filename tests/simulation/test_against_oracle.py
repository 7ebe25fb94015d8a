"""The model against an independent one: the whole small system, as a SimPy user would write it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from simulation import layout as at
from simulation.compiled import CompiledEngine
from simulation.deployment import Deployment
from simulation.world import Order
from tests.simulation.oracle import Costs, Draw, Oracle
from tests.simulation.situations import costs, history_of
from workload.arrivals import Constant, total_curve
from workload.durations import exponential
from workload.journey import Journey, Patience, Step

MS = 0.001
PEOPLE = 3_000
RATE = 120.0
STEPS = ("open_site", "register", "verify_email", "submit_identity", "await_identity")
BUSY = {"event_loop": at.EVENT_LOOP, "database": at.DATABASE,
        "registry_client": at.REGISTRY_CLIENT, "mail_sender": at.MAIL_SENDER}  # fmt: skip

MODEL = costs(
    exponential(0.4 * MS), exponential(0.8 * MS), flush_base_s=0.3 * MS, write_base_s=0.5 * MS,
    write_row_s=0.2 * MS, commit=exponential(1 * MS), registry=exponential(100 * MS),
    mail=exponential(20 * MS),
)  # fmt: skip
DEPLOYMENT = Deployment(registry_slots=16, mail_connections=6, pool=2)


def mean(seconds: float) -> Draw:
    return lambda luck: luck.expovariate(1 / seconds)


ORACLE = Costs(
    slice_=mean(0.4 * MS), query=mean(0.8 * MS), commit=mean(1 * MS), registry=mean(100 * MS),
    mail=mean(20 * MS), pause=mean(0.2), write_base_s=0.5 * MS, write_row_s=0.2 * MS,
    flush_s=0.3 * MS, polls_s=(0.1, 0.2),
)  # fmt: skip


def journey() -> Journey:
    patience = Patience(timeout_s=1e5, mail_s=1e5)
    pause = exponential(0.2)
    return Journey(
        (
            Step("open_site", patience=patience),
            Step("register", pause, 0.0, patience),
            Step("verify_email", pause, 0.0, patience, "verify"),
            Step("submit_identity", pause, 0.0, patience),
            Step("await_identity", pause, 0.0, patience, "result", 3, 0.05, 10.0),
        )
    )


def of_the_model(seed: int) -> list[float]:
    """Mean latency of each step in seconds, then busy seconds a person of each station."""
    walked = journey()
    duration_s = PEOPLE / RATE
    arrivals = total_curve([Constant(RATE, 0, duration_s)], duration_s).arrivals(seed)
    order = Order(walked, walked.itinerary(), MODEL, DEPLOYMENT, seed, len(arrivals), trace=True)
    world = CompiledEngine(order).run(arrivals)
    rows = history_of(order, world)
    means = []
    for step in range(len(STEPS)):
        of_step = rows.where(rows["step"] == step).ordered()
        who, first = np.unique(of_step["visitor"], return_index=True)
        last = np.append(first[1:], len(of_step)) - 1
        took = of_step["ended"][last] - of_step["intended"][first]
        assert len(who) == len(arrivals)
        means.append(float(took.mean()) / 1e9)
    busy = [world.stations[s * at.STATION + at.S_BUSY] / 1e9 / len(arrivals) for s in BUSY.values()]
    return [*means, *map(float, busy)]


def of_the_oracle(seed: int) -> list[float]:
    """The same of the oracle."""
    oracle = Oracle(ORACLE, seed, lanes=2, pool_size=2, slots=16, connections=6).run(PEOPLE, RATE)
    means = [float(np.mean(oracle.took[step])) for step in STEPS]
    return [*means, *(oracle.busy[station] / PEOPLE for station in BUSY)]


def spread(found: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(found.std(axis=0, ddof=1) / np.sqrt(len(found)))


@pytest.mark.slow
def test_model_and_oracle_agree_on_latencies_and_utilisations() -> None:
    """Welch's interval of the difference, 99 % for all nine figures together (Bonferroni), holds
    zero, and is at most 10 % of the figure wide to either side.
    """
    ours = np.array([of_the_model(seed) for seed in range(1, 25)])
    theirs = np.array([of_the_oracle(seed) for seed in range(1, 13)])
    off = ours.mean(axis=0) - theirs.mean(axis=0)
    chance = 1 - 0.01 / 2 / ours.shape[1]
    half = stats.t.ppf(chance, 12 - 1) * np.hypot(spread(ours), spread(theirs))
    names = [*STEPS, *BUSY]
    told = {n: f"{o / m:+.1%} +- {h / m:.1%}" for n, o, h, m in
            zip(names, off, half, theirs.mean(axis=0), strict=True)}  # fmt: skip
    assert (half <= 0.1 * theirs.mean(axis=0)).all(), told
    assert (np.abs(off) <= half).all(), told
