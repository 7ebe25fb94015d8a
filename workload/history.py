"""What happened: one flat record per attempt, streamed to and from a file.

A History is columns (numpy), one row an attempt, ordered by the end of the attempt. On disk it is
one or more Arrow IPC streams ``history-*.arrows`` in a run directory: a stream that was cut short
by a killed process can be read up to its last whole batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workload.errors import Fault, RecordError
from workload.visit import Ending, Outcome

SCHEMA_NAME: Final = "surge/history/1"
BATCH_ROWS: Final = 8192


@dataclass(frozen=True, slots=True)
class Observation:
    """One attempt. Times are ns since the doors opened (run base); ``ending`` OPEN: it went on.

    intended: when the visitor meant to start it (arrival, or previous completion plus pause;
    for an attempt that waits for a mail, when the mail was there).
    started: when the request was sent. ended: when the outcome was known.
    arrived: the visitor's intended arrival. status: HTTP status, 0 if none.
    """

    visitor: int
    step: int
    number: int
    arrived: int
    intended: int
    started: int
    ended: int
    outcome: int
    status: int = 0
    ending: int = 0


COLUMNS: Final[tuple[tuple[str, Any], ...]] = (
    ("visitor", pa.int64()),
    ("step", pa.int8()),
    ("number", pa.int16()),
    ("arrived", pa.int64()),
    ("intended", pa.int64()),
    ("started", pa.int64()),
    ("ended", pa.int64()),
    ("outcome", pa.int8()),
    ("status", pa.int16()),
    ("ending", pa.int8()),
)
NAMES: Final = tuple(name for name, _ in COLUMNS)


@dataclass(frozen=True)
class History:
    """Columns of equal length, int64, by name as in `Observation`; ``steps`` are names."""

    steps: tuple[str, ...]
    columns: dict[str, NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.columns["visitor"])

    def __getitem__(self, name: str) -> NDArray[np.int64]:
        return self.columns[name]

    def rows(self) -> Iterator[Observation]:
        """Every row as an Observation (slow; for tests and small histories)."""
        for values in zip(*(self.columns[name].tolist() for name in NAMES), strict=True):
            yield Observation(*values)

    def where(self, mask: NDArray[np.bool_]) -> History:
        """The rows for which the mask holds."""
        return History(self.steps, {name: column[mask] for name, column in self.columns.items()})

    def ordered(self) -> History:
        """Rows ordered by (visitor, step, number)."""
        order = np.lexsort((self["number"], self["step"], self["visitor"]))
        return History(self.steps, {name: column[order] for name, column in self.columns.items()})

    @classmethod
    def of(cls, steps: Sequence[str], observations: Iterable[Observation]) -> History:
        """A history of these observations, in this order."""
        rows = [tuple(getattr(row, name) for name in NAMES) for row in observations]
        table = np.asarray(rows, dtype=np.int64).reshape(len(rows), len(NAMES))
        return cls(tuple(steps), {name: table[:, at].copy() for at, name in enumerate(NAMES)})

    @classmethod
    def concatenate(cls, parts: Sequence[History]) -> History:
        """All rows of several histories of one journey, ordered by the end of the attempt.

        ValueError when their steps differ; an empty history without steps fits any.
        """
        journeys = sorted({part.steps for part in parts if part.steps or len(part)})
        if len(journeys) > 1:
            raise ValueError(f"histories of different journeys: {journeys}")
        joined = {name: np.concatenate([part[name] for part in parts]) for name in NAMES}
        order = np.argsort(joined["ended"], kind="stable")
        steps = journeys[0] if journeys else ()
        return cls(steps, {name: column[order] for name, column in joined.items()})


def _schema(steps: Sequence[str]) -> Any:
    metadata = {b"schema": SCHEMA_NAME.encode(), b"steps": ",".join(steps).encode()}
    return pa.schema([pa.field(name, kind) for name, kind in COLUMNS], metadata=metadata)


class HistoryWriter:
    """Streams observations to ``history-SHARD.arrows``; a context manager.

    `add` costs under a microsecond; whole batches reach the disk every BATCH_ROWS rows and at
    `flush`, so a run that is killed keeps what it had flushed.
    """

    def __init__(self, directory: Path, steps: Sequence[str], shard: str = "0") -> None:
        self.path = directory / f"history-{shard}.arrows"
        self._schema = _schema(steps)
        self._sink = pa.OSFile(str(self.path), "wb")
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._stream = pa.ipc.new_stream(self._sink, self._schema, options=options)
        self._rows: list[tuple[int, ...]] = []
        self.count = 0

    def add(self, row: Observation) -> None:
        """Take one observation."""
        self._rows.append(
            (row.visitor, row.step, row.number, row.arrived, row.intended, row.started, row.ended,
             row.outcome, row.status, row.ending)
        )  # fmt: skip
        self.count += 1
        if len(self._rows) >= BATCH_ROWS:
            self.flush()

    def extend(self, table: NDArray[np.int64]) -> None:
        """Take and write many: a row an observation, columns in the order of NAMES."""
        self.flush()
        self._write(table)
        self.count += len(table)

    def flush(self) -> None:
        """Write what has been taken so far."""
        if self._rows:
            table = np.asarray(self._rows, dtype=np.int64)
            self._rows = []
            self._write(table)

    def _write(self, table: NDArray[np.int64]) -> None:
        arrays = [pa.array(table[:, at]).cast(kind) for at, (_, kind) in enumerate(COLUMNS)]
        self._stream.write_batch(pa.record_batch(arrays, schema=self._schema))

    def close(self) -> None:
        """Flush and end the stream."""
        self.flush()
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


def write_history(directory: Path, history: History, shard: str = "0") -> Path:
    """A whole history as one stream."""
    schema = _schema(history.steps)
    path = directory / f"history-{shard}.arrows"
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with (
        pa.OSFile(str(path), "wb") as sink,
        pa.ipc.new_stream(sink, schema, options=options) as out,
    ):
        arrays = [pa.array(history[name]).cast(kind) for name, kind in COLUMNS]
        out.write_table(pa.table(arrays, schema=schema), max_chunksize=BATCH_ROWS * 8)
    return path


def read_history(directory: Path, *, cut_short_is_fine: bool = False) -> History:
    """Every ``history-*.arrows`` of a run directory, as one History.

    Raises RecordError when there is none, when one is of another schema, or when one was cut short
    (unless that is fine: an interrupted run; then whole batches are kept).
    """
    paths = sorted(directory.glob("history-*.arrows"))
    if not paths:
        remedy = "a run directory holds history-*.arrows; was it copied whole?"
        raise RecordError(str(directory), [Fault("history", "missing", remedy)])
    parts = [_read_stream(path, cut_short_is_fine=cut_short_is_fine) for path in paths]
    try:
        return History.concatenate(parts)
    except ValueError as error:
        remedy = "the shards of one run walk one journey; were two runs copied into one directory?"
        raise RecordError(str(directory), [Fault("history", str(error), remedy)]) from error


def _read_stream(path: Path, *, cut_short_is_fine: bool) -> History:
    batches: list[Any] = []
    try:
        reader = pa.ipc.open_stream(pa.memory_map(str(path)))
        metadata = reader.schema.metadata or {}
        if metadata.get(b"schema") != SCHEMA_NAME.encode():
            found = metadata.get(b"schema", b"none").decode()
            raise RecordError(
                str(path), [Fault("schema", found, f"this version reads {SCHEMA_NAME}")]
            )
        batches.extend(reader)
        ended = ends_whole(path)
    except (pa.ArrowInvalid, OSError) as error:
        if not batches and not (cut_short_is_fine and _may_be_cut_short(path)):
            remedy = "not a whole history: the file was cut short or is of another kind"
            raise RecordError(str(path), [Fault("history", str(error)[:80], remedy)]) from error
        ended = False
    if not ended and not cut_short_is_fine:
        kept = sum(batch.num_rows for batch in batches)
        remedy = f"the stream was cut short after {kept} whole rows; run the campaign again"
        raise RecordError(str(path), [Fault("history", "no end mark", remedy)])
    if not batches:
        return _empty(path)
    steps = tuple(batches[0].schema.metadata[b"steps"].decode().split(","))
    columns = {
        name: np.concatenate([batch[name].to_numpy(zero_copy_only=False) for batch in batches])
        for name in NAMES
    }
    return History(steps, {name: column.astype(np.int64) for name, column in columns.items()})


def ends_whole(path: Path) -> bool:
    """An Arrow stream ends with a continuation mark and a length of zero."""
    with path.open("rb") as file:
        file.seek(-8, 2)
        return file.read() == b"\xff\xff\xff\xff\x00\x00\x00\x00"


def _may_be_cut_short(path: Path) -> bool:
    """Whether the file begins like an Arrow stream (whose first word is a continuation mark)."""
    with path.open("rb") as file:
        return b"\xff\xff\xff\xff".startswith(file.read(4))


def _empty(path: Path) -> History:
    try:
        schema = pa.ipc.open_stream(pa.memory_map(str(path))).schema
        steps = tuple((schema.metadata or {}).get(b"steps", b"").decode().split(","))
    except (pa.ArrowInvalid, OSError):
        steps = ()
    return History(steps, {name: np.zeros(0, dtype=np.int64) for name in NAMES})


def outcome_name(code: int) -> str:
    """The lower-case word for an outcome: 'read_timeout'."""
    return Outcome(code).name.lower()


def ending_name(code: int) -> str:
    """The lower-case word for an ending: 'gave_up'."""
    return Ending(code).name.lower()
