"""The mail sender: the outbox is a durable queue, and every letter in it is sent at least once.

A letter is leased, handed over, marked. A sender that dies between the last two leaves a letter
that is sent again when the lease has run out: no letter is lost, some may come twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

from target_app.durable_queue import Marks, QueueDatabase
from target_app.mail_texts import SENDER, message
from target_app.settings import Settings
from target_app.smtp_client import SmtpConnection, SmtpError, SmtpRefusedError, connect
from target_app.stations import WorkerInstruments

log = logging.getLogger("surge.mail")

RECONNECT_S = 0.5
_LARGEST_CLAIM = 512

CLAIM = """
WITH due AS (
    SELECT letter FROM outbox WHERE sent_at IS NULL AND leased_until < now()
    ORDER BY letter LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE outbox SET leased_until = now() + $2 * interval '1 second'
WHERE letter = ANY (ARRAY(SELECT letter FROM due))
RETURNING letter, kind, recipient, name, link, extract(epoch FROM written_at)::float8 AS written
"""
MARK_SENT = "UPDATE outbox SET sent_at = now() WHERE letter = ANY ($1::bigint[])"
MARK_REFUSED = """
UPDATE outbox SET sent_at = now(), refusal = $2 WHERE letter = $1 AND sent_at IS NULL
"""
AGAIN = """
UPDATE outbox SET leased_until = now() + $2 * interval '1 second' WHERE letter = $1
"""


@dataclass(slots=True)
class ClaimSize:
    """How many letters to lease at once: few enough to be through well before the lease ends."""

    least: int
    lease_s: float
    size: int

    def learn(self, took_s: float) -> None:
        """A claim of this size was through after `took_s` seconds."""
        if took_s < self.lease_s / 30:
            self.size = min(_LARGEST_CLAIM, self.size * 2)
        elif took_s > self.lease_s / 6:
            self.size = max(self.least, self.size // 2)


class MailSender:
    """Sends the outbox over a fixed number of connections."""

    def __init__(
        self, settings: Settings, database: QueueDatabase, instruments: WorkerInstruments
    ) -> None:
        self._settings = settings
        self._database = database
        self._instruments = instruments
        self._claimed: asyncio.Queue[Any] = asyncio.Queue()
        self._in_hand: set[int] = set()
        self._hungry = asyncio.Event()
        self._marks = Marks[int](self._mark)
        connections = settings.mail_connections
        self._claim = ClaimSize(connections, settings.lease_s, 4 * connections)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._marks.run())
            for _ in range(self._settings.mail_connections):
                group.create_task(self._send_for_ever())
            await self._claim_for_ever()

    async def _claim_for_ever(self) -> None:
        while True:
            began = time.monotonic()
            rows = await self._database.fetch(CLAIM, self._claim.size, self._settings.lease_s)
            fresh = [row for row in rows if row["letter"] not in self._in_hand]
            for row in sorted(fresh, key=lambda row: row["letter"]):
                self._in_hand.add(row["letter"])
                self._claimed.put_nowait((began, row))
            if not fresh:
                await asyncio.sleep(self._settings.poll_s)
                continue
            while self._claimed.qsize() >= self._settings.mail_connections:
                self._hungry.clear()
                await self._hungry.wait()
            if len(rows) == self._claim.size:
                self._claim.learn(time.monotonic() - began)

    async def _send_for_ever(self) -> None:
        connection: SmtpConnection | None = None
        while True:
            claimed, row = await self._claimed.get()
            if self._claimed.qsize() < self._settings.mail_connections:
                self._hungry.set()
            while connection is None or connection.lost:
                connection = await self._open()
            if time.monotonic() - claimed < self._settings.lease_s:
                await self._send(connection, row)
            else:
                self._in_hand.discard(row["letter"])  # the lease is over: it is anybody's again

    async def _open(self) -> SmtpConnection | None:
        try:
            return await connect(self._settings.smtp_host, self._settings.smtp_port)
        except SmtpError as problem:
            log.warning("no connection: %s; trying again", problem)
            await asyncio.sleep(RECONNECT_S)
            return None

    async def _send(self, connection: SmtpConnection, row: Any) -> None:
        letter: int = row["letter"]
        mail = message(letter, row["kind"], row["recipient"], row["name"], row["link"])
        stations = self._instruments.stations
        stations.wait["mail_sender"].record(max(0.0, time.time() - row["written"]))
        began = time.perf_counter()
        outcome = "sent"
        try:
            await connection.send(SENDER, row["recipient"], mail)
        except SmtpRefusedError as problem:
            outcome = "refused"
            log.warning("letter %d refused: %s", letter, problem)
            await self._database.execute(MARK_REFUSED, letter, str(problem))
        except SmtpError as problem:
            outcome = "failed"
            log.warning("letter %d not taken: %s", letter, problem)
            await self._database.execute(AGAIN, letter, RECONNECT_S)
        stations.service["mail_sender"].record(time.perf_counter() - began)
        self._instruments.mails[outcome].add()
        if outcome == "sent":
            self._marks.add(letter)
        else:
            self._in_hand.discard(letter)

    async def _mark(self, letters: list[int]) -> None:
        await self._database.execute(MARK_SENT, letters)
        self._in_hand.difference_update(letters)
