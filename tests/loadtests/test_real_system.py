"""The whole journey against the real system: what visitors saw is what the service wrote down."""

import json
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest

from harness.audit import audit, read_evidence
from harness.stack import Stack
from loadtests.campaign import CampaignPlan, run_campaign
from loadtests.photo import Camera
from loadtests.protocol import ReferenceProtocol
from simulation.evidence import read_run, windows
from simulation.photo_fit import fit_photo
from tests.loadtests.drive import TO_THE_CHECK, visits
from workload.facts import MeasuredFacts
from workload.history import History, read_history
from workload.journey import STEPS, SUPPORT_STEP
from workload.laws import broken
from workload.objective import Answer, judge, parse_objective
from workload.population import Population, Visitor
from workload.telemetry import read_telemetry
from workload.visit import Ending, Outcome

#: What the photo store is told to take for a photo.
PHOTO_S = 0.06


@pytest.mark.slow
def test_visitors_and_service_agree_on_what_happened(tmp_path: Path) -> None:
    """Every accepted write is one row; who mistyped is declined; every process was scraped.

    A call for help is taken once, however often it is repeated. What a photo takes, and its size,
    are learned from the counters of the store.
    """
    scenario = visits(25, 4, STEPS[:-1])
    with Stack() as stack:
        tell(f"{stack.photos}/settings", {"latency": [PHOTO_S]})
        plan = CampaignPlan(
            scenario, stack.service, tmp_path / "run", drain_s=10.0, admin_token=stack.admin_token
        )
        result = run_campaign(plan)
        statuses = [call_for_help(stack.service) for _ in range(2)]
    assert statuses == [201, 200]
    history = read_history(result.run_dir)
    assert broken(history) == []
    assert result.summary.endings["open"] == 0
    ledger = [json.loads(line) for line in (result.run_dir / "ledger.ndjson").open()]
    accepted = {
        name: who(history, step, Outcome.ACCEPTED) for step, name in enumerate(history.steps)
    }
    people = {scenario.people.visitor(scenario.seed, i).email: i for i in accepted["open_site"]}
    rows = {people[row["email"]]: row for row in ledger}
    assert len(ledger) == len(rows)
    assert set(rows) == accepted["register"]
    assert {i for i, row in rows.items() if row["email_verified_at"]} == accepted["verify_email"]
    decided = {"verified": set[int](), "rejected": set[int]()}
    for i, row in rows.items():
        decided[row["identity_status"]].add(i)
    mistyped = {i for i in people.values() if scenario.people.is_mistyped(scenario.seed, i)}
    assert decided["verified"] == accepted["await_identity"]
    assert decided["rejected"] == mistyped == who(history, 4, Outcome.DECLINED)
    assert {i: photo_in(row) for i, row in rows.items() if row["photo_accepted_at"]} == {
        i: photo_of(scenario.people.visitor(scenario.seed, i)) for i in accepted["upload_photo"]
    }
    assert {i for i, row in rows.items() if row["joined"]} == accepted["join_wave"]
    assert accepted["check_result"] == accepted["await_identity"]
    photo, photo_kb = fit_photo(windows([read_run(result.run_dir)]))
    sizes = [row["photo_bytes"] for row in ledger if row["photo_bytes"]]
    assert PHOTO_S < photo.mean_s < PHOTO_S + 0.02
    assert photo_kb == pytest.approx(np.mean(sizes) / 1000, rel=0.1)
    telemetry = read_telemetry(result.run_dir)
    outside = {"registry", "mailbox", "photos"}
    assert telemetry.sources() == {"generator", "service", "worker"} | outside
    counted = telemetry.total("service", "surge_requests_total", 0.0, 1e6, route="register")
    assert counted == np.count_nonzero(history["step"] == 1)
    facts = MeasuredFacts(result.summary, telemetry)
    assert judge(parse_objective("backlog identity < 60s"), facts).answer is Answer.MET


@pytest.mark.slow
def test_whose_step_failed_calls_and_the_service_writes_it_down(tmp_path: Path) -> None:
    """Everybody who mistyped is declined, calls once, and is turned away all the same.

    The service's own list of calls names the step that failed, once for each caller.
    """
    scenario = visits(15, 4, TO_THE_CHECK, support=1.0)
    with Stack() as stack:
        token = stack.admin_token
        plan = CampaignPlan(
            scenario, stack.service, tmp_path / "run", drain_s=10.0, admin_token=token
        )
        result = run_campaign(plan)
        calls = list_of_calls(stack.service, token)
    history = read_history(result.run_dir)
    assert broken(history) == []
    declined = who(history, 4, Outcome.DECLINED)
    callers = history.where(history["step"] == history.steps.index(SUPPORT_STEP))
    assert len(declined) > 0
    assert set(callers["visitor"].tolist()) == declined
    assert set(callers["outcome"].tolist()) == {Outcome.ACCEPTED}
    assert set(callers["ending"].tolist()) == {Ending.TURNED_AWAY}
    assert [call["step"] for call in calls] == ["await_identity"] * len(declined)
    assert len({call["registration"] for call in calls}) == len(declined)
    found = audit(read_evidence(result.run_dir))
    assert found.ok, found.findings
    (counted,) = [one for one in found.counts if (one.step, one.kind) == (SUPPORT_STEP, "people")]
    assert (counted.client, counted.rows) == (len(declined), len(declined))
    step = result.summary.step("await_identity")
    assert step is not None
    assert (step.declined, step.failed, step.open) == (len(declined), 0, 0)
    assert result.summary.endings["turned_away"] == len(declined)


def tell(url: str, settings: dict[str, Any]) -> None:
    """Change the settings of a twin."""
    body, headers = json.dumps(settings).encode(), {"Content-Type": "application/json"}
    asked = Request(url, body, headers, method="PUT")  # noqa: S310 - ours
    with urlopen(asked, timeout=5) as answer:  # noqa: S310 - ours
        assert answer.status == 200


def list_of_calls(target: str, token: str) -> list[dict[str, Any]]:
    """The calls that the service has taken."""
    headers = {"Authorization": f"Bearer {token}"}
    asked = Request(f"{target}/ledger/support-calls", headers=headers)  # noqa: S310 - ours
    with urlopen(asked, timeout=5) as answer:  # noqa: S310 - ours
        return [json.loads(line) for line in answer]


def call_for_help(target: str) -> int:
    """The status that the call of somebody who could not register gets."""
    visitor = Population({"31": 1.0}).visitor(1, 0)
    call = ReferenceProtocol().request("call_support", visitor, {"failed": "register"})
    headers = dict(call.headers)
    asked = Request(f"{target}{call.path}", call.body, headers, method=call.method)  # noqa: S310 - ours
    with urlopen(asked, timeout=5) as answer:  # noqa: S310 - ours
        status: int = answer.status
        return status


def photo_in(row: dict[str, Any]) -> tuple[str, int]:
    """Digest and length of the photo in a row of the ledger."""
    return row["photo_sha256"], row["photo_bytes"]


def photo_of(visitor: Visitor) -> tuple[str, int]:
    """Digest and length of the photo that a visitor has taken."""
    photo = Camera().photo(visitor)
    return photo.sha256, len(photo.jpeg)


def who(history: History, step: int, outcome: Outcome) -> set[int]:
    """The visitors who got this outcome at this step."""
    rows = (history["step"] == step) & (history["outcome"] == outcome)
    return set(history["visitor"][rows].tolist())
