"""What came out of every `surge verify` of this user, one line each.

Kept beside the user's other state and not in the checkout: it is of one machine, and outlives the
run directories.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from harness.agreement_tables import signed
from harness.tables import Column, say, show
from workload.agreement import Agreement, Level
from workload.errors import Fault, RecordError
from workload.summary import finite

SCHEMA_NAME: Final = "surge/verify-history/1"
CHECKS: Final = "surge/checks/1"
METRICS: Final = ("p50_s", "p95_s", "p99_s")


def history_file(environ: Mapping[str, str] = os.environ) -> Path:
    """``surge/verify.ndjson`` in XDG_STATE_HOME, without it in ~/.local/state."""
    state = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "surge" / "verify.ndjson"


def line_of(agreement: Agreement) -> dict[str, Any]:
    """`surge/verify-history/1`: of each held-out level and percentile the largest error."""
    basis = agreement.basis
    return {
        "schema": SCHEMA_NAME,
        "began_unix": basis.began_unix,
        "record": basis.record,
        "commit": basis.commit,
        "machine": dict(basis.machine),
        "scenario": basis.scenario,
        "saturation_error": finite(agreement.saturation_error),
        "levels": [_level(level) for level in agreement.levels if level.held_out],
    }


def _level(level: Level) -> dict[str, Any]:
    return {
        "offered_per_s": level.offered_per_s,
        "deployment": level.deployment,
        "largest": {metric: finite(_largest(level, metric)) for metric in METRICS},
    }


def _largest(level: Level, metric: str) -> float:
    """The signed error that is largest in size; NaN where the level has none."""
    errors = [row.error for row in level.rows if row.metric == metric]
    return max((one for one in errors if not math.isnan(one)), key=abs, default=math.nan)


def remember(agreement: Agreement, path: Path | None = None) -> Path | None:
    """Append a line; None where it can't be written, which is told: no reason to fail."""
    path = path or history_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line_of(agreement), allow_nan=False) + "\n")
    except OSError as error:
        say(f"{path}: not written: {error.strerror}")
        return None
    return path


def read_history_file(path: Path | None = None) -> list[dict[str, Any]]:
    """Every line, oldest first; none where nothing was verified. RecordError for a damaged one."""
    path = path or history_file()
    if not path.exists():
        return []
    found = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            line = json.loads(text)
            fault = "" if line["schema"] == SCHEMA_NAME else f"this reads {SCHEMA_NAME}"
        except (ValueError, KeyError, TypeError) as error:
            fault = str(error)[:60]
        if fault:
            remedy = "take this line out of the file"
            raise RecordError(str(path), [Fault(f"line {number}", fault, remedy)])
        found.append(line)
    return found


def checks_json(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """`surge/checks/1`: all lines, as one object."""
    return {"schema": CHECKS, "checks": lines}


def show_history(lines: list[dict[str, Any]]) -> None:
    """A line for each held-out level, oldest first."""
    if not lines:
        say(f"nothing yet in {history_file()}: run surge verify")
        return
    columns = [Column("when (UTC)", figure=False), Column("commit", figure=False),
               Column("held out", figure=False), Column("visitors/s"), Column("saturation"),
               *(Column(metric.removesuffix("_s")) for metric in METRICS)]  # fmt: skip
    rows = [_row(line, level) for line in lines for level in line["levels"]]
    show("Largest errors of every check", columns, rows,
         "Signed, of the step whose error is largest; surge/agreement/1 has all.")  # fmt: skip


def _row(line: Mapping[str, Any], level: Mapping[str, Any]) -> list[str]:
    when = datetime.fromtimestamp(line["began_unix"], UTC)
    largest = level["largest"]
    return [
        f"{when:%Y-%m-%d %H:%M}", line["commit"] or "–", level["deployment"] or "load",
        f"{level['offered_per_s']:,.0f}", _signed(line["saturation_error"]),
        *(_signed(largest[metric]) for metric in METRICS),
    ]  # fmt: skip


def _signed(error: float | None) -> str:
    return signed(math.nan if error is None else error)
