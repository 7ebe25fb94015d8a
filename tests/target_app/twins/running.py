"""A twin that runs as a process of its own, and the plainest clients that can talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

KNOWN = {"nik": "3201954101900001", "name": "Siti", "birth_date": "1990-01-01"}


@dataclass
class Answer:
    """An HTTP answer; `seconds` from sending to having read it."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class RunningTwin:
    """`addresses` are (host, port) in the order in which the twin names them."""

    process: subprocess.Popen[str]
    addresses: list[tuple[str, int]] = field(default_factory=list)

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        timeout: float = 10,
    ) -> Answer:
        host, port = self.addresses[-1]
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        started = time.monotonic()
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, raw, headers or {})
            answer = connection.getresponse()
            read = answer.read()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, named, read, time.monotonic() - started)

    def metrics(self) -> dict[str, float]:
        """Sample values by name, with the labels that tell them apart behind it."""
        text = self.call("GET", "/metrics").body.decode()
        samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
                samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return samples

    def until(self, sample: str, value: float, within: float = 5) -> None:
        """Wait until a sample has a value."""
        deadline = time.monotonic() + within
        while (found := self.metrics().get(sample)) != value:
            assert time.monotonic() < deadline, f"{sample} is {found}, not {value}"
            time.sleep(0.01)

    def socket(self) -> socket.socket:
        return socket.create_connection(self.addresses[-1], timeout=5)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """(exit code, seconds that it took to stop)."""
        started = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(10)
        return code, time.monotonic() - started


def launch(name: str, **variables: str) -> subprocess.Popen[str]:
    """Start a twin on free ports unless `variables` say otherwise."""
    ports = dict.fromkeys(
        ("SURGE_REGISTRY_PORT", "SURGE_SMTP_PORT", "SURGE_MAILBOX_PORT", "SURGE_PHOTOS_PORT"), "0"
    )
    return subprocess.Popen(
        [sys.executable, "-m", f"target_app.twins.{name}"],
        env={**os.environ, **ports, "SURGE_TWIN_SEED": "2020", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def running(name: str, **variables: str) -> Iterator[RunningTwin]:
    """A twin that listens; killed at the end if it still runs."""
    process = launch(name, **variables)
    with process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert "://" in line, line + process.stderr.read()
            twin = RunningTwin(process)
            for url in line.split():
                if "://" in url:
                    host, _, port = url.partition("://")[2].rpartition(":")
                    twin.addresses.append((host, int(port)))
            yield twin
        finally:
            if process.poll() is None:
                process.kill()


def request(method: str, path: str, body: object = None) -> bytes:
    """The bytes of a request on a connection that is kept."""
    raw = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nhost: twin\r\ncontent-length: {len(raw)}\r\n\r\n"
    return head.encode() + raw


async def _ask(
    address: tuple[str, int], sent: bytes, count: int, found: list[tuple[int, float]]
) -> None:
    reader, writer = await asyncio.open_connection(*address)
    for _ in range(count):
        started = time.monotonic()
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
        found.append((int(head[9:12]), time.monotonic() - started))
    writer.close()
    await writer.wait_closed()


def ask_at_once(
    address: tuple[str, int], sent: bytes, clients: int, each: int = 1
) -> list[tuple[int, float]]:
    """(status, seconds) of the same request by several clients at a time, `each` in a row."""
    found: list[tuple[int, float]] = []

    async def all_of_them() -> None:
        await asyncio.gather(*(_ask(address, sent, each, found) for _ in range(clients)))

    asyncio.run(all_of_them())
    return found
