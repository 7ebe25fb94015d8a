"""Staggered openings: the same people on the same luck, let in group by group."""

from __future__ import annotations

import tomllib
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import chi2

from workload.arrivals import ArrivalCurve
from workload.errors import ScenarioError
from workload.opening import POLICIES, Opening
from workload.population import BIRTH_DAYS, FIRST_BIRTH, PROVINCES, Population, birth_days_of
from workload.scenario import Scenario, load_scenario, scenario_from

SECONDS = {"duration": 100, "population": 3000, "parts": [
    {"shape": "burst", "people": 60, "decay_s": 10}, {"shape": "constant", "per_s": 1},
]}  # fmt: skip
PEOPLE = {"provinces": {"Bali": 3, "Banten": 1, "Aceh": 6}}
STAGGERED: dict[str, list[dict[str, Any]]] = {
    "by-province": [{"opens": 50, "provinces": ["Bali"]}, {"opens": 7, "provinces": ["Aceh"]}],
    "by-birth-date": [{"opens": 30, "years": [1956, 1970]}, {"opens": 90.5, "years": [1990, 2003]}],
    "waves": [{"opens": 20, "share": 0.25}, {"opens": 200, "share": 0.5}],
}
each_policy = pytest.mark.parametrize("policy", STAGGERED)


def scenario(opening: dict[str, Any] | None, arrivals: dict[str, Any] | None = None) -> Scenario:
    table: dict[str, Any] = {
        "schema": "surge/scenario/1",
        "name": "an opening",
        "arrivals": arrivals or SECONDS,
        "people": PEOPLE,
        "steps": [{"name": "open_site"}],
    }
    return scenario_from(table | ({"opening": opening} if opening else {}), "an opening")


def staggered(policy: str) -> Scenario:
    return scenario({"policy": policy, "groups": STAGGERED[policy]})


@st.composite
def curves(drawn: st.DrawFn) -> ArrivalCurve:
    """Any policy, with delays of up to some minutes."""
    base = scenario(None).curve
    people = Population({"51": 3.0, "36": 1.0, "11": 6.0})
    policy = drawn(st.sampled_from(POLICIES[1:]))
    kinds = {"by-province": 3, "by-birth-date": BIRTH_DAYS, "waves": drawn(st.integers(1, 6))}
    delays = drawn(st.lists(st.integers(0, 300_000_000), min_size=1, max_size=6))
    kind = np.arange(kinds[policy])
    weights = {"by-province": np.array([0.3, 0.1, 0.6])}.get(policy, np.ones(len(kind)))
    opening = Opening(
        policy,
        tuple(delays[at % len(delays)] for at in kind),
        tuple((weights / weights.sum()).tolist()),
        people,
    )
    return base.opened(opening)


@given(curves(), st.integers(0, 2**63 - 1))
def test_everybody_comes_once_and_in_order(curve: ArrivalCurve, seed: int) -> None:
    """Instants ascend, those of one instant by index; all lie within the curve."""
    arrivals = curve.arrivals(seed)
    assert np.array_equal(np.sort(arrivals.index), np.arange(len(arrivals)))
    later = np.diff(arrivals.at_ns)
    assert (later >= 0).all()
    assert (np.diff(arrivals.index)[later == 0] > 0).all()
    assert 0 <= arrivals.at_ns[0] <= arrivals.at_ns[-1] < round(curve.duration_s * 1e9)


@given(curves(), st.integers(0, 2**63 - 1))
def test_a_visitor_comes_later_by_the_delay_of_the_group_and_else_alike(
    curve: ArrivalCurve, seed: int
) -> None:
    """Against the same luck with all let in at once: visitor by visitor."""
    at_once = curve.opened(Opening()).arrivals(seed)
    arrivals = curve.arrivals(seed)
    delays = curve.opening.delays_ns(seed, arrivals.index)
    assert np.array_equal(at_once.at_ns[arrivals.index] + delays, arrivals.at_ns)


@given(curves(), st.integers(1, 5), st.floats(0, 400), st.floats(0, 400))
def test_workers_and_windows_share_everybody(
    curve: ArrivalCurve, workers: int, one: float, other: float
) -> None:
    """Slices of windows, put together, are all who come."""
    whole = curve.arrivals(5)
    ends = [0.0, *sorted((one, other)), curve.duration_s + 1]
    pieces = [
        whole.window(start, end).slice(worker, workers).index
        for start, end in pairwise(ends)
        for worker in range(workers)
    ]
    assert np.array_equal(np.sort(np.concatenate(pieces)), np.sort(whole.index))


@examples(max_examples=25)
@given(curves(), st.floats(0, 400), st.floats(0, 400))
def test_expected_is_the_integral_of_the_rate(curve: ArrivalCurve, t0: float, t1: float) -> None:
    """With a corner wherever a group is let in or ends; and all people are expected in all."""
    low, high = sorted((t0, t1))
    corners = [d + e for d, _ in curve.opening.mixture for e in (0.0, curve.own_s)]
    edges = [low, *sorted(c for c in corners if low < c < high), high]
    area = sum(
        quad(lambda t: float(curve.rate(t)), start, end, epsabs=1e-9)[0]
        for start, end in pairwise(edges)
    )
    assert float(curve.expected(low, high)) == pytest.approx(area, rel=1e-6, abs=1e-6)
    assert float(curve.expected(0, curve.duration_s)) == pytest.approx(3000, rel=1e-9)


@each_policy
def test_who_comes_when_is_as_expected(policy: str) -> None:
    """Chi-square over forty seeds and thirty stretches of time."""
    curve = staggered(policy).curve
    edges = np.linspace(0.0, curve.duration_s, 31)
    drawn = [np.histogram(curve.arrivals(seed).at_ns / 1e9, edges)[0] for seed in range(40)]
    counts = np.sum(drawn, axis=0)
    means = 40 * curve.expected(edges[:-1], edges[1:])
    kept = means > 0
    assert (counts[~kept] == 0).all()
    statistic = float(((counts[kept] - means[kept]) ** 2 / means[kept]).sum())
    assert statistic < chi2.ppf(0.999, int(kept.sum()))


@each_policy
def test_nobody_comes_before_the_group_is_let_in(policy: str) -> None:
    """By what the NIK says of the visitor, not by what the opening says."""
    ours = staggered(policy)
    arrivals = ours.curve.arrivals(3)
    early = 0
    sample = zip(arrivals.index[::5].tolist(), arrivals.at_ns[::5].tolist(), strict=True)
    for who, at_ns in sample:
        visitor = ours.people.visitor(3, who)
        for group in STAGGERED[policy]:
            first, last = group.get("years", (1, 0))
            in_province = PROVINCES[visitor.nik[:2]] in group.get("provinces", ())
            if in_province or first <= visitor.birth_date.year <= last:
                assert at_ns >= group["opens"] * 1e9
                early += 1
    assert early > 20 or policy == "waves"


def test_days_of_the_month_are_those_in_the_nik() -> None:
    """Odd halves: who was born on the 16th or later comes a minute later."""
    groups = [{"opens": "1m", "days": [16, 31]}]
    ours = scenario({"policy": "by-birth-date", "groups": groups})
    at_once = ours.opened_to_everyone().curve.arrivals(1).at_ns
    arrivals = ours.curve.arrivals(1)
    sample = zip(arrivals.index[::5].tolist(), arrivals.at_ns[::5].tolist(), strict=True)
    for who, at_ns in sample:
        day = int(ours.people.visitor(1, who).nik[6:8]) % 40
        assert at_ns - at_once[who] == (60_000_000_000 if day >= 16 else 0)


@given(st.integers(0, 2**63 - 1), st.lists(st.integers(0, 2**40), min_size=1, max_size=9))
def test_people_in_bulk_are_the_people_one_by_one(seed: int, indices: list[int]) -> None:
    """Province and date of birth, from the same draws."""
    people = load_scenario("prakerja-2020").people
    who = np.asarray(indices)
    visitors = [people.visitor(seed, index) for index in indices]
    codes = [people.codes[at] for at in people.provinces_of(seed, who)]
    assert codes == [visitor.province for visitor in visitors]
    born = [(visitor.birth_date - FIRST_BIRTH).days for visitor in visitors]
    assert birth_days_of(seed, who).tolist() == born


def test_the_fingerprint_knows_a_staggered_opening_and_only_that() -> None:
    """Everybody at once is what a scenario without the table means."""
    plain, written = scenario(None), scenario({"policy": "everyone"})
    prints = {staggered(policy).fingerprint for policy in STAGGERED}
    assert plain.fingerprint == written.fingerprint
    assert len(prints | {plain.fingerprint}) == 4
    assert staggered("waves").opened_to_everyone().fingerprint == plain.fingerprint


@each_policy
def test_a_run_directory_keeps_the_opening(policy: str) -> None:
    """Written out and read again: the same instants."""
    ours = staggered(policy)
    again = scenario_from(tomllib.loads(ours.to_toml()), "again")
    assert again.fingerprint == ours.fingerprint
    assert np.array_equal(again.curve.arrivals(9).at_ns, ours.curve.arrivals(9).at_ns)


@pytest.mark.parametrize(
    ("policy", "groups", "key", "remedy"),
    [
        ("by-name", [{"opens": 1, "share": 1}], "policy", "write one of everyone, by-province"),
        ("everyone", [{"opens": 1, "share": 1}], "groups", "leave them out"),
        ("waves", [], "groups", "add one: [[opening.groups]]"),
        ("waves", [{"opens": 1, "share": 0.6}] * 2, "groups[1].share", "add up to 1.2"),
        ("waves", [{"share": 0.6}], "groups[0].opens", "missing"),
        ("waves", [{"opens": "soon", "share": 1}], "groups[0].opens", "write a span"),
        ("waves", [{"opens": 1, "share": 1, "days": [1, 2]}], "groups[0].days", "unknown key"),
        ("by-province", [{"opens": 1, "provinces": ["Bally"]}], "groups[0].provinces", "`Bali`"),
        ("by-province", [{"opens": 1, "provinces": []}], "groups[0].provinces", "write a list"),
        ("by-province", [{"opens": 1, "provinces": [[]]}], "groups[0].provinces", "no province"),
        ("by-province", [{"opens": 1, "provinces": ["Bali"]}] * 2, "groups[1].provinces", "in one"),
        ("by-birth-date", [{"opens": 1}], "groups[0].years", "missing"),
        ("by-birth-date", [{"opens": 1, "years": [1990, 1980]}], "groups[0].years", "ascending"),
        ("by-birth-date", [{"opens": 1, "years": 1990}], "groups[0].years", "first and the last"),
        ("by-birth-date", [{"opens": 1, "days": [1, 32]}], "groups[0].days", "from 1 to 31"),
        ("by-birth-date", [{"opens": 1, "days": [1, 9]}, {"opens": 2, "years": [1960, 1961]}],
         "groups[1].years", "one group only"),
        ("by-birth-date", [{"opens": 1, "days": [1, 9], "years": [1960, 1961]}],
         "groups[0].days", "not both"),
    ],
)  # fmt: skip
def test_a_fault_of_an_opening_names_key_and_remedy(
    policy: str, groups: list[dict[str, Any]], key: str, remedy: str
) -> None:
    """Every one of them, as all of a scenario's."""
    with pytest.raises(ScenarioError) as caught:
        scenario({"policy": policy, "groups": groups})
    found = {fault.key: fault.remedy for fault in caught.value.faults}
    assert remedy in found[f"opening.{key}"]


def test_all_faults_of_an_opening_are_reported_at_once() -> None:
    """Of three groups, three faults."""
    groups = [
        {"opens": "soon", "share": 0.1},
        {"opens": 1, "share": 2},
        {"opens": 1, "share": 0.1, "colour": "red"},
    ]
    with pytest.raises(ScenarioError) as caught:
        scenario({"policy": "waves", "groups": groups})
    keys = [fault.key for fault in caught.value.faults]
    assert keys == [
        "opening.groups[0].opens",
        "opening.groups[1].share",
        "opening.groups[2].colour",
    ]


def test_a_nation_in_three_openings_has_a_third_of_the_rush() -> None:
    """What staggering is for: the busiest minute of the same 3.73 million people."""
    nation = load_scenario("prakerja-2020")
    thirds = Opening("waves", (0, 86_400_000_000, 2 * 86_400_000_000), (1 / 3, 1 / 3, 1 / 3))
    curve = nation.curve.opened(thirds)
    first = float(nation.curve.expected(0, 60))
    assert float(curve.expected(0, 60)) == pytest.approx(first / 3)
    assert len(curve.arrivals(1)) == len(nation.curve.arrivals(1))
