"""Where the figures come from: machine, versions, commit, seed, fingerprint, bending, capacity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from harness.report.dossier import Dossier, RunRecord
from harness.report.units import NOTHING, count, digits, moment, plural, rate, seconds, share, words
from workload.telemetry import Telemetry

SETTINGS: Final = (
    "workers", "lanes", "batch_rows", "pool", "identity_check", "admission", "in_flight_cap",
    "registry_slots", "registry_quota_per_s", "mail_connections",
)  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """A name and what it was: once for all runs, or by run where they differ."""

    name: str
    values: tuple[str, ...]


def facts(dossier: Dossier) -> list[Fact]:
    """One value where all runs agree, else one a run, in their order."""
    columns = [dict(_of_run(run)) for run in dossier.runs]
    names = dict.fromkeys(name for column in columns for name in column)
    found = []
    for name in names:
        values = tuple(column.get(name, NOTHING) for column in columns)
        found.append(Fact(name, values if len(set(values)) > 1 else values[:1]))
    return found


def _of_run(run: RunRecord) -> Iterator[tuple[str, str]]:
    manifest, machine = run.manifest, run.manifest.machine
    yield "scenario", manifest.scenario + (f", reading {manifest.reading}" * bool(manifest.reading))
    yield "fingerprint", manifest.fingerprint
    yield "seed", str(manifest.seed)
    start, end = manifest.bending.window_s
    yield "window", f"{seconds(start)} to {seconds(end)}"
    bending = manifest.bending
    yield "thinned to", share(bending.thin)
    yield (
        "population",
        "the scenario's" if bending.population is None else count(bending.population),
    )
    yield "speed, pauses", f"×{digits(bending.speed)}, ×{digits(bending.pauses)}"
    yield "began", moment(manifest.began_unix)
    yield "lasted", seconds(manifest.lasted_s)
    yield "target", manifest.target or NOTHING
    yield "commit", manifest.commit or NOTHING
    yield "processor", str(machine.get("processor", NOTHING))
    yield (
        "cores, memory",
        f"{machine.get('cores', NOTHING)}, {machine.get('memory_gib', NOTHING)} GiB",
    )
    if run.telemetry is not None:
        yield "speed probe", _speed(run.telemetry)
    yield "system", str(machine.get("system", NOTHING))
    yield "versions", ", ".join(f"{k} {v}" for k, v in manifest.versions.items()) or NOTHING
    yield "generator", _generator(manifest.generator)
    yield from _capacity(manifest.capacity)


def _speed(telemetry: Telemetry) -> str:
    """How fast the machine was just then: a fixed piece of work, once a second, the median."""
    probe = telemetry.samples.get(("generator", "surge_speed_probe_seconds"))
    return seconds(float(np.median(probe[1]))) if probe else NOTHING


def _generator(said: Mapping[str, Any]) -> str:
    cores = said.get("cores") or []
    where = f" on {plural(len(cores), 'core')} ({_cores(cores)})" if cores else ", not pinned"
    return f"{plural(int(said.get('processes', 1)), 'process')}{where}"


def _capacity(capacity: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    told = [
        f"{words(key)} {_setting(key, capacity[key])}"
        for key in SETTINGS
        if capacity.get(key) is not None
    ]
    yield "capacity", ", ".join(told) or "not told"
    cores = capacity.get("cores") or {}
    if cores:
        system, outside = (_cores(cores.get(side, ())) for side in ("system", "outside"))
        yield "pinned", f"system on core {system}, twins and generator on {outside}"


def _setting(key: str, value: Any) -> str:
    if key == "registry_quota_per_s":
        return rate(float(value)) if value else "none"
    return count(value) if isinstance(value, int | float) else str(value)


def _cores(cores: Sequence[int]) -> str:
    return ", ".join(map(str, cores)) or NOTHING


def model_facts(dossier: Dossier) -> list[Fact]:
    """Where the service model was learned."""
    if dossier.model is None:
        return []
    fitted: Mapping[str, Any] = dossier.model.get("fitted") or {}
    residuals = fitted.get("residuals") or {}
    said = {
        "calibrated on": ", ".join(fitted.get("runs", ())) or NOTHING,
        "levels": ", ".join(rate(level) for level in fitted.get("levels_per_s", ())) or NOTHING,
        "fitted at commit": str(fitted.get("commit") or NOTHING),
        "residuals": ", ".join(
            f"{name.replace('_', ' ')} {share(value)}" for name, value in residuals.items() if value
        )
        or NOTHING,
        "answers by step": ", ".join(
            f"{step.replace('_', ' ')} {count(number)}"
            for step, number in dossier.model.get("calibrated", {}).items()
        )
        or NOTHING,
    }
    return [Fact(name, (value,)) for name, value in said.items()]
