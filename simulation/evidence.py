"""What a measured run tells the calibrator: how the target's counters grew, window by window."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from workload.durations import Duration
from workload.errors import Fault, RecordError
from workload.history import History, read_history
from workload.manifest import Manifest, read_manifest
from workload.telemetry import Telemetry, read_telemetry

#: Seconds at the start of a run that are not learned from: connections open, caches fill.
WARM_UP_S: Final = 4.0
#: Measured sums count as no less than this share of their median.
LITTLE: Final = 0.1


@dataclass(frozen=True)
class Run:
    """A measured run directory, read. ``arrivals_s``: how long visitors came."""

    path: Path
    manifest: Manifest
    history: History
    telemetry: Telemetry

    @property
    def arrivals_s(self) -> float:
        start, end = self.manifest.bending.window_s
        return (end - start) / self.manifest.bending.speed

    @property
    def offered_per_s(self) -> float:
        """Visitors that came, a second."""
        arrived = len(np.unique(self.history["visitor"]))
        return arrived / self.arrivals_s


def read_run(path: Path) -> Run:
    """A run directory; RecordError when it is simulated, invalid, cut short or not a run."""
    manifest = read_manifest(path)
    if manifest.kind != "measured":
        fault = Fault("kind", manifest.kind, "calibrate on measured runs (`surge load`)")
        raise RecordError(str(path), [fault])
    if manifest.status != "complete":
        why = "; ".join(manifest.reasons) or "it did not run to its end"
        raise RecordError(str(path), [Fault("status", manifest.status, f"{why}; run it again")])
    return Run(path, manifest, read_history(path), read_telemetry(path))


@dataclass(frozen=True)
class Window:
    """A stretch of a run. ``pace``: how dear the machine's time was in it (`simulation.pace`)."""

    run: Run
    start_s: float
    end_s: float
    pace: float = 1.0

    def total(self, source: str, name: str, **labels: str) -> float:
        """Increase of a counter, all matching series together."""
        return self.run.telemetry.total(source, name, self.start_s, self.end_s, **labels)

    def cpu(self, source: str, power: float, name: str = "process_cpu_seconds_total") -> float:
        """Processor seconds as they would have been at pace 1; ``power``: how they grow with it."""
        return self.total(source, name) / float(self.pace**power)

    def count(self, source: str, name: str, **labels: str) -> float:
        """Observations that a histogram took."""
        return self.total(source, f"{name}_count", **labels)

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s

    @property
    def requests(self) -> float:
        """Requests that the service answered."""
        return self.total("service", "surge_requests_total")

    @property
    def generated(self) -> float:
        """Requests that the load generator sent."""
        return self.total("generator", "surge_generator_requests_total")

    @property
    def reads(self) -> float:
        """Queries that took a connection of the pool."""
        return self._served("service", "connection_pool")

    @property
    def checks(self) -> float:
        """Answers of the ministry."""
        return self._served("worker", "registry_client")

    @property
    def mails(self) -> float:
        """Mails that were sent."""
        return self._served("worker", "mail_sender")

    @property
    def mails_read(self) -> float:
        """Mails whose link was read back from the mailbox twin."""
        return self.total("mailbox", "surge_twin_requests_total", status="200")

    def _served(self, source: str, station: str) -> float:
        return self.count(source, "surge_station_service_seconds", station=station)


def windows(runs: Iterable[Run]) -> list[Window]:
    """Of each run the whole stretch from the warm-up to the end of its arrivals.

    One window a run: counters of several processes are up to a second apart, and what is small
    beside that second would be learned wrongly from shorter ones.
    """
    return [Window(run, min(WARM_UP_S, run.arrivals_s / 3), run.arrivals_s) for run in runs]


@dataclass(frozen=True)
class Fit:
    """Costs that are not negative, by name, and how well they explain what was measured.

    ``residual``: root mean square of (fitted / measured - 1).
    """

    costs: dict[str, float]
    residual: float

    def __getitem__(self, name: str) -> float:
        return self.costs[name]


@dataclass(frozen=True)
class Ratio:
    """What two costs are to each other, as far as the runs don't tell: ``one`` / ``other``.

    Levels differ in few ways, so that two costs of a loop can hardly be told apart, and noise
    would decide. ``weight``: a ratio that is wrong by its own size counts as a window whose cost is
    wrong by this share.
    """

    one: str
    other: str
    is_: float
    weight: float = 0.5


def fit(
    measured: Sequence[float], causes: Mapping[str, Sequence[float]], usual: Ratio | None = None
) -> Fit:
    """Non-negative least squares of measured CPU seconds on counts, in relative error.

    Lawson & Hanson (1974), by SciPy. Columns are scaled to equal size, rows to measured = 1; a
    usual ratio of two costs is a row more (Tikhonov regularisation).
    """
    target = np.asarray(measured, dtype=float)
    matrix = np.column_stack([np.asarray(column, dtype=float) for column in causes.values()])
    if not (target > 0).any():
        return Fit(dict.fromkeys(causes, 0.0), math.nan)
    # What an idle share was taken from may be nothing or less: it still says "little".
    target = np.maximum(target, LITTLE * np.median(target[target > 0]))
    matrix, target = matrix / target[:, None], np.ones(len(target))
    size = np.where(matrix.max(axis=0) > 0, matrix.max(axis=0), 1.0)
    rows, wanted = matrix, target
    if usual is not None:
        rows = np.vstack([matrix, _usually(usual, list(causes), matrix)])
        wanted = np.append(target, 0.0)
    found, _ = nnls(rows / size, wanted)
    costs = found / size
    residual = float(np.sqrt(np.mean((matrix @ costs - 1.0) ** 2)))
    return Fit(dict(zip(causes, costs.tolist(), strict=True)), residual)


def _usually(
    usual: Ratio, names: Sequence[str], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The row that says: cost of one = ratio x cost of other, beside what the other costs about."""
    one, other = names.index(usual.one), names.index(usual.other)
    weighed = matrix[:, other] + usual.is_ * matrix[:, one]
    if not (weighed > 0).any():
        return np.zeros(len(names))
    about = float(np.mean(1.0 / weighed[weighed > 0]))
    row = np.zeros(len(names))
    row[one], row[other] = usual.weight / (usual.is_ * about), -usual.weight / about
    return row


def merged_buckets(
    held: Iterable[Window], source: str, name: str, **labels: str
) -> list[tuple[float, float]]:
    """Cumulative buckets of a histogram, added over windows."""
    total: dict[float, float] = {}
    for window in held:
        buckets = window.run.telemetry.buckets(source, name, window.start_s, window.end_s, **labels)
        for bound, count in buckets:
            total[bound] = total.get(bound, 0.0) + count
    return sorted(total.items())


def shape_of(buckets: Sequence[tuple[float, float]], mean_s: float, knots: int = 65) -> Duration:
    """A distribution from cumulative buckets, straight within each, scaled to an exact mean.

    What lies beyond the last finite bucket is put at its bound.
    """
    finite = [(bound, count) for bound, count in buckets if math.isfinite(bound)]
    if not finite or finite[-1][1] <= 0 or mean_s <= 0:
        return Duration((max(mean_s, 0.0),))
    total = max(count for _, count in buckets)
    bounds = np.array([0.0] + [bound for bound, _ in finite] + [finite[-1][0]])
    shares = np.array([0.0] + [count / total for _, count in finite] + [1.0])
    first = int(np.flatnonzero(shares > 0)[0])
    last = int(np.flatnonzero(shares >= 1.0)[0])
    at = np.linspace(0.0, 1.0, knots)
    values = _inverse(shares[first - 1 : last + 1], bounds[first - 1 : last + 1], at)
    raw = Duration(tuple(values.tolist()))
    return Duration(tuple((values * (mean_s / raw.mean_s)).tolist()))


def less(duration: Duration, seconds: float) -> Duration:
    """The distribution with ``seconds`` taken off every value, none below zero: tails keep size."""
    return Duration(tuple(max(0.0, knot - seconds) for knot in duration.knots_s))


def _inverse(
    shares: NDArray[np.float64], bounds: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    rising = np.concatenate([[True], np.diff(shares) > 0])
    return np.asarray(np.interp(at, shares[rising], bounds[rising]))


def sent_s(quiet: Run, name: str, wake_s: float, dear: float = 1.0) -> float | None:
    """Seconds from the intended start until a step's request was sent, its wake-up apart.

    The median of the quiet level, whose processor time was ``dear`` times the usual; None where
    the record does not tell instants.
    """
    mine = quiet.history["step"] == quiet.history.steps.index(name)
    began, ended = quiet.history["started"][mine], quiet.history["ended"][mine]
    if not len(began) or not (ended > began).any():
        return None
    late_s = float(np.median(began - quiet.history["intended"][mine])) / 1e9
    return max(0.0, late_s / dear - wake_s / 2)
