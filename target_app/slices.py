"""A coroutine's life on the event loop, slice by slice: what runs between two awaits."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from time import perf_counter, thread_time
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class Slices(Generic[Result]):
    """Awaits a coroutine and measures each slice of it; `durations` in seconds of wall time.

    `cpu` is this thread's CPU time in seconds, or 0.0 when `measure_cpu` is false: reading that
    clock is a system call, ten times the price of reading the wall clock.
    """

    __slots__ = ("coroutine", "cpu", "durations", "measure_cpu")

    def __init__(self, coroutine: Coroutine[Any, Any, Result], *, measure_cpu: bool) -> None:
        self.coroutine = coroutine
        self.measure_cpu = measure_cpu
        self.cpu = 0.0
        self.durations: list[float] = []

    def __await__(self) -> Generator[Any, Any, Result]:
        proceed: Any = self.coroutine.send
        argument: Any = None
        while True:
            started = perf_counter()
            started_cpu = thread_time() if self.measure_cpu else 0.0
            try:
                awaited = proceed(argument)
            except StopIteration as end:
                result: Result = end.value
                return result
            finally:
                if self.measure_cpu:
                    self.cpu += thread_time() - started_cpu
                self.durations.append(perf_counter() - started)
            try:
                argument = yield awaited
                proceed = self.coroutine.send
            except BaseException as problem:  # noqa: BLE001 - it is the coroutine's to handle
                argument = problem
                proceed = self.coroutine.throw
