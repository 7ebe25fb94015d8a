"""What one attempt of each step costs at each station, and where the figures come from.

A ServiceModel is what `calibrate` writes and `simulate` reads (`surge/model/1`). All times are
seconds; durations are distributions (quantile knots).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from workload.durations import Duration, constant
from workload.errors import Fault, RecordError
from workload.manifest import read_json, write_json

SCHEMA_NAME: Final = "surge/model/1"
KINDS: Final = ("plain", "write", "read", "upload")
#: A step that was not calibrated -> the one that it costs about as much as: the same way through
#: the service, with a row as small.
ANALOGUES: Final = {
    "upload_photo": "register",
    "join_wave": "register",
    "check_result": "await_identity",
    "call_support": "register",
}


@dataclass(frozen=True)
class StepCost:
    """A step's way: CPU of the loop before and after the await, of the query, of the generator."""

    kind: str
    before: Duration
    after: Duration = field(default_factory=lambda: constant(0.0))
    query: Duration = field(default_factory=lambda: constant(0.0))
    sent_s: float | None = None  # of the generator until a request is on its way; None: send_s


@dataclass(frozen=True)
class ServiceModel:
    """Costs by step and station. ``fitted`` holds residuals and provenance, for people.

    ``agreement``: what came out when the model was held against load that it had not seen
    (`surge/agreement/1`); None for a model that was never checked.
    """

    steps: Mapping[str, StepCost]
    wake_s: float = 0.0  # CPU that a sleeping loop costs to wake
    generator_wake_s: float = 0.0
    flush_base_s: float = 0.0  # loop CPU of a flush, and of a row of it
    flush_row_s: float = 0.0
    write_base_s: float = 0.0  # database CPU of a flush, and of a row of it
    write_row_s: float = 0.0
    commit: Duration = field(default_factory=lambda: constant(0.0))  # flush of the log
    read: Duration = field(default_factory=lambda: constant(0.0))  # of a read, beside its CPU
    registry: Duration = field(default_factory=lambda: constant(0.0))  # the ministry's answer
    check_cpu_s: float = 0.0  # worker CPU of a check
    errand_s: float = 0.0  # database CPU of what the worker asks: a claim, a batch of marks
    mail: Duration = field(default_factory=lambda: constant(0.0))  # an SMTP transaction
    mail_cpu_s: float = 0.0  # worker CPU of a mail
    delivery: Duration = field(default_factory=lambda: constant(0.0))  # from SMTP to the inbox
    photo: Duration = field(default_factory=lambda: constant(0.0))  # on the visitor's own line
    photo_kb: float = 0.0  # size of a photo, in 1000 bytes
    poll_s: float = 0.0  # between two looks of the worker into its queues
    network_s: float = 0.0  # one way
    send_s: float = 0.0  # generator CPU of sending, and of reading the answer
    receive_s: float = 0.0
    twin_mail_s: float = 0.0  # CPU of the twins, which share the generator's core
    twin_check_s: float = 0.0
    shed_s: float = 0.0  # loop CPU of a refusal
    calibrated: Mapping[str, int] = field(default_factory=dict)  # accepted attempts by step
    fitted: Mapping[str, Any] = field(default_factory=dict)
    agreement: Mapping[str, Any] | None = None

    def write(self, path: Path) -> Path:
        """As JSON, `surge/model/1`."""
        return write_json(path, {"schema": SCHEMA_NAME, **_plain(asdict(self))})

    def uncalibrated(self, fewest: int = 1000) -> tuple[str, ...]:
        """Steps with fewer accepted attempts than this in the calibration runs."""
        return tuple(step for step in self.steps if self.calibrated.get(step, 0) < fewest)

    def reaching(self, names: Sequence[str]) -> ServiceModel:
        """The same model, with the costs of missing steps by analogy, as far as they have one.

        They stay uncalibrated: no answer to them was ever counted. Of an upload only the requests
        to the service cost something, the photo itself takes no time.
        """
        added = {
            name: self._by_analogy(name)
            for name in names
            if name not in self.steps and ANALOGUES.get(name) in self.steps
        }
        return replace(self, steps={**self.steps, **added}) if added else self

    def _by_analogy(self, name: str) -> StepCost:
        like = self.steps[ANALOGUES[name]]
        if name != "upload_photo":
            return like
        leave = self.steps.get("await_identity", like)
        return replace(like, kind="upload", query=leave.query)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"knots_s"}:
            return [float(f"{knot:.6g}") for knot in value["knots_s"]]
        return {key: _plain(one) for key, one in value.items()}
    return value


def read_model(path: Path) -> ServiceModel:
    """A service model from its file; RecordError when damaged or of another schema."""
    raw = read_json(path, SCHEMA_NAME)
    try:
        steps = {name: _step_cost(step) for name, step in raw.pop("steps").items()}
        durations = {f.name for f in fields(ServiceModel) if f.type == "Duration"}
        values: dict[str, Any] = {
            key: Duration(tuple(value)) if key in durations else value for key, value in raw.items()
        }
        return ServiceModel(steps=steps, **values)
    except (KeyError, TypeError, ValueError) as error:
        fault = Fault("model", str(error), "the file was edited or is of another version")
        raise RecordError(str(path), [fault]) from error


def _step_cost(raw: Mapping[str, Any]) -> StepCost:
    if raw["kind"] not in KINDS:
        raise ValueError(f"kind {raw['kind']!r} is none of {', '.join(KINDS)}")
    durations = {name: Duration(tuple(raw[name])) for name in ("before", "after", "query")}
    return StepCost(raw["kind"], **durations, sent_s=raw.get("sent_s"))
