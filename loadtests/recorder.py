"""The recorder: a process of its own that scrapes the target and writes the run's files.

Parsing pages and writing columns take milliseconds at a time. In the generator they would make
visitors late once a second, just where a p99 is read; here they wait for each other only.

It reads frames from stdin (4 bytes of length, then msgpack of [kind, payload]) until their end,
which also comes when the generator dies; then it scrapes once more and closes the files. Given an
address it also serves the figures so far, as a page for Prometheus.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import time_ns
from typing import Any, BinaryIO, Final

import msgspec
import numpy as np

from loadtests.live import LivePage, serve
from loadtests.speed_probe import Probe
from loadtests.target import open_directly
from workload.history import NAMES, HistoryWriter
from workload.telemetry import TelemetryWriter, parse_exposition

SCRAPE_TIMEOUT_S: Final = 2.0
#: The generator goes first where both share a core.
NICE: Final = 10
READY: Final = b"ready\n"
_LENGTH: Final = struct.Struct(">I")

# Kinds of frames.
BEGIN: Final = "begin"  # {"base_unix_ns"}
ROWS: Final = "rows"  # {"worker", "rows": bytes}
SAMPLES: Final = "samples"  # {"at_ns", "samples": {series: value}}


def frame(kind: str, payload: Mapping[str, Any]) -> bytes:
    """A message to the recorder."""
    packed = msgspec.msgpack.encode([kind, payload])
    return _LENGTH.pack(len(packed)) + packed


def frames(stream: BinaryIO) -> Iterator[tuple[str, dict[str, Any]]]:
    """The messages of a stream, until it ends (a last one that is cut short does not count)."""
    while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
        length = _LENGTH.unpack(head)[0]
        if len(packed := stream.read(length)) < length:
            return
        kind, payload = msgspec.msgpack.decode(packed)
        yield kind, payload


class Recorder:
    """Writes ``history-WORKER.arrows`` and ``telemetry.arrows``; scrapes each second."""

    def __init__(
        self,
        directory: Path,
        steps: list[str],
        metrics: Mapping[str, str],
        page: LivePage | None = None,
    ) -> None:
        self._page = page
        self._directory = directory
        self._steps = steps
        self._metrics = metrics
        self._shards = {0: HistoryWriter(directory, steps, "0")}
        self._telemetry = TelemetryWriter(directory)
        self._writing = threading.Lock()
        self._over = threading.Event()
        self._probe = Probe()
        self._base_unix_ns = 0
        self._scraper = threading.Thread(target=self._scrape_each_second, name="scraper")

    def take(self, kind: str, payload: dict[str, Any]) -> None:
        """Handle one message."""
        if kind == ROWS:
            number = payload["worker"]
            if number not in self._shards:
                self._shards[number] = HistoryWriter(self._directory, self._steps, str(number))
            table = np.frombuffer(payload["rows"], dtype=np.int64).reshape(-1, len(NAMES))
            self._shards[number].extend(table)
            if self._page is not None:
                self._page.take_rows(table)
        elif kind == SAMPLES:
            self._write(payload["at_ns"], "generator", payload["samples"])
            if self._page is not None:
                self._page.take_samples(payload["samples"])
        elif kind == BEGIN:
            self._base_unix_ns = payload["base_unix_ns"]
            self._scraper.start()

    def close(self) -> None:
        """One last scrape, and the ends of all files."""
        self._over.set()
        if self._scraper.is_alive():
            self._scraper.join()
            self._scrape_all()
        for shard in self._shards.values():
            shard.close()
        self._telemetry.close()

    def _scrape_each_second(self) -> None:
        """At once, so that counters have a beginning; then at each whole second of the run."""
        while True:
            self._scrape_all()
            ns = 1_000_000_000
            now = time_ns() - self._base_unix_ns
            if self._over.wait((ns - now % ns) / ns):
                return

    def _scrape_all(self) -> None:
        for source, url in self._metrics.items():
            asked = time_ns()
            samples = scrape(url)
            self._write((asked + time_ns()) // 2 - self._base_unix_ns, source, samples)
        at_ns = time_ns() - self._base_unix_ns
        self._write(at_ns, "generator", {"surge_speed_probe_seconds": self._probe.seconds()})

    def _write(self, at_ns: int, source: str, samples: Mapping[str, float]) -> None:
        with self._writing:
            self._telemetry.add(at_ns, source, samples)


def scrape(url: str) -> dict[str, float]:
    """Every series of a metrics page, and ``up``: 1, or alone and 0 when there was no page."""
    try:
        with open_directly(url, timeout=SCRAPE_TIMEOUT_S) as answer:
            page = answer.read().decode("utf-8", "replace")
        return {"up": 1.0, **parse_exposition(page)}
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return {"up": 0.0}


def main() -> None:
    """``python -m loadtests.recorder DIRECTORY STEPS METRICS [ADDRESS]`` (all but the first JSON).

    ``ADDRESS``: [host, port] of the page for Prometheus.
    """
    os.nice(NICE)
    fcntl.flock(sys.stderr, fcntl.LOCK_EX)  # its log: held until all is written, also when killed
    directory = Path(sys.argv[1])
    steps, metrics, *address = map(msgspec.json.decode, sys.argv[2:])
    page = LivePage(steps) if address else None
    if page is not None:
        serve(page, tuple(*address))
    recorder = Recorder(directory, steps, metrics, page)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    try:
        for kind, payload in frames(sys.stdin.buffer):
            recorder.take(kind, payload)
    finally:
        recorder.close()


if __name__ == "__main__":
    main()
