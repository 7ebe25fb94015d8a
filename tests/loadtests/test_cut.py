"""What was in flight when the record ended has no row, and is counted all the same."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.outcome import show_result
from loadtests.campaign import CampaignPlan, run_campaign
from tests.loadtests.drive import visits
from tests.loadtests.peers import Site
from workload.history import read_history
from workload.objective import Answer
from workload.scenario import scenario_from


@pytest.mark.slow
def test_a_service_that_dies_meets_nothing(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stands still from 3 s on, for ever. Those who still wait at the end have no row, and all
    who have one were served well: not met, but unknown, and people are told how many were cut.
    """
    objectives = ["p(95) open_site < 250ms", "success open_site > 99%"]
    table = {**visits(20, 6, ("open_site",)).table, "objectives": objectives}
    scenario = scenario_from(table, "the test's scenario")

    def watch(now: Mapping[str, Any]) -> None:
        if now["at_s"] >= 3:
            site.process.send_signal(signal.SIGSTOP)

    result = run_campaign(CampaignPlan(scenario, site.url, tmp_path / "run", drain_s=1.0), watch)
    assert (result.manifest.status, result.exit_code) == ("complete", 3), result.manifest.reasons
    assert [verdict.answer for verdict in result.verdicts] == [Answer.UNKNOWN] * 2
    cut = result.manifest.generator["cut"]
    (worker,) = result.manifest.generator["workers"]
    assert cut == worker["arrived"] - len(read_history(result.run_dir)) > 40
    show_result(result)
    assert f"{cut} attempts were cut by the end of the record" in capsys.readouterr().err
