"""How long things take: named distributions as quantile tables of integers.

A table holds KNOTS nanosecond values, evenly spaced in probability; a draw interpolates in it.
So no engine calls a logarithm, and both engines get the same nanosecond.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from workload.draws import KNOTS

SECOND_NS = 1_000_000_000
#: Tables are rounded to this many nanoseconds, so that the last bit of libm's log, which differs
#: between machines, can't reach a digest.
GRAIN_NS = 10
#: What `draws.quantile` can interpolate: differences of neighbouring knots below 2**47 ns.
STEEPEST_S = 140_000.0
LONGEST_S = 1e8


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
        """KNOTS integers of nanoseconds, each value times ``factor``.

        ValueError where an interpolation in 64 bits could overflow.
        """
        at = np.linspace(0.0, len(self.knots_s) - 1, KNOTS)
        values = np.interp(at, np.arange(len(self.knots_s)), np.asarray(self.knots_s)) * factor
        if float(np.diff(values).max()) > STEEPEST_S or values[-1] > LONGEST_S:
            raise ValueError(
                f"durations up to {LONGEST_S:g} s, of which neighbouring quantiles (1/1024) "
                f"lie at most {STEEPEST_S:g} s apart; give a shorter one"
            )
        grains = np.rint(values * SECOND_NS / GRAIN_NS).astype(np.int64)
        return np.asarray(grains * GRAIN_NS)


def constant(seconds: float) -> Duration:
    """Always the same."""
    return Duration((float(seconds),))


def exponential(mean_s: float) -> Duration:
    """Exponential with exactly this mean; quantiles exact at the knots but the last."""
    probability = np.arange(KNOTS - 1) / (KNOTS - 1)
    return _with_mean(-np.log1p(-probability) * mean_s, mean_s)


def lognormal(median_s: float, p95_s: float) -> Duration:
    """Lognormal by its median and 95th percentile; its mean is exact, its tail ends at 1 : 1024."""
    sigma = math.log(p95_s / median_s) / NormalDist().inv_cdf(0.95)
    chances = np.maximum(np.arange(KNOTS - 1) / (KNOTS - 1), 0.2 / (KNOTS - 1))
    body = [median_s * math.exp(sigma * NormalDist().inv_cdf(p)) for p in chances.tolist()]
    return _with_mean(np.asarray(body), median_s * math.exp(sigma * sigma / 2))


def _with_mean(body: NDArray[np.float64], mean_s: float) -> Duration:
    """All knots but the last, and the last one so that the mean is exact.

    The mean of straight lines is that of the cells' middles:
    mean x cells = (body[0] + body[1]) / 2 + ... + (body[-1] + last) / 2
    """
    cells = len(body)
    last = 2 * (mean_s * cells - float(((body[1:] + body[:-1]) / 2).sum())) - float(body[-1])
    return Duration((*body.tolist(), max(last, float(body[-1]))))


def empirical(samples_s: Sequence[float]) -> Duration:
    """The distribution of these samples (at least one): their sorted values as knots."""
    ordered = np.sort(np.asarray(samples_s, dtype=float))
    at = np.linspace(0.0, 1.0, KNOTS)
    return Duration(tuple(np.quantile(ordered, at).tolist()))


def duration_from(value: object) -> Duration:
    """A duration as written in TOML; ValueError says what forms there are.

    A number of seconds; a list of quantile knots; {median_s, p95_s}; {mean_s}.
    """
    duration = _duration(value)
    duration.table()  # a duration that no engine can draw from is a fault of the file
    return duration


def _duration(value: object) -> Duration:
    if _is_number(value):
        return constant(value)
    if isinstance(value, list) and value and all(_is_number(one) for one in value):
        return Duration(tuple(float(one) for one in value))
    if isinstance(value, Mapping) and all(_is_number(one) for one in value.values()):
        if set(value) == {"median_s", "p95_s"} and 0 < value["median_s"] < value["p95_s"]:
            return lognormal(float(value["median_s"]), float(value["p95_s"]))
        if set(value) == {"mean_s"} and value["mean_s"] > 0:
            return exponential(float(value["mean_s"]))
    raise ValueError(
        "write seconds (30), quantile knots ([10, 20, 60]), "
        "{ median_s = 20, p95_s = 90 } or { mean_s = 30 }"
    )


def _is_number(value: object) -> TypeGuard[float]:
    """An int or a float that is neither infinite nor NaN; true and false are no numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
