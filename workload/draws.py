"""Chance as an argument: every draw is addressed, never the next number of a stream.

A draw is a function of (seed, visitor, step, number, purpose). A visitor therefore keeps its
intentions whatever the service does, two worlds can be compared visit by visit, and a changed
parameter is judged on the same luck (common random numbers).

The generator is the finaliser of splitmix64 (Steele, Lea & Flood 2014) over 64-bit words. The
functions below are written in the subset that numba compiles; the compiled engine replaces only
the two casts ``to_word`` and ``to_int``, which are no-ops of type here, and ``bits``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

MASK: Final = 0xFFFFFFFFFFFFFFFF
GOLDEN: Final = 0x9E3779B97F4A7C15
FIRST: Final = 0xBF58476D1CE4E5B9
SECOND: Final = 0x94D049BB133111EB

#: A draw lies in [0, ONE): 53 bits, so that a float holds it exactly.
BITS: Final = 53
ONE: Final = 1 << BITS

#: Quantile tables have KNOTS values, evenly spaced in probability from 0 to 1 inclusive.
KNOTS: Final = 1025
INDEX_SHIFT: Final = BITS - 10
FRACTION_SHIFT: Final = INDEX_SHIFT - 16
FRACTION_MASK: Final = 0xFFFF

# What a draw is for. A new purpose gets a new number; a number is never reused.
THIN: Final = 1
ARRIVAL: Final = 2
PAUSE: Final = 3
DROP_OUT: Final = 4
BACKOFF: Final = 5
PERSON: Final = 6
MISTYPE: Final = 7
BEFORE: Final = 8  # CPU slice before the first await of a request
AFTER: Final = 9  # CPU slice after it
QUERY: Final = 10
UPSTREAM: Final = 11
MAIL: Final = 12
DELIVERY: Final = 13
COMMIT: Final = 14
ROUTE: Final = 15
SUPPORT: Final = 16  # number 0: whether to call for help; a call's: how long to wait for an agent
STALL: Final = 17
PHOTO: Final = 18
LOT: Final = 19  # who gets a seat of the wave
READ: Final = 20  # what a read takes beside its CPU
SNAPSHOT: Final = 21  # how far a published count is off
WAVE: Final = 22  # which wave of the opening a visitor is let in with
ATTACK: Final = 23  # when attackers come
MORRIS: Final = 24  # where a trajectory of a screening begins, and which way it goes
TALK: Final = 25  # how long an agent talks


def to_word(value: int) -> int:
    """The 64-bit word that stands for a (possibly negative) integer."""
    return value & MASK


def to_int(word: int) -> int:
    """A word below 2**63 as a signed integer."""
    return word


def bits(value: int) -> int:
    """How many bits an integer above 0 has."""
    return value.bit_length()


def mix(word: int) -> int:
    """One step of splitmix64: a bijection on 64-bit words with good avalanche."""
    word = (word + GOLDEN) & MASK
    word = ((word ^ (word >> 30)) * FIRST) & MASK
    word = ((word ^ (word >> 27)) * SECOND) & MASK
    return word ^ (word >> 31)


def draw(seed: int, visitor: int, step: int, number: int, purpose: int) -> int:
    """The draw at an address: an integer, uniform on [0, 2**53)."""
    person = mix(to_word(seed) ^ mix(to_word(visitor)))
    address = to_word((step << 32) | (number << 16) | purpose)
    return to_int(mix(person ^ address) >> 11)


def quantile(table: Sequence[int], base: int, chance: int) -> int:
    """The value at probability chance / 2**53 of the table of KNOTS integers that starts at base.

    Linear between knots, in integers: a difference of two neighbouring knots must stay below
    2**47 (39 hours, in nanoseconds).
    """
    at = base + (chance >> INDEX_SHIFT)
    low = table[at]
    return low + (((table[at + 1] - low) * ((chance >> FRACTION_SHIFT) & FRACTION_MASK)) >> 16)


def drawn(
    table: Sequence[int],
    base: int,
    seed: int,
    visitor: int,
    step: int,
    number: int,
    purpose: int,
) -> int:
    """`quantile` of the draw at an address; a table of one value needs no draw."""
    least = table[base]
    if least == table[base + KNOTS - 1]:
        return least
    return quantile(table, base, draw(seed, visitor, step, number, purpose))


def threshold(probability: float) -> int:
    """The integer below which a draw falls with this probability."""
    return round(probability * ONE)


def mix_array(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """`mix` of every word of an array."""
    words = words + np.uint64(GOLDEN)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(FIRST)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(SECOND)
    return words ^ (words >> np.uint64(31))


def draws(
    seed: int, visitors: NDArray[np.int64], step: int, number: int, purpose: int
) -> NDArray[np.int64]:
    """`draw` for every visitor of an array; the same integers."""
    inner = mix_array(visitors.astype(np.uint64))
    person = mix_array(inner ^ np.uint64(to_word(seed)))
    address = np.uint64(to_word((step << 32) | (number << 16) | purpose))
    return (mix_array(person ^ address) >> np.uint64(11)).astype(np.int64)


def quantiles(table: NDArray[np.int64], chances: NDArray[np.int64]) -> NDArray[np.int64]:
    """`quantile` for every chance of an array, from one table of KNOTS integers."""
    at = chances >> INDEX_SHIFT
    low = table[at]
    fraction = (chances >> FRACTION_SHIFT) & FRACTION_MASK
    return np.asarray(low + (((table[at + 1] - low) * fraction) >> 16), dtype=np.int64)


def uniform(chance: int) -> float:
    """A draw as a float in [0, 1)."""
    return chance / ONE


def picks(cumulative: Sequence[int], chance: int) -> int:
    """Index of the first entry of a cumulative threshold table that lies above the draw."""
    low, high = 0, len(cumulative) - 1
    while low < high:
        middle = (low + high) >> 1
        if chance < cumulative[middle]:
            high = middle
        else:
            low = middle + 1
    return low


def seed_from(value: object) -> int:
    """A seed as given by a person: an integer from 0 to 2**63 - 1, or ValueError."""
    text = str(value).strip()
    if not (text.isascii() and text.isdecimal()) or int(text) >= 1 << 63:
        raise ValueError(f"{value!r}: a seed is a whole number from 0 to 2**63 - 1")
    return int(text)
