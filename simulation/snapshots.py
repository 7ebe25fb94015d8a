"""Snapshots of a real event: how many people had come how far at some hours, read from CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from simulation.flow import LONGEST_H
from workload.errors import Fault, InputError
from workload.scenario import Scenario
from workload.scenario_parts import COUNTS

#: What is predicted; `registered` is demand, and given.
MEASURES: Final = COUNTS[1:]
COLUMNS: Final = ("hours", *COUNTS)
MOST_BYTES: Final = 1_000_000


@dataclass(frozen=True)
class Snapshot:
    """Cumulative counts at an hour; NaN where none was published."""

    hours: float
    registered: float = math.nan
    email_verified: float = math.nan
    identity_verified: float = math.nan
    joined: float = math.nan

    def count(self, measure: str) -> float:
        """One of the counts by its name."""
        return float(getattr(self, measure))


def of_reading(scenario: Scenario) -> tuple[Snapshot, ...]:
    """What a scenario's own reading says was published; InputError where it says nothing."""
    reading = scenario.readings.get(scenario.reading)
    rows = reading.published if reading else ()
    return checked(scenario.name, [Snapshot(**row) for row in rows])


def read_snapshots(path: Path) -> tuple[Snapshot, ...]:
    """Snapshots from a CSV file with the columns COLUMNS; InputError with every fault."""
    try:
        if path.stat().st_size > MOST_BYTES:
            remedy = f"at most {MOST_BYTES:,} bytes: a snapshot is one line"
            raise InputError("snapshots", [Fault("file", path.name, remedy)])
        written = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        fault = Fault("file", str(path), f"it can't be read: {error}")
        raise InputError("snapshots", [fault]) from error
    lines = csv.reader(io.StringIO(written))
    heading = [name.strip() for name in next(lines, [])]
    faults = [Fault("column", name, f"write some of {', '.join(COLUMNS)}, each once")
              for name in heading if name not in COLUMNS or heading.count(name) > 1]  # fmt: skip
    faults += [Fault("column", None, f"`{name}` is missing; add it")
               for name in COLUMNS[:2] if name not in heading]  # fmt: skip
    if faults:
        raise InputError(f"snapshots {path.name}", faults)
    rows = [_row(heading, cells, number, faults) for number, cells in enumerate(lines, 2) if cells]
    if faults:
        raise InputError(f"snapshots {path.name}", faults)
    return checked(path.name, [Snapshot(**row) for row in rows])


def _row(
    heading: Sequence[str], cells: Sequence[str], line: int, faults: list[Fault]
) -> Mapping[str, float]:
    if len(cells) != len(heading):
        faults.append(Fault(f"line {line}", ",".join(cells), f"write {len(heading)} values"))
        return {"hours": 0.0}
    row: dict[str, float] = {}
    for name, cell in zip(heading, cells, strict=True):
        if not cell.strip() and name != "hours":
            continue
        try:
            row[name] = float(cell)
        except ValueError:
            row[name] = math.nan
        if not 0 <= row[name] < math.inf:
            remedy = "write a number from 0" + ("" if name == "hours" else ", or nothing")
            faults.append(Fault(f"line {line}, {name}", cell, remedy))
    return row


def checked(subject: str, rows: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
    """Snapshots whose hours ascend and whose counts never fall; InputError with every fault."""
    held = tuple(rows)
    faults: list[Fault] = []
    if not held:
        faults.append(Fault("snapshots", None, "there are none: give --snapshots FILE.csv"))
    for before, after in pairwise(held):
        if after.hours <= before.hours:
            faults.append(Fault("hours", after.hours, f"must come after {before.hours:g}"))
    if held and held[-1].hours > LONGEST_H:
        faults.append(Fault("hours", held[-1].hours, f"at most {LONGEST_H:g}: a year"))
    for measure in COUNTS:
        told = [(one.hours, one.count(measure)) for one in held if one.count(measure) >= 0]
        for (_, fewer), (hours, count) in pairwise(told):
            if count < fewer:
                remedy = f"counts are cumulative: at least the {fewer:g} of before"
                faults.append(Fault(f"{measure} at {hours:g} h", count, remedy))
    if held and not any(one.hours > 0 and one.registered > 0 for one in held):
        faults.append(Fault("registered", None, "it is the demand: give it at some hour after 0"))
    if faults:
        raise InputError(f"snapshots of {subject}", faults)
    return held
