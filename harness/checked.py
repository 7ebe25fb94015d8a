"""What a check was like: how busy each station was, what answered, when, and on which machine.

It goes into the agreement, and with that into the model: whoever projects later must be able to
tell what was tried from what was not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from harness.report.stations import NEVER_A_BOTTLENECK, Gauges, resources
from simulation.deployment import Deployment
from simulation.evidence import Run, windows
from simulation.service import ServiceModel
from workload.agreement import Agreement, Basis
from workload.manifest import Manifest

#: Settings of a deployment that a check is about; speeds, prices and latencies are not among them.
SETTINGS: Final = (
    "replicas", "workers", "cores", "shared_core", "database_cores", "pool", "lanes", "batch_rows",
    "registry_slots", "registry_quota_per_s", "identity_check", "mail_connections", "admission",
    "in_flight_cap",
)  # fmt: skip


def utilisation_of(run: Run) -> dict[str, float]:
    """Station -> measured busy share, from the warm-up to the end of the arrivals.

    A loop that shares its core with others is as busy as that core: they take its time.
    """
    (window,) = windows([run])
    at = np.array([window.start_s, window.end_s])
    gauges = Gauges(run.telemetry)
    found: dict[str, float] = {}
    for resource in resources(run.manifest.capacity):
        if resource.station in NEVER_A_BOTTLENECK:
            continue
        before, after = resource.use(gauges, at)
        share = float(after - before) / window.seconds / resource.servers
        found[resource.station] = max(share, found.get(resource.station, 0.0))
    if "system_core" in found:
        found["event_loop"] = max(found.get("event_loop", 0.0), found.pop("system_core"))
    return {station: round(share, 4) for station, share in found.items()}


def settings_of(deployment: Deployment) -> dict[str, Any]:
    """The settings of a deployment that a check is about."""
    return {name: getattr(deployment, name) for name in SETTINGS}


def basis_of(manifest: Manifest, directory: Path) -> Basis:
    """When, where and on what: from the manifest of a held-out run."""
    return Basis(
        began_unix=manifest.began_unix,
        machine=manifest.machine,
        commit=manifest.commit,
        scenario=manifest.scenario,
        fingerprint=manifest.fingerprint,
        record=directory.name,
    )


def with_agreement(model: ServiceModel, agreement: Agreement) -> ServiceModel:
    """The same model, which from now on carries what came out when it was checked."""
    carried: Mapping[str, Any] = agreement.to_json()
    return replace(model, agreement=carried)
