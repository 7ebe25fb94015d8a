"""How the report writes: figures with units, names as they are, lines and labels apart."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report import units, write_report
from harness.report.canvas import spread
from tests.harness.report_runs import Story, write_run
from workload.manifest import write_json


def plain(text: str) -> str:
    return text.replace(units.GAP, " ").replace(units.MINUS, "-")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "never"),
        (0.0, "0 s"),
        (0.000412345, "412 µs"),
        (0.0069446, "6.94 ms"),
        (0.25, "250 ms"),
        (1.5, "1.5 s"),
        (65.04, "65 s"),
        (2700.0, "45 min"),
        (7200.0, "2 h"),
        (234_000.0, "2.71 d"),
    ],
)
def test_a_duration_has_the_unit_that_suits_it(value: float | None, text: str) -> None:
    """Three digits at most; infinity is never."""
    assert plain(units.seconds(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "100 %"),
        (0.99997, "99.997 %"),
        (0.9995, "99.95 %"),
        (0.995, "99.5 %"),
        (0.5, "50 %"),
        (0.0004, "0.04 %"),
        (0.0, "0 %"),
        (math.nan, "–"),
    ],
)
def test_what_is_not_all_is_never_rounded_to_all(value: float, text: str) -> None:
    """Nor is something rounded to nothing."""
    assert plain(units.share(value)) == text


@given(st.floats(1e-6, 1 - 1e-6))
def test_a_share_between_none_and_all_reads_as_one(value: float) -> None:
    """Down to one in a million."""
    assert 0 < float(plain(units.share(value)).removesuffix(" %")) < 100


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123, "+12 %"), (-0.034, "-3.4 %"), (0.0, "0 %"), (-4.0, "-400 %"), (math.inf, "–")],
)
def test_an_error_always_shows_its_sign(value: float, text: str) -> None:
    """Plus: the model says more than there was."""
    assert plain(units.signed(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (62.04, "62"), (1234.5, "1,230"), (0.00123456, "0.00123"), (-5.5, "-5.5")],
)
def test_a_number_has_three_digits_and_no_exponent(value: float, text: str) -> None:
    """Thousands are set apart."""
    assert plain(units.digits(value)) == text


def test_labels_are_moved_apart_around_where_they_belong() -> None:
    """Two that want the same place share it evenly; a third that has room stays."""
    assert spread([10.0, 10.0, 50.0], 4.0) == [8.0, 12.0, 50.0]


@given(st.lists(st.floats(-100, 100), max_size=9).map(sorted))
def test_no_label_covers_another(wanted: list[float]) -> None:
    """However close their lines end."""
    places = spread(wanted, 3.0)
    assert len(places) == len(wanted)
    assert all(above - below >= 3.0 - 1e-9 for below, above in pairwise(places))


def test_names_are_shown_as_they_are_and_never_as_markup(tmp_path: Path) -> None:
    """A folder and a reason that look like HTML, or like a formula."""
    folder = tmp_path / "<i>$x_1$&amp;"
    hostile = Story(status="invalid", reasons=("<script>alert(1)</script>",))
    write_run(folder / "low-1", hostile)
    write_run(folder / "<b>$y$ held-out", Story(visitors=40, lasted_s=8))
    page = write_report([folder], tmp_path / "report.html").read_text()
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert page.count("&lt;b&gt;$y$ held-out") > 3


def test_a_plan_is_shown_with_its_cliff(tmp_path: Path) -> None:
    """The cheapest deployment, what it costs, what breaks next."""
    run = write_run(tmp_path / "run", Story(visitors=40, lasted_s=8))
    plan = {
        "schema": "surge/plan/1",
        "objectives": [{"text": "p_collapse < 1%", "verdict": "met", "value": 0, "margin": 0.4}],
        "cheapest": {"replicas": 3, "registry_slots": 15, "prices": {}},
        "cost": 1234.0,
        "bottleneck": "registry_client",
        "cliff": {"registry_slots": 13},
    }
    write_json(run / "plan.json", plan)
    page = write_report([run], run / "report.html").read_text()
    assert "it costs 1,230" in page
    assert "What would break next is registry client" in page
    assert '<th scope="row">registry slots</th><td class="n">15</td>' in page
    assert '<th scope="row">registry slots</th><td class="n">13</td>' in page
    assert "plan.json" not in page.partition("Not given:")[2]
