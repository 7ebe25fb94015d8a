"""A small pool for reads: first come, first served, bounded waiting, and no hidden round trip.

asyncpg's own pool is not fair, waits for ever, and resets each connection when it is given back,
which holds it for a second round trip. Reads leave no session state, so nothing needs resetting.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from target_app.database import Connection, UnavailableError, close

RECONNECT_S = 0.2
ACQUIRE_TIMEOUT_S = 5.0


class ConnectionPool:
    """`size` connections; a lost one is opened again in the background."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        self._connect = connect
        self._size = size
        self._idle: deque[Connection] = deque()
        self._waiters: deque[asyncio.Future[Connection]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened = asyncio.Event()
        self._all: set[Connection] = set()

    @property
    def open(self) -> int:
        """Connections that are there, idle or in use."""
        return len(self._all)

    def start(self) -> None:
        """Open the connections in the background."""
        for _ in range(self._size):
            self._reopen()

    async def opened(self) -> None:
        """Wait until there has been a first connection."""
        await self._opened.wait()

    def _reopen(self) -> None:
        task = asyncio.create_task(self._opening())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _opening(self) -> None:
        while True:
            try:
                connection = await self._connect()
            except UnavailableError:
                await asyncio.sleep(RECONNECT_S)
                continue
            if not connection.is_closed():  # it may be lost before anybody listens for that
                break
        connection.add_termination_listener(self._lost)
        self._all.add(connection)
        self._opened.set()
        self.release(connection)

    def _lost(self, connection: Connection) -> None:
        if connection not in self._all:
            return
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._all:
            self._refuse_waiters()
        self._reopen()

    def _refuse_waiters(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(UnavailableError("the database went away"))

    async def acquire(self) -> Connection:
        """A connection, in order of asking; raises UnavailableError after ACQUIRE_TIMEOUT_S."""
        if self._idle:
            return self._idle.popleft()
        if not self._all:
            raise UnavailableError("no connection to the database")
        waiter: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            return await asyncio.wait_for(waiter, ACQUIRE_TIMEOUT_S)
        except TimeoutError as problem:
            raise UnavailableError("every connection is busy") from problem

    def release(self, connection: Connection) -> None:
        """Give it back; the longest waiting asker gets it at once."""
        if connection.is_closed():
            self._lost(connection)
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    def give_up(self, connection: Connection) -> None:
        """Take a connection that failed out of use; another one is opened for it."""
        if not connection.is_closed():
            connection.terminate()

    async def stop(self) -> None:
        """Close everything."""
        for task in list(self._tasks):
            task.cancel()
        idle = list(self._idle)
        self._idle.clear()
        for connection in idle:
            connection.remove_termination_listener(self._lost)
            await close(connection)
