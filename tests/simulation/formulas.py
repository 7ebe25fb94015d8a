"""What queueing theory says of waits, beside the formulas of `queues`; nothing here simulates.

``offered`` is lambda / mu. Waits are before service, seconds, of those who are let in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from scipy import optimize, stats

from tests.simulation.queues import erlang_c, erlang_c_wait_s


class Waits(NamedTuple):
    """The mean wait, the share who wait at all, and the wait that one in a hundred exceeds."""

    mean_s: float
    some: float
    p99_s: float


def waits_of_mmc(servers: int, rate: float, mean_s: float) -> Waits:
    """M/M/c, first come first served: P(W > t) = C(c, a) exp(-(c mu - lambda) t) (Erlang 1917;
    Kleinrock 1975, Queueing Systems I, 3.5).
    """
    some, spare = erlang_c(servers, rate * mean_s), servers / mean_s - rate
    return Waits(erlang_c_wait_s(servers, rate, mean_s), some, math.log(some / 0.01) / spare)


def states_of_mmck(servers: int, room: int, offered: float) -> list[float]:
    """Probabilities of 0 .. K customers in M/M/c/K: p_n ~ a^n / n! up to c, then times a / c each
    (Gross & Harris 1998, Fundamentals of Queueing Theory, 2.5).
    """
    weights = [1.0]
    for count in range(1, room + 1):
        weights.append(weights[-1] * offered / min(count, servers))
    return [weight / sum(weights) for weight in weights]


def blocked_by_mmck(servers: int, room: int, offered: float) -> float:
    """Share who find K inside and are turned away: p_K, as Poisson arrivals see time averages
    (Wolff 1982).
    """
    return states_of_mmck(servers, room, offered)[room]


def waits_of_mmck(servers: int, room: int, rate: float, mean_s: float) -> Waits:
    """M/M/c/K: who is let in finds n inside with q_n = p_n / (1 - p_K), and waits for n - c + 1
    departures, which are Erlang's of rate c mu (Gross & Harris 1998, 2.5).
    """
    states = states_of_mmck(servers, room, rate * mean_s)
    found = [state / (1 - states[room]) for state in states[:room]]
    stage_s = mean_s / servers
    behind = [(found[n], n - servers + 1) for n in range(servers, room)]

    def beyond(t: float) -> float:
        return sum(share * float(stats.gamma.sf(t, k, scale=stage_s)) for share, k in behind)

    mean_wait_s = sum(share * k * stage_s for share, k in behind)
    return Waits(mean_wait_s, beyond(0.0), _root(lambda t: beyond(t) - 0.01, 100 * room * stage_s))


def _root(function: Callable[[float], float], high: float) -> float:
    return float(optimize.brentq(function, 0.0, high, xtol=1e-9))


def rates_of_jackson(rate: float, stays: list[float]) -> list[float]:
    """Arrivals a second at the n-th of a chain of nodes, each of which passes on a share of its
    customers: the traffic equations of Jackson (1957), solved for a chain. ``stays[n]``: the share
    that goes on from node n - 1 to n; the first is 1.
    """
    found = []
    for share in stays:
        rate *= share
        found.append(rate)
    return found
