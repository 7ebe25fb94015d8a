"""Service and worker as processes of their own, and the steps of a person who uses them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.target_app.twins.running import RunningTwin

SECRET = "a secret of the tests"
ADMIN = "the operator's token"
IDENTITY: dict[str, Any] = {
    "nik": "3273905507990001",
    "family_card": "3273901203200001",
    "name": "Siti Rahayu",
    "birth_date": "1999-07-15",
    "address": "Jalan Melati 5, Bandung",
    "phone": "081234567890",
}
NOBODY = {**IDENTITY, "nik": "3273015507990001"}  # a district that the registry does not know


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def eventually(check: Callable[[], Any], within_s: float = 30.0) -> Any:
    """The first true answer of a check; an assertion error when there is none in time."""
    deadline = time.monotonic() + within_s
    while not (found := check()):
        assert time.monotonic() < deadline, f"not within {within_s} s; the last answer: {found!r}"
        time.sleep(0.02)
    return found


def samples(url: str) -> dict[str, float]:
    """A scrape: values by name, the labels behind it in the order of the text."""
    found = {}
    text = httpx.get(url, timeout=10).raise_for_status().text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@dataclass
class Running:
    """A process of the system. `url` answers people, `metrics` Prometheus."""

    process: subprocess.Popen[str]
    url: str
    metrics: str

    def call(
        self, method: str, path: str, body: object = None, session: str | None = None
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {session}"} if session is not None else {}
        return httpx.request(
            method, self.url + path, json=body, headers=headers, timeout=30
        ) if body is not None else httpx.request(
            method, self.url + path, headers=headers, timeout=30
        )  # fmt: skip

    def samples(self) -> dict[str, float]:
        return samples(self.metrics)

    def ledger(self) -> list[dict[str, Any]]:
        answer = self.call("GET", "/ledger", session=ADMIN)
        assert answer.status_code == 200
        return [httpx.Response(200, text=line).json() for line in answer.text.splitlines()]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """(exit code, seconds that it took to stop)."""
        started = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(10)
        return code, time.monotonic() - started


def spawn(module: str, **variables: str) -> subprocess.Popen[str]:
    """A process of the system; the test's own shell tells it nothing."""
    inherited = {name: value for name, value in os.environ.items() if "SURGE_" not in name}
    environment = {**inherited, "SURGE_SECRET": SECRET, "SURGE_ADMIN_TOKEN": ADMIN, **variables}
    return subprocess.Popen(
        [sys.executable, "-m", f"target_app.{module}"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def _kept(process: subprocess.Popen[str], url: str, metrics: str, ready: str) -> Iterator[Running]:
    def answers() -> bool:
        assert process.poll() is None, process.stderr and process.stderr.read()
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(ready, timeout=5).status_code == 200
        return False

    try:
        eventually(answers)
        yield Running(process, url, metrics)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(10)
        if process.stderr:
            process.stderr.close()


@contextlib.contextmanager
def service(database: str, **variables: str) -> Iterator[Running]:
    """A service that is ready."""
    port, metrics = free_ports(2)
    url = f"http://127.0.0.1:{port}"
    process = spawn("service", DATABASE_URL=database, SURGE_PORT=str(port),
                    SURGE_METRICS_PORT=str(metrics), **variables)  # fmt: skip
    with _kept(process, url, f"http://127.0.0.1:{metrics}/metrics", f"{url}/readyz") as running:
        yield running


@contextlib.contextmanager
def worker(
    database: str, registry: RunningTwin, mailbox: RunningTwin, **variables: str
) -> Iterator[Running]:
    """A worker between these twins."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    process = spawn("worker", DATABASE_URL=database, SURGE_WORKER_METRICS_PORT=str(port),
                    SURGE_REGISTRY_URL=address(registry),
                    SURGE_SMTP_PORT=str(mailbox.addresses[0][1]), **variables)  # fmt: skip
    with _kept(process, url, f"{url}/metrics", f"{url}/healthz") as running:
        yield running


def address(twin: RunningTwin) -> str:
    """A twin's URL."""
    host, port = twin.addresses[-1]
    return f"http://{host}:{port}"


def registration(email: str | None = None) -> dict[str, Any]:
    """A new person's registration."""
    return {
        "request_id": str(uuid.uuid4()),
        "email": email or f"{uuid.uuid4().hex}@example.com",
        "name": "Siti Rahayu",
        "phone": "+62 812-3456-7890",
        "consent": True,
    }


def letter(mailbox: RunningTwin, email: str, kind: str, wait_s: int = 10) -> dict[str, Any]:
    """The newest letter of a kind, read from the mailbox."""
    answer = mailbox.call("GET", f"/messages?to={email}&kind={kind}&wait={wait_s}", timeout=70)
    assert answer.status == 200, f"no {kind} letter for {email}"
    read: dict[str, Any] = answer.json
    return read
