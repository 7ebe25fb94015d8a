"""The reference system on this machine: PostgreSQL, the twins, the service and its worker.

    with Stack(StackSettings(pool=4)) as stack:
        ...  stack.service is its URL; stack.check() raises when a part of it has died

Its processes live as long as the thread that entered the block, and no longer: not even kill -9
of this process leaves one behind.
"""

import json
import os
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from harness import CHECKOUT
from harness.child import Child, start, stop_all
from harness.database import fresh_database
from harness.errors import RunInvalid
from harness.placement import Placement, place
from harness.ports import LOOPBACK, claim_all
from harness.postgres import Postgres, postgres
from harness.scratch import scratch
from harness.stack_settings import Ports, StackSettings, clean_environment

PHOTOS = CHECKOUT / "target_app" / "twins" / "photos.py"


class Stack:
    """Running inside its `with` block. URLs have no slash at the end.

    Entering raises BadInput (a setting, a port, no PostgreSQL) or RunInvalid (a part of it never
    became ready), with the last lines of the log of what failed. Logs go to `logs`, and without
    it to a folder that is removed at the end.
    """

    def __init__(
        self,
        settings: StackSettings | None = None,
        *,
        ports: Ports | None = None,
        logs: Path | None = None,
    ) -> None:
        self.settings = settings or StackSettings()
        self.wanted = ports or Ports()
        self.placement: Placement | None = place() if self.settings.pin else None
        self.admin_token = os.environ.get("SURGE_ADMIN_TOKEN") or secrets.token_urlsafe(24)
        self._secret, self._photo_secret = secrets.token_hex(32), secrets.token_hex(32)
        self.database = ""
        self.postgres: Postgres | None = None
        self.children: list[Child] = []
        self._logs = logs
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as exits:  # a start that fails halfway leaves nothing running
            self.ports = Ports(**claim_all(asdict(self.wanted)))
            self.logs = self._logs or exits.enter_context(scratch())
            self.logs.mkdir(parents=True, exist_ok=True)
            self.database = exits.enter_context(self._database())
            exits.enter_context(self._processes())
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with unhurried():
            self._exits.close()

    # Where things are

    def _url(self, port: int) -> str:
        return f"http://{LOOPBACK}:{port}"

    @property
    def service(self) -> str:
        return self._url(self.ports.service)

    @property
    def registry(self) -> str:
        return self._url(self.ports.registry)

    @property
    def mailbox(self) -> str:
        return self._url(self.ports.mailbox)

    @property
    def photos(self) -> str | None:
        """None while the system has no photo store."""
        return self._url(self.ports.photos) if PHOTOS.exists() else None

    @property
    def metrics(self) -> dict[str, str]:
        """What to scrape, by the process that answers."""
        ports = {
            "service": self.ports.metrics,
            "worker": self.ports.worker_metrics,
            "registry": self.ports.registry,
            "mailbox": self.ports.mailbox,
            **({"photos": self.ports.photos} if self.photos else {}),
        }
        return {name: f"{self._url(port)}/metrics" for name, port in ports.items()}

    @property
    def pids(self) -> dict[str, int]:
        own = {"postgres": self.postgres.pid} if self.postgres else {}
        return {**own, **{child.name: child.pid for child in self.children}}

    def check(self) -> None:
        """Raises RunInvalid that names the part that has died, with the last lines of its log."""
        if self.postgres is not None and self.postgres.died:
            raise RunInvalid(f"PostgreSQL has ended:\n{self.postgres.last_words()}")
        for child in self.children:
            child.check()

    # Starting and stopping

    @contextmanager
    def _database(self) -> Iterator[str]:
        """An empty database: on the server of DATABASE_URL where that is set, else on our own."""
        named = os.environ.get("DATABASE_URL")
        if named:
            with fresh_database(named) as url:
                yield url
            return
        cores = self.placement.database if self.placement else None
        log = self.logs / "postgres.log"
        with postgres(port=self.ports.database, cores=cores, log=log) as self.postgres:
            yield self.postgres.url

    @contextmanager
    def _processes(self) -> Iterator[None]:
        try:
            self._start_twins()
            self._start_system()
            for child in self.children:
                child.await_ready()
            yield
        finally:
            stop_all(self.children)

    def _start(self, name: str, module: str, ready: str, cores: tuple[int, ...] | None) -> Child:
        environment = self.environment()
        child = start(name, module, ready, environment=environment, cores=cores, logs=self.logs)
        self.children.append(child)
        return child

    def _start_twins(self) -> None:
        cores = self.placement.twins if self.placement else None
        self._start("registry", "target_app.twins.registry", f"{self.registry}/healthz", cores)
        self._start("mailbox", "target_app.twins.mailbox", f"{self.mailbox}/healthz", cores)
        if self.photos:
            self._start("photos", "target_app.twins.photos", f"{self.photos}/healthz", cores)

    def _start_system(self) -> None:
        """The service first: it makes the tables that the worker needs."""
        placement = self.placement
        cores = placement.service if placement else None
        service = self._start("service", "target_app.service", f"{self.service}/readyz", cores)
        service.await_ready()
        cores = placement.worker if placement else None
        self._start("worker", "target_app.worker", self.metrics["worker"], cores)

    def environment(self) -> dict[str, str]:
        """The environment of every process of the system: settings, addresses and secrets."""
        ports = self.ports
        return {
            **clean_environment(),
            **self.settings.environment(),
            "SURGE_HOST": LOOPBACK,
            "SURGE_PORT": str(ports.service),
            "SURGE_METRICS_PORT": str(ports.metrics),
            "SURGE_WORKER_METRICS_PORT": str(ports.worker_metrics),
            "SURGE_REGISTRY_PORT": str(ports.registry),
            "SURGE_REGISTRY_URL": self.registry,
            "SURGE_SMTP_HOST": LOOPBACK,
            "SURGE_SMTP_PORT": str(ports.smtp),
            "SURGE_MAILBOX_PORT": str(ports.mailbox),
            "SURGE_PHOTOS_PORT": str(ports.photos),
            "SURGE_PUBLIC_URL": self.service,
            "SURGE_ADMIN_TOKEN": self.admin_token,
            "DATABASE_URL": self.database,
            "SURGE_POSTGRES_PID": str(self.postgres.pid if self.postgres else 0),
            "SURGE_CAPACITY_EXTRA": json.dumps(self.capacity()),
            "SURGE_SECRET": self._secret,
            "SURGE_PHOTO_SECRET": self._photo_secret,
        }

    def capacity(self) -> dict[str, object]:
        """What the service can't know of itself, merged into its /capacity."""
        photos = {"photos": self.photos} if self.photos else {}
        return {
            "mailbox": self.mailbox,
            "registry": self.registry,
            **photos,
            "metrics": self.metrics,
            "cores": self.placement.as_json() if self.placement else {},
        }


@contextmanager
def unhurried() -> Iterator[None]:
    """No Ctrl-C cuts this short (where we may say so: in the main thread)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
