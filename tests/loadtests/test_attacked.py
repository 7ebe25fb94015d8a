"""Attackers for real: the same that the model lets in, against a site that answers them all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from loadtests.campaign import CampaignPlan, run_campaign
from tests.loadtests.drive import on_schedule, visits
from tests.loadtests.peers import Site
from workload.coming import coming
from workload.history import read_history
from workload.laws import broken
from workload.scenario import scenario_from


@pytest.mark.slow
def test_a_campaign_lets_attackers_in_and_counts_them_apart(site: Site, tmp_path: Path) -> None:
    """Those whom the model would let in, at their instants, by two workers; and people as ever."""
    attack = {"per_s": 40, "start": 1, "steps": ["register"]}
    scenario = scenario_from({**visits(20, 3).table, "attack": attack}, "an attack")
    loud = CampaignPlan(scenario, site.url, tmp_path / "run", drain_s=5.0, workers=2)
    result = on_schedule(tmp_path, lambda at: run_campaign(replace(loud, run_dir=at / "run")))
    assert (result.manifest.status, result.exit_code) == ("complete", 0)
    history = read_history(result.run_dir)
    assert broken(history) == []
    who = coming(loud.scenario, loud.scenario.seed, loud.bending)
    assert np.array_equal(np.unique(history["visitor"]), np.sort(who.everybody.index))
    attacks = history["step"] == history.steps.index("attack_register")
    assert (history["visitor"][attacks] >= who.first_attacker).all()
    order = np.argsort(history["visitor"][attacks])
    mine = who.everybody.index >= who.first_attacker
    assert np.array_equal(history["intended"][attacks][order], who.everybody.at_ns[mine])
    assert result.summary.visits == len(who.people)
    assert [(one.name, one.accepted) for one in result.summary.attack] == [
        ("attack_register", int(mine.sum()))
    ]
