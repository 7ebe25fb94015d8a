"""The conductor: gives the orders, keeps everybody's figures, and says how the run ended.

There is one, in Locust's master or in its only process. It speaks with the workers by Locust's own
messages, and hands all that is to be kept to the recorder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from time import monotonic, time_ns
from typing import Any, Final

from gevent.event import Event

from loadtests import recorder
from loadtests.orders import Orders
from loadtests.pacer import LAG_BOUNDS_S, lag_quantile_s, schedule_faults
from loadtests.rundir import PROGRESS, RESULT, SCHEMA_NAME
from loadtests.scribe import Scribe
from loadtests.worker import DONE, ROWS, Tally
from workload.manifest import write_json

#: A worker is prepared, or says why it can't be.
READY: Final = "surge_ready"
# Messages from conductor to workers.
ORDERS: Final = "surge_orders"
BEGIN: Final = "surge_begin"
STOP: Final = "surge_stop"
#: From the last word of preparation to run time 0.
LEAD_NS: Final = 300_000_000
PREPARE_S: Final = 60.0
#: A worker that says nothing for so long is lost: it speaks once a second.
SILENCE_S: Final = 5.0
FLUSH_S: Final = 10.0

Tell = Callable[[str, dict[str, Any], str], None]


class Conductor:
    """One run. ``tell(kind, data, worker's id)`` sends a message; ``over(status)`` ends it.

    ``workers``: the ids of those who take part, in the order of their numbers.
    """

    def __init__(
        self,
        orders: Orders,
        metrics: Mapping[str, str],
        directory: Path,
        workers: list[str],
        tell: Tell,
        over: Callable[[str], None],
    ) -> None:
        self._orders, self._directory = orders, directory
        self._workers, self._tell, self._over = workers, tell, over
        self._metrics = metrics
        self._tallies: dict[int, Tally] = {}
        self._heard: dict[int, float] = {}
        self._ready: set[int] = set()
        self._fresh: set[int] = set()
        self._done: set[int] = set()
        self._all_ready, self._all_done, self._ended = Event(), Event(), Event()
        self._reasons: list[str] = []
        self._status = ""
        self._base_unix_ns = 0

    @property
    def status(self) -> str:
        """'' while it runs; then complete, invalid or interrupted."""
        return self._status if self._ended.is_set() else ""

    def run(self) -> None:
        """From the orders to the written record; returns when all of it is over."""
        self._scribe = Scribe(self._directory, self._orders.load().journey.names, self._metrics)
        shared = {"orders": self._orders.plain(), "workers": len(self._workers)}
        for number, worker in enumerate(self._workers):
            self._tell(ORDERS, {**shared, "worker": number}, worker)
        if not self._all_ready.wait(PREPARE_S):
            missing = sorted(set(range(len(self._workers))) - self._ready)
            self._reasons.append(f"workers {missing} were not ready within {PREPARE_S:.0f} s")
            self._finish("invalid")
            return
        self._base_unix_ns = time_ns() + LEAD_NS
        self._scribe.send(recorder.BEGIN, {"base_unix_ns": self._base_unix_ns})
        for worker in self._workers:
            self._tell(BEGIN, {"base_unix_ns": self._base_unix_ns}, worker)
        self._watch()

    def interrupt(self) -> None:
        """End early, with everything flushed; returns when the record is written."""
        self._finish("interrupted")
        self._ended.wait()

    # What workers say.

    def hear(self, kind: str, data: dict[str, Any]) -> None:
        """Take a message of a worker."""
        if kind == ROWS:
            self._scribe.send(recorder.ROWS, data)
        elif kind == READY:
            self._take_ready(data["worker"], data["fault"])
        else:
            self._take_tally(Tally(**data), done=kind == DONE)

    def _take_ready(self, number: int, fault: str) -> None:
        self._ready.add(number)
        if fault:
            self._reasons.append(fault)
        if len(self._ready) == len(self._workers):
            self._all_ready.set()

    def _take_tally(self, tally: Tally, *, done: bool) -> None:
        self._tallies[tally.worker] = tally
        self._heard[tally.worker] = monotonic()
        self._fresh.add(tally.worker)
        if done:
            self._done.add(tally.worker)
            if tally.reason:
                self._reasons.append(tally.reason)
        everybody = set(range(len(self._workers)))
        if self._fresh | self._done == everybody:
            self._sample()
        if self._done == everybody:
            self._all_done.set()

    # The run.

    def _watch(self) -> None:
        """Until the end, once a second: see whether everybody is still there."""
        began = monotonic()
        self._heard = dict.fromkeys(range(len(self._workers)), began)
        while not self._all_done.wait(1.0) and not self._status and not self._reasons:
            lost = [
                n
                for n, heard in self._heard.items()
                if n not in self._done and monotonic() - heard > SILENCE_S
            ]
            if lost:
                who = ", ".join(str(n) for n in lost)
                self._reasons.append(
                    f"worker lost: {who} said nothing for {SILENCE_S:.0f} s "
                    f"(killed, cut off or starved), {monotonic() - began:.0f} s after the start"
                )
        if not self._status:
            self._finish("invalid" if self._reasons else "complete")

    def _finish(self, status: str) -> None:
        """Stop everybody, write everything. Only the first call does."""
        if self._status:
            return
        self._status = status
        for number, worker in enumerate(self._workers):
            if number not in self._done:
                self._tell(STOP, {}, worker)
        if self._base_unix_ns:
            self._all_done.wait(FLUSH_S)
        lasted_s = max((time_ns() - self._base_unix_ns) / 1e9, 0.0) if self._base_unix_ns else 0.0
        self._reasons += self._scribe.close()
        self._judge()
        self._write_result(lasted_s)
        self._ended.set()
        self._over(self._status)

    def _judge(self) -> None:
        for number, tally in sorted(self._tallies.items()):
            busy = tally.window_cpu_s / self._orders.window_s if tally.window_cpu_s else 0.0
            self._reasons += schedule_faults(f"worker {number}", tally.lag, busy)
        if self._reasons and self._status == "complete":
            self._status = "invalid"

    def _write_result(self, lasted_s: float) -> None:
        lag = self._total_lag()
        result = {
            "schema": SCHEMA_NAME,
            "status": self._status,
            "reasons": self._reasons,
            "began_unix": self._base_unix_ns / 1e9,
            "lasted_s": lasted_s,
            "lag_p50_s": lag_quantile_s(lag, 0.50),
            "lag_p99_s": lag_quantile_s(lag, 0.99),
            "workers": [asdict(tally) for _, tally in sorted(self._tallies.items())],
        }
        # JSON has no infinity: the last bucket of lag is open.
        finite = json.loads(json.dumps(result), parse_constant=lambda _: None)
        write_json(self._directory / RESULT, finite)

    def _total_lag(self) -> list[int]:
        counts = [0] * (len(LAG_BOUNDS_S) + 1)
        for tally in self._tallies.values():
            counts = [a + b for a, b in zip(counts, tally.lag, strict=True)]
        return counts

    def _sample(self) -> None:
        """The generator's own figures, summed over workers: telemetry, and progress for people."""
        self._fresh.clear()
        at_ns = time_ns() - self._base_unix_ns
        tallies = list(self._tallies.values())
        samples = {
            "surge_generator_cpu_seconds_total": sum(t.cpu_s for t in tallies),
            "surge_generator_requests_total": float(sum(t.attempts for t in tallies)),
            "surge_generator_failures_total": float(sum(t.failures for t in tallies)),
            "surge_generator_arrivals_total": float(sum(t.arrived for t in tallies)),
            "surge_generator_visits_ended_total": float(sum(t.ended for t in tallies)),
            "surge_generator_connects_total": float(sum(t.connects for t in tallies)),
            "surge_generator_wakeups_total": float(sum(t.wakeups for t in tallies)),
            "surge_generator_involuntary_switches_total": float(
                sum(t.involuntary for t in tallies)
            ),
            **self._lag_series(tallies),
        }
        self._scribe.send(recorder.SAMPLES, {"at_ns": at_ns, "samples": samples})
        write_json(self._directory / PROGRESS, self._progress(at_ns, tallies))

    def _lag_series(self, tallies: list[Tally]) -> dict[str, float]:
        series, seen = {}, 0
        bounds = [*(f"{bound:g}" for bound in LAG_BOUNDS_S), "+Inf"]
        for bound, count in zip(bounds, self._total_lag(), strict=True):
            seen += count
            series[f'surge_generator_lag_seconds_bucket{{le="{bound}"}}'] = float(seen)
        series["surge_generator_lag_seconds_count"] = float(seen)
        series["surge_generator_lag_seconds_sum"] = sum(t.lag_sum_s for t in tallies)
        return series

    def _progress(self, at_ns: int, tallies: list[Tally]) -> dict[str, Any]:
        arrived, ended = sum(t.arrived for t in tallies), sum(t.ended for t in tallies)
        return {
            "at_s": at_ns / 1e9,
            "window_s": self._orders.window_s,
            "arrived": arrived,
            "expected": sum(t.expected for t in tallies),
            "open": arrived - ended,
            "attempts": sum(t.attempts for t in tallies),
            "failures": sum(t.failures for t in tallies),
            "lag_p99_ms": min(lag_quantile_s(self._total_lag(), 0.99), 1e6) * 1e3,
        }
