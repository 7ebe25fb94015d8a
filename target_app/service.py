"""The registration service: `python -m target_app.service`.

This process binds the ports, starts the HTTP workers, starts a worker again that died, and serves
/metrics for all of them on a port of its own. It answers no visitor.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Sequence

import uvloop

from target_app.exposition import Exposition
from target_app.instruments import PAGE_BYTES, Instruments, open_page
from target_app.processes import (
    StartError,
    allow_many_connections,
    bind,
    freeze_garbage,
    log_to_stderr,
    on_stop,
    settings_or_exit,
    stop_with,
)
from target_app.settings import Settings
from target_app.stations import STEPS, ServiceInstruments

log = logging.getLogger("surge.service")

STOP_S = 1.8  # then kill
RESPAWN_S = 0.2
AGAIN_S = 1.0  # after a start that the system refused


class Supervisor:
    """Keeps `workers` HTTP workers alive; each slot has its socket and its page for good."""

    def __init__(self, settings: Settings, listening: Sequence[socket.socket]) -> None:
        self.settings = settings
        self.listening = listening
        self.descriptors = [os.memfd_create(f"surge-{n}") for n in range(settings.workers)]
        for descriptor in self.descriptors:
            os.truncate(descriptor, PAGE_BYTES)
        self.pages = [open_page(descriptor) for descriptor in self.descriptors]
        # The readers' copy of the layout: a private page first, which counts nothing.
        self.instruments = Instruments(open_page(), self.pages)
        ServiceInstruments(self.instruments, STEPS)
        self.running: dict[int, asyncio.subprocess.Process] = {}
        self.stopping = asyncio.Event()

    async def keep(self, slot: int) -> None:
        """Run the worker of a slot, again and again until the service stops."""
        while not self.stopping.is_set():
            try:
                process = await self._spawn(slot)
            except OSError as problem:
                log.error("worker %d can't be started (%s); trying again", slot, problem.strerror)  # noqa: TRY400 - one line
                await asyncio.sleep(AGAIN_S)
                continue
            self.running[slot] = process
            status = await process.wait()
            del self.running[slot]
            self.instruments.clear_gauges(self.pages[slot])
            if not self.stopping.is_set():
                log.warning("worker %d ended with %d; starting it again", slot, status)
                await asyncio.sleep(RESPAWN_S)

    async def _spawn(self, slot: int) -> asyncio.subprocess.Process:
        descriptor = self.listening[slot].fileno()
        environment = {
            **os.environ,
            "SURGE_SECRET": self.settings.secret.decode(),
            "SURGE_SLOT": str(slot),
            "SURGE_SOCKET_FD": str(descriptor),
            "SURGE_PAGE_FDS": ",".join(map(str, self.descriptors)),
        }
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "target_app.http_worker",
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(descriptor, *self.descriptors),
        )

    async def stop(self) -> None:
        """Ask every worker to stop, then insist."""
        self.stopping.set()
        processes = list(self.running.values())
        for process in processes:
            process.terminate()
        waits = [asyncio.create_task(process.wait()) for process in processes]
        if waits:
            _, late = await asyncio.wait(waits, timeout=STOP_S)
            if late:
                for process in processes:
                    if process.returncode is None:
                        process.kill()


async def serve(
    settings: Settings, listening: Sequence[socket.socket], metrics: socket.socket
) -> None:
    """Run the service until SIGTERM or SIGINT."""
    supervisor = Supervisor(settings, listening)
    exposition = Exposition(supervisor.instruments.text)
    await exposition.start(metrics)
    stop = asyncio.Event()
    on_stop(stop.set)
    keeping = [asyncio.create_task(supervisor.keep(slot)) for slot in range(settings.workers)]
    freeze_garbage()
    await stop.wait()
    await supervisor.stop()
    for task in keeping:
        task.cancel()
    await exposition.stop()


def main() -> None:
    """Start, or say in one line why not."""
    log_to_stderr()
    allow_many_connections()
    settings = settings_or_exit()
    if not os.environ.get("SURGE_SECRET"):
        log.warning("SURGE_SECRET: not set; a random one ends every session with this process")
    try:
        bind(settings.host, settings.port, "SURGE_PORT").close()  # taken by anybody?
        listening = [
            bind(settings.host, settings.port, "SURGE_PORT", shared=True)
            for _ in range(settings.workers)
        ]
        metrics = bind(settings.host, settings.metrics_port, "SURGE_METRICS_PORT")
    except StartError as problem:
        stop_with(str(problem))
    uvloop.run(serve(settings, listening, metrics))


if __name__ == "__main__":
    main()
