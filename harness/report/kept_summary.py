"""A Summary, and verdicts, back from the JSON that they were written as."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workload.errors import Fault, RecordError
from workload.histogram import Histogram
from workload.manifest import read_json
from workload.objective import Answer, Verdict, parse_objective
from workload.summary import SCHEMA_NAME, StepSummary, Summary


def read_summary(path: Path) -> Summary:
    """The inverse of `Summary.to_json`, for runs that came without their history.

    RecordError when a key is missing or damaged.
    """
    raw = read_json(path, SCHEMA_NAME)
    try:
        checkpoints = {
            float(row["hours"]): {key: int(row[key]) for key in row if key != "hours"}
            for row in raw["checkpoints"]
        }
        steps, attack = (
            tuple(_step(name, step) for name, step in rows.items())
            for rows in (raw["steps"], raw.get("attack", {}))
        )
        return Summary(
            float(raw["duration_s"]),
            float(raw["cell_s"]),
            steps,
            int(raw["visits"]),
            dict(raw["endings"]),
            checkpoints,
            attack,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        fault = Fault("summary.json", str(error), "a key is missing or damaged; was it edited?")
        raise RecordError(str(path), [fault]) from error


def _step(name: str, raw: Mapping[str, Any]) -> StepSummary:
    return StepSummary(
        name=name,
        visits=int(raw["visits"]),
        attempts=int(raw["attempts"]),
        accepted=int(raw["accepted"]),
        declined=int(raw["declined"]),
        failed=int(raw["failed"]),
        open=int(raw["open"]),
        outcomes=dict(raw["outcomes"]),
        latency=Histogram.from_sparse(raw["latency"]),
        response_ok=Histogram.from_sparse(raw["response_ok"]),
        response_failed=Histogram.from_sparse(raw["response_failed"]),
        service_ok=Histogram.from_sparse(raw["service_ok"]),
        offered=np.asarray(raw["offered"], dtype=np.int64),
        achieved=np.asarray(raw["achieved"], dtype=np.int64),
    )


def read_verdicts(path: Path) -> tuple[Verdict, ...]:
    """What was judged when the run was made; () when its summary.json judges nothing."""
    return tuple(verdict_from(row) for row in read_json(path, SCHEMA_NAME).get("objectives", ()))


def verdict_from(row: Mapping[str, Any]) -> Verdict:
    """The inverse of `Verdict.to_json`. JSON has null for NaN and for infinity.

    An unknown value is NaN; one that was missed by null took for ever.
    """
    answer, value, margin = Answer(row["verdict"]), row["value"], row["margin"]
    if value is None:
        value = math.inf if answer is Answer.MISSED else math.nan
    margin = math.nan if margin is None else margin
    return Verdict(parse_objective(row["text"]), answer, value, margin, row.get("why", ""))
