"""The textbook queue M/M/8 at 90 % load: customers a core-second, beside SimPy, Ciw and cimba.

Compared: the compiled engine, whole, as it simulates a call centre with eight agents; SimPy as its
manual writes a shop (a process a customer, a Resource of 8); Ciw; and cimba as its manual writes a
line (eight servers who take arrivals from a store), which is compiled C. One that is not installed
is left out by name. Fair, because all have to find the same mean wait, for which there is a formula
(Erlang 1917): each mean has an interval over ten seeds, and `means_agree` says whether all of them
hold it. It is not fair to ours: our customer is a visit that is drawn by address, and is folded
into histograms, series by the minute and a record of what became of everybody. CPU time of one
thread, drawing the arrivals and building the world included, compiling not. Of our runs and cimba's
the fastest of those that fill a second counts; SimPy's and Ciw's seeds take longer than that alone.
`service_customers_per_s` is the same queue at the registry's eight slots, behind a service that
takes the request, writes it down in a batch and queues the check, in so many more events.
"""

from __future__ import annotations

from math import factorial, isfinite
from statistics import mean
from typing import Final

from benchmarks.queue_peers import (
    RATE,
    SERVERS,
    Shop,
    Simulate,
    cimba,
    ciw,
    figures,
)
from benchmarks.stand import Figures, show
from simulation import layout as at
from simulation.compiled import CompiledEngine
from simulation.deployment import Deployment
from simulation.service import ServiceModel, StepCost
from simulation.world import Order
from workload.arrivals import Arrivals, Constant, total_curve
from workload.durations import SECOND_NS, constant, exponential
from workload.journey import SUPPORT_STEP, Journey, Patience, Step

#: Customers of each seed.
OURS: Final = 400_000
CIMBAS: Final = 400_000
SIMPYS: Final = 40_000
CIWS: Final = 15_000
#: Longer than the record: nobody hangs up in M/M/8.
PATIENCE_S: Final = 1e7
WHO: Final = ("ours", "service", "simpy", "ciw", "cimba")


def erlang_c_wait_s() -> float:
    """Mean wait: C(c, a) / (c - a) with a = RATE, as the mean service is 1 s."""
    last = RATE**SERVERS / factorial(SERVERS) * SERVERS / (SERVERS - RATE)
    waits = last / (sum(RATE**k / factorial(k) for k in range(SERVERS)) + last)
    return waits / (SERVERS - RATE)


def visits(step: str, people: int, seed: int) -> tuple[Order, Arrivals]:
    """A journey of one step: a call to eight agents, or a check in the registry's eight slots."""
    duration_s = people / RATE
    model = ServiceModel({step: StepCost("write", constant(0))}, registry=exponential(1.0))
    journey = Journey((Step(step, patience=Patience(timeout_s=1e6, attempts=1)),))
    arrivals = total_curve([Constant(RATE, 0, duration_s)], duration_s).arrivals(seed)
    order = Order(
        journey=journey,
        itinerary=journey.itinerary(),
        model=model,
        deployment=Deployment(
            registry_slots=SERVERS, agents=SERVERS,
            call_length=exponential(1.0), call_patience=constant(PATIENCE_S),
        ),
        seed=seed,
        people=len(arrivals) + 1,
        horizon_s=duration_s + 600,
        cell_s=60.0,  # as a projection counts
    )  # fmt: skip
    return order, arrivals


def ours(step: str, station: int, people: int) -> tuple[Simulate, list[int]]:
    """How the compiled engine simulates a seed; the events of all of them are put in the list."""
    events: list[int] = []

    def simulate(seed: int) -> tuple[int, float]:
        order, arrivals = visits(step, people, seed)
        world = CompiledEngine(order).run(arrivals)
        events.append(int(world.cells[at.C_EVENTS]))
        row = station * at.STATION
        served = int(world.stations[row + at.S_SERVED])
        assert served == len(arrivals), "somebody hung up: this is no M/M/8"
        return served, int(world.stations[row + at.S_WAITED]) / SECOND_NS / served

    return simulate, events


def measure(size: float) -> Figures:
    """Customers a core-second of each, and the mean wait that each found."""
    people = max(20, round(OURS * size))
    call, events = ours(SUPPORT_STEP, at.CALL_CENTRE, people)
    check, more_events = ours("submit_identity", at.REGISTRY_CLIENT, people)
    call(1)  # compiles, or reads what was compiled before
    found = figures("ours", call, min(size, 1.0)) | figures("service", check)
    simpys, ciws = round(SIMPYS * size), round(CIWS * size)
    found |= figures("simpy", lambda seed: (simpys, Shop(simpys, seed).mean_wait_s))
    found |= ciw(ciws) | cimba(max(20, round(CIMBAS * size)), min(size, 1.0))
    exact = erlang_c_wait_s()
    rates = {who: found[f"{who}_customers_per_s"] for who in WHO}
    return {
        "ratio": rates["ours"] / rates["simpy"],
        "ratio_to_ciw": rates["ours"] / rates["ciw"] if rates["ciw"] else None,
        "ratio_to_cimba": rates["ours"] / rates["cimba"] if rates["cimba"] else None,
        "exact_wait_s": exact,
        "means_agree": _agree(found, exact),
        "events_per_customer": mean(events) / people,
        "service_events_per_customer": mean(more_events) / people,
        **found,
    }


def _agree(found: Figures, exact: float) -> bool | None:
    """Whether every interval there is holds the exact mean; None where one was too short."""
    bounds = [
        (found[f"{who}_wait_low_s"], found[f"{who}_wait_high_s"])
        for who in WHO
        if found[f"{who}_customers_per_s"] is not None
    ]
    if not all(isinstance(low, float) and isfinite(low) for low, _ in bounds):
        return None
    return all(low <= exact <= high for low, high in bounds)  # type: ignore[operator]


if __name__ == "__main__":
    show(measure)
