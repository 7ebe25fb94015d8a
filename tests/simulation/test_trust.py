"""Trust: what an answer rests on, and that it says so where it leaves what was checked."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from simulation.projection import Question, project
from simulation.scaling import Scaling, Wanted
from simulation.trust import Trust, agreement_of, at_demand, loads_of, trust_of
from tests.simulation import upstream_bound
from workload.agreement import Agreement, Basis, Level, Row
from workload.errors import RecordError

#: 20 checks a second of 0.5 s each: 16 slots are busy to 62.5 % in the busiest minute.
SLOTS = 16
USED: dict[str, Any] = {
    "identity_check": "inline", "admission": "open", "shared_core": False, "replicas": 1,
    "workers": 1,
}  # fmt: skip


def agreement(
    busy: dict[str, float] | None = None, error: float = 0.0, step: str = upstream_bound.STEP,
    **settings: Any,
) -> Agreement:  # fmt: skip
    """One level learned from, a fifth as busy; one held out, each percentile off by ``error``."""
    busy = busy or {"registry_client": 0.8, "event_loop": 0.7, "database": 0.7,
                    "connection_pool": 0.7}  # fmt: skip
    rows = tuple(
        Row(step, metric, 0.5, 0.05, 0.5 * (1 + error)) for metric in ("p50_s", "p95_s", "p99_s")
    )
    used = {**USED, **settings}
    low = Level(4.0, False, rows, {name: share / 5 for name, share in busy.items()}, used)
    held = Level(20.0, True, rows, busy, used)
    basis = Basis(1.7e9, {"processor": "a", "cores": 2}, "abc", "wave", "0123", "verify-1")
    return Agreement(("low-1",), 102.0, 100.0, (low, held), basis)


def asked(checked: Agreement | None, slots: int = SLOTS, replications: int = 1) -> Question:
    """The wave of `upstream_bound`, to be answered by a model that carries this agreement."""
    question = upstream_bound.question(slots, replications=replications)
    carried = None if checked is None else checked.to_json()
    return replace(question, model=replace(question.model, agreement=carried))


def why(trust: Trust, kind: str) -> list[str]:
    return [one.sentence for one in trust.beyond if one.kind == kind]


def test_a_model_that_was_never_checked_says_nothing_of_itself() -> None:
    found = trust_of(asked(None))
    assert found.agreement is None
    assert found.to_json()["checked"] is False
    assert found.to_json()["intervals"] == []


def test_what_was_there_when_it_was_checked_is_not_extrapolated() -> None:
    """Same policy, same step, no station busier: and the check is named, with its machine."""
    found = trust_of(asked(agreement()))
    assert found.beyond == ()
    basis = found.to_json()["basis"]
    assert (basis["record"], basis["machine"]["processor"]) == ("verify-1", "a")
    assert found.to_json()["stations"]["registry_client"]["checked_to"] == 0.8
    assert found.to_json()["stations"]["registry_client"]["checked_from"] == pytest.approx(0.16)


def test_a_station_that_was_never_so_busy_is_named_with_both_shares() -> None:
    """62 % asked of a registry that was checked up to 40 %."""
    found = trust_of(asked(agreement({"registry_client": 0.4, "event_loop": 0.7})))
    (sentence,) = why(found, "station")
    assert sentence == "registry_client is busy to 62% in its busiest minute, checked up to 40%"


def test_a_larger_demand_leaves_what_was_checked() -> None:
    """1.2 times the people are 75 %, within 80 %; 1.5 times are 94 %, beyond."""
    question = asked(agreement())
    assert not trust_of(at_demand(question, 1.2)).extrapolated
    assert "busy to 94%" in why(trust_of(at_demand(question, 1.5)), "station")[0]


def test_a_level_that_was_learned_from_is_no_check() -> None:
    """Busy to 80 % while it was learned from, held out at 40 % only: the 40 % count."""
    known = agreement()
    low, held = known.levels
    swapped = (replace(low, utilisation={"registry_client": 0.8}),
               replace(held, utilisation={"registry_client": 0.4}))  # fmt: skip
    found = trust_of(asked(replace(known, levels=swapped)))
    assert "checked up to 40%" in why(found, "station")[0]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"identity_check": "queued"}, "identity_check = inline never answered in a check"),
        ({"admission": "shed"}, "admission = open never answered in a check"),
        ({"batch_rows": 1}, "batching on never answered in a check"),
        ({"shared_core": True}, "shared_core = false never answered in a check"),
    ],
)
def test_a_policy_that_never_answered_in_a_check_is_named(
    settings: dict[str, Any], told: str
) -> None:
    assert told in why(trust_of(asked(agreement(**settings))), "policy")


def test_more_replicas_than_ever_answered_are_named() -> None:
    """They share out what comes, which one alone never did."""
    question = asked(agreement())
    two = replace(question, deployment=replace(question.deployment, replicas=2))
    assert why(trust_of(two), "policy") == ["2 replicas share out what comes, checked with 1"]


def test_replicas_that_come_and_go_are_named_with_the_most_that_there_may_be() -> None:
    """No check has ever seen one start."""
    question = asked(agreement())
    scales = replace(question.deployment, scaling=Scaling(planned=(Wanted(1.0, 3),)))
    assert why(trust_of(replace(question, deployment=scales)), "policy") == [
        "3 replicas share out what comes, checked with 1",
        "replicas that come and go were never measured",
    ]


def test_a_step_that_was_not_walked_in_the_check_is_named() -> None:
    """Measured for its cost, but never compared; or not even that."""
    question = asked(agreement(step="open_site"))
    (sentence,) = why(trust_of(question), "step")
    assert sentence == "submit_identity: measured, but its latency never compared"
    unknown = replace(question, model=replace(question.model, calibrated={}))
    assert "by analogy" in why(trust_of(unknown), "step")[0]


def test_nothing_held_out_is_no_check() -> None:
    known = agreement()
    found = trust_of(asked(replace(known, levels=known.levels[:1])))
    assert "no level was held out" in why(found, "check")[0]


def test_a_model_whose_p95_was_half_off_has_an_interval_that_reaches_as_far() -> None:
    """Planted: half of what was measured. The truth, twice the projection, lies inside."""
    question = asked(agreement(error=-0.5), slots=20, replications=3)
    projection = project(question)
    found = trust_of(question, projection.replications).interval(upstream_bound.STEP, "p95_s")
    assert found is not None
    assert found.value == projection.step(upstream_bound.STEP)["p95_s"]
    assert found.low < found.value / 2 < 2 * found.value < found.high
    right = asked(agreement(error=0.0), slots=20, replications=3)
    narrow = trust_of(right, projection.replications).interval(upstream_bound.STEP, "p95_s")
    assert narrow is not None
    assert narrow.high < 2 * narrow.value


def test_what_was_simulated_is_as_busy_as_the_bound_says() -> None:
    """Where nobody retries, the two ways to a station's load agree."""
    question = asked(agreement(), slots=20, replications=1)
    simulated = loads_of(question, project(question).replications)
    assert simulated["registry_client"] == pytest.approx(
        loads_of(question)["registry_client"], rel=0.1
    )


def test_two_outcomes_have_no_interval() -> None:
    """Some replications collapse and some do not: no percentile stands for both."""
    question = asked(agreement(), slots=14, replications=10)
    projection = project(question)
    assert projection.two_peaked
    assert trust_of(question, projection.replications).intervals == ()


def test_rates_are_widened_by_the_error_of_saturation() -> None:
    """Independent of chance: half-widths of the logarithms in quadrature."""
    found = trust_of(asked(agreement()))
    low, high = found.widened(100.0, 121.0)
    reach = math.hypot(math.log(1.1), math.log(found.capacity))
    assert high / low == pytest.approx(math.exp(2 * reach))
    assert low * high == pytest.approx(100.0 * 121.0)
    assert Trust(None).widened(100.0, 121.0) == (0.0, math.inf)


def test_a_damaged_agreement_is_an_error_with_a_remedy() -> None:
    question = asked(agreement())
    damaged = replace(question, model=replace(question.model, agreement={"levels": 3}))
    with pytest.raises(RecordError, match="surge verify"):
        agreement_of(damaged.model)
