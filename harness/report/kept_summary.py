"""A Summary back from its summary.json, for run directories that came without their history."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workload.errors import Fault, RecordError
from workload.histogram import Histogram
from workload.manifest import read_json
from workload.summary import SCHEMA_NAME, StepSummary, Summary


def read_summary(path: Path) -> Summary:
    """The inverse of `Summary.to_json`; RecordError when a key is missing or damaged."""
    raw = read_json(path, SCHEMA_NAME)
    try:
        checkpoints = {
            float(row["hours"]): {key: int(row[key]) for key in row if key != "hours"}
            for row in raw["checkpoints"]
        }
        steps = tuple(_step(name, step) for name, step in raw["steps"].items())
        return Summary(
            float(raw["duration_s"]),
            float(raw["cell_s"]),
            steps,
            int(raw["visits"]),
            dict(raw["endings"]),
            checkpoints,
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
