"""Operational bounds: what is offered against what a station can do, and where that proves a no."""

from dataclasses import replace

import pytest

from simulation.bounds import bounds_of, disagreements
from simulation.deployment import Deployment
from simulation.projection import Question, replicate
from tests.simulation import upstream_bound
from workload.durations import constant


def asked(**settings: float | str) -> Question:
    """The wave of `upstream_bound` with constant checks of CHECK_S, by a deployment."""
    question = upstream_bound.question(16)
    model = replace(question.model, registry=constant(upstream_bound.CHECK_S))
    deployment = Deployment(**{"registry_slots": 16, **settings})  # type: ignore[arg-type]
    return replace(question, model=model, deployment=deployment)


def test_the_load_of_slots_is_rate_times_service() -> None:
    """U = X D / c: 20 a second, 0.5 s each, 16 slots: 62.5 %; over the wave, 12: 37.5 %."""
    found = bounds_of(asked()).of("registry_client")
    assert found is not None
    assert found.peak_load == pytest.approx(20 * 0.5 / 16, rel=1e-3)
    assert found.mean_load == pytest.approx(12 * 0.5 / 16, rel=1e-2)
    assert found.per_s == pytest.approx(32)
    assert not found.is_unstable
    assert "busy to 62% in its busiest minute" in found.sentence


def test_the_bottleneck_bounds_the_throughput() -> None:
    """X <= c / D of the busiest: 8 slots of 0.5 s let 16 a second through."""
    found = bounds_of(asked(registry_slots=8))
    assert found.bottleneck.station == "registry_client"
    assert found.people_per_s == pytest.approx(16, rel=0.01)


def test_an_overload_says_which_station_by_how_much_and_what_it_makes_people_wait() -> None:
    """A quota of 15: 20 a second for 600 s leave 3,000 behind, 200 s of work; the mean fits."""
    found = bounds_of(asked(registry_quota_per_s=15.0))
    quota = found.of("registry_quota")
    assert quota is not None
    assert found.unstable == (quota,)
    assert quota.peak_load == pytest.approx(20 / 15, rel=1e-3)
    assert quota.backlog_s == pytest.approx(200, rel=0.01)
    assert "5 a second more than it can do" in quota.sentence


def test_more_than_it_can_do_as_long_as_people_come_never_drains() -> None:
    """A quota of 8 for 12 a second: 4,800 of 14,400 left when the last one comes, 10 minutes."""
    quota = bounds_of(asked(registry_quota_per_s=8.0)).of("registry_quota")
    assert quota is not None
    assert quota.mean_load == pytest.approx(1.5, rel=1e-2)
    assert "1.5" in quota.sentence
    assert "as long as people come" in quota.sentence


def test_a_waiting_room_flattens_what_comes_behind_it() -> None:
    """15 a second are let in of 20: who comes last waits 200 s; the slots never see more."""
    found = bounds_of(asked(admission="waiting_room", room_per_s=15.0))
    room, slots = found.of("waiting_room"), found.of("registry_client")
    assert room is not None
    assert slots is not None
    assert room.backlog_s == pytest.approx(200, rel=0.01)
    assert slots.peak_load == pytest.approx(15 * 0.5 / 16, rel=1e-2)


def test_littles_law_tells_how_many_stand_in_line() -> None:
    """N = X R: 15 a second, 200 s: 3,000; the simulated queue is that long, within its luck."""
    question = asked(registry_quota_per_s=15.0, registry_slots=64)
    quota = bounds_of(question).of("registry_quota")
    assert quota is not None
    assert quota.queue == pytest.approx(3000, rel=0.01)
    simulated = replicate(question, 1).stations["registry_client"]["peak_queue"]
    assert simulated == pytest.approx(quota.queue, abs=3 * 120)


@pytest.mark.parametrize("per_s", [8.0, 15.0])
def test_the_longest_wait_is_a_bound_of_the_simulated_one(per_s: float) -> None:
    """Within the luck of 14,400 arrivals (one standard deviation is 120 of them)."""
    question = asked(registry_quota_per_s=per_s, registry_slots=64)
    quota = bounds_of(question).of("registry_quota")
    simulated = replicate(question, 1).stations["registry_client"]["longest_wait_s"]
    assert quota is not None
    assert simulated == pytest.approx(quota.backlog_s, abs=3 * 120 / per_s)


def test_simulation_and_bound_agree_where_nobody_retries() -> None:
    """Queued checks: each is made once."""
    question = asked(registry_slots=24)
    one = replicate(question, 1)
    horizon_s = upstream_bound.LASTS_S + 600
    assert disagreements(bounds_of(question), one.stations, horizon_s, 1200.0) == []


def test_a_storm_of_retries_is_a_disagreement() -> None:
    """Inline and impatient: the slots are busier than first attempts account for."""
    question = upstream_bound.question(11)
    one = replicate(question, 1)
    found = disagreements(bounds_of(question), one.stations, question.horizon_s or 0, 1200.0)
    assert len(found) == 1
    assert found[0].startswith("registry_client: simulated busy to")
    assert "more than they account for" in found[0]
