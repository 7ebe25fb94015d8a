"""Two engines, one truth: what SimPy and the compiled engine leave behind is bitwise equal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from simpy.events import Event

from simulation import layout as at
from simulation.compiled import CompiledEngine
from simulation.driver import Call, SimpyEngine
from simulation.world import Order
from tests.simulation.scaling_situations import SCALING
from tests.simulation.situations import (
    SITUATIONS,
    Situation,
    differences,
    history_of,
    in_waves,
    remains,
)
from workload.journey import Patience
from workload.laws import broken

EVERY = (*SITUATIONS, *SCALING)
BY_NAME = {situation.name: situation for situation in EVERY}
each = pytest.mark.parametrize("name", BY_NAME)


class Logged(SimpyEngine):
    """Remembers when events happened."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self.happened: Counter[int] = Counter()

    def _handler(self, when: int, code: int, ref: int) -> Call:
        happens = super()._handler(when, code, ref)

        def log(event: Event) -> None:
            self.happened[when] += 1
            happens(event)

        return log


@cache
def run_both(name: str, people: int) -> tuple[Logged, at.World, at.World]:
    situation = BY_NAME[name]
    order, arrivals = situation.order(people), situation.arrivals(people)
    readable = Logged(order)
    return readable, readable.run(arrivals), CompiledEngine(order).run(arrivals)


@each
def test_both_engines_leave_the_same_world_behind(name: str) -> None:
    """Ends, histograms, tallies, series, stations, rows: of every visitor and every station."""
    _, readable, compiled = run_both(name, 1_000)
    assert readable.cells[at.C_ATTEMPTS] > 100
    assert differences(readable, compiled) == []


#: Every policy is in at least two of these, as is held below; the others differ from them little.
AT_FULL_LENGTH = (
    "ticks on one shared core with a generator", "one shared core and a generator",
    "dozens at a time meet quota ticks", "missed mail by ticks", "timeouts by ticks",
    "nothing takes time", "batches of one row", "all at once, by ticks, shed",
    "overload, timeouts, retries, abandoned work", "let in by waves", "let in by waves, by ticks",
    "attacked by ticks, in a waiting room", "mail gets lost", "mail is slower than patience",
    "checks and mails are queued, by ticks, and nobody knows since when",
    "checks inline by ticks, two workers, quota", "the registry goes out and comes back",
    "the registry goes out by ticks, checks inline", "seats are drawn while people still join",
    "seats are drawn by ticks, and who looks comes at once",
    "photos through a narrow line and a generator", "photos by ticks",
    "a waiting room by ticks, left early by the record", "a call centre by shifts",
    "a call centre by shifts, by ticks", "scales by its load, overloaded, and sheds",
    "scales by plan by ticks, and takes back who drains",
    "scales by load and plan by ticks, ready in the instant that it looks",
    "every line is long, and those who fail call",
)  # fmt: skip

POLICIES: dict[str, Callable[[Situation], object]] = {
    "one core for service and database": lambda it: it.deployment.shared_core,
    "several event loops": lambda it: it.deployment.workers > 1,
    "several replicas": lambda it: it.deployment.most_replicas > 1,
    "small batches": lambda it: it.deployment.batch_rows < 10,
    "a small pool": lambda it: it.deployment.pool < 8,
    "a database of several cores": lambda it: it.deployment.database_cores > 1,
    "registry slots": lambda it: it.deployment.registry_slots < 16,
    "registry quota": lambda it: it.deployment.registry_quota_per_s,
    "registry latency": lambda it: it.deployment.registry_latency,
    "an outage": lambda it: any(not one.slots for one in it.deployment.registry_windows),
    "a brown-out": lambda it: any(one.slower > 1 for one in it.deployment.registry_windows),
    "queued": lambda it: it.deployment.identity_check == "queued",
    "inline": lambda it: it.deployment.identity_check == "inline",
    "mail delay": lambda it: it.deployment.mail_delay.mean_s,
    "mail loss": lambda it: it.deployment.mail_loss,
    "photo bandwidth": lambda it: it.deployment.photo_mbit_per_s,
    "open": lambda it: it.deployment.admission == "open",
    "shed": lambda it: it.deployment.admission == "shed",
    "waiting room": lambda it: it.deployment.admission == "waiting_room",
    "planned scaling": lambda it: it.deployment.scaling and it.deployment.scaling.planned,
    "reactive scaling": lambda it: it.deployment.scaling and it.deployment.scaling.most,
    "seats that are drawn": lambda it: it.walk.draw,
    "a call centre": lambda it: it.walk.support and it.deployment.agents,
    "shifts": lambda it: it.deployment.agent_shifts,
    "an attack": lambda it: it.attack,
    "people let in by waves": lambda it: it.arrivals_of is in_waves,
    "timeouts and retries": lambda it: _patience(it).timeout_s < 1 < _patience(it).attempts,
    "backoff": lambda it: 0 < _patience(it).backoff_s < _patience(it).backoff_cap_s,
    "jitter": lambda it: _patience(it).jitter,
    "lines that are long at the beginning": lambda it: any(it.waiting),
    "a generator in between": lambda it: it.deployment.generator,
}


def _patience(situation: Situation) -> Patience:
    return situation.walk.steps[1].patience


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_is_in_two_situations_of_full_length(policy: str) -> None:
    """And there are at least twenty of them."""
    assert len(set(AT_FULL_LENGTH)) >= 20
    assert sum(bool(POLICIES[policy](BY_NAME[name])) for name in AT_FULL_LENGTH) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", AT_FULL_LENGTH)
def test_both_engines_leave_the_same_world_behind_at_twenty_thousand(name: str) -> None:
    """The same, of twenty times as many people."""
    situation = BY_NAME[name]
    order, arrivals = situation.order(20_000), situation.arrivals(20_000)
    readable, compiled = SimpyEngine(order).run(arrivals), CompiledEngine(order).run(arrivals)
    assert differences(readable, compiled) == []


@pytest.mark.parametrize("name", [s.name for s in EVERY if s.ties])
def test_many_events_happen_in_one_instant(name: str) -> None:
    """Where ties are the point, at least a tenth of the events share their instant."""
    happened = run_both(name, 1_000)[0].happened
    shared = sum(count for count in happened.values() if count > 1)
    assert shared > sum(happened.values()) / 10


@each
def test_every_simulated_history_keeps_the_laws(name: str) -> None:
    """No law of workload.laws is broken, and every attempt that was counted is there."""
    _, _, world = run_both(name, 1_000)
    history = history_of(BY_NAME[name].order(1_000), world)
    assert len(history) == world.cells[at.C_ATTEMPTS]
    assert broken(history) == []


@pytest.mark.parametrize("engine", [SimpyEngine, CompiledEngine])
def test_same_seed_same_bytes_other_seed_other_bytes(
    engine: type[SimpyEngine | CompiledEngine],
) -> None:
    """Nothing but the order decides what happens."""
    ours, other = Situation("one seed", seed=5), Situation("another", seed=6)
    arrivals = ours.arrivals(300)
    once, again, differently = (
        remains(engine(situation.order(300)).run(arrivals))["rows"].tobytes()
        for situation in (ours, ours, other)
    )
    assert once == again
    assert once != differently


def test_a_run_in_pieces_is_the_same_run() -> None:
    """Showing progress changes nothing."""
    situation = BY_NAME["everything ticks"]
    order, arrivals = situation.order(200), situation.arrivals(200)
    shown: list[float] = []
    whole = SimpyEngine(order).run(arrivals)
    pieces = SimpyEngine(order).run(arrivals, shown.append)
    compiled = CompiledEngine(order).run(arrivals, shown.append)
    assert differences(whole, pieces) == []
    assert differences(whole, compiled) == []
    assert shown[:3] == [0.01, 0.02, 0.03]


def test_what_has_a_place_gets_it_back() -> None:
    """When everybody has left and all work is done, every place but one of each kind is free."""
    readable = run_both("overload, timeouts, retries, abandoned work", 1_000)[1]
    cells = readable.cells
    assert cells[at.C_OPEN] == 0
    assert cells[at.C_ROOM_VISITS] == len(readable.visits) // at.VISIT
    assert cells[at.C_ROOM_JOBS] == len(readable.jobs) // at.JOB


def test_what_is_shown_in_every_situation_happens_in_it() -> None:
    """Timeouts, refusals, lost mail, declined people and open visits are all there somewhere."""
    seen = np.unique(
        np.concatenate([remains(run_both(name, 1_000)[2])["rows"].reshape(-1, at.ROW)[:, 7:]
                        for name in BY_NAME]), axis=0,
    )  # fmt: skip
    assert set(seen[:, 0]) >= {0, 1, 3, 6, 8, 9}
    assert set(seen[:, 2]) >= {0, 1, 2, 3, 4}
