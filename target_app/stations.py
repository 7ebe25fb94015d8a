"""The instruments of the two processes: what the model of this service is learned from.

At every station a histogram of waiting and one of service. Model and service must agree on the
station names and on the unit, which is the second.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Sequence
from pathlib import Path

from target_app.batcher import Pending
from target_app.instruments import ROWS, Gauge, Histogram, Instruments
from target_app.writes import WRITES, Write

STATIONS = (
    "event_loop",
    "write_batcher",
    "connection_pool",
    "database",
    "registry_client",
    "mail_sender",
)
STATUSES = (
    "200", "201", "202", "204", "400", "401", "403", "404", "405", "409", "413", "415", "422",
    "500", "503",
)  # fmt: skip
# Every line of the route table by its word; the layout of a page of instruments follows it.
STEPS = (
    "open_site", "register", "confirm_email", "verify_email", "submit_identity", "await_identity",
    "upload_photo", "complete_photo", "join_wave", "close_wave", "check_result", "call_support",
    "healthz", "readyz", "capacity", "metrics", "ledger", "support_ledger",
)  # fmt: skip
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Stations:
    """The waiting and the service of every station."""

    def __init__(self, instruments: Instruments) -> None:
        children = [(station,) for station in STATIONS]
        wait = instruments.histograms(
            "surge_station_wait_seconds", "Waiting at a station.", ("station",), children
        )
        service = instruments.histograms(
            "surge_station_service_seconds", "Service at a station.", ("station",), children
        )
        self.wait: dict[str, Histogram] = {name: wait[name,] for name in STATIONS}
        self.service: dict[str, Histogram] = {name: service[name,] for name in STATIONS}


class ProcessUse:
    """What the kernel says that this process used, added to its page since the last look."""

    def __init__(self, instruments: Instruments) -> None:
        self._cpu = instruments.counter("process_cpu_seconds_total", "CPU time, user and system.")
        self._wakeups = instruments.counter(
            "surge_loop_wakeups_total", "Voluntary context switches: the loop slept and woke."
        )
        self._preempted = instruments.counter(
            "surge_involuntary_switches_total", "Times another process took the core away."
        )
        self._last = (0.0, 0, 0)

    def update(self) -> None:
        """Bring the counters up to now."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        now = (usage.ru_utime + usage.ru_stime, usage.ru_nvcsw, usage.ru_nivcsw)
        self._cpu.add(now[0] - self._last[0])
        self._wakeups.add(now[1] - self._last[1])
        self._preempted.add(now[2] - self._last[2])
        self._last = now


class RouteInstruments:
    """What one route is measured by; bound once, so that a request looks nothing up."""

    def __init__(self, owner: ServiceInstruments, route: str) -> None:
        self.seconds = owner.route_seconds[route,]
        self.cpu = owner.route_cpu[route,]
        self.slices = owner.route_slices[route,]
        self.by_status = {int(status): owner.requests[route, status] for status in STATUSES}
        self.seen = -1  # so that the first request is a sample


class ServiceInstruments:
    """Everything that a service process measures."""

    def __init__(self, instruments: Instruments, routes: Sequence[str]) -> None:
        self.instruments = instruments
        self.stations = Stations(instruments)
        self.process = ProcessUse(instruments)
        each = [(route,) for route in routes]
        self.requests = instruments.counters(
            "surge_requests_total",
            "Requests answered.",
            ("route", "status"),
            [(route, status) for route in routes for status in STATUSES],
        )
        self.route_seconds = instruments.histograms(
            "surge_route_seconds", "First byte received to answer written.", ("route",), each
        )
        self.route_cpu = instruments.counters(
            "surge_route_cpu_seconds_total",
            "Thread CPU of the route's slices, estimated from samples.",
            ("route",),
            each,
        )
        self.route_slices = instruments.counters(
            "surge_route_slices_total",
            "Slices that the route ran in, estimated from samples.",
            ("route",),
            each,
        )
        self.batch_rows = instruments.histograms(
            "surge_batch_rows", "Rows in a flush.", (), [()], ROWS
        )[()]
        self.flushes = instruments.counter("surge_flushes_total", "Flushes of the write batcher.")
        self.flush_cpu = instruments.counter(
            "surge_flush_cpu_seconds_total", "Loop CPU spent on flushing, estimated from samples."
        )
        self.loop_lag = instruments.histograms(
            "surge_loop_lag_seconds", "What a ready timer waits for the loop.", (), [()]
        )[()]
        self.photo_store = instruments.histograms(
            "surge_photo_store_seconds", "Asking the photo store for a photo's facts.", (), [()]
        )[()]
        self.in_flight = instruments.gauge("surge_in_flight", "Requests being answered.")
        self.pool_size = instruments.gauge("surge_pool_size", "Open connections of the pool.")
        self.shed = instruments.counter("surge_shed_total", "Requests refused by admission.")
        acknowledged = instruments.counters(
            "surge_writes_acknowledged_total",
            "Rows written whose writer was told so.",
            ("kind",),
            [(write.name,) for write in WRITES],
        )
        self._acknowledged = {name: counter for (name,), counter in acknowledged.items()}
        self._batcher_wait = self.stations.wait["write_batcher"]
        self.pause = _pause(instruments)

    def flush_started(self, batch: Sequence[Pending], started: float) -> None:
        """The rows of a batch stop waiting."""
        wait = self._batcher_wait
        for pending in batch:
            wait.record(started - pending.queued_at)
        self.batch_rows.record(len(batch))

    def flush_ended(self, rows: int, seconds: float, cpu_seconds: float) -> None:
        """A flush is through, well or badly."""
        self.stations.service["write_batcher"].record(seconds)
        self.flushes.add()
        self.flush_cpu.add(cpu_seconds)

    def statement_ended(self, wait: float, seconds: float) -> None:
        """One statement went to the database and came back."""
        self.stations.wait["database"].record(wait)
        self.stations.service["database"].record(seconds)

    def acknowledged(self, write: Write) -> None:
        """A new row is durable and its writer is being told."""
        self._acknowledged[write.name].add()


class WorkerInstruments:
    """Everything that the worker process measures."""

    def __init__(self, instruments: Instruments) -> None:
        self.instruments = instruments
        self.stations = Stations(instruments)
        self.process = ProcessUse(instruments)
        depth = instruments.gauges(
            "surge_queue_depth",
            "Rows that wait in a durable queue.",
            ("queue",),
            [("identity",), ("mail",)],
        )
        self.queue_depth: dict[str, Gauge] = {name: gauge for (name,), gauge in depth.items()}
        calls = instruments.counters(
            "surge_registry_calls_total",
            "Calls of the civil registry by how they ended.",
            ("outcome",),
            [("match",), ("no_match",), ("refused",), ("busy",), ("failed",)],
        )
        self.registry_calls = {name: counter for (name,), counter in calls.items()}
        mails = instruments.counters(
            "surge_mails_total",
            "Mails by how their hand-over ended.",
            ("outcome",),
            [("sent",), ("refused",), ("failed",)],
        )
        self.mails = {name: counter for (name,), counter in mails.items()}
        self.database_cpu = instruments.counter(
            "surge_database_cpu_seconds_total", "CPU of all processes of PostgreSQL."
        )
        self.database_commits = instruments.counter(
            "surge_database_commits_total", "Transactions committed in this database."
        )
        self.pause = _pause(instruments)


def _pause(instruments: Instruments) -> Histogram:
    return instruments.histograms(
        "surge_collector_pause_seconds", "The garbage collector held the process up.", (), [()]
    )[()]


def cpu_of_tree(pid: int) -> float | None:
    """CPU seconds of a process, its living children and those it has buried; None: no process."""
    pids = [pid]
    try:
        pids += [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except OSError:
        return None
    ticks = 0
    for each in pids:
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended between the two looks; its parent has buried it or will
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICKS_PER_S
