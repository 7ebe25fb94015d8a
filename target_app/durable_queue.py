"""What both queue workers need of the database: patience, and marks that are made in batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from target_app.connection_pool import ConnectionPool
from target_app.database import FAULTS, UnavailableError, described, says_again, says_unavailable

log = logging.getLogger("surge.queue")

RETRY_S = 0.25
_BATCH = 512

Mark = TypeVar("Mark")


class QueueDatabase:
    """Runs statements; while the database is away it waits and tries again.

    Only for statements that may be run twice: what they do once is done for good.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        """The rows of a statement."""
        while True:
            try:
                return await self._once(query, arguments)
            except (UnavailableError, *FAULTS) as problem:
                again = isinstance(problem, UnavailableError) or says_again(problem)
                if not again and not says_unavailable(problem):
                    raise
                log.warning("%s; trying again", described(problem))
                await asyncio.sleep(RETRY_S)

    async def _once(self, query: str, arguments: Sequence[Any]) -> list[Any]:
        connection = await self._pool.acquire()
        try:
            return list(await connection.fetch(query, *arguments))
        except FAULTS as problem:
            if says_unavailable(problem):
                self._pool.give_up(connection)
            raise
        finally:
            self._pool.release(connection)

    async def execute(self, query: str, *arguments: Any) -> None:
        """A statement without rows."""
        await self.fetch(query, *arguments)


class Marks(Generic[Mark]):
    """Gathers marks while a batch of them is being written, then writes all that have come."""

    def __init__(self, write: Callable[[list[Mark]], Awaitable[None]]) -> None:
        self._write = write
        self._waiting: list[Mark] = []
        self._some = asyncio.Event()

    def add(self, mark: Mark) -> None:
        """Write this one with the next batch."""
        self._waiting.append(mark)
        self._some.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._some.wait()
            batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
            if not self._waiting:
                self._some.clear()
            await self._write(batch)
