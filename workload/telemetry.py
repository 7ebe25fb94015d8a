"""The target's own metrics, scraped each second, in the run's time base.

A series is named as the target's metrics page names it, labels included, for example
``surge_requests_total{route="register",status="201"}``; each sample carries the process it was
read from. On disk: ``telemetry.arrows``, an Arrow IPC stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workload.errors import Fault, RecordError
from workload.history import ends_whole

SCHEMA_NAME: Final = "surge/telemetry/1"
FILE_NAME: Final = "telemetry.arrows"
SCHEMA: Final = pa.schema(
    [
        ("at_ns", pa.int64()),
        ("source", pa.string()),
        ("series", pa.string()),
        ("value", pa.float64()),
    ],
    metadata={b"schema": SCHEMA_NAME.encode()},
)
LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def parse_exposition(page: str) -> dict[str, float]:
    """Series -> value of a page in the Prometheus text format (timestamps are not expected).

    RecordError for a page of another kind, with the line.
    """
    samples: dict[str, float] = {}
    for line in page.splitlines():
        if line.strip() and line[0] != "#":
            series, _, value = line.strip().rpartition(" ")
            try:
                samples[series.strip()] = float(value)
            except ValueError as error:
                remedy = "no line of a metrics page; does the URL lead to /metrics?"
                raise RecordError("metrics page", [Fault("line", line[:80], remedy)]) from error
    return samples


class TelemetryWriter:
    """Streams scrapes to a run directory; each scrape is on disk when `add` returns."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self._sink = pa.OSFile(str(self.path), "wb")
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        pa.array([""])  # the first makes Arrow look for pandas, a second that no scrape has
        self._stream = pa.ipc.new_stream(self._sink, SCHEMA, options=options)

    def add(self, at_ns: int, source: str, samples: Mapping[str, float]) -> None:
        """One scrape: all samples of one source (service, worker, registry, …) at one instant."""
        count = len(samples)
        columns = [[at_ns] * count, [source] * count, list(samples), list(samples.values())]
        self._stream.write_batch(
            pa.record_batch(
                [pa.array(c, type=f.type) for c, f in zip(columns, SCHEMA, strict=True)],
                schema=SCHEMA,
            )
        )

    def close(self) -> None:
        self._stream.close()
        self._sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Telemetry:
    """(source, series) -> (instants in ns, values), ascending in time."""

    samples: Mapping[tuple[str, str], tuple[NDArray[np.int64], NDArray[np.float64]]]

    def sources(self) -> set[str]:
        return {source for source, _ in self.samples}

    def at(self, source: str, series: str, instants_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """The last value scraped at or before each instant; before the first, what it was then.

        A series that is first seen later than its source was nothing before (labels appear with
        their first event); one that is in its source's first scrape may have counted long before.
        """
        found = self.samples.get((source, series))
        if found is None:
            return np.zeros(len(instants_s))
        at_ns, values = found
        before = values[0] if at_ns[0] == self._first_scrape[source] else 0.0
        index = np.searchsorted(at_ns, np.round(instants_s * 1e9).astype(np.int64), "right") - 1
        return np.where(index >= 0, values[np.maximum(index, 0)], before)

    def increase(self, source: str, series: str, start_s: float, end_s: float) -> float:
        """How much a counter grew between two instants, as far as scrapes tell."""
        start, end = self.at(source, series, np.array([start_s, end_s]))
        return float(end - start)

    @cached_property
    def _first_scrape(self) -> dict[str, int]:
        """Source -> instant of its first scrape, ns."""
        first: dict[str, int] = {}
        for (source, _), (instants, _) in self.samples.items():
            first[source] = min(first.get(source, int(instants[0])), int(instants[0]))
        return first

    def matching(self, source: str, name: str, **labels: str) -> list[str]:
        """The series of a metric whose labels include these."""
        wanted = labels.items()
        return [
            series
            for held, series in self.samples
            if held == source
            and series.partition("{")[0] == name
            and all(labels_of(series).get(key) == value for key, value in wanted)
        ]

    def total(self, source: str, name: str, start_s: float, end_s: float, **labels: str) -> float:
        """The summed increase of every matching series of a counter."""
        series = self.matching(source, name, **labels)
        return sum(self.increase(source, one, start_s, end_s) for one in series)

    def buckets(
        self, source: str, name: str, start_s: float, end_s: float, **labels: str
    ) -> list[tuple[float, float]]:
        """(upper bound, cumulative count) of a histogram's growth, summed over labels."""
        found: dict[float, float] = {}
        for series in self.matching(source, f"{name}_bucket", **labels):
            bound = float(labels_of(series)["le"].replace("+Inf", "inf"))
            found[bound] = found.get(bound, 0.0) + self.increase(source, series, start_s, end_s)
        return sorted(found.items())

    def mean(self, source: str, name: str, start_s: float, end_s: float, **labels: str) -> float:
        """Mean of a histogram's or summary's growth; NaN where nothing was observed."""
        count = self.total(source, f"{name}_count", start_s, end_s, **labels)
        return (
            self.total(source, f"{name}_sum", start_s, end_s, **labels) / count
            if count
            else float("nan")
        )


def labels_of(series: str) -> dict[str, str]:
    """The labels of a series' name."""
    return dict(LABEL.findall(series.partition("{")[2]))


def bucket_quantile(buckets: Iterable[tuple[float, float]], p: float) -> float:
    """Upper bound of the bucket that holds the nearest-rank p-quantile; NaN when empty."""
    held = list(buckets)
    if not held or held[-1][1] <= 0:
        return float("nan")
    rank = p * held[-1][1] * (1 - 1e-12)
    return next(bound for bound, count in held if count >= rank and count > 0)


def read_telemetry(directory: Path, *, cut_short_is_fine: bool = False) -> Telemetry:
    """The telemetry of a run directory; RecordError when missing, of another schema or cut short.

    Where that is fine (the run ended early), it is read up to its last whole scrape.
    """
    path = directory / FILE_NAME
    if not path.is_file():
        remedy = "this run directory holds no telemetry; was the target without /metrics?"
        raise RecordError(str(directory), [Fault(FILE_NAME, "missing", remedy)])
    batches: list[Any] = []
    try:
        reader = pa.ipc.open_stream(pa.memory_map(str(path)))
        if (reader.schema.metadata or {}).get(b"schema") != SCHEMA_NAME.encode():
            raise RecordError(str(path), [Fault("schema", "another", f"this reads {SCHEMA_NAME}")])
        batches.extend(reader)
        ended = ends_whole(path)
    except (pa.ArrowInvalid, OSError) as error:
        if not batches:
            raise RecordError(str(path), [Fault("file", str(error)[:60], "cut short")]) from error
        ended = False
    if not ended and not cut_short_is_fine:
        remedy = "the stream was cut short; copy the run directory whole, or run it again"
        raise RecordError(str(path), [Fault("telemetry", "no end mark", remedy)])
    return _gather(batches)


def _gather(batches: Iterable[Any]) -> Telemetry:
    instants: dict[tuple[str, str], list[int]] = {}
    values: dict[tuple[str, str], list[float]] = {}
    for batch in batches:
        rows = zip(*(batch.column(at).to_pylist() for at in range(4)), strict=True)
        for at_ns, source, series, value in rows:
            instants.setdefault((source, series), []).append(at_ns)
            values.setdefault((source, series), []).append(value)
    return Telemetry(
        {key: (np.asarray(instants[key], np.int64), np.asarray(values[key])) for key in instants}
    )
