"""How long the garbage collector holds a process up: the interpreter tells when it begins and ends.

While it collects, nothing else of the process runs: its pauses are in every latency, and in no
slice of any route but the one that happened to set it off.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any


class PauseProbe:
    """Tells `record` the length of every collection, in seconds."""

    def __init__(self, record: Callable[[float], None]) -> None:
        self._record = record
        self._began = 0.0

    def start(self) -> None:
        """From now on."""
        gc.callbacks.append(self._told)

    def stop(self) -> None:
        """No longer."""
        gc.callbacks.remove(self._told)

    def _told(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        elif self._began:
            self._record(time.perf_counter() - self._began)
