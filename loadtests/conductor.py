"""The conductor: gives the orders, keeps everybody's figures, and says how the run ended.

There is one, in Locust's master or in its only process. It speaks with the workers by Locust's own
messages, and hands all that is to be kept to the recorder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from time import monotonic, time_ns
from typing import Any, Final

from gevent.event import Event

from loadtests import recorder
from loadtests.closing import Closing
from loadtests.figures import Figures, Tally
from loadtests.live import Address
from loadtests.orders import Orders
from loadtests.pacer import lag_quantile_s
from loadtests.rundir import PROGRESS, RESULT, SCHEMA_NAME
from loadtests.scribe import Scribe
from loadtests.worker import DONE, ROWS
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
#: Run time 0 is an instant of the wall clock; a message takes less than this.
APART_S: Final = 1.0
FLUSH_S: Final = 10.0

Tell = Callable[[str, dict[str, Any], str], None]


class Conductor:
    """One run. ``tell(kind, data, worker's id)`` sends a message; ``over(status)`` ends it.

    ``workers``: the ids of those who take part, in the order of their numbers. ``closing``: closes
    the wave at its hour. ``page``: where Prometheus may watch.
    """

    def __init__(
        self,
        orders: Orders,
        metrics: Mapping[str, str],
        directory: Path,
        workers: list[str],
        tell: Tell,
        over: Callable[[str], None],
        closing: Closing,
        page: Address | None = None,
    ) -> None:
        self._orders, self._directory = orders, directory
        self._workers, self._tell, self._over = workers, tell, over
        self._metrics, self._page, self._closing = metrics, page, closing
        self._scribe: Scribe | None = None
        self._figures = Figures()
        self._heard: dict[int, float] = {}
        self._ready: set[int] = set()
        self._fresh: set[int] = set()
        self._done: set[int] = set()
        self._lost: set[int] = set()
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
        steps = self._orders.load().walked.names
        self._scribe = Scribe(self._directory, steps, self._metrics, self._page)
        shared = {"orders": self._orders.plain(), "workers": len(self._workers)}
        for number, worker in enumerate(self._workers):
            self._tell(ORDERS, {**shared, "worker": number}, worker)
        if not self._all_ready.wait(PREPARE_S):
            missing = sorted(set(range(len(self._workers))) - self._ready)
            self._reasons.append(f"workers {missing} were not ready within {PREPARE_S:.0f} s")
        if not self._reasons and not self._status:
            self._base_unix_ns = time_ns() + LEAD_NS
            self._send(recorder.BEGIN, {"base_unix_ns": self._base_unix_ns})
            for worker in self._workers:
                self._tell(BEGIN, {"base_unix_ns": self._base_unix_ns}, worker)
            self._closing.start(self._base_unix_ns)
            self._watch()
        self._finish("invalid" if self._reasons else "complete")

    def interrupt(self) -> None:
        """End early, with everything flushed; returns when the record is written."""
        self._finish("interrupted")
        self._ended.wait()

    def break_off(self, reason: str) -> None:
        """End at once, because of a fault of the generator itself."""
        self._reasons.append(reason)
        self._finish("invalid")

    # What workers say.

    def hear(self, kind: str, data: dict[str, Any]) -> None:
        """Take a message of a worker."""
        if kind == ROWS:
            self._send(recorder.ROWS, data)
        elif kind == READY:
            self._take_ready(**data)
        else:
            self._take_tally(Tally(**data), done=kind == DONE)

    def _take_ready(self, worker: int, fault: str, unix_ns: int) -> None:
        self._ready.add(worker)
        if fault:
            self._reasons.append(fault)
        apart_s = (unix_ns - time_ns()) / 1e9
        if abs(apart_s) > APART_S:
            self._reasons.append(
                f"the clock of worker {worker} differs by {apart_s:+.1f} s: run NTP on both"
            )
        if len(self._ready) == len(self._workers):
            self._all_ready.set()

    def _take_tally(self, tally: Tally, *, done: bool) -> None:
        self._figures.tallies[tally.worker] = tally
        self._heard[tally.worker] = monotonic()
        self._fresh.add(tally.worker)
        if done:
            self._done.add(tally.worker)
            if tally.reason:
                self._reasons.append(tally.reason)
        if self._are_all(self._fresh | self._done | self._lost):
            self._sample()
        if self._are_all(self._done | self._lost):
            self._all_done.set()

    def _are_all(self, numbers: set[int]) -> bool:
        return len(numbers) == len(self._workers)

    # The run.

    def _watch(self) -> None:
        """Until the end, once a second: see whether everybody is still there."""
        began = monotonic()
        self._heard = dict.fromkeys(range(len(self._workers)), began)
        while not self._all_done.wait(1.0) and not self._status and not self._reasons:
            self._miss(
                {n for n, at in self._heard.items() if monotonic() - at > SILENCE_S} - self._done,
                monotonic() - began,
            )

    def _miss(self, silent: set[int], after_s: float) -> None:
        """Workers that say nothing any more are lost, and so is the run."""
        if silent:
            self._lost |= silent
            who = ", ".join(str(number) for number in sorted(silent))
            self._reasons.append(
                f"worker lost: {who} said nothing for {SILENCE_S:.0f} s (killed, cut off or "
                f"starved), {after_s:.0f} s after the start"
            )
            if self._are_all(self._done | self._lost):
                self._all_done.set()

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
        if why := self._closing.end():
            self._reasons.append(why)
        lasted_s = max((time_ns() - self._base_unix_ns) / 1e9, 0.0) if self._base_unix_ns else 0.0
        if self._scribe is not None:
            self._reasons += self._scribe.close()
        self._reasons += self._figures.faults(self._orders.window_s)
        if self._reasons and self._status == "complete":
            self._status = "invalid"
        self._write_result(lasted_s)
        self._ended.set()
        self._over(self._status)

    def _write_result(self, lasted_s: float) -> None:
        lag = self._figures.lag()
        tallies = sorted(self._figures.tallies.items())
        result = {
            "schema": SCHEMA_NAME,
            "status": self._status,
            "reasons": self._reasons,
            "began_unix": self._base_unix_ns / 1e9,
            "lasted_s": lasted_s,
            "lag_p50_s": lag_quantile_s(lag, 0.50),
            "lag_p99_s": lag_quantile_s(lag, 0.99),
            "cut": self._figures.in_flight(),
            "workers": [asdict(tally) for _, tally in tallies],
            **self._closing.facts(),
        }
        write_json(self._directory / RESULT, result)

    def _sample(self) -> None:
        """Everybody has spoken since the last time: telemetry, and progress for people."""
        self._fresh.clear()
        at_ns = time_ns() - self._base_unix_ns
        data = {"at_ns": at_ns, "samples": self._figures.samples()}
        self._send(recorder.SAMPLES, data)
        progress = self._figures.progress(at_ns / 1e9, self._orders.window_s)
        write_json(self._directory / PROGRESS, progress)

    def _send(self, kind: str, data: dict[str, Any]) -> None:
        if self._scribe is not None:
            self._scribe.send(kind, data)
