"""Statements that the harness itself sends to a database; one connection each, no session kept."""

import asyncio
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit


def with_database(url: str, name: str) -> str:
    """The same server and user, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def _fetch(url: str, statement: str) -> list[Any]:
    import asyncpg

    connection = await asyncpg.connect(url, timeout=5)
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close(timeout=5)


def execute(url: str, statement: str) -> list[Any]:
    """The rows of one statement. Raises what asyncpg raises, OSError when nobody listens.

    It runs in a thread, so that callers may have an event loop of their own.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, _fetch(url, statement)).result()


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """URL of an empty database on the server that the URL `server` names, dropped at the end."""
    name = f"surge_{secrets.token_hex(6)}"
    execute(server, f'CREATE DATABASE "{name}"')
    try:
        yield with_database(server, name)
    finally:
        execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')
