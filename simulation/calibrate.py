"""From measured runs to a ServiceModel: what each step costs at each station, by counting.

CPU costs come from counters (process CPU seconds, flushes, rows, mails, checks, wake-ups) by
non-negative least squares over windows of a few seconds, so that levels of different load tell a
cost per request from a cost per wake-up; what a level cost is first brought to the pace that the
machine had on average. Distributions come from the target's own histograms at the lowest level,
where waiting is least. Nothing is fitted to a latency; only the generator's own floor, from the
intended start to the sending, is taken as it was at that level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from simulation.costs import (
    database_costs,
    flush_costs,
    generator_costs,
    loop_costs,
    twin_cost_s,
    worker_costs,
)
from simulation.evidence import (
    Fit,
    Run,
    Window,
    less,
    merged_buckets,
    read_run,
    sent_s,
    shape_of,
    windows,
)
from simulation.pace import GENERATOR, WORKER, mails_read, paced
from simulation.photo_fit import fit_photo
from simulation.service import ServiceModel, StepCost
from workload.durations import Duration, constant
from workload.errors import Fault, RecordError
from workload.journey import peoples
from workload.visit import Outcome

#: How each step goes through the reference service (CONTRACT of target_app, held by a test).
KINDS: Final = {
    "open_site": "plain",
    "register": "write",
    "verify_email": "write",
    "submit_identity": "write",
    "await_identity": "read",
    "upload_photo": "upload",
    "join_wave": "write",
    "check_result": "read",
    "call_support": "write",
}
#: Share of a request's CPU that comes before its await: parsing and checking against answering.
BEFORE_SHARE: Final = 0.6
#: Seconds that are looked at to see how busy an idle worker process is.
IDLE_S: Final = 3.0
#: Share of a shared core that is in no process's account: kernel threads of the disk and the like.
#: A trace of the scheduler showed 2.7 and 2.8 % at two loads.
HOST_SHARE: Final = 0.025
NETWORK_S: Final = 20e-6  # one way on loopback: two system calls' worth of kernel time


def calibrate(paths: Sequence[Path]) -> ServiceModel:
    """The service model of these run directories; RecordError when they can't teach one."""
    return calibrate_runs([read_run(path) for path in paths])


def calibrate_runs(runs: Sequence[Run]) -> ServiceModel:
    """As `calibrate`, of runs that were read already."""
    if not runs:
        raise RecordError("calibration", [Fault("runs", "none", "give at least one run directory")])
    _same_system(runs)
    held = paced(windows(runs))
    longest = max(run.manifest.bending.pauses for run in runs)
    steady = [run for run in runs if run.manifest.bending.pauses == longest]
    lowest = min(steady, key=lambda run: run.offered_per_s)
    quiet = [window for window in held if window.run is lowest]
    loop = loop_costs(held)
    idle = _idle(held)
    busiest = max(steady, key=lambda run: run.offered_per_s)
    database = database_costs(held, busiest)
    worker = worker_costs(held, idle, busiest)
    generator = generator_costs(held)
    flush = flush_costs(held)
    background = min(idle + HOST_SHARE, 0.5)
    slower = 1.0 / (1.0 - background)
    query_s = database["read"] * slower
    steps = _sent(_steps(runs, held, quiet, loop, slower, query_s), quiet[0], generator["wake"])
    model = ServiceModel(
        steps=steps,
        wake_s=loop["wake"],
        generator_wake_s=generator["wake"],
        flush_base_s=flush["flush"] * slower,
        flush_row_s=flush["row"] * slower,
        write_base_s=database["flush"] * slower,
        write_row_s=database["row"] * slower,
        read=_read(quiet, loop, query_s, steps),
        registry=_latency(held, "worker", "registry_client"),
        mail=less(_latency(quiet, "worker", "mail_sender"), worker["job"]),
        mail_cpu_s=worker["job"] * slower,
        check_cpu_s=worker["job"] * slower,
        errand_s=database["errand"] * slower,
        poll_s=float(runs[0].manifest.capacity.get("worker_poll_s") or 0.0),
        network_s=NETWORK_S,
        send_s=generator["request"] / 2,
        receive_s=generator["request"] / 2,
        twin_mail_s=twin_cost_s(held, "mailbox", lambda window: window.mails),
        twin_check_s=twin_cost_s(held, "registry", lambda window: window.checks),
        shed_s=loop["request"] / 2,
        calibrated=_accepted(runs),
        fitted=_account(
            held,
            {
                "event_loop": loop,
                "database": database,
                "worker": worker,
                "generator": generator,
                "flush": flush,
            },
            background,
        ),
    )
    photo, photo_kb = fit_photo(held)
    return replace(model, commit=_commit(quiet, model), photo=photo, photo_kb=photo_kb)


def _same_system(runs: Sequence[Run]) -> None:
    """RecordError where runs are of different journeys, deployments or machines, or attacked."""

    def system(run: Run) -> dict[str, Any]:
        said = run.manifest.capacity
        sizes = {k: v for k, v in said.items() if isinstance(v, int | float | str)}
        kept = {k: v for k, v in sizes.items() if "://" not in str(v)}
        return {"steps": run.history.steps, "machine": run.manifest.machine, **kept}

    first = system(runs[0])
    faults = [
        Fault(f"{run.path.name}: {key}", value, f"{runs[0].path.name} has {first.get(key)!r}")
        for run in runs[1:]
        for key, value in system(run).items()
        if first.get(key) != value
    ]
    if faults:
        raise RecordError("calibration: runs of different systems", faults)
    if peoples(runs[0].history.steps) < len(runs[0].history.steps):
        remedy = "calibrate on runs of the same scenario without [attack]"
        raise RecordError("calibration", [Fault(runs[0].path.name, "attacked", remedy)])


def _idle(held: Sequence[Window]) -> float:
    """Busy share of the worker process when nothing happens: the quietest moment after the visits.

    Looks into its queues, scrapes. From the last IDLE_S of each run that waited so long, at pace 1.
    """
    shares: list[float] = []
    for window in held:
        run = window.run
        end = run.manifest.lasted_s
        start = max(end - IDLE_S, run.arrivals_s + 1.0)
        if end - start < IDLE_S / 2:
            continue
        after = replace(window, start_s=start, end_s=end)
        shares.append(after.cpu("worker", WORKER) / after.seconds)
    return min(shares, default=0.0)


def _steps(
    runs: Sequence[Run],
    held: Sequence[Window],
    quiet: Sequence[Window],
    loop: Fit,
    slower: float,
    query_s: float,
) -> dict[str, StepCost]:
    """The warm cost of a request, shared out among the steps as their slices' CPU was."""
    buckets = merged_buckets(
        quiet, "service", "surge_station_service_seconds", station="event_loop"
    )
    slices = {name: _slices_cpu(held, name) for name in runs[0].history.steps}
    everything = sum(w.total("service", "surge_route_cpu_seconds_total") for w in held)
    mean = everything / max(1.0, sum(window.requests for window in held))
    steps: dict[str, StepCost] = {}
    for name, cpu in slices.items():
        if cpu is None:
            continue
        whole = loop["request"] * (0.5 + 0.5 * cpu / mean) * slower
        kind = KINDS.get(name, "write")
        share = 1.0 if kind == "plain" else BEFORE_SHARE
        steps[name] = StepCost(
            kind,
            before=shape_of(buckets, whole * share),
            after=constant(0.0) if kind == "plain" else shape_of(buckets, whole * (1 - share)),
            query=constant(query_s if kind in ("read", "upload") else 0.0),
        )
    return steps


def _sent(steps: Mapping[str, StepCost], quiet: Window, wake_s: float) -> dict[str, StepCost]:
    """The steps, and how long the generator takes to send each of them."""
    dear = quiet.pace**GENERATOR
    return {
        name: replace(step, sent_s=sent_s(quiet.run, name, wake_s, dear))
        for name, step in steps.items()
    }


def _slices_cpu(held: Sequence[Window], name: str) -> float | None:
    """CPU seconds of a step's slices, a request; None where it was never asked for."""
    answered = sum(w.total("service", "surge_requests_total", route=name) for w in held)
    cpu = sum(w.total("service", "surge_route_cpu_seconds_total", route=name) for w in held)
    return cpu / answered if answered else None


def _read(
    quiet: Sequence[Window], loop: Fit, query_s: float, steps: Mapping[str, StepCost]
) -> Duration:
    """How long a read holds its connection at the quiet level, less its CPU and the wake-up.

    The slice that hears the answer checks it before it gives the connection back: that is in what
    was measured, and the model has it as the slice after the await.
    """
    after = [step.after.mean_s for step in steps.values() if step.kind == "read"]
    heard = max(after, default=0.0)
    held = _latency(quiet, "service", "connection_pool")
    return less(held, loop["wake"] + query_s + heard)


def _latency(held: Sequence[Window], source: str, station: str) -> Duration:
    """Service of a station in these windows: its empirical distribution, zero where none was."""
    name = "surge_station_service_seconds"
    buckets = merged_buckets(held, source, name, station=station)
    took = sum(w.total(source, f"{name}_sum", station=station) for w in held)
    count = sum(w.count(source, name, station=station) for w in held)
    return shape_of(buckets, took / count) if count else constant(0.0)


def _commit(quiet: Sequence[Window], model: ServiceModel) -> Duration:
    """A flush's duration at the quiet level, less the CPU of preparing and doing it."""
    flushes = sum(
        w.count("service", "surge_station_service_seconds", station="write_batcher") for w in quiet
    )
    rows = sum(w.total("service", "surge_batch_rows_sum") for w in quiet) / max(1.0, flushes)
    work = model.flush_base_s + model.write_base_s + rows * (model.flush_row_s + model.write_row_s)
    return less(_latency(quiet, "service", "write_batcher"), work + model.wake_s)


def _accepted(runs: Sequence[Run]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for run in runs:
        answered = np.isin(run.history["outcome"], (Outcome.ACCEPTED, Outcome.DECLINED))
        for number, name in enumerate(run.history.steps):
            seen = int((answered & (run.history["step"] == number)).sum())
            counts[name] = counts.get(name, 0) + seen
    return counts


def _account(held: Sequence[Window], fits: Mapping[str, Fit], background: float) -> dict[str, Any]:
    """Where the figures come from, and how well each fit explains what was measured."""

    def clean(value: float) -> float | None:
        return round(value, 9) if math.isfinite(value) else None

    runs = [window.run for window in held]
    return {
        "runs": [run.path.name for run in runs],
        "levels_per_s": [round(run.offered_per_s, 3) for run in runs],
        "scenario": runs[0].manifest.scenario,
        "fingerprint": runs[0].manifest.fingerprint,
        "commit": runs[0].manifest.commit,
        "machine": runs[0].manifest.machine,
        "capacity": runs[0].manifest.capacity,
        "background_share": clean(background),
        "mails_read": clean(mails_read(held)),
        "paces": {window.run.path.name: clean(window.pace) for window in held},
        "residuals": {name: clean(found.residual) for name, found in fits.items()},
    }
