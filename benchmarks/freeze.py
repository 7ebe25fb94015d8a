"""A server frozen for two seconds of a run: what Locust's closed model reports, and what ours does.

Compared: the percentiles of two generators that both send 500 requests a second to the same server
for ten seconds, while the server stands still for two of them. Locust has 25 users of
`constant_throughput(20)`, many times what 500 answers of a few milliseconds a second keep busy, and
reports by its own statistics; ours is a campaign that counts from the intended start. Fair, because
the truth is known: of those who come while it stands still, each waits until it moves again, so
that the latency above which a share p lies is frozen - p x run. A user that waits for an answer
asks nothing else meanwhile: at most 25 requests notice, and those of the thousand people who would
have come are missing from the record. It is called coordinated omission.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any, Final

from benchmarks.echo import Server, echo
from benchmarks.pump import PROTOCOL, rush
from benchmarks.stand import Figures, show
from harness.tether import tethered
from loadtests.campaign import CampaignPlan, run_campaign

PER_S: Final = 500.0
RUN_S: Final = 10.0
FROZEN_S: Final = 2.0
BEFORE_S: Final = 1.0


def measure(size: float) -> Figures:
    """Percentiles of both, and the truth."""
    run_s = max(RUN_S * size, 2.5)
    frozen_s = FROZEN_S * run_s / RUN_S
    with echo() as server:
        closed = locust(server, run_s, frozen_s)
        ours, attempts = campaign(server, run_s, frozen_s)
    return {
        "run_s": run_s,
        "frozen_s": frozen_s,
        **{f"true_p{p}_ms": (frozen_s - run_s * (1 - p / 100)) * 1e3 for p in (95, 99)},
        **{f"ours_p{p}_ms": ours[p] for p in (50, 95, 99)},
        **{f"locust_p{p}_ms": float(closed[f"p{p}_ms"]) for p in (50, 95, 99)},
        "ours_requests": attempts,
        "locust_requests": int(closed["requests"]),
    }


def locust(server: Server, run_s: float, frozen_s: float) -> dict[str, float]:
    """Locust's own statistics of its own users."""
    command = [sys.executable, "-P", "-m", "benchmarks.generators", "paced", server.url]
    with subprocess.Popen(
        tethered([*command, f"{run_s:g}"]), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the warm-up is over
        sleep(BEFORE_S)
        server.freeze(frozen_s)
        found: dict[str, float] = json.loads(process.stdout.read())
    return found


def campaign(server: Server, run_s: float, frozen_s: float) -> tuple[dict[int, float], int]:
    """({percent: ms from the intended start}, attempts) of a campaign."""

    def stand_still() -> None:
        sleep(BEFORE_S)
        server.freeze(frozen_s)

    freezing = Thread(target=stand_still)

    def begin(now: Mapping[str, Any]) -> None:
        if not freezing.ident and now["at_s"] > 0:
            freezing.start()

    with tempfile.TemporaryDirectory() as scratch:
        scenario = rush(PER_S, run_s, ("ask",))
        plan = CampaignPlan(
            scenario, server.url, Path(scratch) / "run", drain_s=10.0, protocol=PROTOCOL
        )
        summary = run_campaign(plan, begin).summary
    freezing.join()
    step = summary.step("ask")
    assert step is not None
    return {p: step.latency.quantile(p / 100) * 1e3 for p in (50, 95, 99)}, step.attempts


if __name__ == "__main__":
    show(measure)
