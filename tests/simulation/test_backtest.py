"""The backtest: hidden parameters are found again, the later is never looked at, doubt is told."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from simulation.backtest import Backtest, backtest, fitted_json, journeying
from simulation.flow import p95_of
from simulation.flow_fit import BOTH, CONSTANT_SHARE, SATURATED, Fit
from simulation.snapshots import Snapshot, of_reading
from workload.errors import InputError
from workload.scenario import Scenario, load_scenario

WAVE = load_scenario("prakerja-2020")
HOURS = (6.0, 12.0, 21.0, 30.0, 40.0, 50.0, 65.0)
HIDDEN = {
    SATURATED: Fit(SATURATED, 0.7, 0.95, 6.5, 0.0, 1.0, 40_000.0, 0.5),
    CONSTANT_SHARE: Fit(CONSTANT_SHARE, 0.8, 0.55, math.inf, 0.0, 0.8, 20_000.0, 0.9),
    BOTH: Fit(BOTH, 0.8, 0.6, 9.0, 0.0, 0.7, 30_000.0, 0.4),
}


def snapshots_of(hidden: Fit, hours: Sequence[float] = HOURS) -> list[Snapshot]:
    """What would have been published, had the wave had these parameters."""
    people = journeying(WAVE, of_reading(WAVE))
    counts = people.walk(hidden)
    demand = people.grid.read(people.registered, hours)
    columns = [people.grid.read(counts[name], hours) for name in counts]
    return [
        Snapshot(hour, float(registered), *(float(column[n]) for column in columns))
        for n, (hour, registered) in enumerate(zip(hours, demand, strict=True))
    ]


def test_a_saturated_registry_is_found_again() -> None:
    """Its rate and the pause; how many ask is hidden behind it, and not told."""
    found = backtest(WAVE, snapshots_of(HIDDEN[SATURATED]), 21)
    assert found.saturated == ("registry_client",)
    fitted = fitted_json(found.told[0].fit)
    assert fitted["registry_per_s"] == pytest.approx(6.5, rel=0.001)
    assert fitted["email_share"] == pytest.approx(0.7, rel=0.001)
    assert fitted["identity_share"] is None
    assert fitted["join_share"] == pytest.approx(1.0)
    assert fitted["join_pause"]["median_s"] == pytest.approx(40_000, rel=0.01)
    assert fitted["join_pause"]["p95_s"] == pytest.approx(p95_of(40_000, 0.5), rel=0.01)


def test_a_constant_share_is_found_again() -> None:
    """And that no station was full."""
    found = backtest(WAVE, snapshots_of(HIDDEN[CONSTANT_SHARE]), 21)
    assert found.saturated == ()
    fitted = fitted_json(found.told[0].fit)
    assert fitted["registry_per_s"] is None
    assert fitted["identity_share"] == pytest.approx(0.55, rel=0.001)
    assert fitted["join_share"] == pytest.approx(0.8, rel=0.01)
    assert fitted["join_pause"]["median_s"] == pytest.approx(20_000, rel=0.02)


def test_a_registry_that_empties_at_night_is_found_again() -> None:
    """Share and rate together, where neither alone describes the snapshots."""
    found = backtest(WAVE, snapshots_of(HIDDEN[BOTH]), 50)
    assert found.saturated == ("registry_client",)
    fit = found.told[0].fit
    assert fit.name == BOTH
    assert fit.registry_per_s == pytest.approx(9.0, rel=0.01)
    assert fit.identity_share == pytest.approx(0.6, rel=0.01)
    assert fit.join_share == pytest.approx(0.7, rel=0.02)


@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=list(HIDDEN))
def test_later_snapshots_are_predicted(hidden: Fit) -> None:
    """Within half a per cent and inside their intervals, from those of 50 hours."""
    found = backtest(WAVE, snapshots_of(hidden), 50)
    assert {row.hours for row in found.predictions} == {65.0}
    for row in found.predictions:
        assert abs(row.error) < 0.005
        assert row.low <= row.published <= row.high
        assert row.high / row.low < 1.1


def without_errors(found: Backtest) -> list[tuple[object, ...]]:
    return [
        (told.fit, [(r.hours, r.measure, r.predicted, r.low, r.high) for r in told.predictions])
        for told in found.told
    ]


def test_later_snapshots_are_never_looked_at() -> None:
    """Planted: other counts after the hour. Nothing fitted or predicted moves, only the errors."""
    honest = snapshots_of(HIDDEN[SATURATED])
    lies = [
        one if one.hours <= 21
        else replace(one, email_verified=1.9e6, identity_verified=1.8e6, joined=1.7e6)
        for one in honest
    ]  # fmt: skip
    told, lied_to = backtest(WAVE, honest, 21), backtest(WAVE, lies, 21)
    assert without_errors(told) == without_errors(lied_to)
    assert told.predictions[0].error != lied_to.predictions[0].error


def test_the_scenarios_own_drop_outs_are_ignored() -> None:
    """Another reading has others, and the same pauses before the identity check."""
    snapshots = snapshots_of(HIDDEN[SATURATED])
    steps = [replace(step, drop_out=0.5) for step in WAVE.journey.steps]
    leaving = replace(WAVE, journey=replace(WAVE.journey, steps=tuple(steps)))
    assert without_errors(backtest(leaving, snapshots, 21)) == without_errors(
        backtest(WAVE, snapshots, 21)
    )


def test_one_snapshot_can_not_tell_a_full_registry_from_a_constant_share() -> None:
    """Both fits are told, and which one later snapshots support."""
    found = backtest(WAVE, of_reading(WAVE), 21, WAVE.reading)
    assert found.saturated is None
    assert [told.fit.name for told in found.told] == [SATURATED, CONSTANT_SHARE]
    assert found.supported == SATURATED
    shown = found.to_json()
    assert shown["saturated"] == "unknown"
    assert shown["supported"] == "saturated_registry"
    hidden = snapshots_of(HIDDEN[CONSTANT_SHARE], (21.0, 50.0, 65.0))
    assert backtest(WAVE, hidden, 21).supported == CONSTANT_SHARE


def test_intervals_reach_over_every_fit_that_is_left() -> None:
    found = backtest(WAVE, of_reading(WAVE), 21)
    for n, row in enumerate(found.predictions):
        rows = [told.predictions[n] for told in found.told]
        assert row.low == min(one.low for one in rows)
        assert row.high == max(one.high for one in rows)
        assert row.low <= row.predicted <= row.high


def test_2020_from_its_first_snapshot() -> None:
    """`two_snapshots`: the ministry's rate of 21 hours gives the NIK count of 50 h within 2 %.

    One count of joined can't tell how alike people's pauses are: its interval is wide, and holds
    what came.
    """
    rows = {(r.hours, r.measure): r for r in backtest(WAVE, of_reading(WAVE), 21).predictions}
    assert abs(rows[50, "identity_verified"].error) < 0.02
    assert abs(rows[50, "email_verified"].error) < 0.02
    joined = rows[50, "joined"]
    assert joined.low < 926_790 < joined.high
    assert math.isnan(rows[65, "joined"].published)


def test_2020_from_both_snapshots_is_a_full_registry() -> None:
    """8.3 checks a second, day and night; the scenario's pause before joining is this fit's."""
    found = backtest(WAVE, of_reading(WAVE), 50)
    assert found.saturated == ("registry_client",)
    fit = found.told[0].fit
    assert fit.registry_per_s == pytest.approx(8.3, rel=0.01)
    pause = next(s.pause for s in WAVE.journey.steps if s.name == "join_wave").table()
    assert pause[512] / 1e9 == pytest.approx(fit.join_median_s, rel=0.01)
    assert pause[973] / 1e9 == pytest.approx(p95_of(fit.join_median_s, fit.join_sigma), rel=0.01)


@pytest.mark.parametrize(("reading", "supported"), [("counts", ""), ("percentages", SATURATED)])
def test_every_reading_can_be_asked(reading: str, supported: str) -> None:
    """`percentages` supports a full registry, too; `counts` neither it nor a constant share."""
    scenario: Scenario = load_scenario("prakerja-2020", reading)
    found = backtest(scenario, of_reading(scenario), 21, reading)
    assert found.supported == supported
    assert found.to_json()["reading"] == reading
    assert {row.hours for row in found.predictions} == {65.0}


def test_who_was_never_counted_as_joined_is_not_predicted() -> None:
    bare = [replace(one, joined=math.nan) for one in of_reading(WAVE)]
    shown = backtest(WAVE, bare, 21).to_json()
    joined = [row for row in shown["predictions"] if row["measure"] == "joined"]
    assert [row["predicted"] for row in joined] == [None, None]
    assert shown["fitted"]["join_pause"] == {"median_s": None, "p95_s": None}


def test_snapshots_that_no_fit_describes_are_called_so() -> None:
    """More verified in the quiet hours than a share or a rate could explain: unknown."""
    odd = [
        Snapshot(10, 800_000, 600_000, 50_000),
        Snapshot(21, 1_432_133, 1_063_028, 620_000),
        Snapshot(30, 1_800_000, 1_300_000, 640_000),
    ]
    found = backtest(WAVE, odd, 30)
    assert found.saturated is None
    assert all(told.fit.deviation > 0.02 for told in found.told)


def test_without_a_snapshot_to_fit_nothing_is_predicted() -> None:
    with pytest.raises(InputError, match=r"no snapshot up to it has .* \(hours: 21, 50, 65\)"):
        backtest(WAVE, of_reading(WAVE), 20)
