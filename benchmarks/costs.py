"""A service model for benchmarks: the shipped one where there is one, else figures of our own.

The speed of an engine depends on how many events an attempt causes, hardly on how long each takes:
so a made-up set of costs is good enough to time it. These are of the order that calibration finds
for the reference service on one core of a current server, and prove nothing about any service.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from simulation.service import ServiceModel, StepCost, read_model
from workload.durations import constant, lognormal
from workload.scenario import Scenario

SHIPPED: Final = Path(__file__).parent.parent / "simulation" / "models" / "reference.json"
SLICE: Final = lognormal(100e-6, 200e-6)
WRITE: Final = StepCost("write", SLICE, SLICE)
READ: Final = StepCost("read", SLICE, SLICE, lognormal(80e-6, 160e-6))
STEPS: Final = {
    "open_site": StepCost("plain", SLICE),
    "register": WRITE,
    "verify_email": WRITE,
    "submit_identity": WRITE,
    "await_identity": READ,
    "upload_photo": StepCost("upload", SLICE, SLICE, lognormal(80e-6, 160e-6)),
    "join_wave": WRITE,
    "check_result": READ,
    "call_support": WRITE,
}
OURS: Final = ServiceModel(
    STEPS,
    wake_s=30e-6, flush_base_s=60e-6, flush_row_s=6e-6, write_base_s=80e-6, write_row_s=10e-6,
    commit=lognormal(200e-6, 400e-6), registry=lognormal(0.03, 0.1), check_cpu_s=100e-6,
    errand_s=20e-6, mail=lognormal(1e-3, 2e-3), mail_cpu_s=100e-6, delivery=constant(0.0),
    photo=lognormal(1.0, 4.0), photo_kb=100.0, poll_s=5e-3, network_s=20e-6, send_s=60e-6,
    receive_s=60e-6, twin_mail_s=50e-6, twin_check_s=80e-6, shed_s=20e-6,
)  # fmt: skip


def model_for(scenario: Scenario) -> tuple[str, ServiceModel]:
    """(where it is from, a model that knows every step of the scenario)."""
    shipped = read_model(SHIPPED) if SHIPPED.exists() else None
    if shipped and all(step in shipped.steps for step in scenario.journey.names):
        return "simulation/models/reference.json", shipped
    return "benchmarks/costs.py", OURS
