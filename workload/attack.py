"""Attackers: who come to load the service, beside the people and never counted among them.

An attacker is a visitor whose index lies beyond all people of the seed, so nobody's luck depends on
whether there is an attack. They walk steps of their own (`attack_register` costs what `register`
does) by the same rule as people: without a pause between the steps, again at once after a failed
attempt, and so often that only ``attempts`` ends it. So every count of a step is a count of people
or of attackers, in both worlds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from workload.arrivals import MICROSECOND_NS, ArrivalCurve, Arrivals, Constant
from workload.draws import ATTACK, mix, to_word
from workload.history import History
from workload.journey import ATTACKERS, Journey, Patience, Step, peoples


@dataclass(frozen=True)
class Attack:
    """``per_s`` attackers come each second from ``start_s`` to ``end_s`` and do ``steps``.

    Each step is tried up to ``attempts`` times at once; an attempt is broken off after
    ``timeout_s``.
    """

    per_s: float
    start_s: float
    end_s: float
    steps: tuple[str, ...]
    attempts: int = 100
    timeout_s: float = 10.0

    def rows(self) -> tuple[Step, ...]:
        """What attackers do, as steps of a journey."""
        patience = Patience(
            timeout_s=self.timeout_s,
            connect_timeout_s=self.timeout_s,
            attempts=self.attempts,
            backoff_s=0.0,
            backoff_cap_s=0.0,
            jitter=0.0,
        )
        return tuple(Step(ATTACKERS + name, patience=patience) for name in self.steps)

    def arrivals(self, seed: int, first: int) -> Arrivals:
        """All attackers of a seed, numbered from ``first`` in order of arrival (Poisson)."""
        lasts_s = self.end_s - self.start_s
        own = mix(to_word(seed) ^ ATTACK) >> 1  # luck of their own, not the people's instants
        curve = ArrivalCurve((Constant(self.per_s),), lasts_s, self.per_s * lasts_s)
        found = curve.arrivals(own)
        start_ns = round(self.start_s * 1e6) * MICROSECOND_NS
        return Arrivals(found.index + first, found.at_ns + start_ns)


def beside(people: Arrivals, attackers: Arrivals) -> Arrivals:
    """Both in order of time; of one instant, people (the lower indices) first."""
    index = np.concatenate([people.index, attackers.index])
    at_ns = np.concatenate([people.at_ns, attackers.at_ns])
    order = np.lexsort((index, at_ns))
    return Arrivals(index[order], at_ns[order])


def with_attack(journey: Journey, attack: Attack | None) -> Journey:
    """The people's steps, and behind them the attackers'."""
    return replace(journey, attack=attack.rows()) if attack else journey


def by_what_was_done(history: History) -> History:
    """The same rows by the people's steps: what attackers did is among what people did."""
    own = history.steps[: peoples(history.steps)]
    places = np.asarray([own.index(step_done(name)) for name in history.steps], dtype=np.int64)
    return History(own, {**history.columns, "step": places[history["step"]]})


def step_done(name: str) -> str:
    """What a step does: `register` for `attack_register`, and for `register` itself."""
    return name.removeprefix(ATTACKERS)
