"""The operator's part of a campaign: the wave is closed at its hour, or it is said why not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.audit import audit, read_evidence
from harness.stack import Stack
from loadtests.campaign import CampaignPlan, run_campaign
from loadtests.orders import check_draw
from loadtests.rundir import CampaignResult
from simulation.deployment import Deployment
from simulation.replication import Question, replicate
from tests.loadtests.drive import TO_THE_CHECK, visits
from tests.loadtests.hearing import HEARD
from tests.loadtests.peers import Site
from tests.simulation.situations import LIVELY
from workload.errors import InputError
from workload.history import History, read_history
from workload.journey import STEPS
from workload.scenario import Scenario, scenario_from
from workload.visit import Outcome

HEARING = f"{Path(__file__).parent / 'hearing.py'}:Hearing"
#: Twice as fast as the scenario: people come for 3 s, the wave closes at 6 s, results are out at 7.
FAST = 2.0
SEATS = 20


def wave(seats: int = SEATS, duration_s: float = 6.0, closes_s: float = 12.0) -> Scenario:
    """Ten people a second; whoever joins looks for the result half a second after the draw."""
    short = visits(10, duration_s, STEPS[:-1])
    steps = [
        {**step, "pause": 1.0} if step["name"] == "check_result" else step
        for step in short.table["steps"]
    ]
    draw = {"closes": closes_s, "drawn": closes_s + 2.0, "seats": seats}
    return scenario_from({**short.table, "steps": steps, "draw": draw}, "a wave")


def drive(stack: Stack, scenario: Scenario, run_dir: Path, **more: Any) -> CampaignResult:
    """One wave of it, with what people hear written beside the run."""
    told = {"speed": FAST, "drain_s": 12.0, "admin_token": stack.admin_token, **more}
    plan = CampaignPlan(scenario, stack.service, run_dir, protocol=HEARING, **told)
    return run_campaign(plan)


def accepted(history: History, step: str) -> np.ndarray:
    """Who was accepted there, each attempt of them."""
    mine = history["step"] == history.steps.index(step)
    return np.sort(history["visitor"][mine & (history["outcome"] == Outcome.ACCEPTED)])


@pytest.mark.slow
def test_a_campaign_closes_its_wave_and_everybody_is_told_drawn_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly min(seats, joined) in rows, by two workers; the model's same visitors look as often.

    And again on the same service, whose next wave has opened: those who got no seat stay in the
    pool, and the second draw is among them and the newly joined.
    """
    monkeypatch.setenv(HEARD, str(tmp_path))
    with Stack() as stack:
        first = drive(stack, wave(), tmp_path / "first", workers=2)
        second = drive(stack, wave(1000).with_seed(12), tmp_path / "second")
    assert (first.manifest.reasons, second.manifest.reasons) == ((), ())
    history = read_history(first.run_dir)
    joined, looked = accepted(history, "join_wave"), accepted(history, "check_result")
    assert len(joined) > SEATS
    assert np.array_equal(joined, looked)
    heard = [line for file in tmp_path.glob("[0-9]*") for line in file.read_text().split()]
    late = accepted(read_history(second.run_dir), "join_wave")
    assert heard.count("drawn") == SEATS + len(late)
    assert heard.count("not_drawn") == len(joined) - SEATS

    told = first.manifest.generator["wave"]
    assert (told["state"], told["closes_s"], told["wave"]) == ("closed", 6.0, 1)
    assert (told["quota"], told["joined"], told["drawn"]) == (SEATS, len(joined), SEATS)
    assert 6.0 <= told["asked_s"] <= told["answered_s"] < 7.0
    assert seats_in_rows(first) == {1: SEATS, None: len(joined) - SEATS}
    pool = len(joined) - SEATS + len(late)
    told = second.manifest.generator["wave"]
    assert (told["wave"], told["joined"], told["drawn"]) == (2, pool, pool)
    assert seats_in_rows(second) == {1: SEATS, 2: pool}
    for run in (first, second):
        found = audit(read_evidence(run.run_dir))
        assert found.ok, found.findings

    roomy = Deployment(registry_slots=200, mail_connections=50)
    model = replicate(Question(wave(), LIVELY, roomy, first.manifest.bending, trace=True), 11)
    assert model.history is not None
    assert np.array_equal(accepted(model.history, "check_result"), looked)
    assert model.drawn is not None
    assert (model.joined, len(model.drawn)) == (len(joined), SEATS)


def seats_in_rows(result: CampaignResult) -> dict[int | None, int]:
    """How many of those who joined hold a seat of each wave, by the service's ledger."""
    rows = [json.loads(line) for line in (result.run_dir / "ledger.ndjson").open()]
    seats = [row["drawn"] for row in rows if row["joined"]]
    return {wave: seats.count(wave) for wave in set(seats)}


@pytest.mark.slow
def test_a_wave_that_could_not_be_closed_makes_the_run_invalid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People asked for the result of a draw that never was; the reason says what was answered."""
    monkeypatch.setenv(HEARD, str(tmp_path))
    with Stack() as stack:
        brief = wave(duration_s=1.0, closes_s=2.0)
        result = drive(stack, brief, tmp_path / "run", admin_token="wrong")
    assert result.exit_code == 3
    (why,) = result.manifest.reasons
    assert why.startswith(f"the wave was not closed: {stack.service}/waves/current/close")
    assert "answered 401: authorization: wrong; send Bearer SURGE_ADMIN_TOKEN" in why
    assert result.manifest.generator["wave"]["state"] == "failed"


def test_a_target_without_waves_is_left_alone(site: Site, tmp_path: Path) -> None:
    """It says nothing of waves at /capacity: nothing is asked of it, and the run is complete."""
    table = visits(5, 1, (*TO_THE_CHECK, "join_wave")).table
    short = scenario_from({**table, "draw": {"closes": 0.5, "seats": 1}}, "no waves")
    result = run_campaign(CampaignPlan(short, site.url, tmp_path / "run", drain_s=1.0))
    assert result.manifest.reasons == ()
    assert result.manifest.generator["wave"]["state"] == "the target has no waves"


def orders(**bent: Any) -> Any:
    """Of a campaign that drives the wave, bent."""
    return replace(CampaignPlan(wave(), "http://127.0.0.1:1", Path()), **bent).orders("")


@pytest.mark.parametrize(
    "bent",
    [{}, {"drain_s": 5.0, "speed": 2.0}, {"window_s": (4.0, 6.0), "drain_s": 6.0}],
)
def test_who_drives_to_the_draw_without_the_operators_token_is_told_before(
    bent: dict[str, Any],
) -> None:
    """The hour moves with the window and the speed."""
    check_draw(orders(**bent), {"wave_quota": 164_000}, "a token")
    with pytest.raises(InputError, match="SURGE_ADMIN_TOKEN"):
        check_draw(orders(**bent), {"wave_quota": 164_000}, "")


@pytest.mark.parametrize("bent", [{"drain_s": 3.0}, {"drain_s": 3.0, "pauses": 0.1}])
def test_who_does_not_come_to_the_draw_needs_no_token(bent: dict[str, Any]) -> None:
    """The factor of the pauses does not bring the hour nearer."""
    check_draw(orders(**bent), {"wave_quota": 164_000}, "")


def test_more_seats_than_the_target_draws_are_refused_before_the_run() -> None:
    with pytest.raises(InputError, match="the target draws 19 at most"):
        check_draw(orders(), {"wave_quota": 19}, "a token")
