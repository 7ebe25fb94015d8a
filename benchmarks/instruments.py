"""What the instruments of the service cost: its CPU a registration with them, and without.

Compared: two HTTP workers of the reference service on one database, one as it is and one whose
instruments do nothing: no counter, no histogram, no CPU clock, no probe. Fair, because both serve
the same requests in turns that are short and interleaved, over connections that stay open, with
commits that are synchronous, and the CPU is what the kernel says of each process. A registration
writes one row; of a page that reads and writes nothing the instruments are a larger share, and that
is told beside it; so is the share where the database's CPU for the same row counts too.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from math import nan
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.stand import Figures, show
from harness.postgres import postgres
from harness.tether import tethered
from target_app.stations import cpu_of_tree

CLIENTS: Final = 8
TURNS: Final = 15
TURN_S: Final = 0.6
READY_S: Final = 30.0
KINDS: Final = ("on", "off")


def measure(size: float) -> Figures:
    """Microseconds of CPU a request, and what share of them the instruments are."""
    turns, seconds = (TURNS, TURN_S) if size >= 1 else (1, max(TURN_S * size, 0.3))
    taken: dict[tuple[str, str], list[float]] = {}
    asked, used_s = 0, 0.0
    with postgres() as database, contextlib.ExitStack() as held:
        urls = {kind: held.enter_context(served(kind, database.url)) for kind in KINDS}
        for turn in range(-1, turns):
            for kind in KINDS if turn % 2 else reversed(KINDS):
                for path in ("/registrations", "/"):
                    before = cpu_of_tree(database.pid) or nan
                    cost, count = cpu_us(*urls[kind], path, seconds)
                    if path != "/":
                        asked += count
                        used_s += (cpu_of_tree(database.pid) or nan) - before
                    if turn >= 0:  # the first turn warms both up
                        taken.setdefault((kind, path), []).append(cost)
    database_us = used_s / asked * 1e6
    middle = {key: statistics.median(costs) for key, costs in taken.items()}
    return {
        "registration_cpu_us": middle["on", "/registrations"],
        "registration_bare_cpu_us": middle["off", "/registrations"],
        "share_of_a_registration": share(taken, "/registrations"),
        "database_cpu_us": database_us,
        "share_with_the_database": share(taken, "/registrations", database_us),
        "page_cpu_us": middle["on", "/"],
        "page_bare_cpu_us": middle["off", "/"],
        "share_of_a_page": share(taken, "/"),
        "turns": turns,
    }


def share(taken: dict[tuple[str, str], list[float]], path: str, more_us: float = 0.0) -> float:
    """Median over the turns of what instruments add, as a share: neighbours in time are compared.

    ``more_us``: CPU of others for the same request, which no instrument makes dearer.
    """
    pairs = zip(taken["on", path], taken["off", path], strict=True)
    return statistics.median((on - off) / (off + more_us) for on, off in pairs)


@contextlib.contextmanager
def served(kind: str, database: str) -> Iterator[tuple[int, str]]:
    """(process, URL) of a worker with its instruments ``on`` or ``off``."""
    environment = {**os.environ, "DATABASE_URL": database, "SURGE_SECRET": "of a benchmark"}
    command = [sys.executable, "-P", "-m", "benchmarks.instruments", "serve", kind]
    process = subprocess.Popen(
        tethered(command, die_by=signal.SIGKILL),
        stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        pid, url = process.stdout.readline().split()
        await_ready(url)
        yield int(pid), url
    finally:
        process.kill()
        process.wait()


def await_ready(url: str) -> None:
    """Return when the database answers through it."""
    until = time.monotonic() + READY_S
    while True:
        try:
            with contextlib.closing(http.client.HTTPConnection(urlsplit(url).netloc)) as line:
                line.request("GET", "/readyz")
                if line.getresponse().status == 200:
                    return
        except OSError:
            pass
        if time.monotonic() > until:
            raise RuntimeError(f"{url} was not ready within {READY_S:g} s")
        time.sleep(0.05)


def cpu_us(pid: int, url: str, path: str, seconds: float) -> tuple[float, int]:
    """(CPU of the process a request, requests): CLIENTS of them ask one after the other."""
    before = cpu_ns(pid)
    with ThreadPoolExecutor(CLIENTS) as clients:
        asked = sum(clients.map(lambda _: ask(url, path, seconds), range(CLIENTS)))
    return (cpu_ns(pid) - before) / asked / 1e3, asked


def cpu_ns(pid: int) -> int:
    """CPU of all threads of a process, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def ask(url: str, path: str, seconds: float) -> int:
    """Requests that were answered well over one connection."""
    asked, until = 0, time.monotonic() + seconds
    with contextlib.closing(http.client.HTTPConnection(urlsplit(url).netloc)) as line:
        while time.monotonic() < until or not asked:
            if path == "/":
                line.request("GET", path)
            else:
                line.request("POST", path, person(), {"content-type": "application/json"})
            answer = line.getresponse()
            answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{path} answered {answer.status}")
            asked += 1
    return asked


def person() -> str:
    """A registration that nobody made before."""
    name = uuid.uuid4()
    return json.dumps({"request_id": str(name), "email": f"{name}@example.org", "name": "Siti",
                       "phone": "081234567890", "consent": True})  # fmt: skip


def serve(kind: str) -> None:
    """One HTTP worker on a free port, until it is ended."""
    from target_app import http_worker
    from target_app.instruments import PAGE_BYTES

    if kind == "off":
        silence()
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    page = os.memfd_create("page")
    os.truncate(page, PAGE_BYTES)
    told = {"SURGE_SLOT": 0, "SURGE_SOCKET_FD": listening.detach(), "SURGE_PAGE_FDS": page}
    os.environ.update({name: str(value) for name, value in told.items()})
    port = socket.socket(fileno=os.dup(int(told["SURGE_SOCKET_FD"]))).getsockname()[1]
    sys.stdout.write(f"{os.getpid()} http://127.0.0.1:{port}\n")
    sys.stdout.flush()
    http_worker.main()


def silence() -> None:
    """Every instrument does nothing from now on."""
    from target_app import app, batcher, instruments, loop_probe, pause_probe, stations

    def nothing(*_: Any, **__: Any) -> None:
        """Not measured."""

    instruments.Counter.add = nothing  # type: ignore[method-assign]
    instruments.Histogram.record = nothing  # type: ignore[method-assign]
    stations.ProcessUse.update = nothing  # type: ignore[method-assign]
    for probe in (loop_probe.LoopProbe, pause_probe.PauseProbe):
        probe.start = probe.stop = nothing  # type: ignore[method-assign]
    app.SAMPLE_EVERY = batcher.SAMPLE_EVERY = 1 << 62


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
    else:
        show(measure)
