"""The run's clock: nanoseconds since the doors opened, and sleeping until an exact instant.

gevent's timers round up to a millisecond, which is a quarter of a fast answer; a timerfd wakes
within about 0.1 ms, and costs nothing while nobody is due. Instants are absolute: a late wake-up
delays one visitor once and never the ones after it.
"""

from __future__ import annotations

import ctypes
import os
from heapq import heappop, heappush
from itertools import count
from time import monotonic_ns, time_ns
from typing import Final

from gevent import get_hub
from gevent.hub import Waiter

SECOND_NS: Final = 1_000_000_000
READABLE: Final = 1
CLOCK_MONOTONIC: Final = 1
TFD_NONBLOCK_CLOEXEC: Final = 0o4000 | 0o2000000
TFD_TIMER_ABSTIME: Final = 1


class _Instant(ctypes.Structure):
    """struct itimerspec: the interval stays zero, an alarm rings once."""

    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("s", ctypes.c_long),
        ("ns", ctypes.c_long),
    )


class Alarm:
    """Wakes greenlets of this process at instants of the monotonic clock (ns)."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._instant = _Instant()
        self._at = ctypes.byref(self._instant)
        self._waiting: list[tuple[int, int, Waiter[None]]] = []
        self._order = count()
        self._hub = get_hub()
        self._watcher = self._hub.loop.io(self._descriptor, READABLE)
        self._watcher.start(self._ring)

    def sleep_until(self, at_ns: int) -> None:
        """Return at ``at_ns`` or later, never before; at once if that has passed."""
        if at_ns <= monotonic_ns():
            return
        waiter: Waiter[None] = Waiter(self._hub)
        heappush(self._waiting, (at_ns, next(self._order), waiter))
        if self._waiting[0][2] is waiter:
            self._set(at_ns)
        waiter.get()

    def close(self) -> None:
        """Nobody is woken any more."""
        self._watcher.stop()
        self._watcher.close()
        os.close(self._descriptor)

    def _set(self, at_ns: int) -> None:
        self._instant.s, self._instant.ns = divmod(at_ns, SECOND_NS)
        if self._libc.timerfd_settime(self._descriptor, TFD_TIMER_ABSTIME, self._at, None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _ring(self) -> None:
        try:
            os.read(self._descriptor, 8)
        except BlockingIOError:  # it was set again after it had rung
            return
        waiting = self._waiting
        while waiting and waiting[0][0] <= monotonic_ns():
            heappop(waiting)[2].switch(None)
        if waiting:
            self._set(waiting[0][0])


class Clock:
    """Nanoseconds since the run's base, an instant of wall-clock time that all workers share."""

    def __init__(self, base_unix_ns: int) -> None:
        self.base = monotonic_ns() + base_unix_ns - time_ns()
        self._alarm = Alarm()

    def now(self) -> int:
        """ns since the base; negative before it."""
        return monotonic_ns() - self.base

    def sleep_until(self, at: int) -> None:
        """Sleep until ``at`` ns after the base."""
        self._alarm.sleep_until(at + self.base)

    def close(self) -> None:
        self._alarm.close()
