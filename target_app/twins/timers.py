"""Timers of the twins: many deadlines on one timerfd, because asyncio's own round to 1 ms."""

from __future__ import annotations

import asyncio
import ctypes
import heapq
import os
import sys
from collections.abc import Callable
from time import monotonic

_NANOSECONDS = 1_000_000_000
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)
_CLOCK_MONOTONIC = 1
_ABSOLUTE = 1
# A deadline this near is met now: arming and waking again would cost more than the error.
_NEAR = 20e-6


class _TimerSpec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class _TimerDescriptor:
    """Linux's timerfd: a file that becomes readable at an absolute monotonic time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fire: Callable[[], None]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._settime = libc.timerfd_settime
        self._spec = _TimerSpec()
        self._reference = ctypes.byref(self._spec)
        self._fire = fire
        self._loop = loop
        loop.add_reader(self._fd, self._readable)

    def arm(self, at: float) -> None:
        nanoseconds = max(int(at * _NANOSECONDS), 1)
        self._spec.value_s, self._spec.value_ns = divmod(nanoseconds, _NANOSECONDS)
        self._settime(self._fd, _ABSOLUTE, self._reference, None)

    def _readable(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # re-armed between becoming readable and this callback
        self._fire()

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


class _LoopTimer:
    """asyncio's timer, where there is no timerfd; late by up to 1 ms."""

    def __init__(self, loop: asyncio.AbstractEventLoop, fire: Callable[[], None]) -> None:
        self._loop = loop
        self._fire = fire
        self._handle: asyncio.TimerHandle | None = None

    def arm(self, at: float) -> None:
        self.close()
        self._handle = self._loop.call_later(max(at - monotonic(), 0), self._fire)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class Timers:
    """Calls functions at absolute times of `time.monotonic()`, seconds; ties in order of asking."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, fine: bool | None = None) -> None:
        fine = sys.platform == "linux" if fine is None else fine
        self._timer = (_TimerDescriptor if fine else _LoopTimer)(loop, self._fire)
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._asked = 0
        self._armed = float("inf")

    def __len__(self) -> int:
        return len(self._heap)

    def call_at(self, at: float, then: Callable[[float], None]) -> None:
        """Call `then(now)` at `at` or as soon after as the loop allows."""
        self._asked += 1
        heapq.heappush(self._heap, (at, self._asked, then))
        if at < self._armed:
            self._armed = at
            self._timer.arm(at)

    def _fire(self) -> None:
        self._armed = float("inf")
        heap = self._heap
        while heap:
            now = monotonic()
            if heap[0][0] > now + _NEAR:
                break
            heapq.heappop(heap)[2](now)
        if heap and heap[0][0] < self._armed:
            self._armed = heap[0][0]
            self._timer.arm(self._armed)

    def close(self) -> None:
        self._timer.close()
        self._heap.clear()
