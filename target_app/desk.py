"""What every step needs: who is asking, a row written, a value read; faults become Problems."""

from __future__ import annotations

import time
from typing import Any

from target_app.batcher import Answer as Written
from target_app.batcher import PoisonRowError, WriteBatcher
from target_app.calls import Call
from target_app.connection_pool import ConnectionPool
from target_app.database import FAULTS, UnavailableError, says_unavailable
from target_app.problems import Problem, over_capacity, unauthenticated
from target_app.stations import Stations
from target_app.tokens import Signer
from target_app.writes import Row, Write


class Desk:
    """Sessions, the batcher and the pool, measured."""

    def __init__(
        self, secret: bytes, batcher: WriteBatcher, pool: ConnectionPool, stations: Stations
    ) -> None:
        self.sessions = Signer(secret, "session")
        self.stations = stations
        self._batcher = batcher
        self._pool = pool

    def person(self, call: Call) -> str:
        """The registration whose session the request carries; no look-up. Problem 401."""
        token = call.bearer()
        if token is None:
            raise unauthenticated("authorization: missing; send Bearer SESSION")
        name = self.sessions.open(token)
        if name is None:
            raise unauthenticated("authorization: not a session of this service; register first")
        return name

    async def write(self, write: Write, row: Row) -> Written:
        """A row through the batcher: outcome and value."""
        try:
            return await self._batcher.write(write, row)
        except UnavailableError as problem:
            raise over_capacity(f"the database can't take it now ({problem}); retry") from problem
        except PoisonRowError as problem:
            raise Problem(422, f"the database refuses this content: {problem}") from problem

    async def read(self, query: str, *arguments: Any) -> Any:
        """The first row of one indexed query, or None."""
        asked = time.perf_counter()
        try:
            connection = await self._pool.acquire()
            acquired = time.perf_counter()
            self.stations.wait["connection_pool"].record(acquired - asked)
            try:
                return await connection.fetchrow(query, *arguments)
            except FAULTS as problem:
                if says_unavailable(problem):
                    self._pool.give_up(connection)
                raise
            finally:
                self._pool.release(connection)
                held = time.perf_counter() - acquired
                self.stations.service["connection_pool"].record(held)
                self.stations.wait["database"].record(0.0)
                self.stations.service["database"].record(held)
        except UnavailableError as problem:
            raise over_capacity(f"the database can't answer now ({problem}); retry") from problem
        except Exception as problem:
            if says_unavailable(problem):
                raise over_capacity("the database went away; retry") from problem
            raise
