"""What the target's own metrics say of each station: waiting, service, utilisation, bottleneck.

Waiting and service are over the whole record; utilisation is over the time while visitors came,
because a station that idles after the last of them was no less busy before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from harness.report.dossier import RunRecord
from harness.report.units import NOTHING, rate, seconds, share, visitors, words
from workload.facts import QUEUES
from workload.telemetry import Telemetry, bucket_quantile

WAIT: Final = "surge_station_wait_seconds"
SERVICE: Final = "surge_station_service_seconds"
NAMES: Final = (
    "event_loop",
    "write_batcher",
    "connection_pool",
    "database",
    "registry_client",
    "mail_sender",
)
#: Lanes that batch naturally are busy whenever there is any load: that limits nobody.
NEVER_A_BOTTLENECK: Final = ("write_batcher", "generator")
#: Below this no station holds the others up; above SATURATED waiting grows without bound.
BUSY: Final = 0.7
SATURATED: Final = 0.95
#: A queue that holds more seconds of work than this was filled faster than it was served.
OUTRUN_S: Final = 3.0
MOST_POINTS: Final = 600

Instants = NDArray[np.float64]


@dataclass(frozen=True)
class Station:
    """Figures of a station. ``utilisation``: None where its capacity is not known.

    The p95 are upper bounds of buckets, as texts, because the last bucket has none. ``basis``:
    what the utilisation is a share of, in words. ``peak``: of the busiest five seconds.
    """

    name: str
    served: float
    wait_mean_s: float
    wait_p95: str
    service_mean_s: float
    service_p95: str
    utilisation: float | None
    peak: float | None
    basis: str


@dataclass(frozen=True)
class Bottleneck:
    """``station``: '' where none holds the others up."""

    station: str
    sentence: str
    reason: str


class Gauges:
    """Counters and gauges of a run at given instants (seconds, run base), summed over series."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def at(self, instants: Instants, source: str, name: str, **labels: str) -> Instants:
        """The values at each instant, as `Telemetry.at` has them."""
        series = self._telemetry.matching(source, name, **labels)
        parts = [self._telemetry.at(source, one, instants) for one in series]
        return sum(parts, np.zeros(len(instants)))

    def everywhere(self, instants: Instants, name: str, **labels: str) -> Instants:
        """The same over every process that shows it."""
        parts = [self.at(instants, source, name, **labels) for source in self._sources()]
        return sum(parts, np.zeros(len(instants)))

    def _sources(self) -> list[str]:
        return sorted(self._telemetry.sources())


#: A resource's use, in seconds of it, as a counter at these instants.
Use = Callable[[Gauges, Instants], Instants]


@dataclass(frozen=True)
class Resource:
    """Something that can be busy: ``servers`` of it, used as the counter ``use`` says."""

    station: str
    servers: float
    basis: str
    use: Use


def resources(capacity: Mapping[str, Any]) -> list[Resource]:
    """What the deployment has, as far as its /capacity tells; a figure not told is left out."""
    workers = _number(capacity, "workers")
    cores = capacity.get("cores") or {}
    found = [
        Resource("event_loop", workers, _of(workers, "loop"), _cpu("service")),
        Resource(
            "write_batcher",
            workers * _number(capacity, "lanes"),
            _of(workers * _number(capacity, "lanes"), "lane"),
            _busy("write_batcher"),
        ),
        Resource(
            "connection_pool",
            workers * _number(capacity, "pool"),
            _of(workers * _number(capacity, "pool"), "connection"),
            _busy("connection_pool"),
        ),
        Resource("database", len(cores.get("database", ())), "CPU of its cores", _database_cpu),
        Resource(
            "registry_client",
            _number(capacity, "registry_slots"),
            _of(_number(capacity, "registry_slots"), "slot"),
            _busy("registry_client"),
        ),
        Resource(
            "registry_client",
            _number(capacity, "registry_quota_per_s"),
            f"quota of {rate(_number(capacity, 'registry_quota_per_s'))}",
            _served("registry_client"),
        ),
        Resource(
            "mail_sender",
            _number(capacity, "mail_connections"),
            _of(_number(capacity, "mail_connections"), "connection"),
            _busy("mail_sender"),
        ),
        Resource(
            "system_core",
            len(cores.get("system", ())),
            f"{_of(len(cores.get('system', ())), 'core')} shared by service, worker, database",
            _system_cpu,
        ),
    ]
    return [resource for resource in found if resource.servers > 0]


def _number(capacity: Mapping[str, Any], key: str) -> float:
    value = capacity.get(key)
    return float(value) if isinstance(value, int | float) else 0.0


def _of(number: float, noun: str) -> str:
    return f"{number:,.0f} {noun}{'' if number == 1 else 's'}"


def _cpu(source: str) -> Use:
    return lambda gauges, at: gauges.at(at, source, "process_cpu_seconds_total")


def _database_cpu(gauges: Gauges, at: Instants) -> Instants:
    return gauges.everywhere(at, "surge_database_cpu_seconds_total")


def _system_cpu(gauges: Gauges, at: Instants) -> Instants:
    own = _cpu("service")(gauges, at) + _cpu("worker")(gauges, at)
    return own + _database_cpu(gauges, at)


def _busy(station: str) -> Use:
    return lambda gauges, at: gauges.everywhere(at, f"{SERVICE}_sum", station=station)


def _served(station: str) -> Use:
    return lambda gauges, at: gauges.everywhere(at, f"{SERVICE}_count", station=station)


def stations_of(run: RunRecord) -> list[Station]:
    """Every station that served anything, and the core that they share; [] without telemetry."""
    if run.telemetry is None:
        return []
    gauges = Gauges(run.telemetry)
    busiest: dict[str, tuple[float, float, str]] = {}
    for resource in resources(run.manifest.capacity):
        mean, peak = _utilisation(gauges, resource, run.arrivals_s)
        if mean > busiest.get(resource.station, (-1.0, 0.0, ""))[0]:
            busiest[resource.station] = (mean, peak, resource.basis)
    end_s = max(run.manifest.lasted_s, run.arrivals_s) + 60.0
    found = [_station(run.telemetry, name, end_s, busiest.get(name)) for name in NAMES]
    rows = [station for station in found if station.served]
    if "system_core" in busiest and rows:
        mean, peak, basis = busiest["system_core"]
        nothing: tuple[float, str] = (math.nan, NOTHING)
        rows.append(Station("system_core", math.nan, *nothing, *nothing, mean, peak, basis))
    return rows


def _utilisation(gauges: Gauges, resource: Resource, arrivals_s: float) -> tuple[float, float]:
    """(mean while visitors came, the busiest five seconds)."""
    instants = np.linspace(0.0, arrivals_s, max(2, min(MOST_POINTS, int(arrivals_s) + 1)))
    use = resource.use(gauges, instants)
    step = instants[1] - instants[0]
    width = min(len(instants) - 1, max(1, round(5.0 / step)))
    grown = (use[width:] - use[:-width]) / (width * step * resource.servers)
    return float((use[-1] - use[0]) / arrivals_s / resource.servers), float(grown.max())


def _station(
    telemetry: Telemetry, name: str, end_s: float, busy: tuple[float, float, str] | None
) -> Station:
    def total(metric: str) -> float:
        return sum(
            telemetry.total(source, metric, 0.0, end_s, station=name)
            for source in telemetry.sources()
        )

    served, waited = total(f"{SERVICE}_count"), total(f"{WAIT}_count")
    return Station(
        name=name,
        served=served,
        wait_mean_s=total(f"{WAIT}_sum") / waited if waited else math.nan,
        wait_p95=_quantile(telemetry, WAIT, name, end_s),
        service_mean_s=total(f"{SERVICE}_sum") / served if served else math.nan,
        service_p95=_quantile(telemetry, SERVICE, name, end_s),
        utilisation=busy[0] if busy else None,
        peak=busy[1] if busy else None,
        basis=busy[2] if busy else "capacity not told",
    )


def _quantile(telemetry: Telemetry, metric: str, station: str, end_s: float) -> str:
    merged: dict[float, float] = {}
    for source in telemetry.sources():
        for bound, seen in telemetry.buckets(source, metric, 0.0, end_s, station=station):
            merged[bound] = merged.get(bound, 0.0) + seen
    bound = bucket_quantile(sorted(merged.items()), 0.95)
    last = max((held for held in merged if not math.isinf(held)), default=math.nan)
    return f"> {seconds(last)}" if math.isinf(bound) else seconds(bound)


def bottleneck_of(stations: list[Station], run: RunRecord) -> Bottleneck:
    """The station that is nearest to its limit, and why it is called so."""
    outrun = _outrun(run)
    known = [s for s in stations if s.utilisation is not None and s.name not in NEVER_A_BOTTLENECK]
    if outrun and not any((s.utilisation or 0.0) >= SATURATED for s in known):
        return outrun
    if not known:
        return Bottleneck("", "No bottleneck can be named", "no utilisation is known")
    first = max(known, key=lambda station: station.utilisation or 0.0)
    use = first.utilisation or 0.0
    load = f"at {visitors(run.visitors_per_s)}"
    reason = f"{share(min(use, 1.0))} of {first.basis} was in use while visitors came"
    if not math.isnan(first.wait_mean_s):
        reason += f"; work waited {seconds(first.wait_mean_s)} for it on average"
    name = words(first.name)
    if use < BUSY:
        return Bottleneck("", f"No station is a bottleneck {load}: {name} is the busiest", reason)
    kind = "is saturated" if use >= SATURATED else "is the bottleneck"
    return Bottleneck(first.name, f"The {name} {kind} {load}", reason)


def _outrun(run: RunRecord) -> Bottleneck | None:
    """The station behind a durable queue that held OUTRUN_S of its work when arrivals ended."""
    if run.telemetry is None:
        return None
    gauges, end = Gauges(run.telemetry), np.asarray([0.0, run.arrivals_s])
    for queue, station in QUEUES.items():
        depth = float(gauges.everywhere(end, "surge_queue_depth", queue=queue)[1])
        served = gauges.everywhere(end, f"{SERVICE}_count", station=station)
        pace = float(served[1] - served[0]) / run.arrivals_s
        if depth > 1 and depth > OUTRUN_S * pace:
            sentence = f"The {words(station)} is the bottleneck at {visitors(run.visitors_per_s)}"
            waited = f"{depth:,.0f} waited in the {queue} queue when arrivals ended"
            return Bottleneck(station, sentence, f"{waited}, while it served {rate(pace)}")
    return None


def queue_depths(run: RunRecord) -> tuple[Instants, dict[str, Instants]]:
    """(instants in seconds, depth by queue) of the durable queues and of requests in flight."""
    if run.telemetry is None:
        return np.zeros(0), {}
    end = max(run.manifest.lasted_s, run.arrivals_s)
    instants = np.linspace(0.0, end, max(2, min(MOST_POINTS, int(end) + 1)))
    gauges = Gauges(run.telemetry)
    found = {
        f"{queue} queue": gauges.everywhere(instants, "surge_queue_depth", queue=queue)
        for queue in ("identity", "mail")
        if _shown(run.telemetry, "surge_queue_depth", queue=queue)
    }
    if _shown(run.telemetry, "surge_in_flight"):
        found["requests in flight"] = gauges.everywhere(instants, "surge_in_flight")
    return instants, found


def _shown(telemetry: Telemetry, name: str, **labels: str) -> bool:
    return any(telemetry.matching(source, name, **labels) for source in telemetry.sources())


def first_saturated(run: RunRecord) -> list[tuple[float, str, str]]:
    """(second, station, basis) of the first three seconds that each resource was full."""
    if run.telemetry is None or run.arrivals_s < 4:
        return []
    gauges = Gauges(run.telemetry)
    instants = np.arange(0.0, run.arrivals_s + 1e-9, max(1.0, run.arrivals_s / MOST_POINTS))
    found = []
    for resource in resources(run.manifest.capacity):
        if resource.station in NEVER_A_BOTTLENECK:
            continue
        use = resource.use(gauges, instants)
        rise = (use[3:] - use[:-3]) / (instants[3:] - instants[:-3]) / resource.servers
        full = np.flatnonzero(rise >= SATURATED)
        if len(full):
            found.append((float(instants[full[0]]), resource.station, resource.basis))
    return sorted(found)
