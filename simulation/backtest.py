"""Fit on the early snapshots of a real event, predict the later ones: `surge backtest`.

Registered is demand, and given at every hour. A share of it verifies its mail; a share of those
asks for the identity check, which a registry answers at most so fast; a share of the verified joins
after a pause. Rate, shares and pause are fitted on snapshots up to an hour, never on later ones.
Snapshots may fit a saturated registry and a constant share alike: then both are told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from simulation.flow import Grid, demand, p95_of
from simulation.flow_fit import (
    BOTH,
    CONSTANT_SHARE,
    SATURATED,
    TOLERANCE,
    Fit,
    Journeying,
    fits_of,
    shaken,
)
from simulation.snapshots import MEASURES, Snapshot
from workload.errors import Fault, InputError
from workload.scenario import Scenario
from workload.summary import finite

SCHEMA_NAME: Final = "surge/backtest/1"
#: Refits on shaken snapshots, from which intervals (95 %) come.
REFITS: Final = 50
#: Later snapshots support a fit whose errors stay below this and below half of the other's.
SUPPORTED: Final = 0.05
REGISTRY: Final = "registry_client"
UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class Prediction:
    """One measure at one hour; ``published`` is NaN where nothing was."""

    hours: float
    measure: str
    published: float
    predicted: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Signed: predicted / published - 1; NaN where nothing was published."""
        return self.predicted / self.published - 1 if self.published > 0 else math.nan

    def to_json(self) -> dict[str, Any]:
        return {
            "hours": self.hours,
            "measure": self.measure,
            "published": finite(self.published),
            "predicted": finite(self.predicted),
            "low": finite(self.low),
            "high": finite(self.high),
            "error": finite(self.error),
        }


@dataclass(frozen=True)
class Told:
    """A fit, what it says of the snapshots that it was fitted on, and what it predicts."""

    fit: Fit
    fitted: tuple[Prediction, ...]
    predictions: tuple[Prediction, ...]

    @property
    def later_error(self) -> float:
        """Largest error of a later identity_verified, as a size; NaN where none was published."""
        errors = [
            abs(one.error)
            for one in self.predictions
            if one.measure == "identity_verified" and math.isfinite(one.error)
        ]
        return max(errors, default=math.nan)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.fit.name,
            "fitted": fitted_json(self.fit),
            "deviation": finite(self.fit.deviation),
            "later_error": finite(self.later_error),
            "snapshots": [one.to_json() for one in self.fitted],
            "predictions": [one.to_json() for one in self.predictions],
        }


@dataclass(frozen=True)
class Backtest:
    """``saturated``: stations, or None where the snapshots can't tell. ``told``: the fits that
    describe the early snapshots, the one that is asked first; two where they can't tell.
    """

    scenario: Scenario
    reading: str
    fit_until_h: float
    saturated: tuple[str, ...] | None
    told: tuple[Told, ...]

    @property
    def supported(self) -> str:
        """The fit that later snapshots support, of two; '' where they support neither."""
        if len(self.told) < 2:
            return ""
        best, other = sorted(self.told, key=lambda one: one.later_error)[:2]
        clear = best.later_error < SUPPORTED and 2 * best.later_error < other.later_error
        return best.fit.name if clear else ""

    @property
    def predictions(self) -> tuple[Prediction, ...]:
        """Of the first fit, with intervals that reach over all of them."""
        first, *others = (one.predictions for one in self.told)
        return tuple(
            Prediction(
                one.hours,
                one.measure,
                one.published,
                one.predicted,
                min([one.low, *(rows[n].low for rows in others)]),
                max([one.high, *(rows[n].high for rows in others)]),
            )
            for n, one in enumerate(first)
        )

    def to_json(self) -> dict[str, Any]:
        """`surge/backtest/1`, and each fit by itself."""
        return {
            "schema": SCHEMA_NAME,
            "scenario": {"name": self.scenario.name, "fingerprint": self.scenario.fingerprint},
            "reading": self.reading or None,
            "fit_until_h": self.fit_until_h,
            "fitted": fitted_json(self.told[0].fit),
            "saturated": UNKNOWN if self.saturated is None else list(self.saturated),
            "supported": self.supported or None,
            "predictions": [one.to_json() for one in self.predictions],
            "fits": [one.to_json() for one in self.told],
        }


def fitted_json(fit: Fit) -> dict[str, Any]:
    """What was fitted, null where there was nothing to fit it on or it does not bind."""
    return {
        "email_share": finite(fit.email_share),
        "identity_share": None if fit.name == SATURATED else finite(fit.identity_share),
        "registry_per_s": finite(fit.registry_per_s),
        "join_share": finite(fit.join_share),
        "join_pause": {
            "median_s": finite(fit.join_median_s),
            "p95_s": finite(p95_of(fit.join_median_s, fit.join_sigma)),
        },
    }


def backtest(
    scenario: Scenario, snapshots: Sequence[Snapshot], fit_until_h: float, reading: str = ""
) -> Backtest:
    """Fit on the snapshots up to ``fit_until_h``; InputError where there is nothing to fit."""
    early = [one for one in snapshots if 0 < one.hours <= fit_until_h]
    if not any(one.email_verified > 0 and one.identity_verified > 0 for one in early):
        first = ", ".join(f"{one.hours:g}" for one in snapshots) or "none"
        remedy = f"no snapshot up to it has email_verified and identity_verified (hours: {first})"
        raise InputError("backtest", [Fault("--fit-until", fit_until_h, remedy)])
    later = [one for one in snapshots if one.hours > fit_until_h]
    people = journeying(scenario, snapshots)
    fits = fits_of(people, early)
    chosen, saturated = judged(fits)
    told = tuple(_told(people, fit, early, later, scenario.seed) for fit in chosen)
    return Backtest(scenario, reading, fit_until_h, saturated, told)


def journeying(scenario: Scenario, snapshots: Sequence[Snapshot]) -> Journeying:
    """The scenario's demand through these snapshots, and the pauses of its steps but the last."""
    counted = [one for one in snapshots if one.hours > 0 and one.registered >= 0]
    grid = Grid(max(one.hours for one in snapshots) * 3600.0)
    hours, registered = zip(*((one.hours, one.registered) for one in counted), strict=True)
    pauses = {step.name: step.pause for step in scenario.journey.steps}
    return Journeying.of(grid, demand(scenario.curve, hours, registered, grid), pauses)


def judged(fits: Mapping[str, Fit]) -> tuple[list[Fit], tuple[str, ...] | None]:
    """(the fits to tell of, saturated stations or None for unknown).

    A fit describes the early snapshots when it deviates by less than TOLERANCE. Of those that do
    the simpler one is taken; where both simple ones do, nobody can say.
    """
    rate, share, both = fits[SATURATED], fits[CONSTANT_SHARE], fits.get(BOTH)
    if both and not math.isfinite(both.registry_per_s):
        both = None  # its registry never binds: it is the constant share
    by_rate, by_share = rate.deviation < TOLERANCE, share.deviation < TOLERANCE
    if by_rate and by_share:
        return [rate, share], None
    if by_rate or by_share:
        return ([rate], (REGISTRY,)) if by_rate else ([share], ())
    if both and both.deviation < TOLERANCE:
        return [both], (REGISTRY,)
    return sorted((one for one in (both, rate, share) if one), key=lambda one: one.deviation), None


def _told(
    people: Journeying, fit: Fit, early: Sequence[Snapshot], later: Sequence[Snapshot], seed: int
) -> Told:
    hours = [one.hours for one in (*early, *later)]
    tried = [_at(people, other, hours) for other in shaken(people, fit, early, seed, REFITS)]
    central = _at(people, fit, hours)
    rows = []
    for n, snapshot in enumerate((*early, *later)):
        for measure in MEASURES:
            others = np.asarray([one[measure][n] for one in tried])
            predicted = float(central[measure][n])
            low, high = (float(bound) for bound in np.quantile(others, [0.025, 0.975]))
            published = snapshot.count(measure)
            low, high = min(low, predicted), max(high, predicted)  # it holds what it is around
            rows.append(Prediction(snapshot.hours, measure, published, predicted, low, high))
    cut = len(early) * len(MEASURES)
    return Told(fit, tuple(rows[:cut]), tuple(rows[cut:]))


def _at(people: Journeying, fit: Fit, hours: Sequence[float]) -> dict[str, Any]:
    counts = people.walk(fit)
    return {measure: people.grid.read(counts[measure], hours) for measure in MEASURES}
