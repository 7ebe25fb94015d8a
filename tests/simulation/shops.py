"""Queues as SimPy's manual writes them: a process a customer, `simpy.Resource` for servers.

They draw from `random` and share nothing with `simulation/`, so that both the stations and the
formulas have somebody who contradicts them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

Process = Generator[simpy.Event, Any, None]
Draw = Callable[[random.Random], float]


@dataclass
class Counter:
    """A counter with servers, and room for so many inside, those in service among them."""

    env: simpy.Environment
    luck: random.Random
    servers: int
    service: Draw
    room: int | None = None
    waits_s: list[float] = field(default_factory=list)
    turned_away: int = 0

    def __post_init__(self) -> None:
        self._clerks = simpy.Resource(self.env, self.servers)

    def visit(self) -> Process:
        """Be served, or turn away at the door."""
        inside = self._clerks.count + len(self._clerks.queue)
        if self.room is not None and inside >= self.room:
            self.turned_away += 1
            return
        came = self.env.now
        with self._clerks.request() as turn:
            yield turn
            self.waits_s.append(self.env.now - came)
            yield self.env.timeout(self.service(self.luck))


def exponential_of(mean_s: float) -> Draw:
    """An exponential service."""
    return lambda luck: luck.expovariate(1 / mean_s)


def people_come(
    env: simpy.Environment,
    luck: random.Random,
    rate: float,
    people: int,
    walk: Callable[[], Process],
) -> None:
    """So many people, a Poisson process of so many a second; runs until all have left."""

    def doors() -> Process:
        for _ in range(people):
            yield env.timeout(luck.expovariate(rate))
            env.process(walk())

    env.process(doors())
    env.run()


def counter_with_room(
    seed: int, people: int, rate: float, servers: int, room: int, mean_s: float
) -> Counter:
    """M/M/c/K."""
    env, luck = simpy.Environment(), random.Random(seed)
    counter = Counter(env, luck, servers, exponential_of(mean_s), room)
    people_come(env, luck, rate, people, counter.visit)
    return counter


@dataclass(frozen=True)
class Node:
    """A place of a network: servers, and the mean of their exponential service."""

    servers: int
    mean_s: float


def network(
    seed: int, people: int, rate: float, nodes: dict[str, Node], route: list[tuple[str, float]]
) -> dict[str, Counter]:
    """Customers who visit the nodes of a route in turn; ``route``: (node, share that goes there
    from the one before), with an exponential pause of a second on the way.
    """
    env, luck = simpy.Environment(), random.Random(seed)
    counters = {
        name: Counter(env, luck, node.servers, exponential_of(node.mean_s))
        for name, node in nodes.items()
    }

    def walk() -> Process:
        for name, share in route:
            if luck.random() >= share:
                return
            yield env.timeout(luck.expovariate(1.0))
            yield from counters[name].visit()

    people_come(env, luck, rate, people, walk)
    return counters
