"""The whole pump: attempts a core-second of the load generator, and how well it keeps its schedule.

Compared: a campaign at 2,000 attempts a second with the bare client as fast as it can (`client`, in
the same run), and the instant at which each attempt was sent with the one at which it was meant to
be. Fair, because it is a campaign as `surge load` drives it and nothing is switched off: open
arrivals, visits of five steps with pauses between, the record of every attempt on disk, Locust's
statistics, the judgement of the schedule at the end. It has a schedule to keep and therefore wakes
up for every attempt, which the client at full speed does not: that is part of what a pump costs.
The server costs next to nothing and is a process of its own. CPU is that of the process that walks
the visits; the record is written by another.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from benchmarks.client import drive
from benchmarks.echo import echo
from benchmarks.stand import Figures, show
from loadtests.campaign import CampaignPlan, run_campaign
from loadtests.exchange import Request
from loadtests.protocol import Memory, outcome_of
from workload.history import read_history
from workload.population import Visitor
from workload.scenario import Scenario, scenario_from
from workload.visit import Outcome

STEPS: Final = ("look", "fill_in", "send", "confirm", "leave")
ATTEMPTS_PER_S: Final = 2000.0
RUN_S: Final = 6.0
CLIENT_S: Final = 2.0
JSON: Final = ("Content-Type", "application/json")
PROTOCOL: Final = "benchmarks.pump:Form"


class Form:
    """Every step posts what nobody else has sent."""

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode

    def request(self, step: str, visitor: Visitor, memory: Memory) -> Request:
        words = {"request_id": visitor.request_id, "email": visitor.email, "consent": True}
        body = self._encode({**words, "name": visitor.name, "phone": visitor.phone})
        return Request("POST", f"/{step}", body, (JSON,))

    def outcome(self, step: str, status: int, body: bytes, memory: Memory) -> Outcome:
        return outcome_of(status)


def rush(per_s: float, seconds: float, steps: tuple[str, ...] = STEPS) -> Scenario:
    """So many visitors a second, each of whom does all steps."""
    pause = {"median_s": 0.2, "p95_s": 0.5}
    first, *others = steps
    table: dict[str, Any] = {
        "schema": "surge/scenario/1",
        "name": "rush",
        "journey": "own",
        "arrivals": {
            "duration": f"{seconds:g}s",
            "parts": [{"shape": "constant", "per_s": per_s}],
        },
        "patience": {"timeout_s": 10.0},
        "steps": [{"name": first}, *({"name": name, "pause": pause} for name in others)],
    }
    return scenario_from(table, "the benchmark's scenario")


def measure(size: float) -> Figures:
    """What a campaign of RUN_S seconds takes."""
    seconds = max(RUN_S * size, 1.0)
    per_s = ATTEMPTS_PER_S / len(STEPS) * min(size * 10, 1.0)
    with tempfile.TemporaryDirectory() as scratch, echo() as server:
        run_dir = Path(scratch) / "run"
        plan = CampaignPlan(
            rush(per_s, seconds), server.url, run_dir, drain_s=10.0, protocol=PROTOCOL
        )
        result = run_campaign(plan)
        client = drive("ours", server.url, CLIENT_S * min(size * 10, 1.0))
        history = read_history(run_dir)
        generator = json.loads((run_dir / "generator.json").read_text())
    lag_ms = (history["started"] - history["intended"]) / 1e6
    attempts = len(history["started"])
    cpu_s = sum(worker["cpu_s"] for worker in generator["workers"])
    busy = sum(worker["window_cpu_s"] for worker in generator["workers"]) / seconds
    client_per_s = client["requests"] / client["cpu_s"]
    return {
        "attempts_per_core_s": attempts / cpu_s,
        "client_per_core_s": client_per_s,
        "ratio": attempts / cpu_s / client_per_s,
        "offered_per_s": per_s * len(STEPS),
        "attempts": attempts,
        "failures": int(np.count_nonzero(history["outcome"] != Outcome.ACCEPTED)),
        "busy_share": busy,
        "lag_p50_ms": float(np.quantile(lag_ms, 0.50)),
        "lag_p99_ms": float(np.quantile(lag_ms, 0.99)),
        "lag_max_ms": float(lag_ms.max()),
        "schedule_kept": result.manifest.status == "complete",
        "reasons": "; ".join(result.manifest.reasons),
    }


if __name__ == "__main__":
    show(measure)
