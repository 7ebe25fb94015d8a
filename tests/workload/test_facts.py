"""What a measured run says to its objectives."""

import math

import numpy as np
import pytest

from workload.facts import MeasuredFacts
from workload.history import History, Observation
from workload.objective import Answer, judge, parse_objective
from workload.summary import summarize
from workload.telemetry import Telemetry

STEPS = ("open_site", "register")
MS = 1_000_000


def observation(visitor: int, step: int, took_ms: int, *, accepted: bool = True) -> Observation:
    begin = visitor * 1000 * MS + step * 500 * MS
    outcome, ending = (0, int(step == 1)) if accepted else (2, 4)
    return Observation(
        visitor, step, 1, visitor * 1000 * MS, begin, begin, begin + took_ms * MS, outcome, 200,
        ending,
    )  # fmt: skip


def series(station: str, bound: str) -> str:
    return f'surge_station_wait_seconds_bucket{{station="{station}",le="{bound}"}}'


def telemetry(*rows: tuple[str, str, str, float, float]) -> Telemetry:
    """Rows of (source, station, bound, count before the run, count at its end)."""
    instants = np.array([-5, 9_000_000_000])
    return Telemetry(
        {
            (source, series(station, bound)): (instants, np.array([before, after]))
            for source, station, bound, before, after in rows
        }
    )


def facts(waits: Telemetry | None = None) -> MeasuredFacts:
    rows = [observation(v, s, 10 + v) for v in range(3) for s in range(2)]
    rows.append(observation(3, 0, 10, accepted=False))
    return MeasuredFacts(summarize(History.of(STEPS, rows), 100.0), waits)


def test_latency_and_success_are_those_of_the_step() -> None:
    """A step that nobody knows has none."""
    found = facts()
    latency = found.latency("register")
    assert latency is not None
    assert latency.total == 3
    assert found.success("open_site") == 0.75
    assert found.latency("join_wave") is None
    assert math.isnan(found.success("join_wave"))


def test_the_backlog_is_the_longest_wait_of_this_run() -> None:
    """What had waited before the run does not count; the longest of all processes does."""
    waits = telemetry(
        ("worker", "registry_client", "0.1", 5, 9),
        ("worker", "registry_client", "2.0", 5, 10),
        ("worker", "registry_client", "60.0", 8, 13),
        ("service", "registry_client", "0.1", 0, 1),
        ("service", "mail_sender", "60.0", 0, 1),
    )
    assert facts(waits).backlog("identity") == 2.0
    assert facts(waits).backlog("mail") == 60.0


def test_a_wait_beyond_the_last_bound_is_no_longer_than_the_record() -> None:
    """The open bucket says nothing, but nobody waited longer than the run lasted."""
    waits = telemetry(
        ("worker", "registry_client", "60.0", 0, 3), ("worker", "registry_client", "+Inf", 0, 4)
    )
    assert facts(waits).backlog("identity") == 100.0


@pytest.mark.parametrize("waits", [None, telemetry(("worker", "registry_client", "60.0", 7, 7))])
def test_where_nothing_waited_or_was_measured_the_backlog_is_unknown(
    waits: Telemetry | None,
) -> None:
    """An objective without samples is not met."""
    verdict = judge(parse_objective("backlog identity < 2h"), facts(waits))
    assert verdict.answer is Answer.UNKNOWN
    assert math.isnan(facts(waits).backlog("lunch"))


def test_one_run_has_no_probability_of_collapse() -> None:
    """That takes a projection."""
    assert judge(parse_objective("p_collapse < 1%"), facts()).answer is Answer.UNKNOWN
