"""Open arrivals, and the judgement of whether the schedule was kept."""

from dataclasses import replace

import numpy as np
import pytest

from loadtests.pacer import (
    LAG_BOUNDS_S,
    Lag,
    lag_quantile_s,
    late_share,
    pace,
    schedule_faults,
)
from workload.arrivals import Arrivals
from workload.history import Observation
from workload.visit import Outcome


def lags(*milliseconds: float) -> list[int]:
    lag = Lag()
    for value in milliseconds:
        lag.add(round(value * 1e6))
    return lag.counts


def test_everybody_begins_at_the_instant_of_arrival() -> None:
    """In order, whatever became of the ones before; more than one chunk of them."""
    log: list[tuple[str, int]] = []

    class Time:
        def sleep_until(self, at: int) -> None:
            log.append(("until", at))

    people = Arrivals(np.arange(5000) * 2, np.arange(5000) * 10)
    pace(people, Time(), lambda visitor, _: log.append(("begin", visitor)))
    assert log[:4] == [("until", 0), ("begin", 0), ("until", 10), ("begin", 2)]
    assert log[-1] == ("begin", 9998)
    assert len(log) == 10_000


def test_lag_is_counted_by_bucket_with_its_sum_and_worst() -> None:
    """A bound belongs to the bucket below it, as in Prometheus."""
    lag = Lag()
    for ns in (0, 100_000, 100_001, 7_000_000_000):
        lag.add(ns)
    assert lag.counts[:2] == [2, 1]
    assert lag.counts[-1] == 1
    assert (lag.sum_ns, lag.worst_ns) == (7_000_200_001, 7_000_000_000)


def test_a_mail_that_did_not_come_is_no_attempt_that_was_sent_in_time() -> None:
    """It would thin out the share of those that were sent late."""
    lag, late = Lag(), Observation(1, 0, 1, 0, 0, 80_000_000, 90_000_000, int(Outcome.FAULT))
    lag.take(late)
    lag.take(replace(late, number=2, started=0, outcome=int(Outcome.NO_MAIL)))
    assert late_share(lag.counts) == 1.0


def test_quantiles_of_lag_are_upper_bounds() -> None:
    """Of nothing it is 0; beyond the last bound it is an hour."""
    assert lag_quantile_s(lags(), 0.99) == 0.0
    assert lag_quantile_s(lags(0.05, 0.3, 3), 0.5) == 0.0005
    assert lag_quantile_s(lags(0.05, 9000), 0.99) == 3600.0


def test_late_means_more_than_fifty_milliseconds() -> None:
    """Exactly 50 ms is still in time."""
    assert 0.05 in LAG_BOUNDS_S
    assert late_share(lags(50, 50.001, 20, 2000)) == 0.5


@pytest.mark.parametrize(("late", "kept"), [(0, True), (1, True), (2, False)])
def test_one_in_a_hundred_may_be_late(late: int, *, kept: bool) -> None:
    """More make the run invalid, with the share and the worker named."""
    faults = schedule_faults("worker 3", lags(*[0.1] * (100 - late), *[60] * late), 0.5, 1234)
    assert (faults == []) is kept
    if not kept:
        assert faults[0].startswith("schedule not kept: worker 3 sent 2.0% of its attempts more")
        assert "50% of its core, which others took from it 1,234 times" in faults[0]


def test_a_generator_that_never_rests_makes_the_run_invalid() -> None:
    """Even when it was in time: it reads the answers late."""
    assert schedule_faults("worker 0", lags(0.1), 0.94, 0) == []
    assert schedule_faults("worker 0", lags(0.1), 0.95, 0) == [
        "schedule not kept: worker 0 used 95% of its core; use more workers or less load"
    ]
