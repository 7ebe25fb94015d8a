"""The database: its schema, how connections to it are made, and what its errors mean."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import asyncpg

Connection: TypeAlias = Any  # asyncpg.Connection; the package tells its types to nobody

# The statements on these connections are few and known: always by index, whatever the statistics
# of a table that was empty a minute ago say; so a plan made early never turns into a full scan.
PLANNER = {
    "enable_seqscan": "off",
    "enable_mergejoin": "off",
    "enable_nestloop": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "application_name": "surge",
}
# All that asyncpg raises. InternalClientError is what a connection says that is just being ended.
FAULTS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
COMMAND_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
_MIGRATION_LOCK = 0x5375726765  # any number, the same in every replica

SCHEMA = """
CREATE TABLE IF NOT EXISTS registrations (
    registration uuid PRIMARY KEY,
    request_id uuid NOT NULL UNIQUE,
    email text NOT NULL UNIQUE,
    name text NOT NULL,
    phone text NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now(),
    email_verified_at timestamptz
) WITH (fillfactor = 75);

CREATE TABLE IF NOT EXISTS identity_checks (
    registration uuid PRIMARY KEY,
    nik text NOT NULL,
    family_card text NOT NULL,
    name text NOT NULL,
    birth_date date NOT NULL,
    address text NOT NULL,
    phone text NOT NULL,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'verified', 'rejected')),
    submitted_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    due_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS identity_checks_due ON identity_checks (due_at)
    WHERE status = 'queued';

CREATE TABLE IF NOT EXISTS outbox (
    letter bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    registration uuid NOT NULL,
    kind text NOT NULL,
    recipient text NOT NULL,
    name text NOT NULL,
    link text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    sent_at timestamptz,
    refusal text
) WITH (fillfactor = 75);
CREATE TABLE IF NOT EXISTS photos (
    registration uuid PRIMARY KEY,
    photo text NOT NULL,
    sha256 text NOT NULL,
    bytes integer NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS waves (
    wave integer PRIMARY KEY,
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    quota integer,
    seed text,
    joined bigint,
    drawn bigint
);
INSERT INTO waves (wave) VALUES (1) ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS applications (
    registration uuid PRIMARY KEY,
    wave integer NOT NULL,
    joined_at timestamptz NOT NULL DEFAULT now(),
    drawn_wave integer
) WITH (fillfactor = 75);

CREATE TABLE IF NOT EXISTS support_calls (
    request_id uuid PRIMARY KEY,
    registration uuid,
    step text NOT NULL,
    words text NOT NULL,
    called_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox (letter) WHERE sent_at IS NULL;
"""


class UnavailableError(Exception):
    """The database can't answer now; nothing is known about a write that was under way."""


async def connect(dsn: str) -> Connection:
    """A connection with the planner held to indexes; raises UnavailableError."""
    try:
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            server_settings=PLANNER,
        )
    except FAULTS as problem:
        raise UnavailableError(f"database: {described(problem)}") from problem


async def migrate(dsn: str) -> None:
    """Create what is missing. Any number of processes may call this at once."""
    connection = await connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
            await connection.execute(SCHEMA)
    except FAULTS as problem:
        raise UnavailableError(f"migration: {described(problem)}") from problem
    finally:
        await close(connection)


class Schema:
    """Connections to a database whose tables exist: the first caller creates them."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._lock = asyncio.Lock()
        self._done = False

    async def connect(self) -> Connection:
        """A connection; raises UnavailableError."""
        async with self._lock:
            if not self._done:
                await migrate(self._dsn)
                self._done = True
        return await connect(self._dsn)


async def close(connection: Connection) -> None:
    """Close politely, or at once when the other side does not answer."""
    try:
        await connection.close(timeout=0.5)
    except FAULTS:
        connection.terminate()


def described(problem: BaseException) -> str:
    """An error's words, or its name when it has none (a timeout has none)."""
    return str(problem) or type(problem).__name__


def says_unavailable(problem: BaseException) -> bool:
    """True when an error is about the database's state, not about the rows."""
    if isinstance(problem, (OSError, TimeoutError, asyncpg.InternalClientError)):
        return True
    if isinstance(problem, asyncpg.PostgresError):
        code = problem.sqlstate or ""
        return code[:2] in {"08", "53", "57", "58"} or code == "25006"
    if isinstance(problem, asyncpg.InterfaceError):
        return not isinstance(problem, (asyncpg.exceptions.DataError, ValueError))
    return False


def says_again(problem: BaseException) -> bool:
    """True when two transactions met and this one was asked to try again (class 40)."""
    return isinstance(problem, asyncpg.PostgresError) and (problem.sqlstate or "")[:2] == "40"
