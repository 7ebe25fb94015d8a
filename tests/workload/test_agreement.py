"""Agreement: measured against predicted, signed, with the noise beside."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workload.agreement import (
    METRICS,
    Agreement,
    Basis,
    Level,
    Row,
    agreement_from,
    compare,
    figure,
    signed_error,
)
from workload.history import History, Observation
from workload.summary import Summary, summarize
from workload.visit import Ending, Outcome

S = 1_000_000_000


def world(took_s: float, people: int = 1000, *, failed: int = 0) -> Summary:
    """A summary of ``people`` who were served in ``took_s`` each, in 100 s; some failed."""
    rows = [
        Observation(v, 0, 1, 0, 0, 0, round(took_s * S), outcome, 200, ending)
        for v in range(people + failed)
        for outcome, ending in [
            (Outcome.ACCEPTED, Ending.FINISHED) if v < people else (Outcome.FAULT, Ending.GAVE_UP)
        ]
    ]
    return summarize(History.of(("open_site",), rows), 100.0)


def row(metric: str, rows: tuple[Row, ...]) -> Row:
    return next(one for one in rows if one.metric == metric)


def test_an_error_is_signed() -> None:
    """predicted / measured - 1: too slow is positive, too fast is negative."""
    assert Row("register", "p95_s", 0.2, 0.1, 0.3).error == pytest.approx(0.5)
    assert Row("register", "p95_s", 0.2, 0.1, 0.1).error == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("predicted", "measured", "expected"),
    [(math.inf, 1.0, math.inf), (1.0, math.inf, -1.0), (math.inf, math.inf, math.nan),
     (1.0, 0.0, math.nan), (math.nan, 1.0, math.nan)],
)  # fmt: skip
def test_an_error_at_the_edge_is_never_a_small_one(
    predicted: float, measured: float, expected: float
) -> None:
    """Infinite where one world failed and the other did not; unknown where nothing compares."""
    assert signed_error(predicted, measured) == pytest.approx(expected, nan_ok=True)


def test_noise_is_half_the_range_of_the_repeats_over_their_median() -> None:
    """Three repeats at 0.9, 1.0 and 1.2 s: 0.15; a single one has no noise."""
    predicted = [world(1.1)]
    rows = compare([world(0.9), world(1.0), world(1.2)], predicted)
    assert row("p50_s", rows).measured == pytest.approx(1.0, rel=0.01)
    assert row("p50_s", rows).noise == pytest.approx(0.15, rel=0.05)
    assert row("p50_s", rows).error == pytest.approx(0.1, abs=0.02)
    assert math.isnan(row("p50_s", compare([world(1.0)], predicted)).noise)


def test_every_metric_is_compared_where_both_worlds_have_visits_for_it() -> None:
    """A p99 needs 500 visits with an end, a p95 100, a p50 20."""
    for people, metrics in (
        (500, METRICS),
        (499, METRICS[:3]),
        (99, METRICS[:2]),
        (19, METRICS[:1]),
    ):
        rows = compare([world(1.0, people)], [world(1.0)])
        assert tuple(one.metric for one in rows) == metrics
    assert compare([], [world(1.0)]) == compare([world(1.0)], []) == ()


def test_throughput_counts_answers_a_second() -> None:
    """1,000 in 100 s; a correct no is an answer, failures are none."""
    declined = Observation(0, 0, 1, 0, 0, 0, S, Outcome.DECLINED, 200, Ending.TURNED_AWAY)
    answered = summarize(History.of(("open_site",), [declined]), 100.0)
    assert figure(answered, "open_site", "throughput") == pytest.approx(0.01)
    assert figure(world(1.0, failed=50), "open_site", "throughput") == pytest.approx(10.0)
    assert figure(world(1.0), "join_wave", "throughput") is None


def test_a_record_of_no_length_has_no_figures() -> None:
    """A run that was interrupted at once."""
    for duration_s in (0.0, 10.0):
        empty = summarize(History.of(("open_site",), []), duration_s)
        assert [figure(empty, "open_site", metric) for metric in METRICS] == [None] * 4


def test_a_world_that_fails_is_infinitely_slow() -> None:
    """2 % failed in the prediction: its p99 is infinite, and so is the error."""
    rows = compare([world(1.0)], [world(1.0, failed=20)])
    assert row("p99_s", rows).error == math.inf
    assert row("p50_s", rows).error == pytest.approx(0.0, abs=0.01)


def levels(*rows: Row, held_out: bool = True) -> Agreement:
    return Agreement(("runs/1",), 90.0, 100.0, (Level(50.0, held_out, rows),))


def test_the_worst_row_is_the_largest_error_in_size_on_held_out_load() -> None:
    """Of one metric; an infinite error is worse than any; unknown ones are left out."""
    small, large = Row("a", "p95_s", 1.0, 0.1, 1.2), Row("b", "p95_s", 1.0, 0.1, 0.5)
    unknown, other = Row("c", "p95_s", 0.0, 0.1, 1.0), Row("d", "p50_s", 1.0, 0.1, 9.0)
    never = Row("e", "p95_s", 1.0, 0.1, math.inf)
    assert levels(small, large, unknown, other).worst("p95_s") == large
    assert levels(small, large, never).worst("p95_s") == never
    assert levels(small, held_out=False).worst("p95_s") is None
    assert levels(unknown).worst("p95_s") is None


def test_saturation_has_a_signed_error_too() -> None:
    """Ten percent too low; unknown where it was not measured."""
    assert levels().saturation_error == pytest.approx(-0.1)
    assert math.isnan(Agreement((), 90.0, math.nan, ()).saturation_error)


numbers = st.one_of(st.floats(0, 1e6), st.just(math.nan))
rows_ = st.builds(
    Row, st.sampled_from("ab"), st.sampled_from(METRICS), numbers, numbers, numbers, numbers
)
agreements = st.builds(
    Agreement,
    st.lists(st.text(max_size=5), max_size=2).map(tuple),
    numbers,
    numbers,
    st.lists(st.builds(Level, st.floats(0, 1e4), st.booleans(), st.lists(rows_).map(tuple),
                       pace=st.floats(0.1, 10)), max_size=3).map(tuple),
)  # fmt: skip


@given(agreements)
def test_an_agreement_reads_back_the_same(agreement: Agreement) -> None:
    """Through JSON; what is unknown is null there and NaN again here."""
    raw = json.loads(json.dumps(agreement.to_json(), allow_nan=False))
    assert raw.pop("schema") == "surge/agreement/1"
    assert repr(agreement_from(raw)) == repr(agreement)


def test_the_json_form_is_the_documented_one() -> None:
    """Keys of surge/agreement/1."""
    found = levels(Row("register", "p50_s", 1.0, math.nan, 1.5)).to_json()
    assert found == {
        "schema": "surge/agreement/1",
        "calibrated_on": ["runs/1"],
        "saturation": {
            "predicted_per_s": 90.0,
            "measured_per_s": 100.0,
            "error": pytest.approx(-0.1),
        },
        "levels": [
            {
                "offered_per_s": 50.0,
                "held_out": True,
                "utilisation": {},
                "settings": {},
                "deployment": "",
                "expected_utilisation": {},
                "pace": 1.0,
                "rows": [
                    {
                        "step": "register",
                        "metric": "p50_s",
                        "measured": 1.0,
                        "noise": None,
                        "predicted": 1.5,
                        "error": 0.5,
                        "written": None,
                    }
                ],
            }
        ],
        "basis": {
            "began_unix": 0.0,
            "machine": {},
            "commit": "",
            "scenario": "",
            "fingerprint": "",
            "record": "",
            "predicted_unix": 0.0,
            "prediction_sha256": "",
        },
    }


def test_what_a_check_was_like_reads_back_and_may_be_missing() -> None:
    """How busy, which settings, when and where; an agreement without them reads too."""
    level = Level(50.0, True, (), {"event_loop": 0.7}, {"workers": 2})
    basis = Basis(1.7e9, {"processor": "a"}, "abc", "smoke", "0123", "verify-1")
    known = Agreement(("low-1",), 90.0, 100.0, (level,), basis)
    raw = json.loads(json.dumps(known.to_json()))
    assert agreement_from(raw) == known
    del raw["basis"], raw["levels"][0]["utilisation"], raw["levels"][0]["settings"]
    assert agreement_from(raw) == Agreement(("low-1",), 90.0, 100.0, (Level(50.0, True, ()),))
