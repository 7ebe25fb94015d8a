"""The probe that tells what a ready event waits for the loop."""

from __future__ import annotations

import asyncio
import time
from statistics import median

import pytest
import uvloop

from target_app.loop_probe import LoopProbe


def lags(hold_s: float, rounds: int) -> list[float]:
    """What the probe notes on a loop that is held again and again."""
    noted: list[float] = []

    async def play() -> None:
        probe = LoopProbe(noted.append)
        probe.start()
        for _ in range(rounds):
            until = time.perf_counter() + hold_s
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(0.001)
        probe.stop()

    uvloop.run(play())
    return noted


def test_an_idle_loop_attends_at_once() -> None:
    async def play() -> list[float]:
        noted: list[float] = []
        probe = LoopProbe(noted.append)
        probe.start()
        await asyncio.sleep(0.5)
        probe.stop()
        return noted

    noted = min((uvloop.run(play()) for _ in range(3)), key=median)  # others may have the core
    assert len(noted) >= 5
    assert median(noted) < 0.005


@pytest.mark.parametrize("hold_s", [0.05])
def test_a_held_loop_is_noticed(hold_s: float) -> None:
    runs = [lags(hold_s, 10) for _ in range(3)]
    assert min(map(len, runs)) >= 3
    assert min(map(max, runs)) > 0.2 * hold_s
    assert min(map(max, runs)) <= hold_s + 0.02  # others may have the core in one of them
