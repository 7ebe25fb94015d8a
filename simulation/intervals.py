"""How wide an interval about a predicted latency has to be, by what the model got wrong before.

On a log scale, because errors of latencies are factors, three standard uncertainties are combined
in quadrature (JCGM 100:2008, "GUM", 5.1.2):

    u^2 = s^2 (1 + 1/R)      s: spread of log(percentile) over R replications
        + mean of l^2        l = log(predicted / measured) on load that the model had not seen
        + mean of n^2        n: noise of those measurements

The error is not corrected for, since nothing is fitted to held-out load; an uncorrected bias goes
under the root with the rest (Phillips, Eberhardt & Parry 1997, "Guidelines for expressing the
uncertainty of measurement results containing uncorrected bias"). Degrees of freedom are
Welch-Satterthwaite's (GUM G.4), the factor is Student's t at 95 %. Steps that go through the
service the same way err together: they count as one look, once a level.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from workload.agreement import Agreement, Row
from workload.summary import finite

CONFIDENCE: Final = 0.95
#: A step is judged by its own errors alone from so many looks on; before, by those of all steps
#: where they are larger.
ENOUGH: Final = 3


@dataclass(frozen=True)
class Part:
    """One standard uncertainty, of a logarithm, and the degrees of freedom it was learned from."""

    of_log: float = 0.0
    looks: float = math.inf


@dataclass(frozen=True)
class Interval:
    """Seconds between which a measured run is expected, with what it is made of.

    ``errors``: signed, of this step and percentile, one a held-out level. ``high`` is infinite
    where the model or the service failed to answer at all when it was checked.
    """

    step: str
    metric: str
    value: float
    low: float
    high: float
    spread: Part
    error: Part
    noise: Part
    errors: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "metric": self.metric,
            "value": finite(self.value),
            "low": finite(self.low),
            "high": finite(self.high),
            "spread": finite(self.spread.of_log),
            "error": finite(self.error.of_log),
            "noise": finite(self.noise.of_log),
            "errors": [finite(error) for error in self.errors],
        }


def factor_of(parts: Sequence[Part], confidence: float = CONFIDENCE) -> float:
    """By what to divide and multiply: exp(t u), u the parts in quadrature, t of their looks."""
    squares = [part.of_log**2 for part in parts]
    whole = sum(squares)
    if whole == 0.0:
        return 1.0
    if math.isinf(whole):
        return math.inf
    unsure = sum(square**2 / part.looks for square, part in zip(squares, parts, strict=True))
    looks = whole**2 / unsure if unsure else math.inf
    from scipy import stats  # here: 60 MB that no walk needs

    t = float(stats.t.ppf(0.5 + confidence / 2, looks))
    reach = t * math.sqrt(whole)
    return math.exp(reach) if reach < 700 else math.inf


def spread_of(values: Iterable[float]) -> Part:
    """Of one more run, from the replications' own figures; nothing from a single one."""
    logs = np.log([value for value in values if math.isfinite(value) and value > 0])
    if len(logs) < 2:
        return Part()
    return Part(float(np.std(logs, ddof=1)) * math.sqrt(1 + 1 / len(logs)), len(logs) - 1)


def log_error(error: float) -> float:
    """log(predicted / measured) of a signed error; infinite where one of the worlds failed."""
    return math.log1p(error) if error > -1 else -math.inf


def error_of(agreement: Agreement, step: str, metric: str, kind_of: Callable[[str], str]) -> Part:
    """Root mean square of the log errors of a step's percentile, on held-out levels.

    From fewer than ENOUGH looks at its own kind of step: that, or that of all steps, whichever is
    larger. Part(0, 0) where nothing was compared.
    """
    looks = _looks(agreement, metric, kind_of, lambda row: log_error(row.error))
    own = [square for kind, square in looks if kind == kind_of(step)]
    if len(own) >= ENOUGH:
        return Part(math.sqrt(float(np.mean(own))), len(own))
    every = [square for _, square in looks]
    if not every:
        return Part(0.0, 0.0)
    return Part(math.sqrt(max(float(np.mean(held)) for held in (own, every) if held)), len(every))


def noise_of(agreement: Agreement, metric: str, kind_of: Callable[[str], str]) -> Part:
    """Root mean square of the measurements' noise; nothing where no level was repeated."""
    looks = _looks(agreement, metric, kind_of, lambda row: math.log1p(row.noise))
    if not looks:
        return Part()
    return Part(math.sqrt(float(np.mean([square for _, square in looks]))), len(looks))


def _looks(
    agreement: Agreement,
    metric: str,
    kind_of: Callable[[str], str],
    figure: Callable[[Row], float],
) -> list[tuple[str, float]]:
    """(kind of step, mean square) of each held-out level; what is unknown is left out."""
    found: dict[tuple[int, str], list[float]] = {}
    for number, level in enumerate(agreement.levels):
        for row in level.rows:
            value = figure(row) if level.held_out and row.metric == metric else math.nan
            if not math.isnan(value):
                found.setdefault((number, kind_of(row.step)), []).append(value**2)
    return [(kind, float(np.mean(squares))) for (_, kind), squares in found.items()]


def errors_of(agreement: Agreement, step: str, metric: str) -> tuple[float, ...]:
    """The signed errors of a step's percentile, one a held-out level."""
    return tuple(
        row.error
        for level in agreement.levels
        for row in level.rows
        if level.held_out and (row.step, row.metric) == (step, metric) and not math.isnan(row.error)
    )


def capacity_factor(agreement: Agreement) -> float:
    """By what to divide and multiply a rate or a capacity: by the error of saturation, one look.

    Infinite where saturation was not measured.
    """
    error = agreement.saturation_error
    return math.inf if math.isnan(error) else factor_of([Part(abs(log_error(error)), 1.0)])


def interval_of(
    agreement: Agreement,
    step: str,
    metric: str,
    figures: Sequence[float],
    value: float,
    kind_of: Callable[[str], str],
    confidence: float = CONFIDENCE,
) -> Interval:
    """The interval of one percentile; ``figures``: that of each replication, ``value``: of all."""
    parts = (
        spread_of(figures),
        error_of(agreement, step, metric, kind_of),
        noise_of(agreement, metric, kind_of),
    )
    # Nothing was compared: nothing is known.
    factor = math.inf if parts[1].looks == 0 else factor_of(parts, confidence)
    low, high = value / factor, value * factor
    return Interval(step, metric, value, low, high, *parts, errors_of(agreement, step, metric))


def coverage(
    checks: Sequence[Agreement],
    metrics: Sequence[str],
    kind_of: Callable[[str], str],
    confidence: float,
) -> tuple[int, int]:
    """(held-out figures inside of their interval, all of them), each check by the others alone.

    Leave one out: a check's predictions get the intervals that the errors of the other checks
    make, and what it measured is looked for in them. (0, 0) for fewer than two checks.
    """
    inside = total = 0
    for number, check in enumerate(checks):
        others = [one for place, one in enumerate(checks) if place != number]
        known = Agreement((), math.nan, math.nan, tuple(lv for one in others for lv in one.levels))
        for row in (row for level in check.levels if level.held_out for row in level.rows):
            if not others or row.metric not in metrics or math.isnan(row.error):
                continue
            found = interval_of(known, row.step, row.metric, (), row.predicted, kind_of, confidence)
            inside += found.low <= row.measured <= found.high
            total += 1
    return inside, total
