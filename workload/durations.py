"""How long things take: named distributions as quantile tables of integers.

A table holds KNOTS nanosecond values, evenly spaced in probability; a draw interpolates in it.
So no engine calls a logarithm, and both engines get the same nanosecond.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from workload.draws import KNOTS

SECOND_NS = 1_000_000_000
#: Tables are rounded to this many nanoseconds, so that the last bit of libm's log, which differs
#: between machines, can't reach a digest.
GRAIN_NS = 10


@dataclass(frozen=True)
class Duration:
    """A distribution of seconds, given by quantiles evenly spaced in probability (ascending)."""

    knots_s: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.knots_s or any(not math.isfinite(k) or k < 0 for k in self.knots_s):
            raise ValueError("durations are finite and not negative")
        if list(self.knots_s) != sorted(self.knots_s):
            raise ValueError("quantile knots must ascend")

    @property
    def mean_s(self) -> float:
        """Mean in seconds, of the piecewise linear quantile function."""
        knots = np.asarray(self.knots_s)
        return (
            float(knots.mean()) if len(knots) == 1 else float(((knots[1:] + knots[:-1]) / 2).mean())
        )

    def table(self, factor: float = 1.0) -> NDArray[np.int64]:
        """KNOTS integers of nanoseconds, each value times ``factor``."""
        at = np.linspace(0.0, len(self.knots_s) - 1, KNOTS)
        values = np.interp(at, np.arange(len(self.knots_s)), np.asarray(self.knots_s))
        grains = np.rint(values * factor * SECOND_NS / GRAIN_NS).astype(np.int64)
        return np.asarray(grains * GRAIN_NS)


def constant(seconds: float) -> Duration:
    """Always the same."""
    return Duration((float(seconds),))


def exponential(mean_s: float) -> Duration:
    """Exponential with this mean; the last knot is set so that the tail's mean is exact.

    Beyond the last but one quantile q the tail's mean is q + mean; a straight line from q to
    q + 2 mean has the same.
    """
    probability = np.arange(KNOTS - 1) / (KNOTS - 1)
    body = -np.log1p(-probability) * mean_s
    return Duration((*body.tolist(), float(body[-1] + 2 * mean_s)))


def lognormal(median_s: float, p95_s: float) -> Duration:
    """Lognormal by its median and 95th percentile, cut at its 99.98th percentile."""
    sigma = math.log(p95_s / median_s) / NormalDist().inv_cdf(0.95)
    last = 1 - 0.2 / (KNOTS - 1)
    chances = np.minimum(np.arange(KNOTS) / (KNOTS - 1), last)
    normal = [NormalDist().inv_cdf(p) if p > 0 else -8.0 for p in chances.tolist()]
    return Duration(tuple(median_s * math.exp(sigma * z) for z in normal))


def empirical(samples_s: Sequence[float]) -> Duration:
    """The distribution of these samples (at least one): their sorted values as knots."""
    ordered = np.sort(np.asarray(samples_s, dtype=float))
    at = np.linspace(0.0, 1.0, KNOTS)
    return Duration(tuple(np.quantile(ordered, at).tolist()))


def duration_from(value: object) -> Duration:
    """A duration as written in TOML; ValueError says what forms there are.

    A number of seconds; a list of quantile knots; {median_s, p95_s}; {mean_s}.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return constant(float(value))
    if isinstance(value, list) and all(isinstance(v, int | float) for v in value):
        return Duration(tuple(float(v) for v in value))
    if isinstance(value, Mapping):
        if set(value) == {"median_s", "p95_s"} and 0 < value["median_s"] < value["p95_s"]:
            return lognormal(float(value["median_s"]), float(value["p95_s"]))
        if set(value) == {"mean_s"} and value["mean_s"] >= 0:
            return exponential(float(value["mean_s"]))
    raise ValueError(
        "write seconds (30), quantile knots ([10, 20, 60]), "
        "{ median_s = 20, p95_s = 90 } or { mean_s = 30 }"
    )
