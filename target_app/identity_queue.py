"""The identity queue: checks wait in the database until the civil registry has room for them.

A check is leased by moving its due time ahead; whoever dies with it leaves it to the next. The
registry may be asked twice about one person, but one check has one decision and one letter.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import Any, NamedTuple

from target_app.durable_queue import Marks, QueueDatabase
from target_app.registry_client import (
    RegistryBusyError,
    RegistryClient,
    RegistryError,
    RegistryRefusedError,
)
from target_app.settings import Settings
from target_app.stations import WorkerInstruments

log = logging.getLogger("surge.identity")

_LONGEST_PAUSE_S = 2.0
_BUSY_PAUSE_S = 0.25

CLAIM = """
WITH due AS (
    SELECT registration, due_at FROM identity_checks
    WHERE status = 'queued' AND due_at <= now()
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE identity_checks c SET due_at = now() + $2 * interval '1 second', attempts = attempts + 1
WHERE registration = ANY (ARRAY(SELECT registration FROM due))
RETURNING registration, nik, name, birth_date, attempts,
    (SELECT extract(epoch FROM due.due_at)::float8 FROM due
        WHERE due.registration = c.registration) AS was_due
"""
DECIDE = """
WITH decided AS (
    UPDATE identity_checks
    SET decided_at = now(),
        status = CASE WHEN registration = ANY ($1::uuid[]) THEN 'verified' ELSE 'rejected' END
    WHERE registration = ANY ($1::uuid[] || $2::uuid[]) AND status = 'queued'
    RETURNING registration
)
INSERT INTO outbox (registration, kind, recipient, name, link)
SELECT registration, 'result',
    (SELECT r.email FROM registrations r WHERE r.registration = decided.registration),
    (SELECT r.name FROM registrations r WHERE r.registration = decided.registration), $3
FROM decided
"""
POSTPONE = """
UPDATE identity_checks
SET due_at = now() + least(30.0, 0.25 * power(2.0, least(attempts, 8))) * (0.5 + random())
    * interval '1 second'
WHERE registration = ANY ($1::uuid[]) AND status = 'queued'
"""


class Decision(NamedTuple):
    """What the registry said of one registration; None: nothing, ask again later."""

    registration: Any
    known: bool | None


class Gate:
    """Shut for a while after failures, so that an outage costs the queue few attempts."""

    def __init__(self) -> None:
        self._failures = 0
        self._open_at = 0.0

    def succeeded(self) -> None:
        """The registry answers."""
        self._failures = 0

    def failed(self) -> None:
        """It does not; each failure in a row doubles the pause."""
        self._failures += 1
        pause = min(_LONGEST_PAUSE_S, 0.05 * 2.0 ** min(self._failures, 10))
        self._open_at = time.monotonic() + pause

    def busy(self, retry_after_s: float) -> None:
        """It has no room just now."""
        pause = min(_BUSY_PAUSE_S, retry_after_s)
        self._open_at = max(self._open_at, time.monotonic() + pause)

    @property
    def pause_s(self) -> float:
        """Seconds until it opens."""
        return max(0.0, self._open_at - time.monotonic())


class IdentityQueue:
    """Takes due checks, asks the registry, writes what it decided."""

    def __init__(
        self,
        settings: Settings,
        database: QueueDatabase,
        registry: RegistryClient,
        instruments: WorkerInstruments,
    ) -> None:
        self._settings = settings
        self._database = database
        self._registry = registry
        self._instruments = instruments
        self._gate = Gate()
        self._marks = Marks[Decision](self._write)
        self._checking: set[asyncio.Task[None]] = set()
        self._in_hand: set[Any] = set()
        self._room = asyncio.Event()
        self._most = most_in_hand(settings)
        self._least_room = max(1, self._most // 4)
        self._link = f"{settings.public_url}/identity-checks/mine"

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._marks.run())
            while True:
                await self._take(group)

    async def _take(self, group: asyncio.TaskGroup) -> None:
        """Claim as many checks as there is room for, or wait for a reason to."""
        if self._gate.pause_s:
            await asyncio.sleep(self._gate.pause_s)
            return
        room = self._most - len(self._checking)
        if room < self._least_room and self._checking:  # enough in hand to keep every slot busy
            self._room.clear()
            await self._room.wait()
            return
        rows = await self._database.fetch(CLAIM, room, self._settings.lease_s)
        fresh = [row for row in rows if row["registration"] not in self._in_hand]
        for row in sorted(fresh, key=lambda row: row["was_due"]):
            self._in_hand.add(row["registration"])
            task = group.create_task(self._check(row))
            self._checking.add(task)
            task.add_done_callback(self._checked)
        if not fresh:
            await asyncio.sleep(self._settings.poll_s)

    def _checked(self, task: asyncio.Task[None]) -> None:
        self._checking.discard(task)
        self._room.set()

    async def _check(self, row: Any) -> None:
        waited_s = max(0.0, time.time() - row["was_due"])
        known: bool | None = None
        try:
            known = await self._registry.check(
                row["nik"], row["name"], row["birth_date"].isoformat(), waited_s
            )
        except RegistryRefusedError as problem:
            log.warning("refused for good, so rejected: %s", problem)
            self._count("refused")
            known = False
        except RegistryBusyError as problem:
            self._count("busy")
            self._gate.busy(problem.retry_after_s)
        except RegistryError as problem:
            log.warning("%s; asking again later", problem)
            self._count("failed")
            self._gate.failed()
        else:
            self._count("match" if known else "no_match")
            self._gate.succeeded()
        self._marks.add(Decision(row["registration"], known))

    def _count(self, outcome: str) -> None:
        self._instruments.registry_calls[outcome].add()

    async def _write(self, decisions: list[Decision]) -> None:
        by_verdict: dict[bool | None, list[Any]] = {True: [], False: [], None: []}
        for decision in decisions:
            by_verdict[decision.known].append(decision.registration)
        if by_verdict[True] or by_verdict[False]:
            await self._database.execute(DECIDE, by_verdict[True], by_verdict[False], self._link)
        if by_verdict[None]:
            await self._database.execute(POSTPONE, by_verdict[None])
        self._in_hand.difference_update(decision.registration for decision in decisions)


def most_in_hand(settings: Settings) -> int:
    """How many checks to hold: enough to keep slots and quota busy, few enough for the lease."""
    slots, quota = settings.registry_slots, settings.registry_quota_per_s
    if not quota:
        return 2 * slots
    in_lease = max(1, int(quota * settings.lease_s / 3))
    return min(slots + min(slots, math.ceil(quota)), in_lease)
