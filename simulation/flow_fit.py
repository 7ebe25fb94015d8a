"""Fits the flow of a wave to snapshots of it: shares, the registry's rate, the pause of joining.

All deviations are relative: model / published - 1, and a fit's is their root mean square. What the
snapshots can't tell is assumed, named here, and drawn anew for each refit of an interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.special import ndtri

from simulation.flow import (
    Counts,
    Grid,
    Kernel,
    early_of,
    early_of_lognormal,
    queue,
)
from simulation.snapshots import MEASURES, Snapshot
from workload.draws import ONE, SNAPSHOT, draw
from workload.durations import Duration, constant

SATURATED: Final = "saturated_registry"
CONSTANT_SHARE: Final = "constant_share"
BOTH: Final = "share_and_registry"
#: Assumed: published counts are off by so much (one standard deviation): they are rounded, and
#: their hour is known to some minutes only.
NOISE: Final = 0.01
#: A fit that deviates by less describes the snapshots.
TOLERANCE: Final = 2 * NOISE
#: Assumed where a single count of joined can't tell the spread of the pause (sigma of its
#: logarithm), nor whether all will join: the middle, and what is drawn from for intervals.
SIGMA: Final = 0.7
SIGMAS: Final = (0.1, 1.5)
LEAST_JOIN_SHARE: Final = 0.3
ALL_JOIN: Final = 0.5  # of the draws have a share of 1
SHORTEST_S, LONGEST_S = 60.0, 3e6
#: Where the best rate (as a logarithm, against the mean), share and pause are looked for first.
LOG_RATES: Final = tuple(np.linspace(-2.0, 2.0, 13).tolist())
SHARES: Final = tuple(np.linspace(0.04, 1.0, 25).tolist())
LOG_MEDIANS: Final = tuple(np.linspace(math.log(SHORTEST_S), math.log(LONGEST_S), 22).tolist())


@dataclass(frozen=True)
class Fit:
    """``registry_per_s``: identities verified a second at most, infinite where none is fitted.

    ``join_*`` are NaN where nobody was counted as joined. ``deviation``: of identity_verified.
    """

    name: str
    email_share: float
    identity_share: float
    registry_per_s: float
    deviation: float = math.nan
    join_share: float = math.nan
    join_median_s: float = math.nan
    join_sigma: float = math.nan


@dataclass(frozen=True)
class Journeying:
    """Demand through the pauses that are not fitted. ``asked``: who would ask for the identity
    check if all verified their mail; ``mailed``: who would verify it. Cumulative, on the grid.
    """

    grid: Grid
    registered: Counts
    mailed: Counts
    asked: Counts
    awaiting: Kernel
    uploading: Kernel

    @classmethod
    def of(cls, grid: Grid, registered: Counts, pauses: Mapping[str, Duration]) -> Journeying:
        def before(step: str) -> Kernel:
            return Kernel.of(early_of(pauses.get(step, constant(0.0)), grid.at_s), grid)

        mailed = before("verify_email").after(registered)
        asked = before("submit_identity").after(mailed)
        return cls(
            grid, registered, mailed, asked, before("await_identity"), before("upload_photo")
        )

    def verified(self, fit: Fit) -> Counts:
        """Cumulative identities verified, and known to their owners."""
        came = fit.email_share * fit.identity_share * self.asked
        return self.awaiting.after(queue(came, fit.registry_per_s, self.grid))

    def uploaded(self, verified: Counts) -> Counts:
        """Cumulative uploads of these who were verified."""
        return self.uploading.after(verified)

    def joined(self, uploaded: Counts, share: float, median_s: float, sigma: float) -> Counts:
        """Cumulative joined, of these who uploaded."""
        early = early_of_lognormal(median_s, sigma, self.grid.at_s)
        return share * Kernel.of(early, self.grid).after(uploaded)

    def walk(self, fit: Fit) -> dict[str, Counts]:
        """Cumulative counts of every measure."""
        verified = self.verified(fit)
        joined = np.full_like(verified, math.nan)
        if math.isfinite(fit.join_share):
            pause = fit.join_share, fit.join_median_s, fit.join_sigma
            joined = self.joined(self.uploaded(verified), *pause)
        return {
            "email_verified": fit.email_share * self.mailed,
            "identity_verified": verified,
            "joined": joined,
        }


@dataclass(frozen=True)
class _Counted:
    """Snapshots that have a measure: their hours and counts."""

    hours: NDArray[np.float64]
    counts: NDArray[np.float64]

    @classmethod
    def of(cls, snapshots: Sequence[Snapshot], measure: str) -> _Counted:
        rows = [(s.hours, s.count(measure)) for s in snapshots if s.count(measure) > 0]
        return cls(np.asarray([row[0] for row in rows]), np.asarray([row[1] for row in rows]))

    def deviations(self, grid: Grid, counts: Counts) -> NDArray[np.float64]:
        return grid.read(counts, self.hours.tolist()) / self.counts - 1

    def __len__(self) -> int:
        return len(self.hours)


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values * values)))


def fits_of(people: Journeying, early: Sequence[Snapshot]) -> dict[str, Fit]:
    """Every way to read these snapshots, by name; share and rate together need two of them."""
    email = _Counted.of(early, "email_verified")
    share = _share(people.mailed, people.grid, email)
    identity = _Counted.of(early, "identity_verified")
    found = {
        SATURATED: _saturated(people, identity, share),
        CONSTANT_SHARE: _constant_share(people, identity, share),
    }
    if len(identity) > 1:
        found[BOTH] = _share_and_rate(people, identity, share, found)
    joined = _Counted.of(early, "joined")
    return {name: _with_join(people, fit, joined) for name, fit in found.items()}


def _share(whole: Counts, grid: Grid, told: _Counted) -> float:
    """The share of ``whole`` with the least squares of relative deviations, at most 1."""
    ratios = told.deviations(grid, whole) + 1
    return min(1.0, float(ratios.sum() / (ratios * ratios).sum()))


def _constant_share(people: Journeying, told: _Counted, email_share: float) -> Fit:
    whole = people.verified(Fit(CONSTANT_SHARE, email_share, 1.0, math.inf))
    share = _share(whole, people.grid, told)
    return _measured(people, Fit(CONSTANT_SHARE, email_share, share, math.inf), told)


def _saturated(people: Journeying, told: _Counted, email_share: float) -> Fit:
    return _at_share(people, told, Fit(SATURATED, email_share, 1.0, math.inf))


def _at_share(people: Journeying, told: _Counted, start: Fit) -> Fit:
    """The best rate for the identity share of ``start``."""
    mean = float(np.median(told.counts / told.hours)) / 3600

    def deviates(log_rate: float) -> float:
        fit = replace(start, registry_per_s=mean * math.exp(log_rate))
        return _rms(told.deviations(people.grid, people.verified(fit)))

    log_rate = _lowest(deviates, LOG_RATES)
    return _measured(people, replace(start, registry_per_s=mean * math.exp(log_rate)), told)


def _lowest(value: Callable[[float], float], places: Sequence[float]) -> float:
    """Where a function is lowest: looked for at some places, then closer around the best one.

    A rate that never binds, or a pause that nobody ends, makes plateaus; so a search by sections
    alone would go astray.
    """
    best = min(range(len(places)), key=lambda n: value(places[n]))
    bounds = places[max(0, best - 1)], places[min(len(places) - 1, best + 1)]
    found = optimize.minimize_scalar(
        value, bounds=bounds, method="bounded", options={"xatol": 1e-6}
    )
    return float(found.x)


def _share_and_rate(
    people: Journeying, told: _Counted, email_share: float, simple: Mapping[str, Fit]
) -> Fit:
    """The best share and rate together: shares on a grid, then closer around the best one."""

    def at(share: float) -> Fit:
        return _at_share(people, told, Fit(BOTH, email_share, share, math.inf))

    closer = at(_lowest(lambda share: at(share).deviation, SHARES))
    unbound = replace(simple[CONSTANT_SHARE], name=BOTH)
    return min(closer, unbound, key=lambda fit: fit.deviation)


def _measured(people: Journeying, fit: Fit, told: _Counted) -> Fit:
    return replace(fit, deviation=_rms(told.deviations(people.grid, people.verified(fit))))


def _with_join(people: Journeying, fit: Fit, told: _Counted, guess: Fit | None = None) -> Fit:
    """A fit with the pause of joining: of one count the median, of two its spread, too.

    All are taken to join in the end; a lower share needs three counts, and that it fits better.
    """
    if not len(told):
        return fit
    if len(told) == 1:
        return _with_median(people, fit, told, 1.0, SIGMA)
    patient = _with_pause(people, fit, told, guess, share=1.0)
    if len(told) == 2 or _deviates(people, patient, told) < NOISE / 2:
        return patient
    return _with_pause(people, fit, told, guess or patient, share=None)


def _deviates(people: Journeying, fit: Fit, told: _Counted) -> float:
    return _rms(told.deviations(people.grid, people.walk(fit)["joined"]))


def _with_median(people: Journeying, fit: Fit, told: _Counted, share: float, sigma: float) -> Fit:
    """The median of the pause that meets the counts best, for a share and a spread."""
    uploaded = people.uploaded(people.verified(fit))

    def deviates(log_median: float) -> float:
        joined = people.joined(uploaded, share, math.exp(log_median), sigma)
        return _rms(told.deviations(people.grid, joined))

    log_median = _lowest(deviates, LOG_MEDIANS)
    return replace(fit, join_share=share, join_median_s=math.exp(log_median), join_sigma=sigma)


def _with_pause(
    people: Journeying, fit: Fit, told: _Counted, guess: Fit | None, share: float | None
) -> Fit:
    """The pause, and the share where it is not given, that meet the counts best."""
    uploaded = people.uploaded(people.verified(fit))

    def made(x: NDArray[np.float64]) -> Fit:
        part = share if share is not None else float(x[2])
        return replace(fit, join_share=part, join_median_s=math.exp(x[0]), join_sigma=float(x[1]))

    def deviations(x: NDArray[np.float64]) -> NDArray[np.float64]:
        one = made(x)
        joined = people.joined(uploaded, one.join_share, one.join_median_s, one.join_sigma)
        return told.deviations(people.grid, joined)

    lower = [math.log(SHORTEST_S), 0.05, 0.01]
    upper = [math.log(LONGEST_S), 3.0, 1.0]
    size = 2 if share is not None else 3
    found = [
        optimize.least_squares(deviations, start[:size], bounds=(lower[:size], upper[:size]))
        for start in _starts(guess)
    ]
    return made(min(found, key=lambda one: float(one.cost)).x)


def _starts(guess: Fit | None) -> list[list[float]]:
    if guess is not None and math.isfinite(guess.join_median_s):
        return [
            [math.log(guess.join_median_s), min(2.9, max(0.06, guess.join_sigma)), share]
            for share in ((guess.join_share,) if guess.join_share < 1 else (0.97, 0.6))
        ]
    hours = (0.5, 4.0, 20.0)
    return [[math.log(h * 3600), sigma, 0.9] for h in hours for sigma in (0.3, 1.0)]


def shaken(
    people: Journeying, fit: Fit, early: Sequence[Snapshot], seed: int, times: int
) -> Iterator[Fit]:
    """The same kind of fit to the same snapshots, each count off by NOISE at random."""
    for number in range(times):
        moved = [_moved(one, seed, number, place) for place, one in enumerate(early)]
        yield _refit(people, fit, moved, _uniforms(seed, number))


def _refit(
    people: Journeying, fit: Fit, early: Sequence[Snapshot], luck: Callable[[int], float]
) -> Fit:
    identity = _Counted.of(early, "identity_verified")
    email_share = _share(people.mailed, people.grid, _Counted.of(early, "email_verified"))
    found = _constant_share(people, identity, email_share)
    if fit.name == BOTH:
        found = _at_share(people, identity, replace(fit, email_share=email_share))
    elif fit.name == SATURATED:
        found = _still_saturated(people, identity, fit, found, luck(3))
    joined = _Counted.of(early, "joined")
    if not len(joined):
        return found
    share = 1.0 if luck(2) < ALL_JOIN else LEAST_JOIN_SHARE + luck(0) * (1 - LEAST_JOIN_SHARE)
    if len(joined) == 1:
        low, high = SIGMAS
        return _with_median(people, found, joined, share, low * (high / low) ** luck(1))
    if len(joined) > 2:
        return _with_join(people, found, joined, guess=fit)
    lesser = _with_pause(people, found, joined, fit, share)
    if _deviates(people, lesser, joined) < TOLERANCE:
        return lesser  # the counts do not rule out that some never join
    return _with_pause(people, found, joined, fit, 1.0)


def _still_saturated(
    people: Journeying, told: _Counted, fit: Fit, least: Fit, chance: float
) -> Fit:
    """A saturated registry hides how many ask: any share that the counts allow may show later.

    One in ten draws is the least of them.
    """
    share = least.identity_share + max(0.0, chance - 0.1) / 0.9 * (1 - least.identity_share)
    start = replace(fit, email_share=least.email_share)
    found = _at_share(people, told, replace(start, identity_share=share))
    return found if found.deviation < TOLERANCE else _at_share(people, told, start)


def _moved(one: Snapshot, seed: int, number: int, place: int) -> Snapshot:
    off: dict[str, Any] = {}
    for column, measure in enumerate(MEASURES):
        chance = draw(seed, number, place, column, SNAPSHOT)
        off[measure] = one.count(measure) * (1 + NOISE * float(ndtri((chance + 0.5) / ONE)))
    return replace(one, **off)


def _uniforms(seed: int, number: int) -> Callable[[int], float]:
    def luck(which: int) -> float:
        return draw(seed, number, 0, len(MEASURES) + which, SNAPSHOT) / ONE

    return luck
