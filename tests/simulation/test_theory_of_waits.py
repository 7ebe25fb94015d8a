"""Waits one by one against theory: M/M/c, M/M/c/K, a Jackson network, M/G/inf; and against SimPy.

Mean wait, share who wait, and the wait of one in a hundred, each within 1 % of theory and inside
its interval: Student's over independent replications, 99 % for all figures of a test together
(Bonferroni). Seeds are pinned, so a verdict does not change from run to run.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tests.simulation.formulas import (
    Waits,
    blocked_by_mmck,
    rates_of_jackson,
    states_of_mmck,
    waits_of_mmc,
    waits_of_mmck,
)
from tests.simulation.shops import Node, counter_with_room, network
from tests.simulation.walked_queues import (
    Chain,
    Walked,
    faults,
    figures,
    interval,
    registry_with_room,
    waits_at_registry_ns,
)
from workload.durations import Duration, constant, exponential, lognormal
from workload.visit import Outcome

SECOND = exponential(1.0)
SEEDS = range(1, 41)
MANY = 500_000
#: Servers, room, customers a second; each takes a second on average. The last is overloaded.
ROOMS = [(1, 4, 0.8), (4, 8, 3.6), (8, 12, 9.0)]
NODES = {"pool": Node(2, 0.1), "mail": Node(2, 0.15), "registry": Node(3, 0.4)}
CHAIN = Chain(
    pool=2, connections=2, slots=3, rate=8.0, pause=SECOND,
    read=exponential(0.1), mail=exponential(0.15), registry=exponential(0.4),
)  # fmt: skip


def test_formulas_meet_where_they_describe_the_same_queue() -> None:
    """M/M/c/K with endless room is M/M/c, with room for the servers only it is Erlang's loss
    system, B(4, 3) = 0.2061; M/M/1/K has p_n ~ rho^n.
    """
    endless, unlimited = waits_of_mmck(4, 400, 3.0, 1.0), waits_of_mmc(4, 3.0, 1.0)
    assert endless == pytest.approx(unlimited, rel=1e-6)
    assert blocked_by_mmck(4, 4, 3.0) == pytest.approx(0.2061, abs=1e-4)
    one = states_of_mmck(1, 3, 0.5)
    assert one == pytest.approx([8 / 15, 4 / 15, 2 / 15, 1 / 15])
    assert waits_of_mmc(1, 0.5, 1.0) == pytest.approx((1.0, 0.5, math.log(50) / 0.5))


def test_a_wrong_formula_is_found() -> None:
    """A tenth more load than there was contradicts every figure."""
    line = registry_with_room(SECOND, 3.6, 4, 8)
    found = [figures(waits_at_registry_ns(line.walk(seed, 10_000), SECOND)) for seed in SEEDS]
    assert len(faults(found, waits_of_mmck(4, 8, 3.96, 1.0), within=0.05)) == 3


@pytest.mark.slow
def test_waits_of_mmc_are_those_of_erlang() -> None:
    """M/M/4 at 60 %. Tables of exponentials end at 1 : 1024: of 200 million customers of M/M/2 the
    longest wait in a hundred was 0.12 % shorter than theory's, with an interval of 0.21 %.
    """
    line = registry_with_room(SECOND, 2.4, 4)
    found = [figures(waits_at_registry_ns(line.walk(seed, MANY), SECOND)) for seed in SEEDS]
    assert faults(found, waits_of_mmc(4, 2.4, 1.0), within=0.01) == []


def room_faults(servers: int, room: int, rate: float, people: int, within: float) -> list[str]:
    """Faults of the three figures, and of the share who are turned away at the door."""
    line = registry_with_room(SECOND, rate, servers, room)
    runs = [line.walk(seed, people) for seed in SEEDS]
    found = [figures(waits_at_registry_ns(run, SECOND)) for run in runs]
    away = interval([float((run.rows["outcome"] == Outcome.OVERLOADED).mean()) for run in runs])
    blocked = blocked_by_mmck(servers, room, rate)
    wrong = faults(found, waits_of_mmck(servers, room, rate, 1.0), within)
    if not away.holds(blocked) or away.half > within * blocked:
        wrong.append(f"turned away: {away.error(blocked):+.2%} of {blocked:.5g}")
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize(("servers", "room", "rate"), ROOMS)
def test_waits_of_mmck_are_those_of_theory(servers: int, room: int, rate: float) -> None:
    """In-flight cap K in front of c slots; who finds K inside is refused."""
    assert room_faults(servers, room, rate, MANY, within=0.01) == []


def test_waits_of_mmck_in_a_short_run() -> None:
    """The same of ten thousand people, whose intervals are at most 4 % wide to either side."""
    assert room_faults(4, 8, 3.6, 10_000, within=0.04) == []


def theory_of_the_chain() -> dict[str, Waits]:
    """Each node as if it stood alone, at the rate that the traffic equations say (Jackson 1957).

    The pool is visited by two steps, so its customers come back; pauses are nodes without a wait.
    """
    opened, registered, verified, submitted = rates_of_jackson(CHAIN.rate, [1.0, *CHAIN.stays])
    rates = {"pool": opened + verified, "mail": registered, "registry": submitted}
    return {name: waits_of_mmc(*node[:1], rates[name], node[1]) for name, node in
            ((name, (node.servers, node.mean_s)) for name, node in NODES.items())}  # fmt: skip


def chain_faults(people: int, within: float) -> dict[str, list[str]]:
    """Faults by station."""
    found: dict[str, list[Waits]] = {name: [] for name in NODES}
    for seed in SEEDS:
        for name, waits_ns in CHAIN.waits_ns(CHAIN.line.walk(seed, people)).items():
            assert waits_ns.min() == 0  # to the nanosecond: nothing but the line was waited for
            found[name].append(figures(waits_ns))
    theory = theory_of_the_chain()
    return {name: faults(found[name], theory[name], within, together=9) for name in NODES}


@pytest.mark.slow
def test_waits_in_a_jackson_network_are_those_of_each_station_alone() -> None:
    """Three stations, drop-outs between them, one of them visited twice."""
    assert chain_faults(MANY, within=0.0125) == {name: [] for name in NODES}


def test_waits_in_a_jackson_network_in_a_short_run() -> None:
    """The same of ten thousand people, whose intervals are at most a tenth wide to either side."""
    assert chain_faults(10_000, within=0.1) == {name: [] for name in NODES}


SERVICES = [SECOND, constant(1.0), lognormal(0.8, 2.4), Duration((*[0.5] * 90, *[5.5] * 10))]


def found_inside(walked: Walked) -> NDArray[np.int64]:
    """How many each arrival finds inside, without those who came into an empty shop."""
    came, left = np.sort(walked.rows["intended"]), np.sort(walked.rows["ended"])
    inside = np.arange(len(came)) - np.searchsorted(left, came, side="right")
    return np.asarray(inside[came > 100 * 10**9])


def endless_faults(service: Duration, people: int, within: float, rate: float = 4.0) -> list[str]:
    """Faults of a Poisson law's mean, P(somebody inside), P(more than the mean), and of the 99th
    percentile of all replications together, which is a whole number.
    """
    law = stats.poisson(rate * service.mean_s)
    mean = law.mean()
    line = registry_with_room(service, rate, 10**6)
    found, all_inside = [], []
    for seed in SEEDS:
        walked = line.walk(seed, people)
        assert (waits_at_registry_ns(walked, service) == 0).all()
        inside = found_inside(walked)
        shares = float((inside > 0).mean()), float((inside > mean).mean())
        found.append(Waits(float(inside.mean()), *shares))
        all_inside.append(inside)
    wrong = faults(found, Waits(mean, 1 - law.pmf(0), float(law.sf(mean))), within)
    p99 = float(np.quantile(np.concatenate(all_inside), 0.99, method="inverted_cdf"))
    return wrong if p99 == law.ppf(0.99) else [*wrong, f"p99: {p99} of {law.ppf(0.99)}"]


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES, ids=["M", "D", "lognormal", "two-peaked"])
def test_how_many_are_inside_an_endless_shop_is_poisson_whatever_service_is(
    service: Duration,
) -> None:
    """M/G/inf: Poisson of lambda E[S], by nothing but the mean (Takacs 1962, Introduction to the
    Theory of Queues; Newell 1966). Nobody waits: P(wait > 0) = 0, exactly.
    """
    assert endless_faults(service, 200_000, within=0.01) == []


def test_how_many_are_inside_an_endless_shop_in_a_short_run() -> None:
    """Intervals are at most a twentieth wide to either side."""
    assert endless_faults(constant(1.0), 15_000, within=0.05) == []


def welch_faults(ours: list[Waits], theirs: list[Waits], within: float) -> list[str]:
    """Figures of which Welch's interval of the difference (99 %, Bonferroni) leaves out zero, or is
    wider than ``within`` of the figure.
    """
    wrong = []
    for number, name in enumerate(Waits._fields):
        one, other = ([found[number] for found in run] for run in (ours, theirs))
        test = stats.ttest_ind(one, other, equal_var=False)
        low, high = test.confidence_interval(1 - 0.01 / 3)
        middle = float(np.mean(other))
        if not low <= 0 <= high or (high - low) / 2 > within * middle:
            wrong.append(f"{name}: {low / middle:+.2%} to {high / middle:+.2%} of {middle:.5g}")
    return wrong


def of_an_oracle(waits_s: list[float]) -> Waits:
    return figures(np.rint(np.asarray(waits_s) * 1e9).astype(np.int64))


@pytest.mark.slow
def test_stations_with_little_room_agree_with_simpy() -> None:
    """M/M/4/8 as SimPy's manual writes it, on luck of its own."""
    line = registry_with_room(SECOND, 3.6, 4, 8)
    ours = [figures(waits_at_registry_ns(line.walk(seed, 60_000), SECOND)) for seed in range(1, 17)]
    shops = [counter_with_room(seed, 60_000, 3.6, 4, 8, 1.0) for seed in range(101, 109)]
    assert welch_faults(ours, [of_an_oracle(shop.waits_s) for shop in shops], 0.03) == []
    away = np.mean([shop.turned_away / 60_000 for shop in shops])
    assert away == pytest.approx(blocked_by_mmck(4, 8, 3.6), rel=0.03)


@pytest.mark.slow
def test_a_network_of_stations_agrees_with_simpy() -> None:
    """The chain of three, as processes that hold a resource after the other."""
    ours = [CHAIN.waits_ns(CHAIN.line.walk(seed, 40_000)) for seed in range(1, 17)]
    stays = CHAIN.stays
    # To verify goes who has registered and stays; the mail is sent to everybody who registered.
    route = [("pool", 1.0), ("mail", stays[0]), ("pool", stays[1]), ("registry", stays[2])]
    theirs = [network(seed, 40_000, CHAIN.rate, NODES, route) for seed in range(101, 109)]
    for name in NODES:
        one = [figures(run[name]) for run in ours]
        assert welch_faults(one, [of_an_oracle(run[name].waits_s) for run in theirs], 0.12) == []
