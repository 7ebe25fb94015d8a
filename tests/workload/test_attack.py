"""Attackers: visitors beyond the people, who change nobody's luck and are counted apart."""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from workload.attack import Attack, beside, by_what_was_done, step_done
from workload.coming import coming
from workload.errors import ScenarioError
from workload.history import History, Observation
from workload.journey import ATTACKERS
from workload.laws import broken
from workload.manifest import Bending
from workload.scenario import Scenario, scenario_from
from workload.summary import summarize
from workload.visit import Attempt, Ending, Outcome, walk


def scenario(attack: dict[str, Any] | None) -> Scenario:
    part = {"shape": "constant", "per_s": 20}
    table: dict[str, Any] = {
        "schema": "surge/scenario/1",
        "name": "an attack",
        "arrivals": {"duration": 60, "parts": [part]},
        "steps": [
            {"name": "open_site"},
            {"name": "register", "pause": 3},
            {"name": "verify_email", "mail": "verify"},
            {"name": "submit_identity"},
        ],
    }
    return scenario_from(table | ({"attack": attack} if attack else {}), "an attack")


ATTACK = {"per_s": 7, "start": 10, "end": 40, "steps": ["open_site", "register"], "attempts": 3}


@given(st.integers(0, 2**63 - 1), st.integers(1, 4), st.floats(0.05, 1.0), st.floats(0.5, 8.0))
def test_an_attack_changes_nothing_of_the_people(
    seed: int, workers: int, thin: float, speed: float
) -> None:
    """Same indices, same instants, in any bending; and each attacker belongs to one worker."""
    bending = Bending((5.0, 50.0), thin=thin, speed=speed)
    quiet = coming(scenario(None), seed, bending)
    loud = coming(scenario(ATTACK), seed, bending)
    assert np.array_equal(quiet.people.index, loud.people.index)
    assert np.array_equal(quiet.people.at_ns, loud.people.at_ns)
    assert quiet.first_attacker == loud.first_attacker
    assert (np.diff(loud.everybody.at_ns) >= 0).all()
    pieces = [loud.everybody.slice(worker, workers).index for worker in range(workers)]
    assert np.array_equal(np.sort(np.concatenate(pieces)), np.sort(loud.everybody.index))


def test_attackers_come_at_their_rate_between_start_and_end() -> None:
    """Poisson, 7 a second for 30 s, over a hundred seeds; numbered behind the people."""
    ours = scenario(ATTACK)
    total = 0
    for seed in range(100):
        found = coming(ours, seed, Bending((0.0, 60.0)))
        attackers = found.everybody.index >= found.first_attacker
        at_s = found.everybody.at_ns[attackers] / 1e9
        assert 10 <= at_s.min() <= at_s.max() < 40
        mine = found.everybody.index[attackers]
        assert np.array_equal(mine, found.first_attacker + np.arange(len(mine)))
        total += len(mine)
    assert poisson.ppf(0.0005, 21_000) < total < poisson.ppf(0.9995, 21_000)


def test_of_one_instant_people_come_before_attackers() -> None:
    """As both engines settle ties: by index."""
    people = coming(scenario(None), 1, Bending((0.0, 60.0))).people
    attackers = type(people)(people.index + 10_000, people.at_ns)
    both = beside(people, attackers)
    assert (both.index[::2] < 10_000).all()
    assert (both.index[1::2] >= 10_000).all()


def test_an_attacker_neither_pauses_nor_backs_off_and_tries_so_often() -> None:
    """The steps behind the people's, from the first of them."""
    ours = scenario(ATTACK)
    visit = walk(ours.itinerary(), 1, 10_000, attacks=True)
    heard = [next(visit)]
    heard += [visit.send(answer) for answer in (Outcome.READ_TIMEOUT, Outcome.OVERLOADED)]
    heard.append(visit.send(Outcome.ACCEPTED))
    assert heard == [Attempt(4, 1, 0), Attempt(4, 2, 0), Attempt(4, 3, 0), Attempt(5, 1, 0)]
    with pytest.raises(StopIteration) as over:
        visit.send(Outcome.ACCEPTED)
    assert over.value.value == Ending.FINISHED
    assert [step_done(step.name) for step in ours.walked.attack] == ATTACK["steps"]


def test_people_walk_the_same_visit_beside_an_attack() -> None:
    """Step by step until their last, which is not an attacker's first."""
    quiet, loud = (walk(scenario(a).itinerary(), 1, 5) for a in (None, ATTACK))
    ours, theirs = [next(quiet)], [next(loud)]
    endings = []
    for visit, words in ((quiet, ours), (loud, theirs)):
        try:
            while True:
                words.append(visit.send(Outcome.ACCEPTED))
        except StopIteration as over:
            endings.append(over.value)
    assert ours == theirs
    assert endings == [Ending.FINISHED] * 2


def row(visitor: int, step: int, outcome: Outcome, ending: Ending) -> Observation:
    return Observation(visitor, step, 1, 0, 0, 0, 1_000_000, outcome, 200, ending)


def test_a_summary_counts_attackers_apart() -> None:
    """Neither among the visits, nor the endings, nor the funnel; and they break no law."""
    names = scenario(ATTACK).walked.names
    rows = [
        row(0, 0, Outcome.REFUSED, Ending.TURNED_AWAY),
        row(70, 4, Outcome.ACCEPTED, Ending.OPEN),
        row(71, 4, Outcome.OVERLOADED, Ending.GAVE_UP),
    ]
    history = History.of(names, rows)
    found = summarize(history, 1.0)
    assert broken(history) == []
    assert found.visits == 1
    assert found.endings["turned_away"] == 1
    assert found.endings["gave_up"] == 0
    assert [step.name for step in found.steps] == list(names[:4])
    assert [(step.name, step.visits) for step in found.attack] == [
        ("attack_open_site", 2), ("attack_register", 0)
    ]  # fmt: skip
    assert found.to_json()["attack"]["attack_open_site"]["failed"] == 1


def test_what_was_done_is_told_whoever_did_it() -> None:
    """For an audit: rows of attackers under the people's steps."""
    names = scenario(ATTACK).walked.names
    rows = [row(0, 1, Outcome.ACCEPTED, Ending.OPEN), row(70, 5, Outcome.ACCEPTED, Ending.OPEN)]
    found = by_what_was_done(History.of(names, rows))
    assert found.steps == names[:4]
    assert found["step"].tolist() == [1, 1]
    assert found["visitor"].tolist() == [0, 70]


def test_the_fingerprint_knows_an_attack_and_a_file_keeps_it() -> None:
    """With its defaults written out it stays the same."""
    ours = scenario({"per_s": 1})
    assert ours.fingerprint != scenario(None).fingerprint
    again = scenario_from(tomllib.loads(ours.to_toml()), "again")
    assert again.attack == ours.attack == Attack(1.0, 0.0, 60.0, ("open_site",))
    assert again.fingerprint == ours.fingerprint


def test_a_journey_that_is_cut_cuts_the_attack() -> None:
    """Attackers do what is left of their steps; with none left there are no attackers."""
    ours = scenario({**ATTACK, "steps": ["register"]})
    assert ours.until("open_site").attack is None
    cut = scenario(ATTACK).until("open_site")
    assert cut.attack
    assert cut.attack.steps == ("open_site",)
    for one in (cut, ours.until("open_site")):
        assert scenario_from(tomllib.loads(one.to_toml()), "again").attack == one.attack


@pytest.mark.parametrize(
    ("change", "key", "remedy"),
    [
        ({"per_s": 0}, "per_s", "above 0"),
        ({"start": 50, "end": 40}, "end", "must end after it starts"),
        ({"steps": ["verify_email"]}, "steps", "needing no mail: open_site, register"),
        ({"steps": ["register", "open_site"]}, "steps", "in their order"),
        ({"steps": []}, "steps", "write a list"),
        ({"steps": "register"}, "steps", "write a list"),
        ({"attempts": 0}, "attempts", "whole number from 1"),
        ({"think": 0}, "think", "unknown key"),
    ],
)
def test_a_fault_of_an_attack_names_key_and_remedy(
    change: dict[str, Any], key: str, remedy: str
) -> None:
    """As all of a scenario's."""
    with pytest.raises(ScenarioError) as caught:
        scenario({**ATTACK, **change})
    found = {fault.key: fault.remedy for fault in caught.value.faults}
    assert remedy in found[f"attack.{key}"]


def test_a_strangers_step_may_not_be_called_as_an_attackers() -> None:
    """So a row of a record is of people or of attackers, whoever reads it."""
    table = {**scenario(None).table, "journey": "own", "steps": [{"name": f"{ATTACKERS}me"}]}
    with pytest.raises(ScenarioError, match="give it another name"):
        scenario_from(table, "a stranger's")
