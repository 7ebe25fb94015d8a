"""A scenario: everything about the wave that is a choice, frozen, read from TOML.

`load_scenario` reports every fault at once, each with its key, its value and the remedy. Figures of
the event live in the TOML files with their source beside them, never in code.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from workload.arrivals import ArrivalCurve, Burst, Constant, Daily, Part, Ramp
from workload.durations import duration_from
from workload.errors import Fault, ScenarioError
from workload.journey import MAILS, STEPS, Journey, Patience, Step
from workload.objective import Objective, parse_objective
from workload.population import PROVINCES, Population
from workload.reader import Reader, clock_hours, flag, number, one_of, seconds, text, whole

SCHEMA_NAME: Final = "surge/scenario/1"
BUILT_IN: Final = Path(__file__).parent / "scenarios"
COUNTS: Final = ("registered", "email_verified", "identity_verified", "joined")


@dataclass(frozen=True)
class Reading:
    """One way to read the published figures: drop-outs (inputs) and the snapshots it implies."""

    name: str
    why: str
    drop_out: Mapping[str, float]
    published: tuple[Mapping[str, float], ...]


@dataclass(frozen=True)
class Scenario:
    """Immutable. ``table``: the TOML with defaults filled in, as it goes to a run directory."""

    name: str
    question: str
    seed: int
    curve: ArrivalCurve
    people: Population
    journey: Journey
    objectives: tuple[Objective, ...]
    checkpoints_h: tuple[float, ...]
    readings: Mapping[str, Reading] = field(default_factory=dict)
    reading: str = ""
    table: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits over all that shapes a visit: the table without prose and seed."""
        shaped = {k: v for k, v in self.table.items() if k not in ("question", "seed", "name")}
        shaped["reading"] = self.reading
        canonical = json.dumps(shaped, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def with_seed(self, seed: int) -> Scenario:
        """The same scenario on other luck."""
        return replace(self, seed=seed, table={**self.table, "seed": seed})

    def with_population(self, population: float) -> Scenario:
        """The same scenario with the curve rescaled to an expected ``population``."""
        return replace(self, curve=replace(self.curve, population=population))


def load_scenario(name_or_path: str | Path, reading: str | None = None) -> Scenario:
    """A built-in scenario by name, or a TOML file by path.

    Raises ScenarioError with every fault found.
    """
    path = _find(name_or_path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        fault = Fault("file", path.name, f"not valid TOML: {error}")
        raise ScenarioError(f"scenario {path.name}", [fault]) from error
    return scenario_from(table, subject=f"scenario {path.name}", reading=reading)


def built_in() -> tuple[str, ...]:
    """Names of the scenarios that ship with the project."""
    return tuple(sorted(path.stem for path in BUILT_IN.glob("*.toml")))


def _find(name_or_path: str | Path) -> Path:
    text_ = str(name_or_path)
    if text_ in built_in():
        return BUILT_IN / f"{text_}.toml"
    path = Path(text_)
    if path.is_file():
        return path
    remedy = f"give a TOML file or one of: {', '.join(built_in())}"
    raise ScenarioError("scenario", [Fault("scenario", text_, remedy)])


def scenario_from(table: Mapping[str, Any], subject: str, reading: str | None = None) -> Scenario:
    """A scenario from a parsed table; ScenarioError with every fault."""
    reader = Reader(table)
    reader.take("schema", one_of(SCHEMA_NAME))
    name = reader.take("name", text)
    question = reader.take("question", text, "")
    seed = reader.take("seed", whole(0, 2**63 - 1), 1)
    curve = _curve(reader.child("arrivals"))
    people = _people(reader.child("people"))
    patience = _patience(reader.child("patience"), Patience())
    journey = _journey(reader, patience)
    objectives = _objectives(reader, journey)
    nothing: tuple[float, ...] = ()
    hours = reader.take("checkpoints_h", _numbers, nothing)
    readings = _readings(reader.child("readings"))
    chosen = reading or reader.take("reading", text, next(iter(readings), "none"))
    if readings and chosen not in readings:
        reader.fault("reading", chosen, f"write one of {', '.join(readings)}")
    reader.done(also=("reading", "readings"))
    if reader.faults or not (curve and people and journey and name):
        raise ScenarioError(subject, reader.faults)
    picked = readings.get(chosen or "")
    return Scenario(
        name=name,
        question=question or "",
        seed=seed or 0,
        curve=curve,
        people=people,
        journey=_with_drop_out(journey, picked),
        objectives=objectives,
        checkpoints_h=hours or (),
        readings=readings,
        reading=picked.name if picked else "",
        table=filled(table, patience, picked.name if picked else ""),
    )


def _numbers(value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(isinstance(v, int | float) for v in value):
        raise ValueError("write a list of numbers")
    return tuple(float(v) for v in value)


def _curve(reader: Reader) -> ArrivalCurve | None:
    duration_s = reader.take("duration", seconds)
    opens_h = reader.take("opens_at", clock_hours, 0.0)
    population = reader.take("population", number(0, open_low=True), 0.0)
    deterministic = reader.take("deterministic", flag, False)
    before = len(reader.faults)
    parts = [_part(child, opens_h or 0.0, duration_s or 1.0) for child in reader.children("parts")]
    if not parts:
        reader.fault("parts", [], 'add one: [[arrivals.parts]] shape = "constant", per_s = 5')
    reader.done()
    if len(reader.faults) > before or not duration_s:
        return None
    whole_parts = tuple(part for part in parts if part)
    try:
        curve = ArrivalCurve(whole_parts, duration_s, population or 1.0, bool(deterministic))
        return curve if population else replace(curve, population=curve.raw_count)
    except ValueError as error:
        reader.fault("parts", "…", str(error))
        return None


def _part(reader: Reader, opens_h: float, duration_s: float) -> Part | None:
    shape = reader.take("shape", one_of("constant", "ramp", "burst", "daily"))
    before = len(reader.faults)
    part: Part | None = None
    rate = number(0)
    if shape in ("constant", "ramp"):
        start = reader.take("start", seconds, 0.0) or 0.0
        end = reader.take("end", seconds, duration_s) or 0.0
        if end <= start:
            reader.fault("end", end, f"the part must end after it starts ({start:g} s)")
        if shape == "constant":
            part = Constant(reader.take("per_s", rate) or 0.0, start, end)
        else:
            low, high = reader.take("from_per_s", rate), reader.take("to_per_s", rate)
            part = Ramp(low or 0.0, high or 0.0, start, end)
    elif shape == "burst":
        people = reader.take("people", number(0, open_low=True)) or 1.0
        decay = reader.take("decay_s", number(0, open_low=True)) or 1.0
        part = Burst(people, decay, reader.take("start", seconds, 0.0) or 0.0)
    elif shape == "daily":
        mean = reader.take("mean_per_h", number(0, open_low=True)) or 1.0
        swing = reader.take("swing", number(0, 1)) or 0.0
        part = Daily(mean, swing, reader.take("busiest", clock_hours) or 0.0, opens_h)
    reader.done()
    return part if len(reader.faults) == before else None


def _people(reader: Reader) -> Population | None:
    mistyped = reader.take("mistyped", number(0, 1), 0.0)
    domain = reader.take("domain", one_of("example.com", "example.id.invalid"), "example.com")
    codes = {name: code for code, name in PROVINCES.items()}
    shares = reader.child("provinces")
    weights = {codes[n]: shares.take(n, number(0), 0.0) or 0.0 for n in shares.table if n in codes}
    shares.done(also=codes)
    if shares.table and not any(weights.values()):
        reader.fault("provinces", dict(shares.table), "give at least one province a share above 0")
        return None
    provinces = weights or dict.fromkeys(PROVINCES, 1.0)
    reader.done()
    return Population(provinces, mistyped or 0.0, domain or "example.com")


def _patience(reader: Reader, base: Patience) -> Patience:
    above = number(0, open_low=True)
    patience = Patience(
        timeout_s=reader.take("timeout_s", above, base.timeout_s) or 1.0,
        connect_timeout_s=reader.take("connect_timeout_s", above, base.connect_timeout_s) or 1.0,
        attempts=reader.take("attempts", whole(1, 1000), base.attempts) or 1,
        backoff_s=reader.take("backoff_s", number(0), base.backoff_s) or 0.0,
        backoff_cap_s=reader.take("backoff_cap_s", number(0), base.backoff_cap_s) or 0.0,
        jitter=reader.take("jitter", number(0, 1), base.jitter) or 0.0,
        mail_s=reader.take("mail_s", above, base.mail_s) or 1.0,
    )
    reader.done()
    return patience


def _journey(reader: Reader, patience: Patience) -> Journey | None:
    before = len(reader.faults)
    steps = [_step(child, patience) for child in reader.children("steps")]
    names = [step.name for step in steps if step]
    if not steps:
        reader.fault("steps", [], 'add one: [[steps]] name = "open_site"')
    elif names != [name for name in STEPS if name in names]:
        order = ", ".join(name for name in STEPS if name in names)
        reader.fault("steps", names, f"each step once, in the journey's order: {order}")
    return Journey(tuple(s for s in steps if s)) if len(reader.faults) == before else None


def _step(reader: Reader, patience: Patience) -> Step | None:
    before = len(reader.faults)
    step = Step(
        name=reader.take("name", one_of(*STEPS)) or "",
        pause=reader.take("pause", duration_from, duration_from(0)) or duration_from(0),
        drop_out=reader.take("drop_out", number(0, 1), 0.0) or 0.0,
        patience=_patience(reader.child("patience"), patience),
        mail=reader.take("mail", one_of(*MAILS), "none") or "none",
        polls=reader.take("polls", whole(0, 1000), 0) or 0,
        poll_s=reader.take("poll_s", number(0, open_low=True), 30.0) or 30.0,
        poll_cap_s=reader.take("poll_cap_s", number(0, open_low=True), 960.0) or 960.0,
    )
    reader.done()
    return step if len(reader.faults) == before else None


def _objectives(reader: Reader, journey: Journey | None) -> tuple[Objective, ...]:
    def parse(value: Any) -> tuple[Objective, ...]:
        texts = value if isinstance(value, list) else [value]
        found = tuple(parse_objective(str(one)) for one in texts)
        for one in found:
            if journey and one.kind in ("latency", "success") and one.subject not in journey.names:
                steps = ", ".join(journey.names)
                raise ValueError(f"`{one.text}` names no step of this journey ({steps})")
        return found

    return reader.take("objectives", parse, ()) or ()


def _readings(reader: Reader) -> dict[str, Reading]:
    found: dict[str, Reading] = {}
    for name in reader.table:
        child = reader.child(name)
        why = child.take("why", text, "") or ""
        shares = child.child("drop_out")
        drop_out = {s: shares.take(s, number(0, 1), 0.0) or 0.0 for s in shares.table if s in STEPS}
        shares.done(also=STEPS)
        published = tuple(_snapshot(one) for one in child.children("published"))
        child.done()
        found[name] = Reading(name, why, drop_out, published)
    reader.done()
    return found


def _snapshot(reader: Reader) -> dict[str, float]:
    row = {"hours": reader.take("hours", number(0)) or 0.0}
    row |= {c: reader.take(c, number(0)) or 0.0 for c in COUNTS if reader.has(c)}
    reader.done(also=COUNTS)
    return row


def _with_drop_out(journey: Journey, reading: Reading | None) -> Journey:
    if not reading:
        return journey
    steps = [replace(s, drop_out=reading.drop_out.get(s.name, s.drop_out)) for s in journey.steps]
    return Journey(tuple(steps))


def filled(table: Mapping[str, Any], patience: Patience, reading: str) -> dict[str, Any]:
    """The table with defaults written out: what goes to a run directory."""
    whole_table = {**table, "patience": {**patience.__dict__}}
    whole_table.setdefault("seed", 1)
    if reading:
        whole_table["reading"] = reading
    return whole_table
