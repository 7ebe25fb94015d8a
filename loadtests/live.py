"""The generator's figures while a run goes on, as a page for Prometheus, when one is asked for.

It is served by the recorder's process, which may be late: the one that sends may not. Latency is
of attempts that were answered; what failed is counted by its outcome, and never a fast success.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from workload.errors import Fault, InputError
from workload.history import NAMES
from workload.telemetry import labels_of
from workload.visit import Outcome

#: Seconds; the bounds that objectives are usually written with are among them.
BOUNDS_S: Final = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.8, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
ANSWERED: Final = (Outcome.ACCEPTED, Outcome.PENDING, Outcome.DECLINED)
LAG: Final = "surge_generator_lag_seconds"
_STEP, _INTENDED, _ENDED, _OUTCOME = map(NAMES.index, ("step", "intended", "ended", "outcome"))

Address = tuple[str, int]


def check_address(address: Address) -> None:
    """InputError unless a page can be served there."""
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, OverflowError) as error:
        remedy = f"can't be had on {address[0]} ({error}): choose a free port"
        raise InputError("metrics page", [Fault("metrics-port", address[1], remedy)]) from error


class LivePage(Collector):
    """Folds rows of the history and the generator's own series into metric families."""

    def __init__(self, steps: Sequence[str]) -> None:
        self._steps = tuple(steps)
        self._attempts = np.zeros((len(steps), len(Outcome)), dtype=np.int64)
        self._counts = np.zeros((len(steps), len(BOUNDS_S) + 1), dtype=np.int64)
        self._seconds = np.zeros(len(steps))
        self._samples: Mapping[str, float] = {}
        self._folding = threading.Lock()

    def take_rows(self, table: NDArray[np.int64]) -> None:
        """Attempts that have ended, columns in the order of `workload.history.NAMES`."""
        seconds = (table[:, _ENDED] - table[:, _INTENDED]) / 1e9
        answered = np.isin(table[:, _OUTCOME], ANSWERED)
        steps = table[:, _STEP]
        buckets = np.searchsorted(BOUNDS_S, seconds)
        with self._folding:
            np.add.at(self._attempts, (steps, table[:, _OUTCOME]), 1)
            np.add.at(self._counts, (steps[answered], buckets[answered]), 1)
            np.add.at(self._seconds, steps[answered], seconds[answered])

    def take_samples(self, samples: Mapping[str, float]) -> None:
        """The generator's series, named as `loadtests.figures` names them."""
        self._samples = samples

    def collect(self) -> Iterator[Metric]:
        """What Prometheus reads."""
        yield from self._own()
        with self._folding:
            yield self._outcomes()
            yield self._latency()

    def _own(self) -> Iterator[Metric]:
        samples = self._samples
        for name, value in samples.items():
            if name.endswith("_total"):
                yield CounterMetricFamily(name, "Of the generator, over its workers.", value=value)
        lag = [(labels_of(n)["le"], v) for n, v in samples.items() if n.startswith(f"{LAG}_bucket")]
        if lag:
            words = "How much later than intended an attempt was sent."
            yield HistogramMetricFamily(LAG, words, buckets=lag, sum_value=samples[f"{LAG}_sum"])

    def _outcomes(self) -> Metric:
        made = CounterMetricFamily(
            "surge_visitor_attempts", "Attempts by what became of them.", labels=("step", "outcome")
        )
        for step, counts in zip(self._steps, self._attempts.tolist(), strict=True):
            for outcome, count in zip(Outcome, counts, strict=True):
                made.add_metric((step, outcome.name.lower()), count)
        return made

    def _latency(self) -> Metric:
        made = HistogramMetricFamily(
            "surge_visitor_seconds", "From the intended start to the answer.", labels=("step",)
        )
        names = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]
        for at, step in enumerate(self._steps):
            reached = self._counts[at].cumsum().tolist()
            buckets = list(zip(names, reached, strict=True))
            made.add_metric((step,), buckets, sum_value=float(self._seconds[at]))
        return made


def serve(page: LivePage, address: Address) -> Any:
    """Serve it from now on; the thread ends with the process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(page)
    host, port = address
    return start_http_server(port, addr=host, registry=registry)
