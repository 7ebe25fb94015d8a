"""A scenario: everything about the wave that is a choice, frozen, read from TOML.

`load_scenario` reports every fault at once, each with its key, its value and the remedy. Figures of
the event live in the TOML files with their source beside them, never in code.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from workload.arrivals import ArrivalCurve
from workload.attack import Attack, with_attack
from workload.attack_table import read_attack
from workload.errors import Fault, ScenarioError
from workload.journey import Itinerary, Journey, Patience
from workload.objective import Objective
from workload.opening import EVERYONE
from workload.opening_table import read_opening
from workload.population import Population
from workload.reader import Reader, clock_hours, one_of, prose, text, whole
from workload.scenario_parts import (
    BY_STEP,
    COUNTS,
    WALKED,
    Reading,
    among,
    choose_reading,
    read_curve,
    read_hours,
    read_journey,
    read_objectives,
    read_patience,
    read_people,
    read_readings,
)
from workload.toml_text import toml_text
from workload.wave_draw import JOINED_BY

__all__ = [
    "BUILT_IN",
    "COUNTS",
    "SCHEMA_NAME",
    "Reading",
    "Scenario",
    "built_in",
    "load_scenario",
    "scenario_from",
]

SCHEMA_NAME: Final = "surge/scenario/1"
BUILT_IN: Final = Path(__file__).parent / "scenarios"


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
    attack: Attack | None = None

    @property
    def opens_h(self) -> float:
        """The hour of the local clock at which the doors open."""
        return clock_hours(self.table.get("arrivals", {}).get("opens_at", "00:00"))

    @property
    def walked(self) -> Journey:
        """All steps that anybody walks: the people's, then the attackers'."""
        return with_attack(self.journey, self.attack)

    def itinerary(self, pauses: float = 1.0, speed: float = 1.0, since_s: float = 0.0) -> Itinerary:
        """`walked` as every engine reads it; ``since_s``: where the run's window begins."""
        return self.walked.itinerary(pauses, speed, since_s)

    @property
    def fingerprint(self) -> str:
        """Twelve hex digits over all that shapes a visit: no prose, no seed, no objectives."""
        steps = zip(self.table.get("steps", ()), self.journey.steps, strict=False)
        pauses = self.table.get("readings", {}).get(self.reading, {}).get("pause", {})
        shaped = {
            "arrivals": self.table.get("arrivals"),
            "people": self.table.get("people"),
            "journey": self.table.get("journey"),
            "steps": [
                {
                    **written,
                    "drop_out": step.drop_out,
                    "pause": pauses.get(step.name, written.get("pause")),
                }
                for written, step in steps
            ],
        }
        if self.curve.opening.policy != "everyone":
            shaped["opening"] = self.table.get("opening")
        if self.attack:
            shaped["attack"] = self.table.get("attack")
        if self.journey.draw:
            shaped["draw"] = self.table.get("draw")
        if self.journey.support:
            shaped["support"] = self.table.get("support")
        canonical = json.dumps(_plain(shaped), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def with_seed(self, seed: int) -> Scenario:
        """The same scenario on other luck."""
        return replace(self, seed=seed, table={**self.table, "seed": seed})

    def with_population(self, population: float) -> Scenario:
        """The same scenario with the curve rescaled to an expected ``population``.

        The table, and so the fingerprint, stays: a manifest names the population beside it.
        ScenarioError where nobody would come.
        """
        try:
            return replace(self, curve=replace(self.curve, population=population))
        except ValueError as error:
            fault = Fault("population", population, f"give a number above 0: {error}")
            raise ScenarioError(f"scenario {self.name}", [fault]) from error

    def opened_to_everyone(self) -> Scenario:
        """The same people on the same luck, all let in when the doors open."""
        table = {**self.table, "opening": {"policy": "everyone"}}
        return replace(self, curve=self.curve.opened(EVERYONE), table=table)

    def without_calls(self) -> Scenario:
        """The same scenario, where nobody calls for help."""
        table = {key: value for key, value in self.table.items() if key != "support"}
        return replace(self, journey=replace(self.journey, support=None), table=table)

    def until(self, step: str) -> Scenario:
        """The same scenario with the journey cut after ``step``, which is walked.

        Objectives and drop-outs of later steps go; people, luck and earlier steps stay as they are.
        ScenarioError where the journey has no such step.
        """
        names = self.journey.step_names
        if step not in names:
            fault = Fault("until", step, f"name a step of this journey: {', '.join(names)}")
            raise ScenarioError(f"scenario {self.name}", [fault])
        walked, later = names[: names.index(step) + 1], names[names.index(step) + 1 :]
        objectives = tuple(o for o in self.objectives if not _judges(o, later))
        readings = {n: reading.among(walked) for n, reading in self.readings.items()}
        attack = self.attack
        if attack and not set(attack.steps) <= set(walked):
            attack = replace(attack, steps=tuple(s for s in attack.steps if s in walked))
        attack = attack if attack and attack.steps else None
        return replace(
            self,
            attack=attack,
            journey=replace(
                self.journey,
                steps=self.journey.steps[: len(walked)],
                draw=self.journey.draw if JOINED_BY in walked else None,
            ),
            objectives=objectives,
            readings=readings,
            table=_cut(self.table, walked, objectives),
        )

    def to_toml(self) -> str:
        """The table as TOML: reading it gives this scenario again, with the same fingerprint."""
        return toml_text(self.table)


def _cut(
    table: Mapping[str, Any], walked: Sequence[str], objectives: Sequence[Objective]
) -> dict[str, Any]:
    """A table as it is written where only these steps are walked."""
    cut = {**table, "steps": list(table.get("steps", ()))[: len(walked)]}
    if JOINED_BY not in walked:
        cut.pop("draw", None)
    cut["objectives"] = [objective.text for objective in objectives]
    if "attack" in cut:
        left = [step for step in cut["attack"]["steps"] if step in walked]
        cut["attack"] = {**cut["attack"], "steps": left}
        if not left:
            del cut["attack"]
    if "readings" in table:
        cut["readings"] = {
            name: {**written, **{key: among(written[key], walked) for key in BY_STEP}}
            for name, written in table["readings"].items()
        }
    return cut


def _judges(objective: Objective, steps: Sequence[str]) -> bool:
    return objective.kind in ("latency", "success") and objective.subject in steps


def _plain(value: Any) -> Any:
    """Numbers as floats, so that 5 and 5.0 are one."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


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
    except OSError as error:
        fault = Fault("file", str(path), f"it can't be read: {error.strerror}")
        raise ScenarioError(f"scenario {path.name}", [fault]) from error
    return scenario_from(table, subject=f"scenario {path.name}", reading=reading)


def built_in() -> tuple[str, ...]:
    """Names of the scenarios that ship with the project."""
    return tuple(sorted(path.stem for path in BUILT_IN.glob("*.toml")))


def _find(name_or_path: str | Path) -> Path:
    given = str(name_or_path)
    if given in built_in():
        return BUILT_IN / f"{given}.toml"
    path = Path(given)
    if path.is_file():
        return path
    near = difflib.get_close_matches(given, built_in(), n=1)
    hint = f"did you mean `{near[0]}`? " if near else ""
    remedy = f"{hint}give a TOML file or one of: {', '.join(built_in())}"
    raise ScenarioError("scenario", [Fault("scenario", given, remedy)])


def scenario_from(table: Mapping[str, Any], subject: str, reading: str | None = None) -> Scenario:
    """A scenario from a parsed table; ScenarioError with every fault."""
    reader = Reader(table)
    reader.take("schema", one_of(SCHEMA_NAME))
    name = reader.take("name", text)
    question = reader.take("question", prose, "")
    seed = reader.take("seed", whole(0, 2**63 - 1), 1)
    curve = read_curve(reader.child("arrivals"))
    people = read_people(reader.child("people"))
    opening = read_opening(reader.child("opening"), people)
    patience = read_patience(reader.child("patience"), Patience())
    journey = read_journey(reader, patience)
    curve = curve.opened(opening) if curve and opening else curve
    attack = read_attack(reader, journey, curve)
    objectives = read_objectives(reader, journey)
    hours = read_hours(reader)
    readings = read_readings(reader.child("readings"), journey.step_names if journey else WALKED)
    chosen = choose_reading(reader, readings, reading)
    reader.done()
    if reader.faults or not (curve and people and opening and journey and name):
        raise ScenarioError(subject, reader.faults)
    return Scenario(
        name=name,
        question=question or "",
        seed=seed or 0,
        curve=curve,
        people=people,
        journey=_as_read(journey, readings.get(chosen)),
        objectives=objectives,
        checkpoints_h=hours,
        readings=readings,
        reading=chosen,
        table=reader.filled,
        attack=attack,
    )


def _as_read(journey: Journey, reading: Reading | None) -> Journey:
    """The journey with the drop-outs and pauses of a reading."""
    if not reading:
        return journey
    steps = [
        replace(
            step,
            drop_out=reading.drop_out.get(step.name, step.drop_out),
            pause=reading.pause.get(step.name, step.pause),
        )
        for step in journey.steps
    ]
    return replace(journey, steps=tuple(steps))
