"""How far an answer may be trusted, as the page shows it: from the `surge/trust/1` within it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from harness.report.units import NOTHING, seconds, share, signed
from harness.trust_tables import RULE, basis_text, reasons
from simulation.trust import Beyond
from workload.agreement import Basis

#: So many errors are named one by one.
FEW: Final = 3
METRICS: Final = {"p50_s": "p50", "p95_s": "p95", "p99_s": "p99"}


@dataclass(frozen=True)
class IntervalRow:
    """One percentile of one step, projected, and between what a measured run is expected."""

    step: str
    metric: str
    value: str
    low: str
    high: str
    errors: str
    noise: str


@dataclass(frozen=True)
class StationRow:
    """How busy a station would be, and how busy it was when the model was checked."""

    name: str
    load: str
    checked: str


@dataclass(frozen=True)
class Assured:
    """``extrapolated``: why, in sentences; none where it is not. ``rule``: of the intervals."""

    rests_on: str
    extrapolated: list[str]
    stations: list[StationRow]
    intervals: list[IntervalRow]
    rule: str = RULE


def assured(raw: Mapping[str, Any] | None) -> Assured | None:
    """Of a projection's or plan's JSON; None where it carries none, or was never checked."""
    trust = (raw or {}).get("trust")
    if not trust or not trust["checked"]:
        return None
    beyond = [Beyond(one["kind"], one["name"], one["why"]) for one in trust["extrapolated"]]
    return Assured(
        f"It rests on {basis_text(Basis(**trust['basis']))}.",
        reasons(beyond),
        [_station(name, row) for name, row in trust["stations"].items()],
        [_interval(row) for row in trust["intervals"]],
    )


def _station(name: str, row: Mapping[str, Any]) -> StationRow:
    known = row["checked_to"] is not None
    checked = f"{share(row['checked_from'])} to {share(row['checked_to'])}" if known else "never"
    return StationRow(name, share(row["load"]), checked)


def _interval(row: Mapping[str, Any]) -> IntervalRow:
    return IntervalRow(
        step=row["step"],
        metric=METRICS[row["metric"]],
        value=seconds(row["value"]),
        low=seconds(row["low"]),
        high="unknown" if row["high"] is None else seconds(row["high"]),
        errors=_errors(row["errors"]),
        noise=f"±{share(row['noise'])}" if row["noise"] else NOTHING,
    )


def _errors(errors: list[float | None]) -> str:
    """Each where they are few, else the two ends; an infinite one is null, and comes first."""
    if len(errors) <= FEW:
        return ", ".join(map(signed, errors)) or "never compared"
    finite = sorted(error for error in errors if error is not None)
    ends = f"{signed(finite[0])} to {signed(finite[-1])}" if finite else NOTHING
    return f"{ends} ({len(errors)} levels)"
