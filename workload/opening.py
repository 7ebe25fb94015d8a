"""Who is let in when: everybody at once, or group by group.

A group is delayed by a constant. Nobody's identity or luck depends on the policy: a visitor comes
as long after the group's own opening as they would have come after the doors' (common random
numbers), so two policies can be compared visit by visit. A group is a function of (seed, index)
alone: of the province, of the date of birth (both are in the NIK), or of a draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workload.draws import ONE, WAVE, draws, threshold
from workload.population import Population, birth_days_of

POLICIES: Final = ("everyone", "by-province", "by-birth-date", "waves")
MICROSECOND_NS: Final = 1_000


@dataclass(frozen=True)
class Opening:
    """A policy, and for each kind of person the delay (microseconds) and the share of all.

    A kind is a place in ``people.codes``, a day of birth since FIRST_BIRTH, or a wave. Shares add
    up to 1.
    """

    policy: str = "everyone"
    delays_us: tuple[int, ...] = (0,)
    shares: tuple[float, ...] = (1.0,)
    people: Population | None = None

    @cached_property
    def last_s(self) -> float:
        """When the last group is let in, seconds after the first."""
        return max(self.delays_us) / 1e6

    @cached_property
    def mixture(self) -> tuple[tuple[float, float], ...]:
        """(delay in seconds, share of all people) of each group, ascending."""
        shares = dict.fromkeys(sorted(set(self.delays_us)), 0.0)
        for delay_us, share in zip(self.delays_us, self.shares, strict=True):
            shares[delay_us] += share
        return tuple((delay_us / 1e6, share) for delay_us, share in shares.items())

    def delays_ns(self, seed: int, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """How much later each visitor is let in than the first group."""
        delays = np.asarray(self.delays_us, dtype=np.int64) * MICROSECOND_NS
        return np.asarray(delays[self._kinds(seed, indices)])

    def _kinds(self, seed: int, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.policy == "by-province" and self.people:
            return self.people.provinces_of(seed, indices)
        if self.policy == "by-birth-date":
            return birth_days_of(seed, indices)
        ends = [threshold(min(end, 1.0)) for end in np.cumsum(self.shares)[:-1]]
        chances = draws(seed, indices, 0, 0, WAVE)
        return np.asarray(np.searchsorted([*ends, ONE], chances, side="right"), dtype=np.int64)


EVERYONE: Final = Opening()
