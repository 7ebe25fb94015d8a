"""Run directories as the verbs make and finish them."""

import json
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from loadtests.junit import junit
from loadtests.rundir import CampaignResult
from workload.errors import Fault, InputError

RUNS = Path("runs")


def fresh_run_dir(given: Path | None, name: str) -> Path:
    """The directory that was asked for, else ``runs/NAME-TIME``; InputError where a run is.

    It is not made yet: what fails before anything ran leaves nothing behind.
    """
    if given is None:
        stem = f"{name}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        return next(path for name in names if not (path := RUNS / name).exists())
    if given.is_file() or any(given.glob("history-*")) or (given / "manifest.json").exists():
        remedy = "a run or a file is already there: give another directory"
        raise InputError("run directory", [Fault("--run-dir", str(given), remedy)])
    return given


def with_reason(result: CampaignResult, reason: str) -> CampaignResult:
    """The same run, invalid for this reason; its record says so too."""
    reasons = (*result.manifest.reasons, reason)
    manifest = replace(result.manifest, status="invalid", reasons=reasons)
    manifest.write(result.run_dir)
    (result.run_dir / "junit.xml").write_bytes(junit(manifest, result.verdicts))
    return replace(result, manifest=manifest)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout; it has neither NaN nor infinity."""
    print(json.dumps(value, allow_nan=False))
