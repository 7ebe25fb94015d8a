"""The pool of reading connections: fair, bounded, and whole again after a loss."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from target_app import connection_pool
from target_app.connection_pool import ConnectionPool
from target_app.database import UnavailableError, connect


async def filled(pool: ConnectionPool, size: int) -> None:
    """Wait until that many connections are open."""
    async with asyncio.timeout(10):
        while pool.open < size:  # noqa: ASYNC110 - the pool tells nobody, and need not
            await asyncio.sleep(0.01)


def run(database: str, size: int, scene: Callable[[ConnectionPool], Awaitable[None]]) -> None:
    """Play a scene with a pool that is full."""

    async def play() -> None:
        pool = ConnectionPool(lambda: connect(database), size)
        pool.start()
        await filled(pool, size)
        await asyncio.wait_for(scene(pool), 20)
        await pool.stop()

    asyncio.run(play())


def test_who_asks_first_is_served_first(database_url: str) -> None:
    async def scene(pool: ConnectionPool) -> None:
        served: list[int] = []

        async def ask(number: int) -> None:
            connection = await pool.acquire()
            served.append(number)
            await asyncio.sleep(0)
            pool.release(connection)

        await asyncio.gather(*(ask(number) for number in range(20)))
        assert served == list(range(20))

    run(database_url, 1, scene)


def test_a_connection_is_given_back_without_a_round_trip(database_url: str) -> None:
    async def scene(pool: ConnectionPool) -> None:
        connection = await pool.acquire()
        pool.release(connection)
        assert await pool.acquire() is connection
        pool.release(connection)

    run(database_url, 1, scene)


def test_nobody_waits_for_ever(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_pool, "ACQUIRE_TIMEOUT_S", 0.05)

    async def scene(pool: ConnectionPool) -> None:
        held = await pool.acquire()
        with pytest.raises(UnavailableError, match="busy"):
            await pool.acquire()
        pool.release(held)
        pool.release(await pool.acquire())

    run(database_url, 1, scene)


def test_a_lost_connection_is_opened_again(database_url: str) -> None:
    async def scene(pool: ConnectionPool) -> None:
        lost = await pool.acquire()
        lost.terminate()
        pool.release(lost)
        with pytest.raises(UnavailableError):
            await pool.acquire()
        await filled(pool, 1)
        again = await pool.acquire()
        assert await again.fetchval("SELECT 1") == 1
        assert pool.open == 1
        pool.release(again)

    run(database_url, 1, scene)


def test_without_a_database_an_asker_is_refused_at_once() -> None:
    async def play() -> None:
        pool = ConnectionPool(lambda: connect("postgresql://surge@127.0.0.1:9/surge"), 1)
        pool.start()
        with pytest.raises(UnavailableError):
            await asyncio.wait_for(pool.acquire(), 1)
        await pool.stop()

    asyncio.run(play())
