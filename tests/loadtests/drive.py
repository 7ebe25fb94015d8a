"""A campaign as a program of its own: `drive.py TARGET RUN_DIR ARRIVALS_PER_S SECONDS WORKERS`.

The tests use its parts, and interrupt or kill it as a person would. It prints the run's status and
ends with its exit code.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from loadtests.campaign import CampaignPlan, run_campaign
from workload.scenario import Scenario, scenario_from

#: What a small site without a programme speaks, too; `STEPS[:-1]` of workload/journey is all of it.
TO_THE_CHECK = ("open_site", "register", "verify_email", "submit_identity", "await_identity")


#: So often a run is driven in all when others take the generator's core each time.
ATTEMPTS = 3
Found = TypeVar("Found")


def on_schedule(
    folder: Path, attempt: Callable[[Path], Found], failed: Callable[[Found], bool] = bool
) -> Found:
    """What an attempt found that drives runs below the fresh directory it is given.

    One more attempt, up to ATTEMPTS, when it ``failed`` and all that is wrong with its runs is that
    a schedule was not kept. Anything else is handed to the test at once, and so is the last.
    """
    for number in range(1, ATTEMPTS):
        found = attempt(fresh(folder, number))
        reasons = reasons_below(folder / f"attempt-{number}")
        late = reasons != [] and all(one.startswith("schedule not kept") for one in reasons)
        if not (late and failed(found)):
            return found
    return attempt(fresh(folder, ATTEMPTS))


def fresh(folder: Path, number: int) -> Path:
    """The directory of one attempt."""
    path = folder / f"attempt-{number}"
    path.mkdir(parents=True)
    return path


def reasons_below(folder: Path) -> list[str]:
    """Why runs in there are not complete."""
    manifests = [json.loads(path.read_text()) for path in sorted(folder.rglob("manifest.json"))]
    return [reason for one in manifests for reason in one.get("reasons", [])]


def visits(
    per_s: float, duration_s: float, steps: tuple[str, ...] = (), support: float = 0.0
) -> Scenario:
    """Constant arrivals on some steps of the reference journey, with short pauses.

    ``support``: the share of those who failed that calls for help.
    """
    journey: dict[str, dict[str, Any]] = {
        "open_site": {},
        "register": {"pause": {"median_s": 0.1, "p95_s": 0.3}},
        "verify_email": {"pause": 0.05, "mail": "verify"},
        "submit_identity": {"pause": 0.05},
        "await_identity": {"pause": 0.1, "polls": 8, "poll_s": 0.1, "poll_cap_s": 0.4},
        "upload_photo": {"pause": 0.05},
        "join_wave": {"pause": 0.05},
        "check_result": {"pause": 0.05},
    }
    wanted = steps or TO_THE_CHECK
    table: dict[str, Any] = {
        "schema": "surge/scenario/1",
        "name": "short",
        "seed": 11,
        "objectives": ["success open_site > 99%"],
        "arrivals": {
            "duration": f"{duration_s}s",
            "parts": [{"shape": "constant", "per_s": per_s}],
        },
        "people": {"mistyped": 0.1},
        "patience": {"timeout_s": 5.0, "mail_s": 5.0},
        "steps": [{"name": n, **more} for n, more in journey.items() if n in wanted],
    }
    if support:
        table["support"] = {"share": support, "pause": 0.05}
    return scenario_from(table, "the test's scenario")


def main() -> int:
    target, run_dir, per_s, duration_s, workers = sys.argv[1:]
    scenario = visits(float(per_s), float(duration_s))
    plan = CampaignPlan(scenario, target, Path(run_dir), workers=int(workers), drain_s=5.0)
    result = run_campaign(plan)
    sys.stdout.write(f"{result.manifest.status}\n")
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main())
