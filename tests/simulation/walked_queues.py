"""The product's own stations as textbook queues, and every visitor's wait at them.

A wait is what an attempt took less the service that was drawn for it: draws are addressed, so the
service of every visitor is known without asking the engine. All else is free of charge: slices,
network, rows, commits take no time at all, and a wait is exact to the nanosecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from simulation import layout as at
from simulation.deployment import Deployment
from simulation.service import ServiceModel, StepCost
from tests.simulation.formulas import Waits
from tests.simulation.queues import FOREVER, Interval, asked
from workload.draws import MAIL, READ, UPSTREAM, draws, quantiles
from workload.durations import Duration, constant
from workload.journey import VERIFY_MAIL, Journey, Step
from workload.visit import Outcome

FREE: Final = constant(0)
COLUMNS: Final = ("visitor", "step", "number", "arrived", "intended", "started", "ended", "outcome")
Rows = dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Walked:
    """What visitors did, one row an attempt, in the order in which attempts ended."""

    rows: Rows
    seed: int

    def of_step(self, step: int) -> Rows:
        """Attempts of a step, in order of visitors."""
        mine = np.flatnonzero(self.rows["step"] == step)
        mine = mine[np.argsort(self.rows["visitor"][mine], kind="stable")]
        return {name: column[mine] for name, column in self.rows.items()}


@dataclass(frozen=True)
class Line:
    """A journey whose steps meet one station each. ``rate``: visitors a second."""

    steps: tuple[Step, ...]
    model: ServiceModel
    deployment: Deployment
    rate: float

    def walk(self, seed: int, people: int) -> Walked:
        """One replication of about so many people, who all get to their end."""
        _, world = asked(
            self, Journey(self.steps), seed, people, 10_000, cell_s=people / self.rate, trace=True
        )
        used = int(world.cells[at.C_ROWS]) * at.ROW
        table = np.asarray(world.rows)[:used].reshape(-1, at.ROW)
        return Walked({name: table[:, place].copy() for place, name in enumerate(COLUMNS)}, seed)


def registry_with_room(latency: Duration, rate: float, slots: int, room: int = 0) -> Line:
    """Requests that wait for a slot of the registry, at most ``room`` inside (0: no limit)."""
    model = ServiceModel({"submit_identity": StepCost("write", FREE)}, registry=latency)
    deployment = Deployment(
        identity_check="inline", registry_slots=slots, admission="shed" if room else "open",
        in_flight_cap=room, shed_delay_s=0.0,
    )  # fmt: skip
    return Line((Step("submit_identity", patience=FOREVER),), model, deployment, rate)


@dataclass(frozen=True)
class Chain:
    """Three stations: the pool (visited by two steps), the mail sender, the registry.

    ``stays``: the share that goes on to each step but the first.
    """

    pool: int
    connections: int
    slots: int
    read: Duration
    mail: Duration
    registry: Duration
    rate: float
    pause: Duration
    stays: tuple[float, float, float] = (0.9, 0.8, 0.75)

    @property
    def line(self) -> Line:
        """open_site reads; register mails; verify_email waits for it, and reads; then a check."""
        names = ("open_site", "register", "verify_email", "submit_identity")
        open_site, register, verify, submit = names
        steps = (
            Step(open_site, self.pause, patience=FOREVER),
            Step(register, self.pause, 1 - self.stays[0], FOREVER),
            Step(verify, FREE, 1 - self.stays[1], FOREVER, "verify"),  # at once when its mail comes
            Step(submit, self.pause, 1 - self.stays[2], FOREVER),
        )
        read, write = StepCost("read", FREE), StepCost("write", FREE)
        model = ServiceModel(
            dict(zip(names, (read, write, read, write), strict=True)),
            read=self.read, mail=self.mail, registry=self.registry,
        )  # fmt: skip
        deployment = Deployment(
            pool=self.pool, mail_connections=self.connections, registry_slots=self.slots,
            identity_check="inline",
        )  # fmt: skip
        return Line(steps, model, deployment, self.rate)

    def waits_ns(self, walked: Walked) -> dict[str, NDArray[np.int64]]:
        """Every wait at each station."""
        opened, registered, verified, submitted = (walked.of_step(step) for step in range(4))
        mails = draws(walked.seed, verified["visitor"], VERIFY_MAIL, 0, MAIL)
        wrote = np.isin(registered["visitor"], verified["visitor"])
        return {
            "pool": np.concatenate(
                [_less(rows, step, READ, self.read, walked.seed) for rows, step in
                 ((opened, 0), (verified, 2))]
            ),
            "mail": verified["intended"] - registered["ended"][wrote]
            - quantiles(self.mail.table(), mails),
            "registry": _less(submitted, 0, UPSTREAM, self.registry, walked.seed, number=0),
        }  # fmt: skip


def _less(
    rows: Rows, step: int, purpose: int, service: Duration, seed: int, number: int = 1
) -> NDArray[np.int64]:
    """What attempts took less their own service."""
    chances = draws(seed, rows["visitor"], step, number, purpose)
    return np.asarray(rows["ended"] - rows["intended"] - quantiles(service.table(), chances))


def waits_at_registry_ns(walked: Walked, latency: Duration) -> NDArray[np.int64]:
    """Waits of those who were let in."""
    rows = walked.of_step(0)
    inside = rows["outcome"] == Outcome.ACCEPTED
    rows = {name: column[inside] for name, column in rows.items()}
    return _less(rows, 0, UPSTREAM, latency, walked.seed, number=0)


def figures(waits_ns: NDArray[np.int64]) -> Waits:
    """The three figures of a sample, without its first hundredth, which found an empty shop."""
    held = waits_ns[len(waits_ns) // 100 :]
    p99 = float(np.quantile(held, 0.99))
    return Waits(float(held.mean()) / 1e9, float((held > 0).mean()), p99 / 1e9)


def interval(found: Sequence[float], together: int = 1) -> Interval:
    """Student's interval over independent replications, 99 % for ``together`` figures at once
    (Bonferroni).
    """
    spread = float(np.std(found, ddof=1)) / len(found) ** 0.5
    chance = 1 - 0.01 / 2 / together
    return Interval(float(np.mean(found)), spread * float(stats.t.ppf(chance, len(found) - 1)))


def faults(found: Sequence[Waits], theory: Waits, within: float, together: int = 3) -> list[str]:
    """Figures that theory contradicts, or whose interval is wider than ``within`` of theory."""
    wrong = []
    for number, name in enumerate(Waits._fields):
        held, expected = interval([one[number] for one in found], together), theory[number]
        error, half = held.error(expected), held.half / expected
        if not held.holds(expected) or half > within or abs(error) > within:
            wrong.append(f"{name}: {error:+.2%} of {expected:.5g}, interval of {half:.2%}")
    return wrong
