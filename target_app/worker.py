"""The worker: `python -m target_app.worker`. Sends the mail and works the identity queue off.

Several may run at once: they skip each other's rows.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time

import uvloop

from target_app.connection_pool import ConnectionPool
from target_app.database import Schema
from target_app.durable_queue import QueueDatabase
from target_app.exposition import Exposition
from target_app.identity_queue import IdentityQueue
from target_app.instruments import Instruments, open_page
from target_app.mail_sender import MailSender
from target_app.pause_probe import PauseProbe
from target_app.processes import (
    StartError,
    bind,
    freeze_garbage,
    log_to_stderr,
    on_stop,
    settings_or_exit,
    stop_with,
)
from target_app.registry_client import RegistryClient
from target_app.settings import Settings
from target_app.stations import WorkerInstruments, cpu_of_tree

log = logging.getLogger("surge.worker")

CONNECTIONS = 4  # claims and marks of two queues
WATCH_EVERY_S = 1.0
USE_EVERY_S = 0.25

DEPTH = """
SELECT (SELECT count(*) FROM identity_checks WHERE status = 'queued'),
    (SELECT count(*) FROM outbox WHERE sent_at IS NULL),
    (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())
"""


class Worker:
    """Both queues and their instruments."""

    def __init__(self, settings: Settings, metrics: socket.socket) -> None:
        self._settings = settings
        self._metrics = metrics
        self.measured = WorkerInstruments(Instruments(open_page()))
        self._pool = ConnectionPool(Schema(settings.database_url).connect, CONNECTIONS)
        self._database = QueueDatabase(self._pool)
        self._registry = RegistryClient(
            settings.registry_url,
            settings.registry_slots,
            settings.registry_quota_per_s,
            settings.registry_timeout_s,
            self._called,
        )

    def _called(self, waited_s: float, took_s: float) -> None:
        self.measured.stations.wait["registry_client"].record(waited_s)
        self.measured.stations.service["registry_client"].record(took_s)

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        stop = asyncio.Event()
        on_stop(stop.set)
        exposition = Exposition(self._text)
        await exposition.start(self._metrics)
        self._pool.start()
        working = [asyncio.create_task(self._work()), asyncio.create_task(self._watch_use())]
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([stopping, *working], return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in working if task.done()]
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await exposition.stop()
        self._registry.close()
        await self._pool.stop()
        for task in ended:
            task.result()  # a part that ended by itself ended with an error

    async def _work(self) -> None:
        """Both queues, as soon as there is a database."""
        await self._pool.opened()
        freeze_garbage()
        PauseProbe(self.measured.pause.record).start()
        settings, database, measured = self._settings, self._database, self.measured
        async with asyncio.TaskGroup() as group:
            group.create_task(MailSender(settings, database, measured).run())
            group.create_task(IdentityQueue(settings, database, self._registry, measured).run())
            group.create_task(self._watch_queues())

    def _text(self) -> bytes:
        self.measured.process.update()
        return self.measured.instruments.text()

    async def _watch_queues(self) -> None:
        """Depths and commits; the longer counting takes the rarer it is done."""
        commits = 0
        while True:
            began = time.monotonic()
            identity, mail, committed = (await self._database.fetch(DEPTH))[0]
            self.measured.queue_depth["identity"].put(identity)
            self.measured.queue_depth["mail"].put(mail)
            self.measured.database_commits.add(max(0, committed - commits))
            commits = committed
            await asyncio.sleep(max(WATCH_EVERY_S, 20 * (time.monotonic() - began)))

    async def _watch_use(self) -> None:
        used = 0.0
        pid = self._settings.postgres_pid
        while True:
            self.measured.process.update()
            now = cpu_of_tree(pid) if pid else None
            if now is not None:
                self.measured.database_cpu.add(max(0.0, now - used))
                used = now
            await asyncio.sleep(USE_EVERY_S)


async def work(settings: Settings, metrics: socket.socket) -> None:
    """Run a worker."""
    await Worker(settings, metrics).run()


def main() -> None:
    """Start, or say in one line why not."""
    log_to_stderr()
    settings = settings_or_exit()
    try:
        metrics = bind(settings.host, settings.worker_metrics_port, "SURGE_WORKER_METRICS_PORT")
    except StartError as problem:
        stop_with(str(problem))
    uvloop.run(work(settings, metrics))


if __name__ == "__main__":
    main()
