"""Time runs out during a projection: what was done is folded, and nothing is invented."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from simulation.projection import Projection, project
from simulation.replication import Question
from simulation.screen import Clock, replicate_in_time, unstable_words
from tests.simulation import upstream_bound
from workload.errors import InvalidRunError


class LooksAtTheClock:
    """Time runs out at the n-th look; a run of this size looks once, when it begins."""

    def __init__(self, most: int) -> None:
        self.left = most

    def __call__(self, share: float) -> None:
        assert 0 <= share <= 1
        self.left -= 1
        if self.left < 0:
            raise InvalidRunError("time ran out")


def question(slots: int = 24) -> Question:
    """Three replications of two minutes of the wave."""
    asked = upstream_bound.question(slots, replications=3)
    return replace(asked, bending=replace(asked.bending, window_s=(0.0, 120.0)), horizon_s=300.0)


def projected(most: int) -> Projection:
    with ThreadPoolExecutor(max_workers=1) as one:
        return project(question(), executor=one, check=LooksAtTheClock(most))


def test_what_was_done_in_time_is_folded() -> None:
    """Two of three: the first two seeds, each as it would be without a clock."""
    alone = project(question())
    found = projected(2)
    assert [run.seed for run in found.replications] == [1, 2]
    digests = [run.digest for run in alone.replications]
    assert [run.digest for run in found.replications] == digests[:2]
    assert found.to_json()["replications"] == 2


def test_with_enough_time_a_clock_changes_nothing() -> None:
    """The same digests, bit for bit."""
    found, alone = projected(3), project(question())
    assert found.to_json()["history_sha256"] == alone.to_json()["history_sha256"]


def test_nothing_done_is_an_error() -> None:
    """Of several replications, and of a single one."""
    with pytest.raises(InvalidRunError, match="time ran out"):
        projected(0)
    single = replace(question(), replications=1)
    with pytest.raises(InvalidRunError, match="time ran out"):
        project(single, check=LooksAtTheClock(0))


def test_a_long_replication_is_stopped_on_the_way() -> None:
    """Some 2.4 million visits take longer than a tenth of a second: it does not run to its end."""
    asked = upstream_bound.question(8)
    asked = replace(asked, bending=replace(asked.bending, population=2_400_000.0))
    with pytest.raises(InvalidRunError, match="unstable: registry_client is offered"):
        replicate_in_time(asked, 1, Clock(0.3))


def test_only_what_is_unstable_is_named() -> None:
    """24 slots can do 48 a second, 8 can do 16 of 20."""
    assert unstable_words(question(24)) == ""
    assert "registry_client is offered" in unstable_words(question(8))
    assert "(16 a second)" in unstable_words(question(8))
