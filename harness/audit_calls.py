"""Calls for help as callers were told of them, beside the service's own list of calls.

A caller's request is uuid5(the visitor's registration request, the step that failed), so the list
says whose call a row is, without a name in it.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from workload.errors import Fault, RecordError
from workload.population import Population

STEP = "call_support"
#: (kind, text, who)
Wrong = tuple[str, str, tuple[str, ...]]


def read_calls(path: Path) -> list[Mapping[str, Any]] | None:
    """Every row of the list; None where none was exported, RecordError for a line that is none."""
    if not path.is_file():
        return None
    rows: list[Mapping[str, Any]] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = json.loads(line)
            rows.append({**row, "call": str(UUID(row["call"])), "step": str(row["step"])})
        except (ValueError, KeyError, TypeError) as error:
            remedy = "not a call for help; was the file edited or cut short?"
            found = line[:40].decode(errors="replace")
            raise RecordError(str(path), [Fault(f"line {number}", found, remedy)]) from error
    return rows


def calls_of(
    rows: Sequence[Mapping[str, Any]], people: Population, seed: int, came: Sequence[int]
) -> Counter[int]:
    """How many rows each visitor of this run has; rows of others are no matter."""
    steps = {row["step"] for row in rows}
    wanted = Counter(row["call"] for row in rows)
    found: Counter[int] = Counter()
    for visitor in came:
        request = UUID(people.visitor(seed, visitor).request_id)
        found[visitor] = sum(wanted[str(uuid5(request, step))] for step in steps)
    return +found


def wrong_calls(rows: Counter[int], told: set[int], perhaps: set[int]) -> Iterator[Wrong]:
    """Calls that were taken and are not there, are there several times, or that nobody made.

    ``perhaps``: callers who heard nothing good, and those whose visit the end of the record cut.
    """
    for kind, text, who in (
        ("lost write", f"{STEP} was acknowledged, but is not there", told - rows.keys()),
        ("double row", f"one {STEP} has several rows", {v for v, n in rows.items() if n > 1}),
        ("stray write", f"{STEP} is there, but nobody asked for it", rows.keys() - told - perhaps),
    ):
        if who:
            yield kind, text, tuple(f"visitor {visitor}" for visitor in sorted(who))
