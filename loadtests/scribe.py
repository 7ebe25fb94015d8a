"""The generator's end of the recorder: starts it, and feeds it without ever waiting for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import gevent
from gevent.queue import Queue

from loadtests.live import Address
from loadtests.recorder import READY, frame
from loadtests.rundir import RECORDER_LOG

ROOT: Final = Path(__file__).resolve().parent.parent


class Scribe:
    """A running recorder. Under Locust its pipes are gevent's: a full one stops one greenlet."""

    def __init__(
        self,
        directory: Path,
        steps: Sequence[str],
        metrics: Mapping[str, str],
        page: Address | None = None,
    ) -> None:
        told = [list(steps), dict(metrics), *([page] if page else [])]
        command = [
            sys.executable, "-m", "loadtests.recorder", str(directory.resolve()),
            *(json.dumps(one) for one in told),
        ]  # fmt: skip
        with (directory / "logs" / RECORDER_LOG).open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        self._faults: list[str] = []
        self._frames: Queue[bytes | None] = Queue()
        answer = self._process.stdout.readline() if self._process.stdout else b""
        if answer != READY:
            self._faults.append("the recorder did not start; see logs/recorder.log")
        self._feeder = gevent.spawn(self._feed)

    def send(self, kind: str, payload: Mapping[str, Any]) -> None:
        """Give it a message."""
        self._frames.put(frame(kind, payload))

    def close(self) -> list[str]:
        """Wait until everything is written; why the record is not whole, if it is not."""
        self._frames.put(None)
        self._feeder.join()
        if self._process.wait() != 0 and not self._faults:
            self._faults.append("the record is not whole; see logs/recorder.log")
        return self._faults

    def _feed(self) -> None:
        pipe = self._process.stdin
        if pipe is None:
            return
        try:
            while (data := self._frames.get()) is not None:
                pipe.write(data)
                if self._frames.empty():
                    pipe.flush()
            pipe.close()
        except OSError as error:
            self._faults.append(f"the record is not whole: {error}; see logs/recorder.log")
