"""A coroutine's slices: what it ran, not what it waited for."""

from __future__ import annotations

import asyncio
import time

import pytest

from target_app.slices import Slices


def busy(seconds: float) -> None:
    """Hold the loop."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def test_slices_are_counted_and_waiting_is_left_out() -> None:
    async def work() -> str:
        busy(0.01)
        await asyncio.sleep(1.0)
        busy(0.02)
        return "done"

    async def measured() -> tuple[str, Slices[str]]:
        slices = Slices(work(), measure_cpu=True)
        return await slices, slices

    result, slices = asyncio.run(measured())
    assert result == "done"
    assert len(slices.durations) == 2
    assert 0.03 <= sum(slices.durations) < 0.9
    assert 0.0 < slices.cpu < 0.9, "CPU time, whoever else had the core"


def test_an_error_passes_through_and_its_slice_is_counted() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        raise KeyError("gone")

    async def measured() -> Slices[None]:
        slices = Slices(work(), measure_cpu=False)
        with pytest.raises(KeyError):
            await slices
        return slices

    slices = asyncio.run(measured())
    assert (len(slices.durations), slices.cpu) == (2, 0.0)


def test_cancelling_reaches_the_coroutine() -> None:
    seen: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def wrapped() -> None:
        await Slices(work(), measure_cpu=False)

    async def measured() -> None:
        task = asyncio.create_task(wrapped())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(measured())
    assert seen == ["cancelled"]
