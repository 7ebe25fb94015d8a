"""An independent model of the whole small system, as a SimPy user would write it.

Processes that hold `simpy.Resource`, drawing from `random`; it shares nothing with `simulation/`.
One worker with an own core, a natural batcher, a pool, a database core with a log, the registry,
mail. People never leave: no timeouts, no drop-outs.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

Draw = Callable[[random.Random], float]
Process = Generator[simpy.Event, Any, None]


@dataclass
class Costs:
    """What draws how long things take, in seconds."""

    slice_: Draw
    query: Draw
    commit: Draw
    registry: Draw
    mail: Draw
    pause: Draw
    write_base_s: float
    write_row_s: float
    flush_s: float
    polls_s: tuple[float, ...]


@dataclass
class Oracle:
    """One world. ``took``: latencies by step, ``busy``: seconds by station."""

    costs: Costs
    seed: int
    lanes: int
    pool_size: int
    slots: int
    connections: int
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    busy: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def __post_init__(self) -> None:
        self.env = simpy.Environment()
        self.luck = random.Random(self.seed)
        self.loop, self.cpu = (simpy.Resource(self.env, 1) for _ in range(2))
        self.pool = simpy.Resource(self.env, self.pool_size)
        self.ministry = simpy.Resource(self.env, self.slots)
        self.smtp = simpy.Resource(self.env, self.connections)
        self.rows: list[simpy.Event] = []
        self.free_lanes = self.lanes

    def run(self, people: int, rate: float) -> Oracle:
        """So many people at a rate a second, until all have left."""
        self.env.process(self.doors(people, rate))
        self.env.run()
        return self

    def doors(self, people: int, rate: float) -> Process:
        for _ in range(people):
            yield self.env.timeout(self.luck.expovariate(rate))
            self.env.process(self.person())

    def hold(self, name: str, resource: simpy.Resource, seconds: float) -> Process:
        with resource.request() as turn:
            yield turn
            yield self.env.timeout(seconds)
        self.busy[name] += seconds

    def slice_(self) -> Process:
        yield from self.hold("event_loop", self.loop, self.costs.slice_(self.luck))

    def person(self) -> Process:
        mail, decided, told = self.env.event(), self.env.event(), self.env.event()
        yield from self.step("open_site", self.slice_())
        yield self.env.timeout(self.costs.pause(self.luck))
        yield from self.step("register", self.write())
        self.env.process(self.letter(mail))
        yield self.env.timeout(self.costs.pause(self.luck))
        yield mail
        yield from self.step("verify_email", self.write())
        yield self.env.timeout(self.costs.pause(self.luck))
        yield from self.step("submit_identity", self.write())
        self.env.process(self.check(decided, told))
        yield self.env.timeout(self.costs.pause(self.luck))
        yield from self.step("await_identity", self.ask_until(decided, told))

    def step(self, name: str, work: Process) -> Process:
        began = self.env.now
        yield from work
        self.took[name].append(self.env.now - began)

    def write(self) -> Process:
        yield from self.slice_()
        durable = self.env.event()
        self.rows.append(durable)
        if self.free_lanes:
            self.free_lanes -= 1
            self.env.process(self.lane())
        yield durable
        yield from self.slice_()

    def lane(self) -> Process:
        told: list[simpy.Event] = []
        while True:
            with self.loop.request() as turn:
                yield turn
                batch, self.rows = self.rows, []
                if batch:
                    yield self.env.timeout(self.costs.flush_s)
                    self.busy["event_loop"] += self.costs.flush_s
            for durable in told:
                durable.succeed()
            if not batch:
                break
            demand = self.costs.write_base_s + len(batch) * self.costs.write_row_s
            yield from self.hold("database", self.cpu, demand)
            yield self.env.timeout(self.costs.commit(self.luck))
            told = batch
        self.free_lanes += 1

    def ask(self, decided: simpy.Event) -> Generator[simpy.Event, Any, bool]:
        yield from self.slice_()
        with self.pool.request() as connection:
            yield connection
            yield from self.hold("database", self.cpu, self.costs.query(self.luck))
            known = decided.triggered
            yield from self.slice_()
        return known

    def ask_until(self, decided: simpy.Event, told: simpy.Event) -> Process:
        for pause_s in (*self.costs.polls_s, 0.0):
            if (yield from self.ask(decided)):
                return
            yield self.env.timeout(pause_s)
        yield told
        yield from self.ask(decided)

    def check(self, decided: simpy.Event, told: simpy.Event) -> Process:
        took = self.costs.registry(self.luck)
        yield from self.hold("registry_client", self.ministry, took)
        decided.succeed()
        yield from self.letter(told)

    def letter(self, arrived: simpy.Event) -> Process:
        yield from self.hold("mail_sender", self.smtp, self.costs.mail(self.luck))
        arrived.succeed()
