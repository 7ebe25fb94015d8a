"""What a ready event waits for the event loop: a timer of the kernel goes off, and is noticed.

The loop's own timers round to a millisecond; a timerfd does not, and it is ready like a socket is.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import struct
import time
from collections.abc import Callable

_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_TFD_TIMER_ABSTIME = 1
_ITIMERSPEC = struct.Struct("qqqq")  # interval s, ns; value s, ns
_SHORTEST_S, _LONGEST_S = 0.02, 0.06  # irregular, so that no rhythm of the loop hides from it


class LoopProbe:
    """Tells `record` the lag of the running loop in seconds, about 25 times a second."""

    def __init__(self, record: Callable[[float], None]) -> None:
        self._record = record
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._due_ns = 0

    def start(self) -> None:
        """Begin, on the running loop."""
        asyncio.get_running_loop().add_reader(self._descriptor, self._went_off)
        self._arm()

    def _arm(self) -> None:
        pause_ns = int(random.uniform(_SHORTEST_S, _LONGEST_S) * 1e9)
        self._due_ns = time.monotonic_ns() + pause_ns
        value = _ITIMERSPEC.pack(0, 0, *divmod(self._due_ns, 1_000_000_000))
        if self._libc.timerfd_settime(self._descriptor, _TFD_TIMER_ABSTIME, value, None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _went_off(self) -> None:
        self._record(max(0, time.monotonic_ns() - self._due_ns) / 1e9)
        os.read(self._descriptor, 8)
        self._arm()

    def stop(self) -> None:
        """End."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
