"""The generator's own figures: summed over workers, named as series, judged worker by worker."""

from dataclasses import replace

import pytest

from loadtests.figures import Figures, Tally
from loadtests.pacer import Lag
from workload.telemetry import bucket_quantile, labels_of


def lags(*milliseconds: float) -> list[int]:
    lag = Lag()
    for value in milliseconds:
        lag.add(round(value * 1e6))
    return lag.counts


FIRST = Tally(
    worker=0, arrived=10, expected=40, ended=4, attempts=25, failures=1, connects=3,
    mailbox_failures=0, lag=lags(*[0.3] * 25), lag_sum_s=0.0075, worst_lag_s=0.0003, cpu_s=0.5,
    window_cpu_s=0.0, wakeups=100, involuntary=7,
)  # fmt: skip
SECOND = replace(FIRST, worker=1, arrived=12, attempts=5, lag=lags(*[80] * 5), window_cpu_s=9.9)


def both() -> Figures:
    figures = Figures()
    figures.tallies = {1: SECOND, 0: FIRST}
    return figures


def test_series_sum_over_workers() -> None:
    """Counters add, and so do the buckets of lag, which are cumulative as Prometheus has them."""
    samples = both().samples()
    assert samples["surge_generator_requests_total"] == 30
    assert samples["surge_generator_cpu_seconds_total"] == 1.0
    assert samples["surge_generator_wakeups_total"] == 200
    buckets = [
        (float(labels_of(name)["le"].replace("+Inf", "inf")), count)
        for name, count in samples.items()
        if name.startswith("surge_generator_lag_seconds_bucket")
    ]
    assert bucket_quantile(buckets, 0.5) == 0.0005
    assert bucket_quantile(buckets, 0.99) == 0.1
    assert buckets[-1] == (float("inf"), 30.0) == (float("inf"), samples_count(samples))


def samples_count(samples: dict[str, float]) -> float:
    return samples["surge_generator_lag_seconds_count"]


def test_progress_says_where_the_run_is() -> None:
    """Who has come, who is still there, and how late the generator is."""
    assert both().progress(3.0, 10.0) == {
        "at_s": 3.0, "window_s": 10.0, "arrived": 22, "expected": 80, "open": 14,
        "attempts": 30, "failures": 2, "lag_p99_ms": 100.0,
    }  # fmt: skip


def test_one_late_worker_among_good_ones_is_found() -> None:
    """Judged one by one: a good one does not dilute a bad one."""
    late, busy = both().faults(window_s=10.0)
    assert late.startswith("schedule not kept: worker 1 sent 100.0%")
    assert busy.startswith("schedule not kept: worker 1 used 99%")


def test_nobody_has_spoken_yet() -> None:
    """All figures are there and are 0."""
    assert set(Figures().samples().values()) == {0.0}
    assert Figures().progress(0.0, 1.0)["lag_p99_ms"] == pytest.approx(0.0)
    assert Figures().faults(1.0) == []
