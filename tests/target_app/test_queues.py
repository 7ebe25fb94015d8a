"""The small decisions of the queue workers: how much to take, when to pause, what to batch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from target_app.durable_queue import Marks
from target_app.identity_queue import Gate, most_in_hand
from target_app.mail_sender import ClaimSize
from target_app.settings import Settings


def settings(slots: int, quota: float, lease_s: float = 30.0) -> Settings:
    """A worker's settings."""
    return Settings("x", registry_slots=slots, registry_quota_per_s=quota, lease_s=lease_s)


def test_without_a_quota_one_more_check_waits_behind_every_slot() -> None:
    assert most_in_hand(settings(16, 0)) == 32


def test_with_a_quota_no_more_is_taken_than_the_lease_lasts_for() -> None:
    assert most_in_hand(settings(16, 8.3)) == 25
    assert most_in_hand(settings(64, 1.0)) == 10
    assert most_in_hand(settings(4, 0.01)) == 1


def test_a_claim_grows_while_it_is_quick_and_shrinks_when_it_is_slow() -> None:
    claim = ClaimSize(least=4, lease_s=30, size=16)
    claim.learn(0.1)
    assert claim.size == 32
    for _ in range(10):
        claim.learn(0.1)
    assert claim.size == 512
    claim.learn(3.0)
    assert claim.size == 512, "neither quick nor slow"
    for _ in range(20):
        claim.learn(6.0)
    assert claim.size == 4


def shut_for(gate: Gate, event: Callable[[], None]) -> tuple[float, float]:
    """Least and most seconds that an event shuts a gate for, however late we get to look."""
    began = time.monotonic()
    event()
    left = gate.pause_s
    return left - 1e-6, left + time.monotonic() - began + 1e-6


def test_the_gate_stays_shut_longer_with_every_failure_up_to_two_seconds() -> None:
    gate = Gate()
    assert gate.pause_s == 0
    for pause_s in (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0):
        least, most = shut_for(gate, gate.failed)
        assert least <= pause_s <= most


def test_a_success_forgets_the_failures() -> None:
    gate = Gate()
    for _ in range(8):
        gate.failed()
    gate.succeeded()
    gate.failed()
    assert gate.pause_s <= 0.1


def test_a_busy_registry_shuts_the_gate_for_a_moment_only() -> None:
    gate = Gate()
    least, most = shut_for(gate, lambda: gate.busy(60.0))
    assert least <= 0.25 <= most


def test_marks_gather_while_a_batch_is_being_written() -> None:
    batches: list[list[int]] = []
    written = asyncio.Event()

    async def write(batch: list[int]) -> None:
        batches.append(batch)
        await asyncio.sleep(0.02)
        if sum(map(len, batches)) == 700:
            written.set()

    async def play() -> None:
        marks = Marks[int](write)
        running = asyncio.create_task(marks.run())
        marks.add(0)
        await asyncio.sleep(0.005)
        for mark in range(1, 700):
            marks.add(mark)
        await asyncio.wait_for(written.wait(), 10)
        running.cancel()

    asyncio.run(play())
    assert [len(batch) for batch in batches] == [1, 512, 187]
    assert [mark for batch in batches for mark in batch] == list(range(700))
