"""The run's clock: wakes at the instant or a little later, never before, and in order."""

import time

import gevent
import pytest

from loadtests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(time.time_ns())


def test_the_base_is_an_instant_of_the_wall_clock() -> None:
    """Workers on several hosts agree on run time 0 by it."""
    clock = Clock(time.time_ns() + 2_000_000_000)
    assert clock.now() == pytest.approx(-2_000_000_000, abs=20_000_000)


def test_nobody_is_woken_early(clock: Clock) -> None:
    """A visitor who started before it was intended would break a law."""
    late = []
    for _ in range(50):
        at = clock.now() + 1_300_000
        clock.sleep_until(at)
        late.append(clock.now() - at)
    assert min(late) >= 0
    assert min(late) < 500_000  # gevent's own timers make at least 700 µs of it: 2 ms, not 1.3


def test_sleepers_wake_in_the_order_of_their_instants(clock: Clock) -> None:
    """Whatever the order in which they went to sleep; a tie by that order."""
    log = []

    def sleeper(name: str, at: int) -> None:
        clock.sleep_until(at)
        log.append(name)

    soon = clock.now() + 10_000_000
    plan = [("third", soon + 8_000_000), ("first", soon), ("second", soon), ("past", -1)]
    gevent.joinall([gevent.spawn(sleeper, *one) for one in plan])
    assert log == ["past", "first", "second", "third"]


def test_a_sleeper_that_is_killed_disturbs_no_other(clock: Clock) -> None:
    """A run that ends kills visits in the middle of their pauses."""
    at = clock.now() + 20_000_000
    victim, other = (gevent.spawn(clock.sleep_until, at) for _ in range(2))
    gevent.sleep(0.001)
    victim.kill()
    other.join(timeout=1.0)
    assert other.successful()
    assert clock.now() >= at


def test_a_thousand_sleepers_are_each_woken_once(clock: Clock) -> None:
    """At a thousand different instants within 0.1 s."""
    start = clock.now() + 500_000_000
    woken: list[int] = []

    def sleeper(number: int) -> None:
        clock.sleep_until(start + number * 100_000)
        woken.append(number)

    gevent.joinall([gevent.spawn(sleeper, (n * 389) % 1000) for n in range(1000)])
    assert woken == list(range(1000))
