"""What answers: replicas, cores, pools, the ministry's slots and quota, mail, prices.

Profiles are TOML files with the source of each figure beside it. `load_deployment` reports every
fault at once; `with_settings` applies ``--set key=value``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from simulation.scaling import Scaling, faults_of, read_scaling
from simulation.shifts import Shifts, read_agents
from workload.durations import Duration, constant, duration_from
from workload.errors import Fault, InputError
from workload.reader import Reader, flag, number, one_of, seconds, text, whole

SCHEMA_NAME: Final = "surge/deployment/1"
ADMISSION: Final = ("open", "shed", "waiting_room")
BUILT_IN: Final = Path(__file__).parent / "deployments"


@dataclass(frozen=True)
class RegistryWindow:
    """A stretch of time, in seconds of the run, in which the registry is not as usual.

    ``slots`` that it then answers, 0 is an outage; ``slower``: its latency is multiplied by this.
    """

    from_s: float
    to_s: float
    slots: int = 0
    slower: float = 1.0


@dataclass(frozen=True)
class Deployment:
    """``workers`` and ``cores`` count per replica; ``shared_core``: the database, the worker
    process and the service run on the same cores; ``generator``: measured through a load
    generator that shares the twins' core. ``scaling``: replicas that come and go; a run begins
    with ``replicas`` of them. ``room_per_s``: people that the waiting room lets in.
    ``photo_mbit_per_s``: the photo store's line, 0 for no limit. ``agents`` of the call
    centre take the calls of those whose step failed (a scenario's ``support``); with none of them a
    call is the service's request alone. ``agent_shifts``: agents by hour of the day, ``agents`` is
    then the most at once. ``call_length`` and ``call_patience`` of a call. Prices are a month, in
    whatever currency the profile names.
    """

    name: str = "custom"
    replicas: int = 1
    workers: int = 1
    cores: int = 1
    shared_core: bool = False
    generator: bool = False
    database_cores: int = 1
    pool: int = 8
    lanes: int = 2
    batch_rows: int = 256
    registry_slots: int = 16
    registry_quota_per_s: float = 0.0
    registry_latency: Duration | None = None
    registry_windows: tuple[RegistryWindow, ...] = ()
    identity_check: str = "queued"
    mail_connections: int = 4
    mail_delay: Duration = field(default_factory=lambda: constant(0.0))
    mail_loss: float = 0.0
    admission: str = "open"
    in_flight_cap: int = 0
    shed_delay_s: float = 1.0
    room_per_s: float = 100.0
    photo_mbit_per_s: float = 0.0
    agents: int = 0
    agent_shifts: Shifts = ()
    call_length: Duration = field(default_factory=lambda: constant(300.0))
    call_patience: Duration = field(default_factory=lambda: constant(120.0))
    network_s: float = 0.0
    speed: float = 1.0
    prices: Mapping[str, float] = field(default_factory=dict)
    scaling: Scaling | None = None

    @property
    def most_replicas(self) -> int:
        """As many as there are at most at any time."""
        return self.scaling.slots(self.replicas) if self.scaling else self.replicas

    def to_json(self) -> dict[str, Any]:
        """All settings, durations as knots."""
        raw = asdict(self)
        for key in ("registry_latency", "mail_delay", "call_length", "call_patience"):
            raw[key] = list(raw[key]["knots_s"]) if raw[key] else None
        raw["scaling"] = self.scaling.to_json() if self.scaling else None
        return raw


def load_deployment(name_or_path: str | Path) -> Deployment:
    """A built-in profile by name or a TOML file by path; InputError with every fault."""
    path = Path(name_or_path)
    if str(name_or_path) in built_in():
        path = BUILT_IN / f"{name_or_path}.toml"
    if not path.is_file():
        remedy = f"give a TOML file or one of: {', '.join(built_in())}"
        raise InputError("deployment", [Fault("deployment", str(name_or_path), remedy)])
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            path.name, [Fault("file", path.name, f"not valid TOML: {error}")]
        ) from error
    reader = Reader(table)
    reader.take("schema", one_of(SCHEMA_NAME))
    deployment = _read(reader)
    reader.done(also=("schema", "why"))
    if reader.faults:
        raise InputError(f"deployment {path.name}", reader.faults)
    return deployment


def built_in() -> tuple[str, ...]:
    """Names of the profiles that ship with the project."""
    return tuple(sorted(path.stem for path in BUILT_IN.glob("*.toml")))


def with_settings(
    deployment: Deployment, settings: Sequence[str], option: str = "--set"
) -> Deployment:
    """The deployment with ``key=value`` settings applied; InputError with every fault.

    ``option``: by which they were given, as the faults name it.
    """
    table: dict[str, Any] = {}
    faults: list[Fault] = []
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            faults.append(Fault(option, setting, "write key=value, for example registry_slots=13"))
            continue
        try:
            found = tomllib.loads(f"v = {value}")["v"]
        except tomllib.TOMLDecodeError:
            found = value
        *above, last = key.strip().split(".", 1)
        within = table.setdefault(above[0], {}) if above else table
        if isinstance(within, dict):
            within[last] = found
        else:
            remedy = f"set {above[0]} once: as a whole, or by its keys"
            faults.append(Fault(option, setting, remedy))
    reader = Reader(table, option, faults)
    changed = _read(reader, deployment)
    reader.done(also=[f.name for f in fields(Deployment)])
    if faults:
        raise InputError("settings of the deployment", faults)
    return changed


def _read(reader: Reader, base: Deployment | None = None) -> Deployment:
    base = base or Deployment()
    above, some = number(0, open_low=True), number(0)
    count = whole(1, 1_000_000)
    found: dict[str, Any] = {"name": reader.take("name", text, base.name)}
    for key in ("replicas", "workers", "cores", "database_cores", "pool", "lanes", "batch_rows",
                "registry_slots", "mail_connections"):  # fmt: skip
        found[key] = reader.take(key, count, getattr(base, key))
    for key in ("shared_core", "generator"):
        found[key] = reader.take(key, flag, getattr(base, key))
    for key in ("registry_quota_per_s", "shed_delay_s", "network_s", "photo_mbit_per_s"):
        found[key] = reader.take(key, some, getattr(base, key))
    found["in_flight_cap"] = reader.take("in_flight_cap", whole(0), base.in_flight_cap)
    found["mail_loss"] = reader.take("mail_loss", number(0, 1), base.mail_loss)
    for key in ("speed", "room_per_s"):
        found[key] = reader.take(key, above, getattr(base, key))
    agents = read_agents(whole(0, 1_000_000))
    shifts = [list(shift) for shift in base.agent_shifts]
    found["agents"], found["agent_shifts"] = reader.take(
        "agents", agents, (base.agents, base.agent_shifts), written=shifts or base.agents
    ) or (None, None)
    found["admission"] = reader.take("admission", one_of(*ADMISSION), base.admission)
    checks = one_of("queued", "inline")
    found["identity_check"] = reader.take("identity_check", checks, base.identity_check)
    if reader.has("registry_windows"):
        found["registry_windows"] = _windows(reader)
    for key in ("mail_delay", "call_length", "call_patience"):
        found[key] = reader.take(key, duration_from, getattr(base, key))
    if reader.has("registry_latency"):
        found["registry_latency"] = reader.take("registry_latency", duration_from)
    prices = reader.child("prices")
    if prices.table:
        taken = {key: prices.take(key, some, 0.0) or 0.0 for key in prices.table}
        found["prices"] = {**base.prices, **taken}
    scaling = read_scaling(reader, base.scaling)
    changed = replace(base, **{key: value for key, value in found.items() if value is not None})
    reader.faults += faults_of(scaling, changed.replicas, shared_core=changed.shared_core)
    return replace(changed, scaling=scaling)


def _windows(reader: Reader) -> tuple[RegistryWindow, ...]:
    """Windows in order of time, that do not overlap."""
    found: list[RegistryWindow] = []
    for table in reader.children("registry_windows"):
        start, end = table.take("from", seconds), table.take("to", seconds)
        slots = table.take("slots", whole(0, 1_000_000), 0)
        slower = table.take("slower", number(0, open_low=True), 1.0)
        table.done()
        if start is None or end is None or slots is None or slower is None:
            continue
        if end <= start or (found and start < found[-1].to_s):
            remedy = "end after it starts, and start no earlier than the window before it ends"
            table.fault("to", table.table["to"], remedy)
        found.append(RegistryWindow(start, end, slots, slower))
    return tuple(found)
