"""What the operator asks: is it alive, can it work, what is it made of, what has it written."""

from __future__ import annotations

import hmac
import platform
from collections.abc import AsyncIterator, Callable, Mapping
from importlib.metadata import version
from typing import Any

import msgspec

from target_app.calls import Answer, Call, Route, Stream, answer
from target_app.connection_pool import ConnectionPool
from target_app.database import FAULTS, Connection, UnavailableError, close, connect, described
from target_app.problems import Problem, over_capacity, unauthenticated
from target_app.settings import Settings
from target_app.stations import STATIONS

METRICS_MEDIA = b"text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
_PIECE_ROWS = 1000
_SLOWEST_PIECE_S = 600.0  # the first piece of a nation waits for the join
_LEDGER = """
SELECT r.registration::text, r.request_id::text, r.email, r.registered_at, r.email_verified_at,
    c.status AS identity_status, c.submitted_at AS identity_submitted_at,
    c.decided_at AS identity_decided_at,
    p.photo, p.sha256 AS photo_sha256, p.bytes AS photo_bytes, p.accepted_at AS photo_accepted_at,
    a.joined_at AS joined, a.wave AS joined_wave, a.drawn_wave AS drawn
FROM registrations r LEFT JOIN identity_checks c USING (registration)
    LEFT JOIN photos p USING (registration) LEFT JOIN applications a USING (registration)
"""
_SUPPORT = """
SELECT request_id::text AS call, registration::text, step, called_at FROM support_calls
"""


class Operations:
    """Handlers of the operator's routes."""

    def __init__(
        self, settings: Settings, pool: ConnectionPool, exposition: Callable[[], bytes]
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._exposition = exposition

    async def healthz(self, call: Call) -> Answer:
        """The process is alive."""
        return answer(200, {"status": "alive"})

    async def readyz(self, call: Call) -> Answer:
        """The database answers."""
        try:
            connection = await self._pool.acquire()
            try:
                await connection.fetchval("SELECT 1", timeout=2.0)
            except FAULTS:
                self._pool.give_up(connection)
                raise
            finally:
                self._pool.release(connection)
        except (UnavailableError, *FAULTS) as problem:
            raise over_capacity(f"database: {described(problem)}") from problem
        return answer(200, {"status": "ready"})

    async def capacity(self, call: Call) -> Answer:
        """The deployment that answers."""
        return answer(200, capacity(self._settings))

    async def metrics(self, call: Call) -> Answer:
        """The Prometheus text of all workers."""
        return Answer(200, self._exposition(), METRICS_MEDIA)

    async def ledger(self, call: Call) -> Stream:
        """Every registration and what became of it, one JSON object a line; operator only."""
        return await self._rows(call, _LEDGER)

    async def support_ledger(self, call: Call) -> Stream:
        """Every call for help, one JSON object a line; operator only."""
        return await self._rows(call, _SUPPORT)

    async def _rows(self, call: Call, query: str) -> Stream:
        self.demand_admin(call)
        try:
            connection = await connect(self._settings.database_url)
        except UnavailableError as problem:
            raise over_capacity(str(problem)) from problem
        return Stream(200, _lines(connection, query), b"application/x-ndjson")

    def demand_admin(self, call: Call) -> None:
        """Problem 401 or 403 unless the request carries the operator's token."""
        token = call.bearer()
        expected = self._settings.admin_token
        if token is None:
            raise unauthenticated("authorization: missing; send Bearer SURGE_ADMIN_TOKEN")
        if not expected:
            raise Problem(403, "SURGE_ADMIN_TOKEN: not set, so nobody may; set it and restart")
        if not hmac.compare_digest(token.encode(), expected.encode()):
            raise unauthenticated("authorization: wrong; send Bearer SURGE_ADMIN_TOKEN")

    def routes(self) -> list[Route]:
        """The operator's lines of the route table."""
        listed = {200: "NDJSON", 401: "no admin token", 403: "no admin token is set",
                  503: "the database can't answer"}  # fmt: skip
        return [
            Route("healthz", "GET", "/healthz", self.healthz, "Is the process alive?",
                  answers={200: "alive"}, counted=False),
            Route("readyz", "GET", "/readyz", self.readyz, "Does the database answer?",
                  answers={200: "ready", 503: "not ready"}, counted=False),
            Route("capacity", "GET", "/capacity", self.capacity, "The deployment that answers",
                  answers={200: "surge/capacity/1"}, counted=False),
            Route("metrics", "GET", "/metrics", self.metrics, "Prometheus metrics",
                  answers={200: "text format"}, media="text/plain", counted=False),
            Route("ledger", "GET", "/ledger", self.ledger, "Every registration, one a line",
                  answers=listed, bearer="admin", media="application/x-ndjson", counted=False),
            Route("support_ledger", "GET", "/ledger/support-calls", self.support_ledger,
                  "Every call for help, one a line",
                  answers=listed, bearer="admin", media="application/x-ndjson", counted=False),
        ]  # fmt: skip


async def _lines(connection: Connection, query: str) -> AsyncIterator[bytes]:
    encode = msgspec.json.Encoder().encode_lines
    try:
        await connection.execute("SET enable_seqscan = on; SET enable_mergejoin = on")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            cursor = await connection.cursor(query)
            while rows := await cursor.fetch(_PIECE_ROWS, timeout=_SLOWEST_PIECE_S):
                yield encode([dict(row) for row in rows])
    finally:
        await close(connection)


def capacity(settings: Settings) -> dict[str, Any]:
    """What `GET /capacity` says, schema surge/capacity/1."""
    metrics = f"http://{settings.host}:{settings.metrics_port}/metrics"
    told: dict[str, Any] = {
        "schema": "surge/capacity/1",
        "workers": settings.workers,
        "lanes": settings.lanes,
        "batch_rows": settings.batch_rows,
        "pool": settings.pool,
        "identity_check": settings.identity_check,
        "admission": settings.admission,
        "in_flight_cap": settings.in_flight_cap if settings.admission == "shed" else None,
        "shed_delay_s": settings.shed_delay_s,
        "wave_quota": settings.wave_quota,
        "registry_slots": settings.registry_slots,
        "registry_quota_per_s": settings.registry_quota_per_s,
        "mail_connections": settings.mail_connections,
        "worker_poll_s": settings.poll_s,
        "stations": list(STATIONS),
        "metrics": {"service": metrics},
        "registry": settings.registry_url,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("fastapi", "uvicorn", "uvloop", "asyncpg")},
        },
    }
    return _merged(told, settings.capacity_extra)


def _merged(base: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`extra` over `base`, object by object."""
    for key, value in extra.items():
        below = base.get(key)
        if isinstance(below, dict) and isinstance(value, Mapping):
            base[key] = _merged(below, value)
        else:
            base[key] = value
    return base
