"""What the local reference system is like: frozen, told to its processes by environment alone."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from harness import CHECKOUT
from harness.errors import BadInput

IdentityCheck = Literal["queued", "inline"]
Admission = Literal["open", "shed"]


@dataclass(frozen=True)
class Ports:
    """TCP ports on 127.0.0.1; 0 takes a free one."""

    service: int = 0
    metrics: int = 0
    worker_metrics: int = 0
    registry: int = 0
    smtp: int = 0
    mailbox: int = 0
    photos: int = 0
    database: int = 0


# Where a person looks for them. PostgreSQL gets a free port: 5432 is somebody else's.
USUAL_PORTS = Ports(
    service=8000, metrics=8001, worker_metrics=8002, registry=8010,
    smtp=8025, mailbox=8026, photos=8030,
)  # fmt: skip


@dataclass(frozen=True)
class StackSettings:
    """Knobs of service, worker and twins. Ranges are checked by the process that each is for.

    Times in seconds. Latencies and delays are quantile knots, evenly spaced in probability from 0
    to 1, linear between. A quota of 0 means none.
    """

    workers: int = 1
    lanes: int = 2
    batch_rows: int = 256
    pool: int = 8
    identity_check: IdentityCheck = "queued"
    admission: Admission = "open"
    in_flight_cap: int = 512
    shed_delay_s: float = 1.0
    registry_slots: int = 16
    registry_quota_per_s: float = 0.0
    mail_connections: int = 4
    wave_quota: int = 164_000
    registry_twin_slots: int = 16
    registry_twin_quota_per_s: float = 0.0
    registry_twin_latency_s: tuple[float, ...] = (0.010, 0.020, 0.030, 0.060, 0.120)
    registry_twin_error: float = 0.0
    mail_delay_s: tuple[float, ...] = (0.0,)
    mail_loss: float = 0.0
    mail_spam: float = 0.0
    pin: bool = True

    def environment(self) -> dict[str, str]:
        """The variables that carry these settings; every process gets all and reads its own."""
        return {variable: shown(getattr(self, name)) for name, variable in VARIABLES.items()}


VARIABLES = {
    "workers": "SURGE_WORKERS",
    "lanes": "SURGE_LANES",
    "batch_rows": "SURGE_BATCH_ROWS",
    "pool": "SURGE_POOL",
    "identity_check": "SURGE_IDENTITY_CHECK",
    "admission": "SURGE_ADMISSION",
    "in_flight_cap": "SURGE_IN_FLIGHT_CAP",
    "shed_delay_s": "SURGE_SHED_DELAY_S",
    "registry_slots": "SURGE_REGISTRY_SLOTS",
    "registry_quota_per_s": "SURGE_REGISTRY_QUOTA_PER_S",
    "mail_connections": "SURGE_MAIL_CONNECTIONS",
    "wave_quota": "SURGE_WAVE_QUOTA",
    "registry_twin_slots": "SURGE_REGISTRY_TWIN_SLOTS",
    "registry_twin_quota_per_s": "SURGE_REGISTRY_TWIN_QUOTA_PER_S",
    "registry_twin_latency_s": "SURGE_REGISTRY_TWIN_LATENCY",
    "registry_twin_error": "SURGE_REGISTRY_TWIN_ERROR",
    "mail_delay_s": "SURGE_MAIL_DELAY",
    "mail_loss": "SURGE_MAIL_LOSS",
    "mail_spam": "SURGE_MAIL_SPAM",
}


def shown(value: object) -> str:
    return ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value)


def parsed(text: str, kind: Any) -> Any:
    """`text` as a value of one field's type; ValueError says what would do."""
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ValueError(f"give one of {', '.join(get_args(kind))}")
        return text
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError("give true or false")
        return text == "true"
    try:
        return tuple(map(float, text.split(","))) if get_origin(kind) is tuple else kind(text)
    except ValueError:
        raise ValueError(
            {int: "give a whole number", float: "give a number"}.get(kind)
            or "give numbers with commas between, such as 0.01,0.02,0.06"
        ) from None


def with_pairs(settings: StackSettings, pairs: Iterable[str]) -> StackSettings:
    """The settings with NAME=VALUE pairs applied. Raises BadInput that lists every fault."""
    kinds = get_type_hints(StackSettings)
    changes, faults = {}, []
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name not in kinds:
            names = ", ".join(field.name for field in fields(StackSettings))
            faults.append(f"{pair!r}: give NAME=VALUE with a NAME of: {names}")
            continue
        try:
            changes[name] = parsed(text, kinds[name])
        except ValueError as fault:
            faults.append(f"{name}={text!r}: {fault}")
    if faults:
        raise BadInput("\n  ".join(["settings that can't be used:", *faults]))
    return replace(settings, **changes)


def clean_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a process inherits: a SURGE_ variable of the caller's shell must not reach it unseen."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("SURGE_") and name != "DATABASE_URL"
    }
    return {**kept, "PYTHONPATH": str(CHECKOUT)}
