"""Chance of the twins: addressed draws, and latencies read off quantile knots.

A draw is a function of (seed, number, purpose) alone, so what the twentieth request meets does
not depend on how many draws the nineteenth took.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def _mix(word: int) -> int:
    """The output function of splitmix64 (Steele, Lea, Flood 2014)."""
    word = (word + _GOLDEN) & _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)


class Draws:
    """Uniform draws in [0, 1) for one purpose, addressed by a number."""

    __slots__ = ("_base",)

    def __init__(self, seed: int, purpose: str) -> None:
        word = int.from_bytes(purpose.encode()[:8].ljust(8, b"\0"), "little")
        self._base = _mix(_mix(seed & _MASK) ^ word)

    def at(self, number: int) -> float:
        return (_mix(self._base ^ number) >> 11) * 2.0**-53


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A distribution given by its quantiles in seconds, evenly spaced in probability 0..1.

    Between two knots it is linear, so n knots mean n - 1 equally likely uniform pieces.
    One knot is a constant.
    """

    knots: tuple[float, ...]

    def at(self, probability: float) -> float:
        """The inverse distribution function, seconds."""
        knots = self.knots
        place = probability * (len(knots) - 1)
        index = int(place)
        low = knots[index]
        if index == len(knots) - 1:
            return low
        return low + (place - index) * (knots[index + 1] - low)


def quantiles(values: Sequence[float]) -> Quantiles:
    """Quantiles from knots; ValueError unless they are finite, in 0..3600 s and never fall."""
    knots = tuple(float(value) for value in values)
    if not knots or not all(math.isfinite(knot) and 0 <= knot <= 3600 for knot in knots):
        raise ValueError("each knot must be a number of seconds in 0..3600")
    if any(a > b for a, b in pairwise(knots)):
        raise ValueError("knots must not fall")
    return Quantiles(knots)
