"""The write batcher: while one flush is under way rows gather, and the next flush takes them all.

Each lane owns one connection. A flush is one statement and one commit for at most `batch_rows`
rows of any kind; each caller awaits the answer to its own row. An idle lane starts at once, so
a lone row waits for nobody.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from target_app.database import (
    Connection,
    UnavailableError,
    close,
    described,
    says_again,
    says_unavailable,
)
from target_app.slices import Slices
from target_app.writes import Row, Write, columns, statement

log = logging.getLogger("surge.batcher")

RECONNECT_S = 0.2
# Reading the CPU clock is a system call. An odd number, so that two lanes in turn are both sampled.
SAMPLE_EVERY = 5
_TRIES = 20  # of a row that meets another transaction each time

Answer = tuple[str, str | None]  # outcome, value


class PoisonRowError(Exception):
    """The database refuses this very row, alone in its statement."""


@dataclass(slots=True, eq=False)
class Pending:
    """A row on its way, and the caller who awaits its answer."""

    write: Write
    row: Row
    answer: asyncio.Future[Answer]
    queued_at: float
    tries: int = 0


class BatcherInstruments(Protocol):
    """What the batcher reports while it works; times in seconds."""

    def flush_started(self, batch: Sequence[Pending], started: float) -> None: ...
    def flush_ended(self, rows: int, seconds: float, cpu_seconds: float) -> None: ...
    def statement_ended(self, wait: float, seconds: float) -> None: ...
    def acknowledged(self, write: Write) -> None: ...


class WriteBatcher:
    """Gathers writes and flushes them through its lanes."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        lanes: int,
        batch_rows: int,
        instruments: BatcherInstruments,
    ) -> None:
        self._connect = connect
        self._lanes = lanes
        self._batch_rows = batch_rows
        self._instruments = instruments
        self._queue: deque[Pending] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._connected = 0
        self._opened = asyncio.Event()
        self._flushes = 0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the lanes; they connect by themselves, and again when the database returns."""
        self._tasks = [asyncio.create_task(self._lane()) for _ in range(self._lanes)]

    async def opened(self) -> None:
        """Wait until a lane has had a first connection."""
        await self._opened.wait()

    async def stop(self) -> None:
        """Stop the lanes; rows that are still waiting are answered with UnavailableError."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._refuse(list(self._queue), UnavailableError("the service is stopping"))
        self._queue.clear()

    def write(self, write: Write, row: Row) -> asyncio.Future[Answer]:
        """Queue a row; awaited, it is (outcome, value), UnavailableError or PoisonRowError."""
        answer = asyncio.get_running_loop().create_future()
        if not self._connected:
            answer.set_exception(UnavailableError("no connection to the database"))
            return answer
        self._queue.append(Pending(write, row, answer, time.perf_counter()))
        self._wake()
        return answer

    def _wake(self) -> None:
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _lane(self) -> None:
        while True:
            try:
                connection = await self._connect()
            except UnavailableError:
                await asyncio.sleep(RECONNECT_S)
                continue
            except Exception:  # a lane that ended would be missed by nobody
                log.exception("a lane of the batcher could not connect; it tries again")
                await asyncio.sleep(RECONNECT_S)
                continue
            self._connected += 1
            self._opened.set()
            try:
                await self._serve(connection)
            finally:
                self._connected -= 1
                if not self._connected:
                    self._refuse(list(self._queue), UnavailableError("the database went away"))
                    self._queue.clear()
                elif self._queue:
                    self._wake()  # a row may have been handed to this lane as it died
                await close(connection)

    async def _serve(self, connection: Connection) -> None:
        """Flush until the connection is lost."""
        connection.add_termination_listener(self._nudge)
        while not connection.is_closed():
            if not self._queue:
                waiter = asyncio.get_running_loop().create_future()
                self._idle.append(waiter)
                await waiter
                continue
            await self._flush(connection, self._take())

    def _nudge(self, _: Connection) -> None:
        """Wake every idle lane, so that the one whose connection died notices."""
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)

    def _take(self) -> list[Pending]:
        """The oldest rows, no two with the same key: the second one waits for the next flush."""
        batch: list[Pending] = []
        held: list[Pending] = []
        keys: set[Any] = set()
        queue = self._queue
        while queue and len(batch) < self._batch_rows:
            pending = queue.popleft()
            own = [
                (pending.write.name, at, key)
                for at, key in enumerate(pending.write.keys(pending.row))
            ]
            if keys.isdisjoint(own):
                batch.append(pending)
            else:
                held.append(pending)
            keys.update(own)
        queue.extendleft(reversed(held))
        return batch

    async def _flush(self, connection: Connection, batch: list[Pending]) -> None:
        started = time.perf_counter()
        self._instruments.flush_started(batch, started)
        self._flushes += 1
        sampled = self._flushes % SAMPLE_EVERY == 0
        flushing = Slices(self._apply(connection, batch), measure_cpu=True) if sampled else None
        try:
            await (flushing or self._apply(connection, batch))
        except asyncio.CancelledError:
            self._refuse(batch, UnavailableError("the service is stopping"))
            raise
        except Exception:
            log.exception("a flush of %d rows failed in this process", len(batch))
            self._refuse(batch, UnavailableError("a fault of this service"))
        cpu = SAMPLE_EVERY * flushing.cpu if flushing else 0.0
        self._instruments.flush_ended(len(batch), time.perf_counter() - started, cpu)

    async def _apply(self, connection: Connection, batch: list[Pending]) -> None:
        """Apply a batch; a batch that the database refuses is halved until the poison is alone."""
        try:
            answers = await self._execute(connection, batch)
        except Exception as problem:  # noqa: BLE001 - whatever it was, the callers must be told
            await self._recover(connection, batch, problem)
        else:
            self._resolve(batch, answers)

    async def _recover(
        self, connection: Connection, batch: list[Pending], problem: Exception
    ) -> None:
        if says_unavailable(problem) or connection.is_closed():
            self._refuse(batch, UnavailableError(f"database: {described(problem)}"))
            if not connection.is_closed():
                connection.terminate()
        elif says_again(problem):
            for pending in reversed(batch):
                self._again(pending)
        elif len(batch) == 1:
            self._refuse(batch, PoisonRowError(str(problem)))
        else:
            middle = len(batch) // 2
            await self._apply(connection, batch[:middle])
            await self._apply(connection, batch[middle:])

    async def _execute(
        self, connection: Connection, batch: list[Pending]
    ) -> list[tuple[Pending, str, str | None]]:
        """One statement for all rows; sorted by key so that two lanes never lock crosswise."""
        began = time.perf_counter()
        by_write: dict[Write, list[Pending]] = {}
        for pending in batch:
            by_write.setdefault(pending.write, []).append(pending)
        writes = tuple(sorted(by_write, key=lambda write: write.name))
        arguments: list[list[Any]] = []
        for write in writes:
            group = by_write[write]
            group.sort(key=lambda pending: write.keys(pending.row))
            arguments += columns([pending.row for pending in group])
        sent = time.perf_counter()
        lines = await connection.fetch(statement(writes), *arguments)
        self._instruments.statement_ended(sent - began, time.perf_counter() - sent)
        groups = {write.name: by_write[write] for write in writes}
        return [(groups[line[0]][line[1] - 1], line[2], line[3]) for line in lines]

    def _resolve(
        self, batch: list[Pending], answers: list[tuple[Pending, str, str | None]]
    ) -> None:
        for pending, outcome, value in answers:
            if outcome == "again":
                self._again(pending)
            elif not pending.answer.done():
                pending.answer.set_result((outcome, value))
                if outcome == "created":
                    self._instruments.acknowledged(pending.write)

    def _again(self, pending: Pending) -> None:
        pending.tries += 1
        if pending.tries < _TRIES:
            self._queue.appendleft(pending)
            self._wake()
        else:
            self._refuse([pending], UnavailableError("the row met another transaction each time"))

    @staticmethod
    def _refuse(batch: Sequence[Pending], problem: Exception) -> None:
        for pending in batch:
            if not pending.answer.done():
                pending.answer.set_exception(problem)
