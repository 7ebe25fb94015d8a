"""The draw in the model: who waits for it, who is in it, and what that means for who is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simulation.deployment import Deployment
from simulation.replication import Question, Replication, replicate
from tests.simulation.situations import LIVELY
from workload.manifest import Bending
from workload.scenario import scenario_from
from workload.visit import Outcome
from workload.wave_draw import drawn

NAMES = ("open_site", "register", "submit_identity", "await_identity", "join_wave", "check_result")
ROOMY = Deployment(registry_slots=200, mail_connections=50)


def simulated(
    closes_s: float,
    drawn_s: float,
    seats: int,
    horizon_s: float | None = None,
    engine: str = "compiled",
    deployment: Deployment = ROOMY,
    **bent: Any,
) -> Replication:
    """Ten people a second for a minute; they join some 11 s after they came, and look after 1 s."""
    pauses = {"join_wave": 10, "check_result": 1}
    polls = {"await_identity": {"polls": 50, "poll_s": 0.1, "poll_cap_s": 1}}
    table = {
        "schema": "surge/scenario/1",
        "name": "drawn",
        "arrivals": {"duration": "60s", "parts": [{"shape": "constant", "per_s": 10}]},
        "people": {"mistyped": 0.1},
        "steps": [{"name": n, "pause": pauses.get(n, 0.1), **polls.get(n, {})} for n in NAMES],
        "draw": {"closes": closes_s, "drawn": drawn_s, "seats": seats},
    }
    bending = replace(Bending((0.0, 60.0)), **bent)
    question = Question(
        scenario_from(table, "drawn"),
        LIVELY,
        deployment,
        bending,
        engine,
        trace=True,
        horizon_s=horizon_s,
    )
    return replicate(question, 3)


def accepted(found: Replication, step: str) -> np.ndarray:
    """Rows of (visitor, ended in s, started in s) of a step's acceptances."""
    assert found.history is not None
    rows = found.history
    mine = (rows["step"] == NAMES.index(step)) & (rows["outcome"] == Outcome.ACCEPTED)
    return np.column_stack(
        [rows["visitor"][mine], rows["ended"][mine] / 1e9, rows["started"][mine] / 1e9]
    )


@pytest.mark.parametrize("seats", [50, 100_000])
def test_seats_are_drawn_among_exactly_those_who_joined_in_time(seats: int) -> None:
    """As many as there are seats, or everybody; who joined later is in none."""
    found = simulated(40, 50, seats)
    joined = accepted(found, "join_wave")
    in_time = joined[joined[:, 1] <= 40, 0].astype(np.int64)
    assert 200 < len(in_time) < len(joined)
    assert found.joined == len(in_time)
    assert found.drawn is not None
    assert len(found.drawn) == min(seats, len(in_time))
    assert np.array_equal(found.drawn, drawn(3, in_time, seats))


def test_everybody_who_joined_looks_once_and_not_before_the_draw() -> None:
    """Who joined before it a second after it, who joined later a second after that."""
    found = simulated(40, 50, 50)
    joined, looked = accepted(found, "join_wave"), accepted(found, "check_result")
    assert np.array_equal(np.sort(joined[:, 0]), np.sort(looked[:, 0]))
    assert looked[:, 2].min() >= 51
    ended = dict(zip(joined[:, 0].tolist(), joined[:, 1].tolist(), strict=True))
    for who, _, started in looked.tolist():
        assert started == pytest.approx(max(ended[who], 50) + 1, abs=0.05)
    assert found.lost == 0


def test_who_waits_for_a_draw_beyond_the_record_is_open_and_not_lost() -> None:
    """They have done all that they can."""
    found = simulated(200, 300, 50, horizon_s=120)
    joined = accepted(found, "join_wave")
    assert len(joined) > 400
    assert found.summary.endings["open"] == len(joined)
    assert found.summary.endings["finished"] == 0
    assert found.joined == len(joined)
    assert found.lost == 0


def test_who_does_not_come_to_the_wave_is_lost_though_the_draw_lies_beyond() -> None:
    """A registry that does one check a second keeps most of them from joining."""
    found = simulated(200, 300, 50, 120, deployment=Deployment(registry_quota_per_s=1.0))
    assert found.lost > 200
    assert found.lost + len(accepted(found, "join_wave")) == pytest.approx(
        0.9 * found.people, rel=0.05
    )


def test_both_engines_draw_the_same() -> None:
    """Digest, lost, and everybody who got a seat; bent too."""
    for bent in ({}, {"speed": 2.0}, {"pauses": 0.5}, {"window_s": (20.0, 60.0)}):
        one, other = (
            simulated(40, 50, 50, None, engine, **bent) for engine in ("compiled", "simpy")
        )
        assert one.digest == other.digest
        assert (one.lost, one.joined) == (other.lost, other.joined)
        assert one.drawn is not None
        assert other.drawn is not None
        assert one.drawn.tolist() == other.drawn.tolist()
