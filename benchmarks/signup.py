"""The reference service: whole sign-ups a core-second, of the service and of the database.

Compared: the CPU that the service's process takes for a visitor's whole journey (a page, eight
durable writes, a poll or more, the word of a photo) with the CPU of PostgreSQL for the same. Fair
to a service that really runs: it is the system of `surge serve`, driven by a campaign that leaves
it room, commits are synchronous, every metric is on, and nothing is taken out: what polls, failures
and metrics cost is in the figure. The worker (mail, identity queue) is told
beside it; twins and load generator play the outside world and are not counted. A busier service is
cheaper for each visitor: batches fill, and its loop sleeps less. Of a run that is invalid (others
were on the machine) there is no figure: who was late there did not sign up in the time measured.
"""

from __future__ import annotations

import tempfile
from math import nan
from pathlib import Path
from typing import Any, Final

from benchmarks.stand import Figures, show
from harness.stack import Stack
from loadtests.campaign import CampaignPlan, run_campaign
from workload.scenario import Scenario, scenario_from
from workload.telemetry import Telemetry, read_telemetry

PER_S: Final = 150.0
RUN_S: Final = 12.0
#: Until the first visitors have come to their last step.
WARM_UP_S: Final = 3.0
STEPS: Final[dict[str, dict[str, Any]]] = {
    "open_site": {},
    "register": {"pause": 0.2},
    "verify_email": {"pause": 0.1, "mail": "verify"},
    "submit_identity": {"pause": 0.2},
    "await_identity": {"pause": 0.3, "polls": 6, "poll_s": 0.3, "poll_cap_s": 1.0},
    "upload_photo": {"pause": 0.1},
    "join_wave": {"pause": 0.1},
    "check_result": {"pause": 0.1},
}


def sign_ups(per_s: float, seconds: float) -> Scenario:
    """Everybody in a hurry, so that a short run reaches the last step."""
    table: dict[str, Any] = {
        "schema": "surge/scenario/1",
        "name": "sign-ups",
        "arrivals": {
            "duration": f"{seconds:g}s",
            "parts": [{"shape": "constant", "per_s": per_s}],
        },
        "steps": [{"name": name, **more} for name, more in STEPS.items()],
    }
    return scenario_from(table, "the benchmark's scenario")


def measure(size: float) -> Figures:
    """CPU seconds of each part while sign-ups are finished at a steady rate."""
    seconds, per_s = max(RUN_S * size, WARM_UP_S + 2), PER_S * min(size * 10, 1.0)
    with tempfile.TemporaryDirectory() as scratch, Stack() as stack:
        cores = stack.placement.generator if stack.placement else ()
        run_dir = Path(scratch) / "run"
        plan = CampaignPlan(
            sign_ups(per_s, seconds), stack.service, run_dir, drain_s=10.0, cores=cores
        )
        result = run_campaign(plan)
        stack.check()
        telemetry = read_telemetry(run_dir)
    last = result.summary.step("check_result")
    assert last is not None
    done = sum(int(n) for n in last.achieved[round(WARM_UP_S) : int(seconds)])
    each = 1.0 / done if done and result.manifest.status == "complete" else nan
    service, worker = (used(telemetry, name, seconds) for name in ("service", "worker"))
    database = used(telemetry, "worker", seconds, "surge_database_cpu_seconds_total")
    return {
        "sign_ups_per_core_s": 1.0 / (each * (service + database)),
        "service_cpu_ms": each * service * 1e3,
        "database_cpu_ms": each * database * 1e3,
        "worker_cpu_ms": each * worker * 1e3,
        "service_busy_share": service / (int(seconds) - WARM_UP_S),
        "offered_per_s": per_s,
        "sign_ups": done,
        "visitors": result.summary.visits,
        "register_p99_ms": p99_ms(result.summary.step("register")),
        "status": result.manifest.status,
        "reasons": "; ".join(result.manifest.reasons),
    }


def used(
    telemetry: Telemetry, source: str, until_s: float, name: str = "process_cpu_seconds_total"
) -> float:
    """CPU seconds between the warm-up and the last arrival."""
    return telemetry.total(source, name, WARM_UP_S, float(int(until_s)))


def p99_ms(step: Any) -> float:
    """99th percentile of a step, from its intended start."""
    return float(step.latency.quantile(0.99) * 1e3)


if __name__ == "__main__":
    show(measure)
